//! `ztp push`: validate, compare, show the plan, store the differences.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};
use ureq::http::Method;

use ztp_core::check::{Finding, Severity};
use ztp_core::content::{ContentKind, Store};
use ztp_core::key::Record;
use ztp_core::path::encode_segment;
use ztp_core::stock;

use crate::api::{Api, Call, Content, Reply, Stored, content_path, store_of};
use crate::cli::{ChangeArgs, Only, PushArgs};
use crate::data_root::{DataRoot, File};
use crate::diff;
use crate::digest::FileDigest;
use crate::fleet::{entries, findings, text};
use crate::parallel::{self, AT_ONCE};
use crate::plan::{Item, Plan, Step};
use crate::seen::Seen;
use crate::servers::connect;
use crate::set_aside::Wanted;
use crate::terminal::line;
use crate::validate::allow::Allow;
use crate::validate::{Checked, validate};
use crate::{CLEAN, FINDINGS, Failure, display, display_findings, display_path, identifier};

/// The size from which an object is uploaded in parts, in bytes: an interrupted upload resumes with the next part.
const MIN_UPLOAD_BYTES: u64 = 64 << 20;
/// The number of parts of an upload that are sent at a time.
const PARTS_AT_ONCE: usize = 4;
/// Pushes a data_root.
///
/// # Errors
/// It cannot be read, or the server fails. The stored part stays, and the next push resumes.
pub fn run(args: &PushArgs, url: Option<&str>, json: bool) -> Result<u8, Failure> {
    let mut push = Push::prepare(&args.change, url, json)?;
    let text = push.plan.text(args.verbose);
    let copies = push.copies()?;
    if !json {
        display(&format!("{text}{}", display_copies(&copies)))?;
    }
    let mut report = Report::default();
    match args.dry_run {
        true if !json => display("dry run: nothing is stored\n")?,
        true => {}
        false => report = push.carry_out()?,
    }
    let clean = push.plan.count(Step::Conflict) == 0 && report.problems.is_empty();
    let (stored, deleted) = (report.stored, report.deleted);
    if json {
        let copies = copies
            .iter()
            .map(|(key, nodes)| json!({"definition": key, "nodes": nodes}));
        let document = json!({
            "url": push.api.url, "dry_run": args.dry_run, "steps": push.plan.json(args.verbose),
            "stored": stored, "stored_bytes": report.bytes, "deleted": deleted, "problems": report.problems,
            "copies": copies.collect::<Vec<_>>(),
        });
        display(&format!("{document:#}\n"))?;
    } else if !args.dry_run {
        let problems: String = report.problems.iter().map(display_problem).collect();
        let left = match report.problems.len() {
            0 => String::new(),
            left => format!(", not stored {left}: see above"),
        };
        let size = HumanBytes(report.bytes);
        display(&format!(
            "{problems}stored {stored} ({size}), deleted {deleted}{left}\n"
        ))?;
    }
    Ok(if clean { CLEAN } else { FINDINGS })
}

/// A push under way.
pub struct Push<'a> {
    args: &'a ChangeArgs,
    pub root: DataRoot,
    pub checked: Checked,
    pub api: Api,
    pub plan: Plan,
    seen: Seen,
    /// The content on the server when the push began.
    list: BTreeMap<String, Stored>,
    /// The keys with problems that the server may refuse, and that do not stop this push. Each with the kinds that the
    /// operator allows.
    overrides: BTreeMap<String, BTreeSet<&'static str>>,
}

/// The checks of a push.
struct Checks<'a> {
    args: &'a ChangeArgs,
    allow: Allow,
}

impl Checks<'_> {
    /// Checks the data_root, with the content on the server if that is known.
    fn run(&self, list: Option<&BTreeMap<String, Stored>>) -> Result<(DataRoot, Checked), Failure> {
        let args = self.args;
        let mut root = DataRoot::scan(&args.dir)?;
        root.add_files(&args.added)?;
        let identifier = identifier(args.identifier, &root)?;
        root.stored = list.map(|list| {
            let is_pruned = |stored: &&Stored| {
                args.prune
                    && stored.is_pushed()
                    && args.only.includes(&stored.key)
                    && !root.files.contains_key(&stored.key)
            };
            let stay = list.values().filter(|stored| !is_pruned(stored));
            stay.map(|stored| stored.key.clone()).collect()
        });
        let client = list.and_then(|list| list.get("bootstrap/bootstrap"));
        let sha1 = client.and_then(|client| client.sha1.as_deref());
        let wanted = Wanted {
            only: Some(&args.only),
            stock: args.with_stock,
            own_client: client.is_some() && !sha1.is_some_and(stock::is_client),
        };
        root.set_aside(identifier, &wanted);
        let (site, old_server) = (args.site.as_deref(), args.old_server.as_deref());
        let mut checked = validate(&root, identifier, site, old_server, &self.allow);
        let is_selected = |finding: &Finding| args.only.includes(&finding.key);
        checked.validation.findings.retain(is_selected);
        checked.allowed.retain(is_selected);
        Ok((root, checked))
    }

    fn refuse(&self, root: &DataRoot, checked: &Checked, json: bool) -> Result<(), Failure> {
        if !json {
            display_findings(root, checked)?;
        }
        Err(Failure::refused(
            "nothing is stored: correct the errors first, which `ztp validate` lists, or allow them with --allow KIND",
        ))
    }
}

/// The keys whose findings are errors to the server, which sees one document at a time, but not to this push.
fn overrides(checked: &Checked) -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut overrides: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for finding in &checked.validation.findings {
        if finding.kind.severity() == Severity::Error {
            overrides.entry(finding.key.clone()).or_default();
        }
    }
    for finding in checked.allowed.iter().filter(|finding| finding.is_error()) {
        let kinds = overrides.entry(finding.key.clone()).or_default();
        kinds.insert(finding.kind.id());
    }
    overrides
}

/// The result of a push.
#[derive(Default)]
pub struct Report {
    pub stored: usize,
    pub bytes: u64,
    pub deleted: usize,
    /// The keys that are not stored: `{"key", "error", "diff"?, "findings"?}`.
    pub problems: Vec<Json>,
}

impl<'a> Push<'a> {
    /// Validates the data_root, and compares it with the server.
    ///
    /// # Errors
    /// It has errors, which are displayed, or cannot be read, or the server fails.
    pub fn prepare(args: &'a ChangeArgs, url: Option<&str>, json: bool) -> Result<Self, Failure> {
        let only = &args.only;
        let checks = Checks {
            allow: Allow::load(&args.dir, &args.allow)?,
            args,
        };
        // Before the server is asked: most errors do not depend on it.
        let (root, checked) = checks.run(None)?;
        if checked.has_errors() {
            checks.refuse(&root, &checked, json)?;
        }
        let api = connect(url)?;
        let list = api.list()?;
        let (root, checked) = checks.run(Some(&list))?;
        if checked.has_errors() {
            checks.refuse(&root, &checked, json)?;
        }
        let is_clean = checked.validation.findings.is_empty()
            && checked.allowed.is_empty()
            && root.stock.is_empty();
        if !json {
            if !is_clean {
                display_findings(&root, &checked)?;
            }
            let from = display_path(&root.path);
            display(&format!("from {from} to {}\n", api.url))?;
        }
        let mut push = Self {
            args,
            seen: Seen::load(&root.path, &api.url)?,
            list,
            plan: Plan::default(),
            overrides: overrides(&checked),
            checked,
            root,
            api,
        };
        push.compare()?;
        if args.prune {
            push.prune();
        }
        only.check(push.plan.items.iter().map(|item| item.key.as_str()))?;
        Ok(push)
    }

    /// Puts every file into the plan, in the order in which it is to be stored.
    fn compare(&mut self) -> Result<(), Failure> {
        let files = self.root.files.iter();
        let mut files: Vec<_> = files
            .filter(|(key, _)| self.args.only.includes(key))
            .collect();
        files.sort_by_key(|(key, file)| (rank(&file.kind), *key));
        let items = parallel::map(files, AT_ONCE, |(key, file)| self.item(key, file))?;
        let mut items = items;
        for item in &mut items {
            match (item.step, &item.file) {
                (Step::Unchanged, Some(file)) => self.seen.set(&item.key, &file.sha1),
                (Step::Add | Step::Change, _) => {
                    let allowed = self.allowed(&item.key);
                    item.reason = allowed.map(|kinds| format!("allowed in spite of {kinds}"));
                }
                _ => {}
            }
        }
        self.plan.items = items;
        Ok(())
    }

    fn item(&self, key: &str, file: &File) -> Result<Item, Failure> {
        let mut item = Item::new(key, Step::Add, Some(file.size));
        if matches!(file.kind, ContentKind::Record(_, Record::Facts)) && !self.args.with_facts {
            return Ok(item.left_alone("the node sends its facts itself; see --with-facts"));
        }
        let digest = FileDigest::of(&file.path)?;
        let sha1 = digest.sha1.clone();
        item.file = Some(digest);
        if let Some(stored) = self.list.get(key) {
            item.stored = self.api.complete(stored.clone())?;
        }
        let Some(stored) = &item.stored else {
            return Ok(item);
        };
        let is_known = stored.is_of_operator();
        let former = stored.sha1.clone().unwrap_or_default();
        if former == sha1 {
            item.step = Step::Unchanged;
            return Ok(item);
        }
        if matches!(file.kind, ContentKind::Record(_, Record::StartupConfig)) {
            if self.args.overwrite_startup_configs {
                item.step = Step::Change;
                return Ok(item);
            }
            if !is_known && !self.seen.has(key, &former) {
                return Ok(item.left_alone(
                    "the switch has stored its own since the last push; fetch it with `ztp pull --nodes`, or give \
                     --overwrite-startup-configs",
                ));
            }
        }
        item.step = Step::Change;
        Ok(self.unless_changed(item))
    }

    /// The kinds of findings that the operator allows for a key.
    fn allowed(&self, key: &str) -> Option<String> {
        let kinds = self.overrides.get(key).filter(|kinds| !kinds.is_empty())?;
        let kinds: Vec<&str> = kinds.iter().copied().collect();
        Some(kinds.join(","))
    }

    /// A conflict instead, if somebody else has changed the value since the last push or pull.
    fn unless_changed(&self, mut item: Item) -> Item {
        if let Some(stored) = &item.stored
            && self
                .seen
                .is_changed(&item.key, stored.sha1.as_deref().unwrap_or_default())
            && !self.args.force
        {
            let by = stored.last_change();
            item.reason = Some(format!(
                "{by} changed it since the last push or pull of this folder"
            ));
            item.step = Step::Conflict;
        }
        item
    }

    /// Adds the stored keys without a file to the plan. It deletes only keys that a push has stored and
    /// that have not changed since.
    fn prune(&mut self) {
        let root = &self.root;
        let gone = self.list.iter().filter(|(key, _)| {
            let is_there = root.files.contains_key(*key) || root.is_set_aside(key);
            self.args.only.includes(key) && !is_there
        });
        let items = gone.map(|(key, stored)| {
            let mut item = Item::new(key, Step::Delete, None);
            item.stored = Some(stored.clone());
            match stored.is_pushed() {
                true => self.unless_changed(item),
                false => item.left_alone("no push has stored it"),
            }
        });
        let mut items: Vec<Item> = items.collect();
        // Nothing is deleted before the content that names it.
        items.sort_by_key(|item| {
            std::cmp::Reverse(ContentKind::of(&item.key).map_or(0, |kind| rank(&kind)))
        });
        self.plan.items.extend(items);
    }

    /// The definitions of the plan that nodes have copies of: the key, and the nodes.
    fn copies(&self) -> Result<Vec<(String, Vec<String>)>, Failure> {
        let changed = self.plan.items.iter().filter(|item| {
            let changes = matches!(item.step, Step::Change | Step::Conflict);
            changes && item.key.starts_with("definitions/")
        });
        let changed: Vec<&Item> = changed.collect();
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let is_copy = |key: &str| key.starts_with("nodes/") && key.ends_with("/definition");
        let copies = self.list.values().filter(|stored| is_copy(&stored.key));
        let copies = parallel::map(copies.cloned().collect(), AT_ONCE, |copy| {
            self.api.complete(copy)
        })?;
        let of = |item: &Item| {
            let copies = copies.iter().flatten().filter(|copy| {
                let former = item.stored.as_ref();
                former.is_some_and(|former| former.sha1 == copy.sha1)
            });
            let nodes = copies.filter_map(|copy| copy.key.split('/').nth(1).map(str::to_owned));
            (item.key.clone(), nodes.collect::<Vec<_>>())
        };
        let found = changed.into_iter().map(of);
        Ok(found.filter(|(_, nodes)| !nodes.is_empty()).collect())
    }

    /// Carries out the plan, and remembers what is stored.
    ///
    /// # Errors
    /// As [`run`].
    pub fn carry_out(&mut self) -> Result<Report, Failure> {
        let mut report = Report::default();
        let done = self.store(&mut report);
        // Also after a failure: it is what a next push compares with.
        self.seen.save()?;
        done.map(|()| report)
    }

    /// Carries out the plan: content before the values that name it, deletions last.
    fn store(&mut self, report: &mut Report) -> Result<(), Failure> {
        for item in self.plan.items.iter().filter(|item| item.is_stored()) {
            if let Some(file) = &item.file {
                let former = item
                    .stored
                    .as_ref()
                    .and_then(|stored| stored.sha1.as_deref());
                self.seen.announce(&item.key, former, &file.sha1);
            }
        }
        self.seen.save()?;
        let stored = self.plan.items.iter().filter(|item| item.is_stored());
        let total = stored.clone().filter_map(|item| item.size).sum();
        let bar = ProgressBar::new(total).with_style(style());
        let mut groups: BTreeMap<u8, [Vec<&Item>; 2]> = BTreeMap::new();
        for item in stored {
            let group = ContentKind::of(&item.key).map_or(0, |kind| rank(&kind));
            groups.entry(group).or_default()[usize::from(is_large(item))].push(item);
        }
        let mut done: Vec<(&Item, Option<Json>)> = Vec::new();
        for [small, large] in groups.into_values() {
            // One large object at a time: each has several parts under way.
            for (items, at_once) in [(large, 1), (small, AT_ONCE)] {
                let put = |item| Ok((item, self.put(item, &bar)?));
                done.extend(parallel::map(items, at_once, put)?);
            }
        }
        bar.finish_and_clear();
        let deletions = self
            .plan
            .items
            .iter()
            .filter(|item| item.step == Step::Delete);
        let delete = |item| Ok((item, self.delete(item)?));
        done.extend(parallel::map(deletions.collect(), AT_ONCE, delete)?);
        for (item, problem) in done {
            match (problem, &item.file) {
                (Some(problem), _) => report.problems.push(problem),
                (None, Some(file)) => {
                    self.seen.set(&item.key, &file.sha1);
                    report.stored += 1;
                    report.bytes += file.size;
                }
                (None, None) => {
                    self.seen.remove(&item.key);
                    report.deleted += 1;
                }
            }
        }
        for item in &self.plan.items {
            if item.step == Step::Conflict {
                let problem = self.changed_by_others(item, item.stored.as_ref())?;
                report.problems.push(problem);
            }
        }
        Ok(())
    }

    /// Stores one file. The result is why it is not stored, if not.
    fn put(&self, item: &Item, bar: &ProgressBar) -> Result<Option<Json>, Failure> {
        let (Some(file), Some(local)) = (&item.file, self.root.files.get(&item.key)) else {
            return Err(Failure::new(format!(
                "{} is not read; push again",
                item.key
            )));
        };
        bar.set_message(line(&item.key));
        let doing = format!("storing {}", item.key);
        let allowed = self.allowed(&item.key);
        let allowed = allowed.map(|kinds| format!("&allowed={kinds}"));
        let mut options = allowed.unwrap_or_default();
        if self.args.force || self.overrides.contains_key(&item.key) {
            options += "&force=1";
        }
        let (size, sha1, sha256) = (file.size, &file.sha1, &file.sha256);
        if is_large(item) {
            let body = json!({"key": item.key, "size": size, "sha1": sha1, "sha256": sha256});
            let begin = Call::post(doing, "/uploads", &body);
            let begun = self.api.send(&begin.replacing(item.etag()))?;
            return match begun.status {
                200 | 201 => self.upload(item, local, begun.ok()?, bar),
                _ => self.outcome(item, begun),
            };
        }
        let path = content_path(&item.key);
        let path = format!("{path}?via=push&sha1={sha1}&sha256={sha256}{options}");
        let content = Content::File(&local.path, 0, size, bar);
        let call = Call::new(doing, Method::PUT, path).content(content);
        self.outcome(item, self.api.send(&call.replacing(item.etag()))?)
    }

    /// Sends the parts of an upload that the server does not have, and completes it.
    fn upload(
        &self,
        item: &Item,
        local: &File,
        begun: Json,
        bar: &ProgressBar,
    ) -> Result<Option<Json>, Failure> {
        let doing = format!("storing {}", item.key);
        let (id, part_size) = (begun["upload"].as_str(), begun["part_size"].as_u64());
        let (Some(id), Some(part_size @ 1..)) = (id, part_size) else {
            let problem = format!("{doing} failed: the response {begun} is not valid");
            return Err(Failure::new(problem));
        };
        let size = item.size.unwrap_or_default();
        let received: Vec<u64> = entries(&begun, "received")
            .filter_map(Json::as_u64)
            .collect();
        let part = |number| {
            let from = (number - 1) * part_size;
            (number, from, part_size.min(size - from))
        };
        let parts = (1..=size.div_ceil(part_size)).map(part);
        let (there, missing): (Vec<_>, Vec<_>) = parts.partition(|part| received.contains(&part.0));
        bar.inc(there.iter().map(|part| part.2).sum());
        let upload = format!("/uploads/{}", encode_segment(id));
        parallel::map(missing, PARTS_AT_ONCE, |(number, from, length)| {
            let path = format!("{upload}/{number}");
            let call = Call::new(format!("{doing}, part {number}"), Method::PUT, path);
            let content = Content::File(&local.path, from, length, bar);
            self.api.json(&call.content(content)).map(drop)
        })?;
        let allowed = self.allowed(&item.key);
        let allowed = allowed.map(|kinds| format!("&allowed={kinds}"));
        let path = format!("{upload}/complete?via=push{}", allowed.unwrap_or_default());
        let complete = Call::new(doing, Method::POST, path);
        self.outcome(item, self.api.send(&complete)?)
    }

    fn delete(&self, item: &Item) -> Result<Option<Json>, Failure> {
        let call = Call::new(
            format!("deleting {}", item.key),
            Method::DELETE,
            content_path(&item.key),
        );
        let reply = self
            .api
            .send(&call.replacing(Some(item.etag().unwrap_or("*"))))?;
        let is_gone = match reply.status {
            404 => reply.json.get("error").is_some(),
            412 => reply.json["current"].is_null(),
            _ => false,
        };
        match is_gone {
            // By somebody else, or by a request whose response was lost.
            true => Ok(None),
            false => self.outcome(item, reply),
        }
    }

    /// Why a key is not changed, if not. A failure is one that the next key would have, too.
    fn outcome(&self, item: &Item, reply: Reply) -> Result<Option<Json>, Failure> {
        let is_ours = |value: &Json| match &item.file {
            Some(file) => value["sha1"].as_str() == Some(&file.sha1),
            None => true,
        };
        let current = &reply.json["current"];
        match reply.status {
            200..300 if is_ours(&reply.json) => Ok(None),
            200..300 => {
                let problem = format!("{} was changed while it was sent; push again", item.key);
                Err(Failure::new(problem))
            }
            // Stored by a request whose response was lost.
            412 if item.file.is_some() && is_ours(current) => Ok(None),
            412 => {
                let current = serde_json::from_value(current.clone()).ok();
                self.changed_by_others(item, current.as_ref()).map(Some)
            }
            400 | 409 | 413 | 422 if reply.json.get("error").is_some() => {
                let (error, findings) = (reply.sentence(), reply.json.get("findings"));
                let problem = json!({"key": item.key, "error": error, "findings": findings});
                Ok(Some(problem))
            }
            _ => Err(reply.failure()),
        }
    }

    /// A key that somebody else has changed: who, when, and the difference.
    fn changed_by_others(&self, item: &Item, current: Option<&Stored>) -> Result<Json, Failure> {
        let stored = diff::stored(&self.api, &item.key)?;
        let file = self.root.files.get(&item.key);
        let file = file.map(|file| diff::local(&file.path)).transpose()?;
        let by = current.map_or_else(|| "somebody".to_owned(), Stored::last_change);
        let change = if stored.is_some() {
            "changed"
        } else {
            "deleted"
        };
        let key = &item.key;
        Ok(json!({
            "key": key,
            "error": format!(
                "{by} {change} {key} since; take that over with `ztp pull DIR --overwrite --only {key}`, or replace \
                 it with `ztp push DIR --force --only {key}`"
            ),
            "diff": diff::unified(key, stored.as_ref(), file.as_ref()),
        }))
    }
}

/// Whether a file is uploaded in parts.
fn is_large(item: &Item) -> bool {
    item.size >= Some(MIN_UPLOAD_BYTES) && store_of(&item.key) == Store::R2
}

/// Why a key is not stored, for people.
pub fn display_problem(problem: &Json) -> String {
    let diff = problem["diff"].as_str().unwrap_or_default();
    format!("{}\n{diff}{}", text(&problem["error"]), findings(problem))
}

fn display_copies(copies: &[(String, Vec<String>)]) -> String {
    let lines = copies.iter().map(|(key, nodes)| {
        let (number, nodes) = (nodes.len(), line(&nodes.join(" ")));
        format!(
            "the former {key} is the definition of {number} nodes, which keep their copy; after the push, this lets \
             them match neighbordb again:\n  ztp reprovision {nodes}\n"
        )
    });
    lines.collect()
}

/// The order of a push: nothing is stored before the content that it names.
fn rank(kind: &ContentKind) -> u8 {
    match kind {
        ContentKind::File(_) => 0,
        ContentKind::Action(_) => 1,
        ContentKind::Pool(_) => 2,
        ContentKind::Definition(_) | ContentKind::ConfigHandler(_) => 3,
        ContentKind::Bootstrap | ContentKind::BootstrapConf | ContentKind::Operators => 4,
        ContentKind::Record(_, record) => match record {
            Record::Definition | Record::StartupConfig => 6,
            _ => 5,
        },
        ContentKind::Neighbordb => 7,
    }
}

/// A bar for bytes, which indicatif shows only on a terminal.
pub fn style() -> ProgressStyle {
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {wide_msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Only {
    /// Whether a key is selected.
    pub fn includes(&self, key: &str) -> bool {
        let below = |path: &String| {
            key.strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.only.is_empty() || self.only.iter().any(below)
    }

    /// Whether a path is exactly this key.
    pub fn names(&self, key: &str) -> bool {
        self.only.iter().any(|path| path == key)
    }

    /// Checks that each path selects a key.
    ///
    /// # Errors
    /// One does not.
    pub fn check<'k>(&self, keys: impl Iterator<Item = &'k str> + Clone) -> Result<(), Failure> {
        for path in &self.only {
            let only = Self {
                only: vec![path.clone()],
            };
            if !keys.clone().any(|key| only.includes(key)) {
                return Err(Failure::new(format!(
                    "--only {path} selects nothing; give a path below DIR, such as definitions/leaf or files"
                )));
            }
        }
        Ok(())
    }
}
