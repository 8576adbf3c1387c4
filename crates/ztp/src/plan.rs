//! The plan of a push or a pull: one step per key, shown before any of them is done.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use crate::api::{Stored, store_of};
use crate::digest::FileDigest;
use crate::terminal::line;

/// The step for one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Add,
    Change,
    Delete,
    /// It differs, and stays as it is. The reason.
    LeaveAlone(String),
    /// Both sides have changed since the last push or pull. The change of the other side.
    Conflict(String),
    Unchanged,
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::LeaveAlone(_) => "left alone",
            Self::Conflict(_) => "conflict",
            Self::Unchanged => "unchanged",
        }
    }
}

/// One key of a plan.
#[derive(Debug, Clone)]
pub struct Item {
    pub key: String,
    pub step: Step,
    /// The size of the new content, in bytes.
    pub size: Option<u64>,
    /// Of the file, if it was read.
    pub file: Option<FileDigest>,
    /// The value on the server before.
    pub stored: Option<Stored>,
}

impl Item {
    pub fn new(key: &str, step: Step, size: Option<u64>) -> Self {
        Self {
            key: key.to_owned(),
            step,
            size,
            file: None,
            stored: None,
        }
    }

    /// The ETag of the value on the server before.
    pub fn etag(&self) -> Option<&str> {
        self.stored.as_ref()?.etag.as_deref()
    }

    pub fn is_stored(&self) -> bool {
        matches!(self.step, Step::Add | Step::Change)
    }

    fn json(&self) -> Json {
        let store = store_of(&self.key).name().to_lowercase();
        let step = self.step.name();
        let mut json = json!({"key": self.key, "store": store, "step": step, "size": self.size});
        if let Step::LeaveAlone(reason) | Step::Conflict(reason) = &self.step {
            json["reason"] = json!(reason);
        }
        json
    }
}

/// All steps.
#[derive(Debug, Default)]
pub struct Plan {
    pub items: Vec<Item>,
}

impl Plan {
    /// The number of keys whose step is wanted.
    pub fn count(&self, wanted: impl Fn(&Step) -> bool) -> usize {
        self.items.iter().filter(|item| wanted(&item.step)).count()
    }

    pub fn conflicts(&self) -> usize {
        self.count(|step| matches!(step, Step::Conflict(_)))
    }

    /// The steps; unchanged keys only if `verbose`.
    pub fn json(&self, verbose: bool) -> Vec<Json> {
        let shown = |item: &&Item| verbose || item.step != Step::Unchanged;
        self.items.iter().filter(shown).map(Item::json).collect()
    }

    /// A line for each key that changes or is left alone, and the numbers of all steps.
    pub fn text(&self, verbose: bool) -> String {
        let mut items: Vec<&Item> = self.items.iter().collect();
        items.sort_by(|a, b| a.key.cmp(&b.key));
        let mut out = String::new();
        for item in items {
            let (name, key) = (item.step.name(), line(&item.key));
            let size = item.size.map(bytes).unwrap_or_default();
            let _ = match &item.step {
                Step::Add | Step::Change => writeln!(out, "  {name:11} {key}  {size}"),
                Step::LeaveAlone(why) | Step::Conflict(why) => {
                    writeln!(out, "  {name:11} {key}: {}", line(why))
                }
                Step::Unchanged if !verbose => Ok(()),
                Step::Delete | Step::Unchanged => writeln!(out, "  {name:11} {key}"),
            };
        }
        let _ = write!(
            out,
            "{} to add, {} to change, {} to delete, {} left alone, ",
            self.count(|step| *step == Step::Add),
            self.count(|step| *step == Step::Change),
            self.count(|step| *step == Step::Delete),
            self.count(|step| matches!(step, Step::LeaveAlone(_))),
        );
        if self.conflicts() > 0 {
            let _ = write!(out, "{} in conflict, ", self.conflicts());
        }
        let unchanged = self.count(|step| *step == Step::Unchanged);
        let _ = writeln!(out, "{unchanged} unchanged");
        out
    }
}

/// A size for people.
pub fn bytes(size: u64) -> String {
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
        let items = [
            Item::new("files/b", Step::Add, Some(1536)),
            Item::new("definitions/a", Step::Change, Some(7)),
            Item::new("definitions/c", Step::Unchanged, Some(7)),
            Item::new("nodes/J/.node", Step::LeaveAlone("its own".into()), None),
        ];
        let mut plan = Plan {
            items: items.into(),
        };
        assert_eq!(
            plan.text(false),
            "  change      definitions/a  7 bytes\n  add         files/b  1.5 KiB\n  left alone  \
             nodes/J/.node: its own\n1 to add, 1 to change, 0 to delete, 1 left alone, 1 unchanged\n"
        );
        assert!(plan.text(true).contains("unchanged   definitions/c"));
        assert_eq!(plan.json(false).len(), 3);
        assert_eq!(plan.json(true)[3]["reason"], "its own");
        let conflict = Step::Conflict("Ann changed it".into());
        plan.items.push(Item::new("neighbordb", conflict, None));
        let text = plan.text(false);
        assert!(
            text.contains("  conflict    neighbordb: Ann changed it\n"),
            "{text}"
        );
        assert!(
            text.contains("1 left alone, 1 in conflict, 1 unchanged"),
            "{text}"
        );
    }

    #[test]
    fn a_key_with_line_ends_is_one_line_of_a_plan() {
        let item = Item::new("files/a\n::error::b\u{1b}", Step::Add, None);
        let text = Plan { items: vec![item] }.text(false);
        assert!(
            text.starts_with("  add         files/a\\n::error::b\\u{1b}"),
            "{text}"
        );
    }
}
