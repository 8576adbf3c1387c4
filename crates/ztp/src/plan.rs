//! The plan of a push or a pull: one step per key, shown before any of them is done.

use indicatif::HumanBytes;
use serde_json::{Value as Json, json};

use crate::api::{Stored, store_of};
use crate::regular::FileDigest;
use crate::terminal::line;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Step {
    #[default]
    Add,
    Change,
    Delete,
    /// It differs, and stays as it is.
    LeaveAlone,
    /// Both sides have changed since the last push or pull.
    Conflict,
    Unchanged,
}

impl Step {
    /// Each with its name, and the words after the number of its keys.
    const NAMES: [(Self, &str, &str); 6] = [
        (Self::Add, "add", "to add"),
        (Self::Change, "change", "to change"),
        (Self::Delete, "delete", "to delete"),
        (Self::LeaveAlone, "left alone", "left alone"),
        (Self::Conflict, "conflict", "in conflict"),
        (Self::Unchanged, "unchanged", "unchanged"),
    ];

    fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(step, ..)| *step == self);
        found.map_or("", |(_, name, _)| name)
    }
}

#[derive(Debug, Clone, Default)]
pub struct Item {
    pub key: String,
    pub step: Step,
    /// Why it is left alone, or who has changed it.
    pub reason: Option<String>,
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
            ..Self::default()
        }
    }

    /// It stays as it is, for a reason.
    pub fn left_alone(self, reason: impl Into<String>) -> Self {
        let (step, reason) = (Step::LeaveAlone, Some(reason.into()));
        Self {
            step,
            reason,
            ..self
        }
    }

    /// The ETag of the value on the server before.
    pub fn etag(&self) -> Option<&str> {
        self.stored.as_ref()?.etag.as_deref()
    }

    /// The SHA-1 of the value on the server before.
    pub fn former(&self) -> Option<&str> {
        self.stored.as_ref()?.sha1.as_deref()
    }

    pub fn is_stored(&self) -> bool {
        matches!(self.step, Step::Add | Step::Change)
    }

    fn json(&self) -> Json {
        let store = store_of(&self.key).name().to_lowercase();
        json!({
            "key": self.key, "store": store, "step": self.step.name(), "size": self.size, "reason": self.reason,
        })
    }
}

#[derive(Debug, Default)]
pub struct Plan {
    pub items: Vec<Item>,
}

impl Plan {
    /// The number of keys with a step.
    pub fn count(&self, step: Step) -> usize {
        self.of(step).count()
    }

    /// The items with a step.
    pub fn of(&self, step: Step) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.step == step)
    }

    /// The steps; unchanged keys only if `verbose`.
    pub fn json(&self, verbose: bool) -> Vec<Json> {
        self.shown(verbose).map(Item::json).collect()
    }

    fn shown(&self, verbose: bool) -> impl Iterator<Item = &Item> {
        let is_shown = move |item: &&Item| verbose || item.step != Step::Unchanged;
        self.items.iter().filter(is_shown)
    }

    /// A line for each key that changes or is left alone, and the numbers of all steps.
    pub fn text(&self, verbose: bool) -> String {
        let mut items: Vec<&Item> = self.shown(verbose).collect();
        items.sort_by(|a, b| a.key.cmp(&b.key));
        let lines = items.into_iter().map(|item| {
            let mut shown = format!("  {:11} {}", item.step.name(), line(&item.key));
            if let Some(size) = item.size.filter(|_| item.is_stored()) {
                shown += &format!("  {}", HumanBytes(size));
            }
            if let Some(reason) = &item.reason {
                shown += &format!(": {}", line(reason));
            }
            shown + "\n"
        });
        let counts = Step::NAMES.map(|(step, _, words)| format!("{} {words}", self.count(step)));
        format!("{}{}\n", lines.collect::<String>(), counts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_shows_changes_and_counts_unchanged_keys() {
        let items = [
            Item::new("files/b", Step::Add, Some(1536)),
            Item::new("definitions/c", Step::Unchanged, Some(7)),
            Item::new("nodes/J/.node", Step::Add, None).left_alone("its own"),
        ];
        let plan = Plan {
            items: items.into(),
        };
        assert_eq!(
            plan.text(false),
            "  add         files/b  1.50 KiB\n  left alone  nodes/J/.node: its own\n1 to add, 0 to change, 0 to \
             delete, 1 left alone, 0 in conflict, 1 unchanged\n"
        );
        assert!(plan.text(true).contains("unchanged   definitions/c\n"));
        assert_eq!(plan.json(true)[2]["reason"], "its own");
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
