//! `neighbordb`: which definition is meant for a node that nobody has registered.

use std::collections::HashMap;
use std::fmt;

use super::content_name::ContentName;
use super::node::{Identifier, NodeFacts, NodeId};
use super::pattern::{
    self, Globals, MAX_HINT_STEPS, MAX_STEPS, Mismatch, NeighborTable, Pattern, PatternError,
    Totals,
};
use super::printable::cut;
use super::pyregex::Budget;
use super::yaml::{self, Node, Value};

/// A neighbordb as parsed: patterns in order, each with the definition that it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbordb {
    entries: Vec<Entry>,
    /// The first pattern for each node that one is for.
    by_node: HashMap<String, usize>,
    /// The patterns for any node.
    global: Vec<usize>,
    /// Keys at the top that nothing reads, as a message shows them.
    unknown_keys: Vec<String>,
}

/// The keys of a neighbordb.
pub const KEYS: [&str; 2] = ["variables", "patterns"];
/// Most unknown keys that a refusal names.
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

/// What neighbordb says about a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection<'a> {
    Matched(&'a Entry),
    Refused(Refusal<'a>),
}

/// Most mismatches that are kept of a refusal; of those beyond, their number. No text of [`MAX_REFUSAL`] bytes has more.
pub const MAX_MISMATCHES: usize = 2_000;
/// Most bytes of an answer that says why no pattern matches.
pub const MAX_REFUSAL: usize = 64 * 1024;
/// Most bytes of that in a log line.
pub const MAX_LOGGED_REFUSAL: usize = 4 * 1024;

/// Why no pattern matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal<'a> {
    /// For each pattern that was tried, in order, why it does not; at most [`MAX_MISMATCHES`], and the one that ended the
    /// search because it could not be decided.
    pub mismatches: Vec<Mismatch<'a>>,
    /// Keys of neighbordb that nothing reads: named where there is no pattern.
    pub unknown_keys: &'a [String],
    /// How many more patterns do not match.
    pub more: usize,
}

impl<'a> Refusal<'a> {
    fn add(&mut self, mismatch: Mismatch<'a>) {
        if self.mismatches.len() < MAX_MISMATCHES || mismatch.is_indeterminate() {
            self.mismatches.push(mismatch);
        } else {
            self.more += 1;
        }
    }

    fn no_pattern(&self) -> String {
        let mut text = "neighbordb has no pattern for this node".to_owned();
        if !self.unknown_keys.is_empty() {
            text += &format!(
                "; of its keys only {} are read, not {}",
                KEYS.join(" and "),
                self.unknown_keys.join(", ")
            );
        }
        text
    }

    /// One line for each pattern, in at most `max` bytes, where each character takes `width` of them. If that is not enough
    /// for all, the text ends with `and 7 more patterns`; a pattern that could not be decided is among those shown.
    ///
    /// No more is built than is returned, but for one line.
    pub fn text(&self, max: usize, width: impl Fn(char) -> usize + Copy) -> String {
        if self.mismatches.is_empty() {
            return cut(&self.no_pattern(), max, width).into_owned();
        }
        let size = |text: &str| text.chars().map(width).sum::<usize>();
        let mut budget = Budget::new(MAX_HINT_STEPS);
        let (last, others) = match self.mismatches.split_last() {
            Some((last, others)) if last.is_indeterminate() => {
                (Some(last.text(&mut budget)), others)
            }
            _ => (None, self.mismatches.as_slice()),
        };
        let mut hidden = others.len() + self.more;
        let total = hidden + usize::from(last.is_some());
        let ending = |hidden: usize| match hidden {
            0 => String::new(),
            1 => "\nand 1 more pattern".to_owned(),
            more => format!("\nand {more} more patterns"),
        };
        let newline = width('\n');
        let last = last.map(|last| {
            let room = max.saturating_sub(size(&ending(total)) + newline);
            cut(&last, room, width).into_owned()
        });
        // What the end of the text takes, whatever it says.
        let mut left = max
            .saturating_sub(size(&ending(total)))
            .saturating_sub(last.as_deref().map_or(0, |last| size(last) + newline));
        let mut lines = Vec::new();
        for mismatch in others {
            let line = mismatch.text(&mut budget);
            let line = match lines.is_empty() && last.is_none() {
                true => cut(&line, left, width),
                false => line.into(),
            };
            left = match left.checked_sub(size(&line) + newline) {
                Some(left) => left,
                // The first has no line end before it.
                None if lines.is_empty() && last.is_none() => 0,
                None => break,
            };
            lines.push(line.into_owned());
            hidden -= 1;
        }
        lines.extend(last);
        lines.join("\n") + &ending(hidden)
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(MAX_REFUSAL, char::len_utf8))
    }
}

impl Neighbordb {
    /// Reads a neighbordb; an empty text holds no pattern. One bad pattern makes the whole unusable, so that no later one
    /// catches its nodes by accident.
    ///
    /// # Errors
    /// The first thing that is wrong; [`Neighbordb::problems`] lists all.
    pub fn parse(text: &str, identifier: Identifier) -> Result<Neighbordb, PatternError> {
        let (neighbordb, problems) = read(text, identifier)?;
        match problems.into_iter().next() {
            None => Ok(neighbordb),
            Some(problem) => Err(problem),
        }
    }

    /// Everything that is wrong with a neighbordb: at most one problem for each pattern.
    pub fn problems(text: &str, identifier: Identifier) -> Vec<PatternError> {
        read(text, identifier).map_or_else(|problem| vec![problem], |(_, problems)| problems)
    }

    /// All patterns, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The pattern that a node matches. The first `node:` pattern for it is its only candidate, if there is one; else those
    /// for any node are tried in order.
    ///
    /// A pattern of which it cannot be told whether it matches ends the search without a match.
    pub fn select<'a>(&'a self, id: &NodeId, facts: &'a NodeFacts) -> Selection<'a> {
        let mut refusal = Refusal {
            mismatches: Vec::new(),
            more: 0,
            unknown_keys: &self.unknown_keys,
        };
        for (entry, outcome) in self.tries(id, facts) {
            match outcome {
                Ok(()) => return Selection::Matched(entry),
                Err(mismatch) => refusal.add(mismatch),
            }
        }
        Selection::Refused(refusal)
    }

    /// The patterns that [`select`](Self::select) tries, each with what came of it; the last one matches, or cannot be
    /// decided, or is the last there is.
    pub fn tries<'a>(
        &'a self,
        id: &NodeId,
        facts: &'a NodeFacts,
    ) -> impl Iterator<Item = (&'a Entry, Result<(), Mismatch<'a>>)> + use<'a> {
        let table = NeighborTable::of(facts);
        let mut budget = Budget::new(MAX_STEPS);
        let candidates = self
            .by_node
            .get(id.as_str())
            .map_or(self.global.as_slice(), std::slice::from_ref);
        let mut decided = false;
        let entries = candidates
            .iter()
            .filter_map(|&index| self.entries.get(index));
        entries.map_while(move |entry| {
            if decided {
                return None;
            }
            let outcome = entry.pattern.check_table(&table, &mut budget);
            decided = match &outcome {
                Ok(()) => true,
                Err(mismatch) => mismatch.is_indeterminate(),
            };
            Some((entry, outcome))
        })
    }
}

/// What can be read, and what is wrong with the rest; an error if nothing can be.
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
