//! The audit log: every change that an operator makes through the /admin API.

use serde::{Deserialize, Serialize};

/// How long entries are kept, in milliseconds: 400 days.
pub const KEPT_MS: u64 = 400 * 24 * 60 * 60 * 1000;
/// How long replaced values are kept for an undo, in milliseconds: 30 days.
pub const UNDO_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A value or object was stored. The target is its key.
    Store,
    /// A value or object was deleted. The target is its key.
    Delete,
    /// Records of a node were changed. The target is the node; so for the next three.
    Assign,
    /// Definition and pattern of a node were deleted, so that its next POST matches anew.
    Reprovision,
    /// All records of a node were deleted.
    Forget,
    /// A node was assigned to another site.
    Move,
    /// A value of a pool was allocated to a node. The target is the pool; so for the next one.
    Allocate,
    /// A value of a pool was released.
    Release,
    /// Allocations were imported.
    Import,
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It may have been made: it began, and how it ended is not known.
    Unknown,
    Done,
    /// Nothing, or not everything, was changed: `detail` has the reason.
    Failed,
}

/// A value without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// In hexadecimal.
    pub sha1: String,
    /// In bytes.
    pub size: u64,
}

/// A change, before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The name of the operator.
    pub who: String,
    /// The IP address of the request.
    pub from: String,
    pub action: Action,
    /// A key, a node or a pool: see [`Action`].
    pub target: String,
    /// The site of the node that is concerned, if it has one.
    pub site: Option<String>,
    /// In words: what the summaries do not say.
    pub detail: Option<String>,
    /// Whether findings were overridden.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    /// The entry whose change is undone by this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<u64>,
}

/// The end of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    pub outcome: Outcome,
    /// The value before; `None`: there was none.
    pub before: Option<Summary>,
    /// The value after; `None`: there is none.
    pub after: Option<Summary>,
    /// The key in R2 of the former value, as long as an undo is possible.
    pub former: Option<String>,
    /// Replaces that of the [`Intent`].
    pub detail: Option<String>,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1 on.
    pub number: u64,
    /// In milliseconds since 1970.
    pub time: u64,
    pub intent: Intent,
    /// `None`: it began.
    pub ending: Option<Ending>,
}

impl Entry {
    /// How the change ended.
    pub fn outcome(&self) -> Outcome {
        let ending = self.ending.as_ref();
        ending.map_or(Outcome::Unknown, |ending| ending.outcome)
    }
}

/// The effect of an undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo<'a> {
    /// It deletes the value that was created.
    Delete,
    /// It stores the former value again, which R2 has under this key.
    Restore(&'a Summary, &'a str),
}

/// Why a change cannot be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotUndone {
    /// An action of this kind has no undo, or it did not end well.
    Never,
    /// It is older than [`UNDO_MS`], or the former value was not kept.
    Expired,
    /// These later changes may have changed the same value.
    Changed(Vec<u64>),
}

impl Entry {
    /// The undo of this change. `later`: the later entries of the same target, the newest first.
    ///
    /// # Errors
    /// Why there is none.
    pub fn undo(&self, later: &[Self], now: u64) -> Result<Undo<'_>, NotUndone> {
        let ending = self.ending.as_ref();
        let ending = ending.filter(|ending| ending.outcome == Outcome::Done);
        let (Some(ending), Action::Store | Action::Delete) = (ending, self.intent.action) else {
            return Err(NotUndone::Never);
        };
        if now >= self.time + UNDO_MS {
            return Err(NotUndone::Expired);
        }
        let changed = later
            .iter()
            .filter(|entry| entry.outcome() != Outcome::Failed);
        let mut changed: Vec<u64> = changed.map(|entry| entry.number).collect();
        if !changed.is_empty() {
            changed.reverse();
            return Err(NotUndone::Changed(changed));
        }
        match (&ending.before, &ending.former) {
            (None, _) => Ok(Undo::Delete),
            (Some(before), Some(former)) => Ok(Undo::Restore(before, former)),
            (Some(_), None) => Err(NotUndone::Expired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, action: Action, outcome: Outcome, before: bool) -> Entry {
        let summary = Summary {
            sha1: "a".to_owned(),
            size: 1,
        };
        Entry {
            number,
            time: number,
            intent: Intent {
                who: "a@example.com".to_owned(),
                from: "192.0.2.1".to_owned(),
                action,
                target: "neighbordb".to_owned(),
                site: None,
                detail: None,
                forced: false,
                undo_of: None,
            },
            ending: Some(Ending {
                outcome,
                before: before.then(|| summary.clone()),
                after: (action == Action::Store).then_some(summary),
                former: before.then(|| "undo/1".to_owned()),
                detail: None,
            }),
        }
    }

    #[test]
    fn an_undo_deletes_what_was_created_and_restores_the_rest() {
        use Action::{Allocate, Delete, Forget, Store};
        use Outcome::{Done, Failed, Unknown};
        let summary = Summary {
            sha1: "a".to_owned(),
            size: 1,
        };
        let restore = Ok(Undo::Restore(&summary, "undo/1"));
        for (action, outcome, before, expected) in [
            (Store, Done, false, Ok(Undo::Delete)),
            (Store, Done, true, restore.clone()),
            (Delete, Done, true, restore),
            (Store, Failed, true, Err(NotUndone::Never)),
            (Store, Unknown, true, Err(NotUndone::Never)),
            (Allocate, Done, true, Err(NotUndone::Never)),
            (Forget, Done, true, Err(NotUndone::Never)),
        ] {
            let entry = entry(1, action, outcome, before);
            assert_eq!(entry.undo(&[], 2), expected, "{action:?} {outcome:?}");
        }
        let mut lost = entry(1, Store, Done, true);
        assert_eq!(lost.undo(&[], UNDO_MS), lost.undo(&[], 2));
        assert_eq!(lost.undo(&[], UNDO_MS + 1), Err(NotUndone::Expired));
        if let Some(ending) = &mut lost.ending {
            ending.former = None;
        }
        assert_eq!(lost.undo(&[], 2), Err(NotUndone::Expired));
        lost.ending = None;
        assert_eq!(lost.undo(&[], 2), Err(NotUndone::Never));
    }

    #[test]
    fn a_change_after_which_others_came_is_not_undone() {
        use Outcome::{Done, Failed, Unknown};
        let first = entry(1, Action::Store, Done, true);
        let later = |outcomes: &[Outcome]| {
            let numbers = (2..).zip(outcomes);
            let entries = numbers.map(|(n, outcome)| entry(n, Action::Store, *outcome, true));
            let mut entries: Vec<_> = entries.collect();
            entries.reverse();
            entries
        };
        assert!(first.undo(&later(&[Failed]), 9).is_ok());
        for (outcomes, changed) in [
            (&[Done, Failed, Unknown][..], vec![2, 4]),
            (&[Unknown], vec![2]),
        ] {
            assert_eq!(
                first.undo(&later(outcomes), 9),
                Err(NotUndone::Changed(changed))
            );
        }
    }
}
