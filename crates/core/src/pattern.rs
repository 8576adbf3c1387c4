//! Patterns: the conditions under which a node receives a definition.
//!
//! [`Pattern::parse_stored`] parses `nodes/<id>/pattern`, [`neighbordb`](super::neighbordb) the patterns for all nodes.
//! [`Pattern::check`] matches a node against a pattern.

mod compare;
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
use super::record;
use super::yaml::{self, Diagnostic, Position};

pub use compare::{Compared, Comparison, Sight};
pub use constraint::{Constraint, Sense};
pub use mismatch::{MAX_HINT_STEPS, MAX_SEEN, Mismatch, NeighborConditions, Reason, Seen};

pub(super) use matching::NeighborTable;
pub(super) use read::{Globals, Totals, read_entry, read_globals};

/// Maximum number of steps for one match: about ten milliseconds. A thousand patterns and a switch with 48 neighbors need
/// a sixth of that.
pub const MAX_STEPS: u64 = 600_000;
/// Maximum size of devices, ports, models and variables in all patterns of a file, in bytes. A variable counts for each use.
pub const MAX_WRITTEN_OUT: usize = 2 * yaml::MAX_TEXT;
/// Maximum total size of the regular expressions of a file, in the units of [`PyRegex::size`].
pub const MAX_EXPRESSIONS: usize = 200_000;
/// Maximum number of interfaces that all patterns of a file name.
pub const MAX_NAMED_INTERFACES: usize = 100_000;

/// A pattern: conditions on the node's id, its model and its neighbors.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    pub position: Position,
    pub name: String,
    /// The id of the only node that can match, in the notation of [`NodeId`](super::node::NodeId).
    pub node: Option<String>,
    /// The expression that the node's model must match.
    pub model: Option<PyRegex>,
    /// The required and forbidden neighbors, in the order of the file.
    pub constraints: Vec<Constraint>,
    /// Name and value of the variables that the constraints use, global ones included.
    pub variables: Vec<(String, String)>,
}

impl Pattern {
    /// Parses `nodes/<id>/pattern`, from this server, ztpserver 2.1.0 or an operator. Only conditions are required;
    /// `definition`, `node` and the config-handler have no effect here.
    ///
    /// `any: {any: any}`, which ztpserver writes for a pattern without interfaces, matches any node.
    ///
    /// # Errors
    /// Invalid YAML or over the limits of a [`record`]; an invalid pattern.
    pub fn parse_stored(text: &str) -> Result<Pattern, PatternError> {
        read::read_stored(&record::parse(text)?)
    }

    /// Checks that the node matches the pattern.
    ///
    /// # Errors
    /// The first mismatch, or the reason why the match is indeterminate.
    pub fn check<'a>(&'a self, facts: &'a NodeFacts) -> Result<(), Mismatch<'a>> {
        self.check_table(&NeighborTable::of(facts), &mut Budget::new(MAX_STEPS))
    }
}

/// Why a pattern, or the file that it is in, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// The name of the invalid pattern, if it has one. `None` if the problem is elsewhere in the file.
    pub pattern: Option<String>,
    pub diagnostic: Diagnostic,
}

impl PatternError {
    pub(super) fn new(position: Position, message: impl Into<String>) -> Self {
        Diagnostic::new(position, message).into()
    }
}

impl From<Diagnostic> for PatternError {
    fn from(diagnostic: Diagnostic) -> Self {
        PatternError {
            pattern: None,
            diagnostic,
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { position, message } = &self.diagnostic;
        match &self.pattern {
            Some(name) => write!(f, "{position}: pattern '{}': {message}", Printable(name)),
            None => self.diagnostic.fmt(f),
        }
    }
}

impl std::error::Error for PatternError {}
