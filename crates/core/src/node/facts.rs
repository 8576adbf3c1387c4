//! The facts that a switch sends with POST /nodes, stored as the record `.node`.

mod json;

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::printable::Printable;

use json::{Json, JsonError, get};

pub use json::MAX_VALUES;

use super::{Identifier, InvalidNodeId, NodeId, normalize_mac};

/// Maximum size of the body of POST /nodes and of `.node`, in bytes.
pub const MAX_FACTS: usize = 1024 * 1024;
/// Maximum length of a fact or name, in bytes. LLDP allows 511 for a string (IEEE 802.1AB, 8.4). The refusal of a switch
/// that matches no pattern repeats its names for each pattern.
pub const MAX_FACT: usize = 1024;
/// Maximum number of LLDP neighbors of one node, over all interfaces.
pub const MAX_NEIGHBORS: usize = 4096;
/// Maximum number of interfaces of one node. If a node sends more, the interfaces without a neighbor are dropped: no
/// pattern depends on them. Each other interface has a neighbor, so at most [`MAX_NEIGHBORS`] remain.
pub const MAX_NODE_INTERFACES: usize = MAX_NEIGHBORS;

/// An LLDP neighbor, as it announces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Neighbor {
    /// The system name.
    pub device: String,
    /// The neighbor's interface at the end of the cable.
    pub port: String,
}

/// The facts of a switch. An unknown fact is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    pub model: Option<String>,
    pub serialnumber: Option<String>,
    /// In the notation of [`normalize_mac`].
    pub systemmac: Option<String>,
    pub version: Option<String>,
    /// Each local interface once, with its neighbors, in the order in which the switch sent them.
    pub neighbors: Vec<(String, Vec<Neighbor>)>,
}

/// A body of POST /nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    pub facts: NodeFacts,
    /// A startup-config to store for this node, in place of a match in neighbordb.
    pub config: Option<String>,
}

impl Post {
    /// Parses a body of POST /nodes. A neighbor is `{device, port}`, as in ztpserver's client, or
    /// `{device, remote_interface}`, as in the specification. A missing or null fact is unknown, a number is the string of
    /// its digits, and unknown keys are ignored.
    ///
    /// # Errors
    /// The body is not a JSON object, has a fact of the wrong type or a neighbor without device or port, or exceeds
    /// [`MAX_FACTS`], [`MAX_FACT`], [`MAX_NEIGHBORS`] or [`MAX_VALUES`].
    pub fn parse(body: &[u8]) -> Result<Post, FactsError> {
        let object = read_object(body)?;
        let config = match get(&object, "config") {
            None => None,
            Some(Json::String(config)) => Some(config.clone().into_owned()),
            Some(other) => return Err(wrong_type("config", "a string", other)),
        };
        Ok(Post {
            facts: NodeFacts::from_object(&object)?,
            config,
        })
    }
}

impl NodeFacts {
    /// Facts that have nothing but a node's id.
    pub fn of_id(id: &NodeId, identifier: Identifier) -> NodeFacts {
        let id = Some(id.to_string());
        match identifier {
            Identifier::SerialNumber => NodeFacts {
                serialnumber: id,
                ..NodeFacts::default()
            },
            Identifier::SystemMac => NodeFacts {
                systemmac: id,
                ..NodeFacts::default()
            },
        }
    }

    /// Parses a stored `.node`.
    ///
    /// # Errors
    /// As [`Post::parse`].
    pub fn parse_stored(text: &str) -> Result<NodeFacts, FactsError> {
        NodeFacts::from_object(&read_object(text.as_bytes())?)
    }

    fn from_object(object: &Object<'_>) -> Result<NodeFacts, FactsError> {
        Ok(NodeFacts {
            model: text(object, "model")?,
            // Trimmed as in an id.
            serialnumber: text(object, "serialnumber")?.map(|serial| serial.trim().to_owned()),
            systemmac: text(object, "systemmac")?.map(|mac| normalize_mac(&mac)),
            version: text(object, "version")?,
            neighbors: neighbors(get(object, "neighbors"))?,
        })
    }

    /// The id of this node.
    ///
    /// # Errors
    /// The fact that `identifier` selects is missing, empty, or not a valid id.
    pub fn id(&self, identifier: Identifier) -> Result<NodeId, FactsError> {
        let fact = match identifier {
            Identifier::SerialNumber => &self.serialnumber,
            Identifier::SystemMac => &self.systemmac,
        };
        let Some(fact) = fact.as_deref().filter(|fact| !fact.trim().is_empty()) else {
            return Err(FactsError::NoIdentifier(identifier));
        };
        fact.parse()
            .map_err(|reason| FactsError::BadIdentifier(identifier, reason))
    }

    /// Whether the facts are equal, in any order of the interfaces and of the neighbors of each: LLDP defines no order.
    pub fn is_same(&self, other: &NodeFacts) -> bool {
        self.values() == other.values() && self.sorted() == other.sorted()
    }

    /// The facts without the neighbors. An empty fact is unknown.
    fn values(&self) -> [Option<&str>; 4] {
        [
            &self.model,
            &self.serialnumber,
            &self.systemmac,
            &self.version,
        ]
        .map(|fact| fact.as_deref().filter(|fact| !fact.is_empty()))
    }

    /// The neighbors, sorted.
    fn sorted(&self) -> Vec<(&str, Vec<(&str, &str)>)> {
        let mut sorted: Vec<_> = self
            .neighbors
            .iter()
            .map(|(interface, seen)| {
                let peers = seen.iter();
                let mut peers: Vec<_> = peers
                    .map(|peer| (peer.device.as_str(), peer.port.as_str()))
                    .collect();
                peers.sort_unstable();
                (interface.as_str(), peers)
            })
            .collect();
        sorted.sort_unstable();
        sorted
    }

    /// The contents of `.node`: the known facts, and always `neighbors`, as `{device, port}`. The keys and their order are
    /// ztpserver's.
    ///
    /// # Errors
    /// None for any facts; the serializer's signature requires them.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

impl Serialize for NodeFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_map(None)?;
        for (key, fact) in [
            ("model", &self.model),
            ("systemmac", &self.systemmac),
            ("serialnumber", &self.serialnumber),
            ("version", &self.version),
        ] {
            if let Some(fact) = fact.as_ref().filter(|fact| !fact.is_empty()) {
                record.serialize_entry(key, fact)?;
            }
        }
        record.serialize_entry("neighbors", &Interfaces(&self.neighbors))?;
        record.end()
    }
}

/// Neighbors by interface, as a mapping.
struct Interfaces<'a>(&'a [(String, Vec<Neighbor>)]);

impl Serialize for Interfaces<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(interface, seen)| (interface, seen)))
    }
}

type Object<'a> = Vec<(Cow<'a, str>, Json<'a>)>;

fn read_object(text: &[u8]) -> Result<Object<'_>, FactsError> {
    if text.len() > MAX_FACTS {
        return Err(FactsError::TooLarge(text.len()));
    }
    match Json::parse(text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(other) => Err(FactsError::NotAnObject(other.kind())),
        Err(JsonError::Malformed(error)) => Err(FactsError::Malformed(error.to_string())),
        Err(JsonError::TooManyValues) => Err(FactsError::TooManyValues),
    }
}

fn text(object: &Object<'_>, key: &str) -> Result<Option<String>, FactsError> {
    match get(object, key) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => {
            let fact = scalar(value).ok_or_else(|| wrong_type(key, "a string", value))?;
            bounded(fact, || key.to_owned()).map(Some)
        }
    }
}

/// Checks a string against [`MAX_FACT`]; `what` names it in the error.
fn bounded(text: String, what: impl FnOnce() -> String) -> Result<String, FactsError> {
    if text.len() > MAX_FACT {
        return Err(FactsError::TooLong {
            what: what(),
            length: text.len(),
        });
    }
    Ok(text)
}

/// A string, or the digits of a number.
fn scalar(value: &Json<'_>) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone().into_owned()),
        Json::Integer(text) => Some(text.clone()),
        _ => None,
    }
}

fn neighbors(value: Option<&Json<'_>>) -> Result<Vec<(String, Vec<Neighbor>)>, FactsError> {
    let interfaces = match value {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Object(interfaces)) => interfaces,
        Some(other) => return Err(wrong_type("neighbors", "an object", other)),
    };
    let keep_empty = interfaces.len() <= MAX_NODE_INTERFACES;
    let is_kept = |seen: &Json<'_>| match seen {
        Json::List(seen) => keep_empty || !seen.is_empty(),
        _ => true,
    };
    let mut total = 0;
    interfaces
        .iter()
        .filter(|(_, seen)| is_kept(seen))
        .map(|(interface, seen)| {
            let interface = interface.clone().into_owned();
            let interface = bounded(interface, || "the name of an interface".to_owned())?;
            let Json::List(seen) = seen else {
                return Err(wrong_type(
                    &format!("neighbors of {}", Printable(&interface)),
                    "a list",
                    seen,
                ));
            };
            total += seen.len();
            if total > MAX_NEIGHBORS {
                return Err(FactsError::TooManyNeighbors);
            }
            let seen = seen
                .iter()
                .map(|peer| neighbor(&interface, peer))
                .collect::<Result<_, _>>()?;
            Ok((interface, seen))
        })
        .collect()
}

fn neighbor(interface: &str, peer: &Json<'_>) -> Result<Neighbor, FactsError> {
    let place = || format!("a neighbor of {}", Printable(interface));
    let Json::Object(peer) = peer else {
        return Err(wrong_type(&place(), "an object", peer));
    };
    let named = |keys: &[&str]| format!("'{}' of {}", keys.join("' or '"), place());
    let field = |keys: &[&str]| {
        let value = keys.iter().find_map(|key| get(peer, key));
        match value {
            // LLDP does not require a system name, only chassis and port ids.
            Some(Json::Null) => Ok(String::new()),
            Some(value) => {
                let text =
                    scalar(value).ok_or_else(|| wrong_type(&named(keys), "a string", value))?;
                bounded(text, || named(keys))
            }
            None => Err(FactsError::Missing(named(keys))),
        }
    };
    Ok(Neighbor {
        device: field(&["device"])?,
        port: field(&["port", "remote_interface"])?,
    })
}

fn wrong_type(what: &str, expected: &'static str, found: &Json<'_>) -> FactsError {
    FactsError::WrongType {
        what: what.to_owned(),
        expected,
        found: found.kind(),
    }
}

/// Why node facts are invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactsError {
    /// The size in bytes.
    TooLarge(usize),
    /// The message of the JSON parser.
    Malformed(String),
    /// The kind of the actual value.
    NotAnObject(&'static str),
    WrongType {
        what: String,
        expected: &'static str,
        found: &'static str,
    },
    Missing(String),
    /// Over [`MAX_FACT`]; `length` in bytes.
    TooLong {
        what: String,
        length: usize,
    },
    TooManyNeighbors,
    /// Over [`MAX_VALUES`].
    TooManyValues,
    NoIdentifier(Identifier),
    BadIdentifier(Identifier, InvalidNodeId),
}

impl fmt::Display for FactsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FactsError::TooLarge(length) => write!(
                f,
                "the node facts have {length} bytes; the limit is {MAX_FACTS}"
            ),
            FactsError::Malformed(reason) => write!(f, "the node facts are not JSON: {reason}"),
            FactsError::NotAnObject(found) => {
                write!(f, "the node facts must be a JSON object, not {found}")
            }
            FactsError::WrongType {
                what,
                expected,
                found,
            } => write!(f, "{what} must be {expected}, not {found}"),
            FactsError::Missing(what) => write!(f, "{what} is missing"),
            FactsError::TooLong { what, length } => {
                write!(f, "{what} has {length} bytes; the limit is {MAX_FACT}")
            }
            FactsError::TooManyNeighbors => {
                write!(f, "the node has more than {MAX_NEIGHBORS} neighbors")
            }
            FactsError::TooManyValues => {
                write!(f, "the node facts have more than {MAX_VALUES} values")
            }
            FactsError::NoIdentifier(Identifier::SerialNumber) => {
                write!(
                    f,
                    "the node sent no serialnumber; if its kind has none (vEOS), set IDENTIFIER to systemmac"
                )
            }
            FactsError::NoIdentifier(Identifier::SystemMac) => {
                write!(
                    f,
                    "the node sent no systemmac; if its kind has none, set IDENTIFIER to serialnumber"
                )
            }
            FactsError::BadIdentifier(identifier, reason) => {
                write!(f, "the {identifier} cannot identify the node: {reason}")
            }
        }
    }
}

impl std::error::Error for FactsError {}

#[cfg(test)]
mod tests;
