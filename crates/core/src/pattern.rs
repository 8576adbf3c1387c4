//! Patterns: what a node must be and see so that a definition is meant for it.
//!
//! [`Pattern::parse_stored`] reads the one that `nodes/<id>/pattern` holds, [`neighbordb`](super::neighbordb) those that
//! nodes are chosen by. [`Pattern::check`] holds a node against one.

mod constraint;
mod matching;
mod mismatch;
mod near;
mod read;
mod write;

use std::fmt;

use super::node::NodeFacts;
use super::printable::Printable;
use super::pyregex::{Budget, PyRegex};
use super::yaml::{self, Position};

pub use constraint::{Constraint, Sense};
pub use mismatch::{Kind, MAX_HINT_STEPS, MAX_SEEN, Mismatch, Reason, Seen};

pub(super) use matching::Wiring;
pub(super) use read::{Globals, Totals, read_entry, read_globals};

/// Most steps that one decision about a node may take: some ten milliseconds. A thousand patterns, each held against the 48
/// neighbors of a switch, take a tenth of that.
pub const MAX_STEPS: u64 = 1_000_000;
/// Most bytes of devices, ports, models and variables in all patterns of a file, each variable counted where it is used.
pub const MAX_WRITTEN_OUT: usize = 2 * yaml::MAX_TEXT;
/// Largest that the regular expressions of all patterns of a file may be together, as [`PyRegex::size`] counts.
pub const MAX_EXPRESSIONS: usize = 500_000;
/// Most interfaces that all patterns of a file may name together.
pub const MAX_NAMED_INTERFACES: usize = 100_000;

/// A pattern: who the node must be, and what its interfaces must see.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    pub position: Position,
    pub name: String,
    /// The id of the only node that this pattern is for, as [`NodeId`](super::node::NodeId) has it.
    pub node: Option<String>,
    /// What the node's model must match.
    pub model: Option<PyRegex>,
    /// What the node's interfaces must see and must not see, in the order of the file.
    pub constraints: Vec<Constraint>,
    /// The variables that the constraints use, with their texts, global ones among them.
    pub variables: Vec<(String, String)>,
}

impl Pattern {
    /// Reads `nodes/<id>/pattern`, whether we wrote it, ztpserver 2.1.0 did, or an operator. Only what is to be checked
    /// must be there; `definition`, `node` and the config-handler are of no consequence here.
    ///
    /// What ztpserver writes where a pattern has no interfaces (`any: {any: any}`) accepts any node.
    ///
    /// # Errors
    /// Bad YAML, and a pattern that cannot be right.
    pub fn parse_stored(text: &str) -> Result<Pattern, PatternError> {
        read::read_stored(&yaml::parse(text)?)
    }

    /// Whether the node is as the pattern wants.
    ///
    /// # Errors
    /// The first thing that is not, or why that cannot be told.
    pub fn check<'a>(&'a self, facts: &'a NodeFacts) -> Result<(), Mismatch<'a>> {
        self.check_wiring(&Wiring::of(facts), &mut Budget::new(MAX_STEPS))
    }
}

/// Why a pattern, or the file that it is in, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// The name of the pattern, if it is one that is wrong and it has a name.
    pub pattern: Option<String>,
    pub position: Position,
    pub message: String,
}

impl PatternError {
    pub(super) fn new(position: Position, message: impl Into<String>) -> Self {
        PatternError {
            pattern: None,
            position,
            message: message.into(),
        }
    }
}

impl From<yaml::Error> for PatternError {
    fn from(yaml::Error { position, message }: yaml::Error) -> Self {
        PatternError {
            pattern: None,
            position,
            message,
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Some(name) => write!(
                f,
                "{}: pattern '{}': {}",
                self.position,
                Printable(name),
                self.message
            ),
            None => write!(f, "{}: {}", self.position, self.message),
        }
    }
}

impl std::error::Error for PatternError {}
