//! What a push or a pull is going to do with each key, shown before anything is done.

use std::fmt::Write;

use crate::content::Store;

/// What happens to a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Add,
    Change,
    Delete,
    /// Why it is left as it is, though it differs.
    LeaveAlone(String),
    Unchanged,
}

/// One key of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub key: String,
    pub step: Step,
    /// Of what is to be stored, in bytes.
    pub size: Option<u64>,
}

/// All that is going to be done.
#[derive(Debug, Default)]
pub struct Plan {
    pub items: Vec<Item>,
}

impl Plan {
    pub fn add(&mut self, key: &str, step: Step, size: Option<u64>) {
        self.items.push(Item {
            key: key.to_owned(),
            step,
            size,
        });
    }

    /// How many keys one step happens to.
    pub fn count(&self, wanted: impl Fn(&Step) -> bool) -> usize {
        self.items.iter().filter(|item| wanted(&item.step)).count()
    }

    /// The keys that are to be stored in one of the stores, in the order of the plan.
    pub fn stored(&self, store: Store) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| {
            matches!(item.step, Step::Add | Step::Change) && Store::of(&item.key) == store
        })
    }

    /// A line for each key that something happens to, and the number of the others.
    pub fn text(&self, verbose: bool) -> String {
        let mut items: Vec<&Item> = self.items.iter().collect();
        items.sort_by(|a, b| a.key.cmp(&b.key));
        let mut out = String::new();
        for Item { key, step, size } in items {
            let size = size.map(bytes).unwrap_or_default();
            let _ = match step {
                Step::Add => writeln!(out, "  add         {key}  {size}"),
                Step::Change => writeln!(out, "  change      {key}  {size}"),
                Step::Delete => writeln!(out, "  delete      {key}"),
                Step::LeaveAlone(why) => writeln!(out, "  left alone  {key}: {why}"),
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
        // A double is exact enough for one digit behind the point.
        Some((unit, name)) => format!("{:.1} {name}", size as f64 / unit as f64),
        None => format!("{size} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_what_happens_and_counts_the_rest() {
        let mut plan = Plan::default();
        plan.add("files/b", Step::Add, Some(1536));
        plan.add("definitions/a", Step::Change, Some(7));
        plan.add("definitions/c", Step::Unchanged, Some(7));
        plan.add("nodes/J/.node", Step::LeaveAlone("its own".into()), None);
        assert_eq!(
            plan.text(false),
            "  change      definitions/a  7 bytes\n  add         files/b  1.5 KiB\n  left alone  \
             nodes/J/.node: its own\n1 to add, 1 to change, 0 to delete, 1 left alone, 1 unchanged\n"
        );
        assert!(plan.text(true).contains("unchanged   definitions/c"));
        assert_eq!(plan.stored(Store::Kv).count(), 1);
    }
}
