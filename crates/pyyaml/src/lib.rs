//! YAML 1.1 as PyYAML 6's `SafeLoader` reads it, because that is what the files in the field were written for.
//!
//! [`parse`] turns a text into a tree of [`Node`]s that know where they stand; [`Node::to_json`] gives what Python's
//! `json.dumps` would write for the loaded object. Scanning is libyaml's, whose grammar PyYAML shares; what a scalar
//! means (`yes`, `010`, `1:30`, dates), tags, merge keys and duplicate keys are decided here, by PyYAML's rules.
//!
//! Three things differ on purpose: dates and times are their ISO string at once (Python could not send them as JSON), a
//! document that refers to itself is refused, and every size is bounded by the `MAX_*` limits below.

mod blanks;
mod duplicates;
mod events;
mod json;
mod load;
pub mod printable;
mod quote;
mod scalar;

use std::fmt;

use printable::Printable;

pub use duplicates::duplicate_keys;
pub use load::parse;
pub use quote::quoted;

/// Longest text that [`parse`] takes, in bytes.
pub const MAX_TEXT: usize = 1024 * 1024;
/// Deepest nesting of lists and mappings.
pub const MAX_DEPTH: usize = 64;
/// Most scalars, lists and mappings in a document, counted after aliases are replaced by what they stand for; and most of
/// them within anchors, counted once for each anchor around them.
pub const MAX_NODES: usize = 50_000;
/// Most bytes of scalar text in a document, counted after aliases are replaced by what they stand for.
pub const MAX_EXPANDED_TEXT: usize = 4 * MAX_TEXT;

/// A place in a text: line and column, both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// Where a text begins, and what an empty text is reported at.
    pub const START: Position = Position { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A problem in a file: its position and a message for the operator.
///
/// It is the error of everything that reads YAML here, and of what is built on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub position: Position,
    /// One sentence without a full stop.
    pub message: String,
}

impl Diagnostic {
    /// A problem at a position.
    pub fn new(position: Position, message: impl Into<String>) -> Self {
        Diagnostic {
            position,
            message: message.into(),
        }
    }

    /// A problem with a value, at its position.
    pub fn at(node: &Node, message: impl Into<String>) -> Self {
        Diagnostic::new(node.position, message)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// One value of a document and the place where it is written.
///
/// A value that came through an alias keeps the place of its anchor: that is the line to correct.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub position: Position,
    pub value: Value,
    /// What was written, where it is not the value itself: `010` for the number 8.
    written: Option<Box<str>>,
}

/// What a node means, in the types that PyYAML's `SafeLoader` makes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// Text, and dates and times in ISO format.
    Str(Box<str>),
    /// `!!binary`: no JSON.
    Binary(Vec<u8>),
    List(Vec<Node>),
    /// Keys are unique, and in the order in which each was first written.
    Mapping(Vec<(Node, Node)>),
    /// `!!set`: no JSON.
    Set(Vec<Node>),
}

impl Value {
    /// What a message calls it: "a list".
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Str(text) if text.contains('\u{a0}') => "a string with a no-break space",
            Value::Str(_) => "a string",
            Value::Binary(_) => "binary data",
            Value::List(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Set(_) => "a set",
        }
    }
}

impl Node {
    pub(crate) fn new(position: Position, value: Value) -> Self {
        Node {
            position,
            value,
            written: None,
        }
    }

    /// The value of `key` in a mapping; `None` if the key is absent or this is no mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(k, _)| k.as_str() == Some(key))
            .map(|(_, value)| value)
    }

    /// The pairs of a mapping, in order; none for anything else.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The keys of a mapping that are none of `known`, and so mean nothing where those are all.
    pub fn unknown_keys<'n>(&'n self, known: &'n [&str]) -> impl Iterator<Item = &'n Node> {
        let keys = self.entries().iter().map(|(key, _)| key);
        keys.filter(|key| !key.as_str().is_some_and(|name| known.contains(&name)))
    }

    /// The text of a string; `None` for anything else.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string or of a number as it is written, so that `node: 001122334455` is the name that the operator
    /// typed and not the octal number which YAML makes of it; `None` for anything else.
    pub fn as_name(&self) -> Option<&str> {
        match &self.value {
            Value::Str(text) => Some(self.written.as_deref().unwrap_or(text)),
            Value::Int(_) | Value::Float(_) => self.written.as_deref(),
            _ => None,
        }
    }

    /// What a message shows of this value: the text in quotes, or its kind. A blank in it that YAML takes for a letter is
    /// called by its name.
    pub fn shown(&self) -> String {
        let Some(text) = self.as_name().or(self.written.as_deref()) else {
            return self.value.kind().to_owned();
        };
        match blanks::named_in(text) {
            Some(blank) => format!("'{}' with {blank}", Printable(text)),
            None => format!("'{}'", Printable(text)),
        }
    }

    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }
}

#[cfg(test)]
mod tests;
