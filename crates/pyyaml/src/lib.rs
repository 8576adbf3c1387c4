//! YAML 1.1 as PyYAML 6's `SafeLoader` reads it: the content of existing ZTPServers was written for that loader.
//!
//! [`parse`] turns a text into a tree of [`Node`]s with positions; [`Node::to_json`] returns the JSON that Python's
//! `json.dumps` writes for the loaded object. libyaml scans the text, with the grammar that PyYAML shares. This crate
//! applies PyYAML's rules for the types of scalars (`yes`, `010`, `1:30`, dates), tags, merge keys and duplicate keys.
//!
//! Three differences are intended: dates and times become ISO strings (Python's objects have no JSON), a document that
//! refers to itself is rejected, and the `MAX_*` limits below bound every size.
//!
//! ```
//! let document = pyyaml::parse("name: leaf\nports: [010, yes]\n").unwrap();
//! assert_eq!(document.get("name").unwrap().as_str(), Some("leaf"));
//! assert_eq!(document.to_json().unwrap().to_string(), r#"{"name":"leaf","ports":[8,true]}"#);
//!
//! let error = pyyaml::parse("a: *b").unwrap_err();
//! assert_eq!(error.to_string(), "line 1, column 4: the alias 'b' has no anchor before it");
//! ```

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
pub use load::{parse, parse_within};
pub use quote::quoted;

/// Limit of the length of a text, in bytes.
pub const MAX_TEXT: usize = 512 * 1024;
/// Limit of the nesting of lists and mappings.
pub const MAX_DEPTH: usize = 64;
/// Limit of the scalars, lists and mappings in a document after its aliases are expanded. Also the limit of those inside
/// anchors, where a value counts once for each anchor around it.
pub const MAX_NODES: usize = 25_000;
/// Limit of the text of all scalars in a document after its aliases are expanded, in bytes.
pub const MAX_EXPANDED_TEXT: usize = 4 * MAX_TEXT;

/// The limits of one document that [`parse_within`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In place of [`MAX_TEXT`].
    pub text: usize,
    /// In place of [`MAX_NODES`].
    pub nodes: usize,
}

impl Default for Limits {
    /// [`MAX_TEXT`] and [`MAX_NODES`].
    fn default() -> Self {
        Limits {
            text: MAX_TEXT,
            nodes: MAX_NODES,
        }
    }
}

/// A position in a text. Line and column are counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// The start of a text. Also the position of an empty document.
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

/// One value of a document, and its position.
///
/// A value that an alias copied has the position of the anchor: that is the line to correct.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub position: Position,
    pub value: Value,
    /// The source text of a scalar that is not a string: `010` for the number 8.
    written: Option<Box<str>>,
}

/// The value of a node, in the types that PyYAML's `SafeLoader` constructs.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// A string, or a date or time in ISO format.
    Str(Box<str>),
    /// `!!binary`; has no JSON.
    Binary(Vec<u8>),
    List(Vec<Node>),
    /// The keys are unique, in the order of their first occurrence.
    Mapping(Vec<(Node, Node)>),
    /// `!!set`; has no JSON.
    Set(Vec<Node>),
}

impl Value {
    /// The name of the type in a message: "a list".
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

    /// The value of `key` in a mapping; `None` if the key is missing or this is not a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(k, _)| k.as_str() == Some(key))
            .map(|(_, value)| value)
    }

    /// The pairs of a mapping in order; empty for anything else.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The keys of a mapping that are not in `known`.
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

    /// The source text of a string, number, date or time; `None` for anything else. With it, `node: 001122334455` is the
    /// name that the operator typed and not an octal number.
    pub fn as_name(&self) -> Option<&str> {
        match &self.value {
            Value::Str(text) => Some(self.written.as_deref().unwrap_or(text)),
            Value::Int(_) | Value::Float(_) => self.written.as_deref(),
            _ => None,
        }
    }

    /// The value as messages show it: its text in quotes, or its kind. Names a space character in the text that YAML reads
    /// as a letter.
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
