//! `neighbordb`: the patterns that select a definition for a node that is not registered.

mod trace;

use std::collections::HashMap;

use super::content_name::ContentName;
use super::node::{Identifier, NodeFacts, NodeId};
use super::pattern::{self, Globals, MAX_STEPS, NeighborTable, Pattern, PatternError, Totals};
use super::pyregex::Budget;
use super::yaml::{self, Node, Value};

pub use trace::{Candidate, MAX_LOGGED_REFUSAL, MAX_MISMATCHES, MAX_REFUSAL, Trace};

/// A parsed neighbordb: patterns in order, each with its definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbordb {
    entries: Vec<Entry>,
    /// For each id in a `node:` pattern, the index of the first such pattern.
    by_node: HashMap<String, usize>,
    /// The indices of the patterns for any node.
    global: Vec<usize>,
    /// Unknown keys at the top, as a message shows them.
    unknown_keys: Vec<String>,
}

/// The keys of a neighbordb.
pub const KEYS: [&str; 2] = ["variables", "patterns"];
/// The largest number of unknown keys that a refusal names.
const MAX_UNKNOWN_KEYS: usize = 3;

/// One pattern of neighbordb.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key under `definitions/`.
    pub definition: ContentName,
    /// The key under `config-handlers/`.
    pub config_handler: Option<ContentName>,
    pub pattern: Pattern,
}

impl Neighbordb {
    /// Parses a neighbordb; an empty text has no patterns. One invalid pattern makes the file invalid: otherwise a later
    /// pattern could match the nodes of the invalid one.
    ///
    /// # Errors
    /// The first problem; [`Neighbordb::problems`] returns all.
    pub fn parse(text: &str, identifier: Identifier) -> Result<Neighbordb, PatternError> {
        let (neighbordb, problems) = read(text, identifier)?;
        match problems.into_iter().next() {
            None => Ok(neighbordb),
            Some(problem) => Err(problem),
        }
    }

    /// All problems of a neighbordb: at most one for each pattern.
    pub fn problems(text: &str, identifier: Identifier) -> Vec<PatternError> {
        read(text, identifier).map_or_else(|problem| vec![problem], |(_, problems)| problems)
    }

    /// All patterns, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Checks a node against the patterns. The first `node:` pattern for it is its only candidate, if there is one; else
    /// those for any node are checked in order, until one matches.
    ///
    /// A pattern whose match is indeterminate ends the search without a match.
    pub fn trace<'a>(&'a self, id: &NodeId, facts: &'a NodeFacts) -> Trace<'a> {
        let table = NeighborTable::of(facts);
        let mut budget = Budget::new(MAX_STEPS);
        let candidates = self
            .by_node
            .get(id.as_str())
            .map_or(self.global.as_slice(), std::slice::from_ref);
        let mut trace = Trace::new(&self.unknown_keys);
        for entry in candidates
            .iter()
            .filter_map(|&index| self.entries.get(index))
        {
            let outcome = entry.pattern.check_table(&table, &mut budget);
            if !trace.add(Candidate { entry, outcome }) {
                break;
            }
        }
        trace
    }
}

/// The valid patterns, and the problems of the invalid ones; an error if the file as a whole is invalid.
fn read(
    text: &str,
    identifier: Identifier,
) -> Result<(Neighbordb, Vec<PatternError>), PatternError> {
    let root = yaml::parse(text)?;
    if !matches!(root.value, Value::Null | Value::Mapping(_)) {
        return Err(PatternError::new(
            root.position,
            format!(
                "neighbordb must be a mapping with 'patterns', not {}",
                root.value.kind()
            ),
        ));
    }
    let globals: Globals<'_> = pattern::read_globals(root.get("variables"))?;
    let patterns = match root.get("patterns").map(|node| (node, &node.value)) {
        None | Some((_, Value::Null)) => &[][..],
        Some((_, Value::List(patterns))) => patterns,
        Some((node, other)) => {
            return Err(PatternError::new(
                node.position,
                format!("'patterns' must be a list, not {}", other.kind()),
            ));
        }
    };
    let mut neighbordb = Neighbordb {
        entries: Vec::with_capacity(patterns.len()),
        by_node: HashMap::new(),
        global: Vec::new(),
        unknown_keys: root
            .unknown_keys(&KEYS)
            .take(MAX_UNKNOWN_KEYS)
            .map(Node::shown)
            .collect(),
    };
    let mut problems = Vec::new();
    let mut totals = Totals::default();
    for node in patterns {
        match pattern::read_entry(node, identifier, &globals, &mut totals) {
            Ok((pattern, definition, config_handler)) => neighbordb.add(Entry {
                definition,
                config_handler,
                pattern,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    Ok((neighbordb, problems))
}

impl Neighbordb {
    fn add(&mut self, entry: Entry) {
        let index = self.entries.len();
        match &entry.pattern.node {
            Some(node) => {
                self.by_node.entry(node.clone()).or_insert(index);
            }
            None => self.global.push(index),
        }
        self.entries.push(entry);
    }
}
