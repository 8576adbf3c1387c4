//! `ztp push`: validate, compare, show the plan, store the differences.

mod compare;
mod summary;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};

use indicatif::ProgressStyle;

use ztp_core::check::{Finding, Severity};
use ztp_core::stock;

use crate::api::{Api, Stored};
use crate::cli::{ChangeArgs, PushArgs};
use crate::data_root::DataRoot;
use crate::fleet::show;
use crate::plan::{Plan, Step};
use crate::seen::Seen;
use crate::servers::connect;
use crate::set_aside::Wanted;
use crate::validate::allow::Allow;
use crate::validate::{Checked, validate};
use crate::{CLEAN, FINDINGS, Failure, display, display_path, identifier};

use summary::Copies;
pub use summary::{Report, display_problem};

/// Pushes a data_root. After a failure, the stored part stays, and the next push resumes.
pub fn run(args: &PushArgs, url: Option<&str>, json: bool) -> Result<u8, Failure> {
    let mut push = Push::prepare(&args.change, url, json)?;
    let copies = push.copies()?;
    if !json {
        let copies: String = copies.iter().map(Copies::text).collect();
        display(&(push.plan.text(args.verbose) + &copies))?;
    }
    let (mut report, mut shown) = (Report::default(), "dry run: nothing is stored\n".to_owned());
    if !args.dry_run {
        report = push.carry_out()?;
        shown = report.text();
    }
    show(json, &report.json(args, &push, &copies), &shown)?;
    let clean = push.plan.count(Step::Conflict) == 0 && report.problems.is_empty();
    Ok(if clean { CLEAN } else { FINDINGS })
}

pub struct Push<'a> {
    args: &'a ChangeArgs,
    pub root: DataRoot,
    pub checked: Checked,
    pub api: Api,
    pub plan: Plan,
    seen: Seen,
    /// The content on the server when the push began.
    list: BTreeMap<String, Stored>,
}

impl<'a> Push<'a> {
    /// Validates the data_root, whose errors are displayed, and compares it with the server.
    pub fn prepare(args: &'a ChangeArgs, url: Option<&str>, json: bool) -> Result<Self, Failure> {
        // Before the server is asked: most errors do not depend on it.
        check(args, None, json)?;
        let api = connect(url)?;
        let list = api.list()?;
        let (root, checked) = check(args, Some(&list), json)?;
        if !json {
            let found = checked.validation.findings.len() + checked.allowed.len();
            if found + root.stock.len() + root.links.len() > 0 {
                checked.display()?;
            }
            let from = display_path(&root.path);
            display(&format!("from {from} to {}\n", api.url))?;
        }
        let mut push = Self {
            args,
            seen: Seen::load(&root.path, &api.url)?,
            list,
            plan: Plan::default(),
            checked,
            root,
            api,
        };
        push.compare()?;
        if args.prune {
            push.prune();
        }
        let keys = push.plan.items.iter().map(|item| item.key.as_str());
        args.only.check(keys)?;
        Ok(push)
    }

    /// The kinds of errors that the operator allows for a key.
    fn allowed(&self, key: &str) -> Option<String> {
        let allowed = self.checked.allowed.iter();
        let allowed = allowed.filter(|finding| finding.key == key && finding.is_error());
        let kinds: BTreeSet<&str> = allowed.map(|finding| finding.kind.id()).collect();
        (!kinds.is_empty()).then(|| Vec::from_iter(kinds).join(","))
    }

    /// Whether a key has errors to the server, which sees one document at a time, but not to this push.
    fn is_overridden(&self, key: &str) -> bool {
        let mut findings = self.checked.validation.findings.iter();
        let is_error =
            |finding: &Finding| finding.key == key && finding.kind.severity() == Severity::Error;
        findings.any(is_error) || self.allowed(key).is_some()
    }
}

/// Checks the data_root, with the content on the server if that is known. Its errors are displayed, and are a failure.
fn check(
    args: &ChangeArgs,
    list: Option<&BTreeMap<String, Stored>>,
    json: bool,
) -> Result<(DataRoot, Checked), Failure> {
    let allow = Allow::load(&args.dir, &args.check.allow)?;
    let mut root = DataRoot::scan(&args.dir)?;
    root.add_files(&args.added)?;
    let identifier = identifier(args.check.identifier, &root)?;
    root.stored = list.map(|list| {
        let is_pruned = |stored: &Stored| {
            let is_selected = args.prune && args.only.includes(&stored.key);
            is_selected && stored.is_pushed() && !root.files.contains_key(&stored.key)
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
    let (site, old_server) = (args.check.site.as_deref(), args.old_server.as_deref());
    let mut checked = validate(&root, identifier, site, old_server, &allow);
    let is_selected = |finding: &Finding| args.only.includes(&finding.key);
    checked.validation.findings.retain(is_selected);
    checked.allowed.retain(is_selected);
    if !checked.validation.has_errors() {
        root.require_content()?;
        return Ok((root, checked));
    }
    if !json {
        checked.display()?;
    }
    Err(Failure::refused(
        "nothing is stored: correct the errors first, which `ztp validate` lists, or allow them with --allow KIND",
    ))
}

/// A bar for bytes, which indicatif shows only on a terminal.
pub fn style() -> ProgressStyle {
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {wide_msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
