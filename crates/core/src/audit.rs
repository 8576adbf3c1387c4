//! The audit log: every change that an operator makes through the /admin API.

use serde::{Deserialize, Serialize};

/// How long entries are kept, in milliseconds: 400 days.
pub const KEPT_MS: u64 = 400 * 24 * 60 * 60 * 1000;
/// How long replaced values are kept for an undo, in milliseconds: 30 days.
pub const UNDO_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// What was done.
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
    /// It began. If it is old, nobody knows how it ended: it may have been made.
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
