//! The plan of a push: what differs from the server, and in which order it is stored.

use std::cmp::Reverse;

use ztp_core::content::ContentKind;
use ztp_core::key::Record;

use super::Push;
use super::summary::Copies;
use crate::Failure;
use crate::api::{Stored, WITHOUT_SECRETS};
use crate::data_root::File;
use crate::parallel::{self, AT_ONCE};
use crate::plan::{Item, Step};
use crate::regular::FileDigest;

impl Push<'_> {
    /// Puts every file into the plan, in the order in which it is to be stored.
    pub(super) fn compare(&mut self) -> Result<(), Failure> {
        let mut files: Vec<_> = self.root.files.iter().collect();
        files.retain(|(key, _)| self.args.only.includes(key));
        files.sort_by_key(|(key, _)| (rank(key), *key));
        let mut items = parallel::map(files, AT_ONCE, |(key, file)| self.item(key, file))?;
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
        let is_record =
            |wanted| matches!(file.kind, ContentKind::Record(_, record) if record == wanted);
        if is_record(Record::Facts) && !self.args.with_facts {
            return Ok(item.left_alone("the node sends its facts itself; see --with-facts"));
        }
        let digest = FileDigest::of(&file.path)?;
        if let Some(stored) = self.list.get(key) {
            item.stored = self.api.complete(stored.clone())?;
        }
        if item.stored.is_some() && item.former().is_none() {
            return Ok(item.left_alone(WITHOUT_SECRETS));
        }
        item.step = match item.former() {
            None => Step::Add,
            Some(former) if former == digest.sha1 => Step::Unchanged,
            Some(_) => Step::Change,
        };
        item.file = Some(digest);
        let Some(stored) = item.stored.as_ref().filter(|_| item.step == Step::Change) else {
            return Ok(item);
        };
        if is_record(Record::StartupConfig) {
            if self.args.overwrite_startup_configs {
                return Ok(item);
            }
            if !stored.is_of_operator() && !self.seen.has(key, item.former()) {
                let reason = "the switch has stored its own since the last push; fetch it with `ztp pull --nodes`, \
                              or give --overwrite-startup-configs";
                return Ok(item.left_alone(reason));
            }
        }
        Ok(self.unless_changed(item))
    }

    /// A conflict instead, if somebody else has changed the value since the last push or pull.
    fn unless_changed(&self, mut item: Item) -> Item {
        if let Some(stored) = &item.stored
            && self.seen.is_changed(&item.key, item.former())
            && !self.args.force
        {
            let by = stored.last_change();
            let reason = format!("{by} changed it since the last push or pull of this folder");
            item.reason = Some(reason);
            item.step = Step::Conflict;
        }
        item
    }

    /// Adds the stored keys without a file to the plan. It deletes only keys that a push has stored and
    /// that have not changed since.
    pub(super) fn prune(&mut self) {
        let root = &self.root;
        let gone = self.list.iter().filter(|(key, _)| {
            let is_set_aside = root.leftovers.contains(*key) || root.stock.contains_key(*key);
            self.args.only.includes(key) && !root.files.contains_key(*key) && !is_set_aside
        });
        let items = gone.map(|(key, stored)| {
            let mut item = Item::new(key, Step::Delete, None);
            item.stored = Some(stored.clone());
            match stored.is_pushed() {
                true => self.unless_changed(item),
                false => item.left_alone(
                    "no push has stored it; --prune deletes only what a push has stored",
                ),
            }
        });
        let mut items: Vec<Item> = items.collect();
        // Nothing is deleted before the content that names it.
        items.sort_by_key(|item| Reverse(rank(&item.key)));
        self.plan.items.extend(items);
    }

    /// The definitions of the plan that nodes have copies of.
    pub(super) fn copies(&self) -> Result<Vec<Copies>, Failure> {
        let changed = self.plan.items.iter().filter(|item| {
            let changes = matches!(item.step, Step::Change | Step::Conflict);
            changes && item.key.starts_with("definitions/")
        });
        let changed: Vec<&Item> = changed.collect();
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let is_copy = |key: &str| key.starts_with("nodes/") && key.ends_with("/definition");
        let stored = self.list.values().filter(|stored| is_copy(&stored.key));
        let complete = |copy| self.api.complete(copy);
        let stored = parallel::map(stored.cloned().collect(), AT_ONCE, complete)?;
        let copies = changed.into_iter().map(|item| {
            let of_item = |copy: &&Stored| copy.sha1.as_deref() == item.former();
            let nodes = stored.iter().flatten().filter(of_item);
            let nodes = nodes.filter_map(|copy| copy.key.split('/').nth(1).map(str::to_owned));
            let (definition, nodes) = (item.key.clone(), nodes.collect());
            Copies { definition, nodes }
        });
        Ok(copies.filter(|copies| !copies.nodes.is_empty()).collect())
    }
}

/// The order of a push: nothing is stored before the content that it names.
pub(super) fn rank(key: &str) -> u8 {
    match ContentKind::of(key) {
        Err(_) | Ok(ContentKind::File(_)) => 0,
        Ok(ContentKind::Action(_)) => 1,
        Ok(ContentKind::Pool(_)) => 2,
        Ok(ContentKind::Definition(_) | ContentKind::ConfigHandler(_)) => 3,
        Ok(ContentKind::Bootstrap | ContentKind::BootstrapConf | ContentKind::Operators) => 4,
        Ok(ContentKind::Record(_, Record::Definition | Record::StartupConfig)) => 6,
        Ok(ContentKind::Record(..)) => 5,
        Ok(ContentKind::Neighbordb) => 7,
    }
}
