//! The result of a takeover: what moved, what did not and why, and what to do next.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use ztp_core::check::FindingKind;
use ztp_core::content::ContentKind;
use ztp_core::key::Record;

use super::Source;
use super::allocations::Imported;
use super::compare::Outcome;
use super::dhcp::BootUrl;
use super::page::{Left, Page};
use super::pools::Holding;
use crate::cli::TakeoverArgs;
use crate::display_path;
use crate::fleet::text;
use crate::plan::Step;
use crate::push::{Push, Report};
use crate::validate::allow;

/// Everything that a takeover has found and done.
pub struct Taken<'a> {
    pub args: &'a TakeoverArgs,
    pub source: Source,
    /// As [`super::plugins::config_handlers`] lists them.
    pub handlers: Vec<String>,
    pub push: Push<'a>,
    pub report: Report,
    pub imported: Imported,
    /// `None`: nothing was compared.
    pub nodes: Option<Vec<(String, Outcome)>>,
    pub boot_url: BootUrl,
}

impl Taken<'_> {
    /// Whether there is no conflict and no difference.
    pub fn is_clean(&self) -> bool {
        let differs =
            |outcome: &Outcome| matches!(outcome, Outcome::Differs(_) | Outcome::NotCompared(_));
        let mut nodes = self.nodes.iter().flatten();
        self.report.problems.is_empty()
            && self.push.plan.count(Step::Conflict) == 0
            && self.imported.refused.is_empty()
            && !nodes.any(|(_, outcome)| differs(outcome))
    }

    pub fn page(&self) -> Page {
        let mut page = Page::default();
        let dir = self.args.dir.display();
        page.title(format!("Takeover of {dir}"));
        page.text(match self.args.dry_run {
            true => format!("To {}. Dry run: nothing is stored.", self.push.api.url),
            false => format!("To {}.", self.push.api.url),
        });
        self.moved(&mut page);
        page.heading("What did not move, and why");
        let left = self.left();
        for left in &left {
            page.item(left.to_string());
        }
        if left.is_empty() {
            page.text("Everything moved.");
        }
        self.warnings(&mut page);
        self.compared(&mut page);
        self.next(&mut page);
        page
    }

    fn moved(&self, page: &mut Page) {
        page.heading("What moved");
        let plan = &self.push.plan;
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        let refused = |key: &str| {
            let mut problems = self.report.problems.iter();
            problems.any(|problem| problem["key"] == key)
        };
        for item in &plan.items {
            let is_there = item.is_stored() || item.step == Step::Unchanged;
            if is_there && !refused(&item.key) {
                let folder = item.key.split('/').next().unwrap_or(&item.key);
                *kinds.entry(folder).or_default() += 1;
            }
        }
        let kinds = kinds
            .iter()
            .map(|(folder, count)| format!("{folder} {count}"));
        let kinds: Vec<_> = kinds.collect();
        let (stored, unchanged) = match self.args.dry_run {
            true => (
                plan.count(Step::Add) + plan.count(Step::Change),
                "would be stored",
            ),
            false => (self.report.stored, "stored by this run"),
        };
        page.item(format!(
            "content, by folder: {}; {stored} {unchanged}",
            kinds.join(", ")
        ));
        for (pool, from) in &self.source.pools.named {
            let of_pool = |holding: &&Holding| &holding.pool == pool;
            let now = self.imported.assigned.iter().filter(of_pool).count();
            let all = self.source.pools.holdings.iter().filter(of_pool).count();
            let refused = self.imported.refused.iter().map(|(holding, _)| holding);
            let refused = refused.filter(of_pool).count();
            page.item(format!(
                "the pool {pool} ({from}): {} of {all} values that nodes hold, {now} of them by this run",
                all - refused
            ));
        }
        if !self.source.settings.vars.is_empty() {
            page.item("the settings, as text for wrangler.toml:");
            page.code("toml", self.source.settings.vars.join("\n"));
        }
    }

    /// Everything that did not move.
    fn left(&self) -> Vec<Left> {
        let mut left = Vec::new();
        for plugin in &self.source.plugins {
            left.push(Left::new(
                format!("the plugin {}", plugin.name),
                plugin.replacement(),
            ));
        }
        for key in &self.handlers {
            left.push(Left::new(
                format!("the work of {key}"),
                "its text is stored, and never run; run `ztp pull DIR --nodes` in a scheduled job, and do the work there",
            ));
        }
        if let Some(missing) = &self.source.settings.missing {
            left.push(Left::new("the settings", missing.as_str()));
        }
        let rest = self.source.settings.conf.without_counterpart();
        let rest: Vec<_> = rest
            .map(|(section, option, _)| format!("[{section}] {option}"))
            .collect();
        if !rest.is_empty() {
            left.push(Left::new(
                format!("the settings {}", rest.join(", ")),
                "there is nothing to set: the server logs each request, and Cloudflare listens",
            ));
        }
        for finding in &self.source.settings.findings {
            let why = format!("{}; {}", finding.message, finding.help());
            left.push(Left::new("a setting of ztpserver.conf", why));
        }
        left.extend(self.source.pools.left.iter().cloned());
        for (Holding { pool, value, node }, why) in &self.imported.refused {
            let what = format!("the value {value} of the pool {pool} for {node}");
            left.push(Left::new(what, why.as_str()));
        }
        self.files_left(&mut left);
        left
    }

    /// The files that a push leaves out, or does not replace.
    fn files_left(&self, left: &mut Vec<Left>) {
        let root = &self.push.root;
        let is_told = |path: &str| matches!(path, "plugins/" | "ztpserver.conf");
        for (path, reason) in root.left_alone.iter().filter(|(path, _)| !is_told(path)) {
            left.push(Left::new(path.as_str(), *reason));
        }
        for finding in &root.findings {
            left.push(Left::new(finding.key.as_str(), finding.message.as_str()));
        }
        for key in root.others.keys().filter(|key| !is_told(key)) {
            if *key != allow::FILE && !root.left_alone.contains_key(key) {
                left.push(Left::new(
                    key.as_str(),
                    "its name is not one that a server reads",
                ));
            }
        }
        let keys = |keys: Vec<&str>| keys.join(", ");
        if !root.stock.is_empty() {
            let stock = keys(root.stock.keys().map(String::as_str).collect());
            let why = "unchanged files of ZTPServer: the server has its own, which are better";
            left.push(Left::new(stock, why));
        }
        if !root.leftovers.is_empty() {
            let leftovers = keys(root.leftovers.iter().map(String::as_str).collect());
            left.push(Left::new(leftovers, "leftovers, which nothing names"));
        }
        let is_facts = |key: &str| {
            matches!(
                ContentKind::of(key),
                Ok(ContentKind::Record(_, Record::Facts))
            )
        };
        let mut facts = 0;
        for item in &self.push.plan.items {
            match item.step {
                Step::LeaveAlone if is_facts(&item.key) => facts += 1,
                Step::LeaveAlone | Step::Conflict => {
                    let reason = item.reason.as_deref().unwrap_or("it stays as it is");
                    left.push(Left::new(item.key.as_str(), reason));
                }
                _ => {}
            }
        }
        if facts > 0 {
            let why = "each switch sends its facts again when it boots";
            left.push(Left::new(format!("nodes/ID/.node of {facts} nodes"), why));
        }
        let conflict = |key: &Json| {
            let mut items = self.push.plan.items.iter();
            items.any(|item| item.step == Step::Conflict && *key == item.key.as_str())
        };
        for problem in &self.report.problems {
            if !conflict(&problem["key"]) {
                left.push(Left::new(text(&problem["key"]), text(&problem["error"])));
            }
        }
    }

    fn warnings(&self, page: &mut Page) {
        let checked = &self.push.checked;
        let findings = checked.validation.findings.iter().chain(&checked.allowed);
        // They are listed above.
        let findings = findings.filter(|finding| finding.kind != FindingKind::Leftover);
        for (index, finding) in findings.enumerate() {
            if index == 0 {
                page.heading("What to look at");
            }
            let at = finding.position.map(|at| format!(":{}", at.line));
            let (key, at) = (&finding.key, at.unwrap_or_default());
            page.item(format!(
                "{key}{at}: {}; {}",
                finding.message,
                finding.help()
            ));
        }
    }

    fn compared(&self, page: &mut Page) {
        page.heading("The definitions of both servers");
        let Some(nodes) = &self.nodes else {
            page.text(
                "They were not compared; run this again with --from URL while the ZTPServer runs.",
            );
            return;
        };
        page.text(counts(nodes));
        for (node, outcome) in nodes {
            match outcome {
                Outcome::Same | Outcome::NoFacts => {}
                Outcome::Refused(why) => {
                    page.item(format!("{node}: both servers refuse it: {why}"))
                }
                Outcome::NotCompared(why) => page.item(format!("{node}: not compared: {why}")),
                Outcome::Differs(how) => {
                    page.item(format!("{node} differs:"));
                    page.code("diff", how.as_str());
                }
            }
        }
    }

    fn next(&self, page: &mut Page) {
        page.heading("What to do");
        if !self.source.settings.vars.is_empty() {
            page.item("Put the settings above into wrangler.toml, and deploy.");
        }
        if !self.is_clean() {
            page.item("Correct what is in conflict or differs, and run this again: it stores only the rest.");
        }
        for (key, _) in &self.source.pools.files {
            page.item(format!("Fetch {key}, which was made from the database: `ztp pull DIR --only {key}`. Without it, a push with --prune deletes the pool."));
        }
        page.item(format!(
            "In DHCP, set option 67 (bootfile-name), which was {}/bootstrap, to this URL; {}:",
            self.source.settings.server_url(),
            self.boot_url.advice()
        ));
        page.code("", self.boot_url.url.as_str());
        page.item("Check the way to it as a switch goes it: `ztp doctor URL`.");
        page.item("Then stop the ZTPServer: as long as it answers, it allocates values of the same pools.");
    }

    pub fn json(&self) -> Json {
        let held = |holding: &Holding| json!({"pool": holding.pool, "value": holding.value, "node": holding.node});
        let refused = self.imported.refused.iter().map(|(holding, why)| {
            let mut refused = held(holding);
            refused["error"] = json!(why);
            refused
        });
        let plugins = self.source.plugins.iter();
        let plugins = plugins
            .map(|plugin| json!({"plugin": plugin.name, "replacement": plugin.replacement()}));
        let nodes = self.nodes.as_ref().map(|nodes| {
            let nodes = nodes.iter().map(|(node, outcome)| {
                let (outcome, detail) = match outcome {
                    Outcome::Same => ("same", None),
                    Outcome::NoFacts => ("no-facts", None),
                    Outcome::Refused(why) => ("refused", Some(why)),
                    Outcome::Differs(how) => ("differs", Some(how)),
                    Outcome::NotCompared(why) => ("not-compared", Some(why)),
                };
                json!({"node": node, "outcome": outcome, "detail": detail})
            });
            nodes.collect::<Vec<_>>()
        });
        json!({
            "url": self.push.api.url,
            "dry_run": self.args.dry_run,
            "settings": {
                "file": self.source.settings.file.as_deref().map(display_path),
                "vars": self.source.settings.vars,
            },
            "plugins": plugins.collect::<Vec<_>>(),
            "config_handlers": self.handlers,
            "pools": self.source.pools.named,
            "steps": self.push.plan.json(false),
            "stored": self.report.stored,
            "problems": self.report.problems,
            "allocations": {
                "assigned": self.imported.assigned.iter().map(held).collect::<Vec<_>>(),
                "unchanged": self.imported.unchanged,
                "refused": refused.collect::<Vec<_>>(),
            },
            "nodes": nodes,
            "left": self.left().iter().map(Left::json).collect::<Vec<_>>(),
            "boot": {"url": self.boot_url.url, "bytes": self.boot_url.length()},
        })
    }
}

/// The numbers of nodes by outcome; those without facts by name, because only a list of switches tells what they receive.
pub fn counts(nodes: &[(String, Outcome)]) -> String {
    let count = |is: fn(&Outcome) -> bool| nodes.iter().filter(|(_, outcome)| is(outcome)).count();
    let counts = format!(
        "{} nodes: {} have the same definition on both servers, {} are refused by both, {} differ, {} were not compared",
        nodes.len(),
        count(|outcome| *outcome == Outcome::Same),
        count(|outcome| matches!(outcome, Outcome::Refused(_))),
        count(|outcome| matches!(outcome, Outcome::Differs(_))),
        count(|outcome| matches!(outcome, Outcome::NotCompared(_))),
    );
    let waiting = nodes.iter().filter(|node| node.1 == Outcome::NoFacts);
    let waiting: Vec<&str> = waiting.map(|(node, _)| node.as_str()).collect();
    match waiting.is_empty() {
        true => counts,
        false => format!(
            "{counts}; {} have not booted from the old server, so nobody knows their facts: {}; check them with \
             `ztp check-list`",
            waiting.len(),
            waiting.join(", ")
        ),
    }
}

/// The hint for a database that was not found.
pub fn missing_database(path: Option<&str>) -> String {
    match path {
        Some(path) => {
            format!("{path} does not exist here; copy it, and give the copy with --database")
        }
        None => "the plugin does not tell where it is; give it with --database".to_owned(),
    }
}
