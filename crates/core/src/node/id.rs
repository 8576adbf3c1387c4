//! The id of a node: its serial number or its system MAC address. It is a segment of every key and URL of the node.

use std::fmt;
use std::str::FromStr;

use crate::printable::Printable;

/// Maximum length of a node id, in bytes. A key of Workers KV has at most 512.
pub const MAX_NODE_ID: usize = 200;

/// The id of one node, safe as a segment of a key: not empty, no `/`, no control character, neither `.` nor `..`, at
/// most [`MAX_NODE_ID`] bytes. White space around it is removed: some switches pad their serial number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(String);

impl NodeId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NodeId {
    type Err = InvalidNodeId;

    fn from_str(id: &str) -> Result<Self, InvalidNodeId> {
        let id = id.trim();
        if id.is_empty() {
            return Err(InvalidNodeId::Empty);
        }
        if id.len() > MAX_NODE_ID {
            return Err(InvalidNodeId::TooLong(id.len()));
        }
        if id == "." || id == ".." || id.contains('/') || id.contains(char::is_control) {
            return Err(InvalidNodeId::Unsafe(id.to_owned()));
        }
        Ok(NodeId(id.to_owned()))
    }
}

impl TryFrom<String> for NodeId {
    type Error = InvalidNodeId;

    fn try_from(id: String) -> Result<Self, InvalidNodeId> {
        id.parse()
    }
}

/// Why a string is not a valid node id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidNodeId {
    Empty,
    /// Its length in bytes.
    TooLong(usize),
    /// The id would form the key of another resource, or corrupt a log line.
    Unsafe(String),
}

impl fmt::Display for InvalidNodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidNodeId::Empty => write!(f, "the node id is empty"),
            InvalidNodeId::TooLong(length) => write!(
                f,
                "the node id has {length} bytes; the limit is {MAX_NODE_ID}"
            ),
            InvalidNodeId::Unsafe(id) => {
                write!(
                    f,
                    "'{}' is not a valid node id: '/', control characters, '.' and '..' are not allowed",
                    Printable(id)
                )
            }
        }
    }
}

impl std::error::Error for InvalidNodeId {}

/// The fact that is a node's id: the setting `IDENTIFIER`, as ztpserver's `identifier`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identifier {
    #[default]
    SerialNumber,
    SystemMac,
}

impl Identifier {
    /// The name of the fact, in the setting and in the POST.
    pub fn as_str(self) -> &'static str {
        match self {
            Identifier::SerialNumber => "serialnumber",
            Identifier::SystemMac => "systemmac",
        }
    }

    /// The id that a node has itself, from an operator's spelling: a MAC address in any notation, a serial number with
    /// white space around it. The result is not validated.
    pub fn canonical(self, written: &str) -> String {
        match self {
            Identifier::SerialNumber => written.trim().to_owned(),
            Identifier::SystemMac => normalize_mac(written.trim()),
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Identifier {
    type Err = InvalidIdentifier;

    fn from_str(setting: &str) -> Result<Self, InvalidIdentifier> {
        [Identifier::SerialNumber, Identifier::SystemMac]
            .into_iter()
            .find(|identifier| identifier.as_str() == setting)
            .ok_or_else(|| InvalidIdentifier(setting.to_owned()))
    }
}

/// An invalid value of the setting `IDENTIFIER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidIdentifier(pub String);

impl fmt::Display for InvalidIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "IDENTIFIER is '{}': set it to serialnumber or systemmac",
            Printable(&self.0)
        )
    }
}

impl std::error::Error for InvalidIdentifier {}

/// The notation of a MAC address in ids and records: without `:`, `.`, `-` and white space around it, in lower case. The
/// address is not validated: a virtual switch may send any string.
pub fn normalize_mac(mac: &str) -> String {
    mac.trim()
        .chars()
        .filter(|c| !matches!(c, ':' | '.' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}
