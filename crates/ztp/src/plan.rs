//! The plan of a push or a pull: one step per key, shown before any of them is done.

use std::fmt::Write;

use crate::terminal::line;
use ztp_core::content::Store;

/// The step for one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Add,
    Change,
    Delete,
    /// It differs, and stays as it is. The reason.
    LeaveAlone(String),
    Unchanged,
}

/// One key of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The store of the key: two stores can have the same key.
    pub store: Store,
    pub key: String,
    pub step: Step,
    /// The size of the new content, in bytes.
    pub size: Option<u64>,
}

/// All steps.
#[derive(Debug, Default)]
pub struct Plan {
    pub items: Vec<Item>,
}

impl Plan {
    pub fn add(&mut self, store: Store, key: &str, step: Step, size: Option<u64>) {
        self.items.push(Item {
            store,
            key: key.to_owned(),
            step,
            size,
        });
    }

    /// The number of keys whose step is wanted.
    pub fn count(&self, wanted: impl Fn(&Step) -> bool) -> usize {
        self.items.iter().filter(|item| wanted(&item.step)).count()
    }

    /// The keys that are to be stored in one of the stores, in the order of the plan.
    pub fn stored(&self, store: Store) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| {
            matches!(item.step, Step::Add | Step::Change) && item.store == store
        })
    }

    /// The keys that are to be deleted from one of the stores.
    pub fn deleted(&self, store: Store) -> Vec<String> {
        let items = self.items.iter();
        items
            .filter(|item| item.step == Step::Delete && item.store == store)
            .map(|item| item.key.clone())
            .collect()
    }

    /// A line for each key that changes or is left alone, and the numbers of all steps.
    pub fn text(&self, verbose: bool) -> String {
        let mut items: Vec<&Item> = self.items.iter().collect();
        items.sort_by(|a, b| (&a.key, a.store).cmp(&(&b.key, b.store)));
        let mut out = String::new();
        for item in items {
            let Item { step, size, .. } = item;
            let key = line(&item.key);
            let size = size.map(bytes).unwrap_or_default();
            let _ = match step {
                Step::Add => writeln!(out, "  add         {key}  {size}"),
                Step::Change => writeln!(out, "  change      {key}  {size}"),
                Step::Delete => writeln!(out, "  delete      {key}"),
                Step::LeaveAlone(why) => writeln!(out, "  left alone  {key}: {}", line(why)),
                Step::Unchanged if verbose => writeln!(out, "  unchanged   {key}"),
                Step::Unchanged => Ok(()),
            };
        }
        let _ = writeln!(
            out,
            "{} to add, {} to change, {} to delete, {} left alone, {} unchanged",
            self.count(|step| *step == Step::Add),
            self.count(|step| *step == Step::Change),
            self.count(|step| *step == Step::Delete),
            self.count(|step| matches!(step, Step::LeaveAlone(_))),
            self.count(|step| *step == Step::Unchanged),
        );
        out
    }
}

/// A size for people.
fn bytes(size: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| size >= *unit) {
        // A double is exact enough for one decimal place.
        Some((unit, name)) => format!("{:.1} {name}", size as f64 / unit as f64),
        None => format!("{size} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_shows_changes_and_counts_unchanged_keys() {
        let mut plan = Plan::default();
        plan.add(Store::R2, "files/b", Step::Add, Some(1536));
        plan.add(Store::Kv, "definitions/a", Step::Change, Some(7));
        plan.add(Store::Kv, "definitions/c", Step::Unchanged, Some(7));
        plan.add(
            Store::Kv,
            "nodes/J/.node",
            Step::LeaveAlone("its own".into()),
            None,
        );
        assert_eq!(
            plan.text(false),
            "  change      definitions/a  7 bytes\n  add         files/b  1.5 KiB\n  left alone  \
             nodes/J/.node: its own\n1 to add, 1 to change, 0 to delete, 1 left alone, 1 unchanged\n"
        );
        assert!(plan.text(true).contains("unchanged   definitions/c"));
        assert_eq!(plan.stored(Store::Kv).count(), 1);
    }
    #[test]
    fn a_key_is_deleted_only_from_the_planned_store() {
        let mut plan = Plan::default();
        plan.add(Store::R2, "nodes/J/definition", Step::Delete, None);
        plan.add(Store::Kv, "nodes/J/definition", Step::Unchanged, None);
        plan.add(Store::Kv, "files/a", Step::Delete, None);
        assert_eq!(plan.deleted(Store::R2), ["nodes/J/definition"]);
        assert_eq!(plan.deleted(Store::Kv), ["files/a"]);
    }

    #[test]
    fn a_key_with_line_ends_is_one_line_of_a_plan() {
        let mut plan = Plan::default();
        plan.add(Store::R2, "files/a\n::error::b\u{1b}", Step::Add, None);
        let text = plan.text(false);
        assert!(
            text.starts_with("  add         files/a\\n::error::b\\u{1b}"),
            "{text}"
        );
    }
}
