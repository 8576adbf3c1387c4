//! Resource pools: which values there are, and which node gets which.
//!
//! The contents of a pool are the YAML of `resources/<pool>`: a mapping from each value to null,
//! or to the node that it is reserved for. Who holds what is kept apart from it, in
//! [`Allocations`]: the file says what there is, the allocations say what is gone.

mod allocations;
mod range;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use super::yaml::{self, Node, Position, Value};
pub use allocations::{Allocations, Grant, Refusal};
use range::AddressRange;

/// The contents of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// What is there for any node, in the order of the file.
    open: Vec<Entry>,
    /// Value -> the node that it is reserved for.
    reserved: HashMap<String, String>,
    /// Node -> the first value that is reserved for it.
    reservations: HashMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Entry {
    Value(String),
    Range(AddressRange),
}

impl Pool {
    /// Reads the YAML of `resources/<pool>`.
    ///
    /// A key is a value, given out as it is written; but `10.0.0.10-10.0.3.254/22` is every address
    /// from the first to the last, each with the prefix length if there is one, and a network
    /// (`10.0.0.0/22`: no host bits) is every host address in it, with its prefix length.
    ///
    /// # Errors
    /// Bad YAML; what is no mapping or an empty one; a value for which something else than a node
    /// or nothing stands; a range that runs backwards, leaves its network, or is reserved.
    pub fn parse(text: &str) -> Result<Self, PoolError> {
        let root = yaml::parse(text)?;
        let entries = match &root.value {
            Value::Mapping(entries) if !entries.is_empty() => entries,
            Value::Mapping(_) | Value::Null => return Err(PoolError::at(&root, "it is empty")),
            other => {
                let message = format!("it must be a mapping of values, not {}", other.kind());
                return Err(PoolError::at(&root, message));
            }
        };
        let mut pool = Self {
            open: Vec::new(),
            reserved: HashMap::new(),
            reservations: HashMap::new(),
        };
        for (key, holder) in entries {
            pool.add(key, holder)?;
        }
        Ok(pool)
    }

    fn add(&mut self, key: &Node, holder: &Node) -> Result<(), PoolError> {
        let Some(value) = key.as_name().filter(|value| !value.is_empty()) else {
            let message = format!("a value must be a text or a number, not {}", key.shown());
            return Err(PoolError::at(key, message));
        };
        let range = AddressRange::parse(value).map_err(|message| PoolError::at(key, message))?;
        match (range, reserved_for(holder)?) {
            (Some(range), None) => self.open.push(Entry::Range(range)),
            (None, None) => self.open.push(Entry::Value(value.to_owned())),
            (Some(_), Some(node)) => {
                let message = format!(
                    "'{value}' is many values, and cannot be reserved for the node '{node}'; \
                     reserve one of them"
                );
                return Err(PoolError::at(key, message));
            }
            (None, Some(node)) => {
                self.reservations
                    .entry(node.to_owned())
                    .or_insert_with(|| value.to_owned());
                self.reserved.insert(value.to_owned(), node.to_owned());
            }
        }
        Ok(())
    }

    /// How many values there are for any node. A value in two ranges counts twice.
    pub fn open_len(&self) -> u128 {
        let count = |entry: &Entry| match entry {
            Entry::Value(_) => 1,
            Entry::Range(range) => range.len(),
        };
        self.open.iter().map(count).fold(0, u128::saturating_add)
    }

    /// The values that the file reserves, each with its node.
    pub fn reserved(&self) -> impl Iterator<Item = (&str, &str)> {
        self.reserved
            .iter()
            .map(|(value, node)| (value.as_str(), node.as_str()))
    }

    /// Whether the file has that value, reserved or not.
    pub fn contains(&self, value: &str) -> bool {
        self.reserved.contains_key(value)
            || self.open.iter().any(|entry| match entry {
                Entry::Value(there) => there == value,
                Entry::Range(range) => range.contains(value),
            })
    }

    /// The values for any node, in the order of the file: as many as there are, so take no more than needed.
    pub fn open(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.open
            .iter()
            .flat_map(|entry| match entry {
                Entry::Value(value) => Values::One(std::iter::once(Cow::Borrowed(value.as_str()))),
                Entry::Range(range) => Values::Many(range.iter().map(Cow::Owned)),
            })
            .filter(|value| !self.reserved.contains_key(value.as_ref()))
    }
}

/// The values of one entry.
enum Values<A, B> {
    One(A),
    Many(B),
}

impl<T, A: Iterator<Item = T>, B: Iterator<Item = T>> Iterator for Values<A, B> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::One(values) => values.next(),
            Self::Many(values) => values.next(),
        }
    }
}

/// The node that a value is reserved for. What Python takes for false is nobody, as in ztpserver.
fn reserved_for(holder: &Node) -> Result<Option<&str>, PoolError> {
    match &holder.value {
        Value::Null | Value::Bool(false) | Value::Int(0) => Ok(None),
        Value::Str(text) if text.is_empty() => Ok(None),
        _ => holder.as_name().map(Some).ok_or_else(|| {
            let message = format!(
                "behind a value stands null, or the node it is reserved for, not {}",
                holder.shown()
            );
            PoolError::at(holder, message)
        }),
    }
}

/// Why the contents of a pool cannot be used, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolError {
    pub position: Position,
    pub message: String,
}

impl PoolError {
    fn at(node: &Node, message: impl Into<String>) -> Self {
        Self {
            position: node.position,
            message: message.into(),
        }
    }
}

impl From<yaml::Error> for PoolError {
    fn from(yaml::Error { position, message }: yaml::Error) -> Self {
        Self { position, message }
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)
    }
}

impl std::error::Error for PoolError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(text: &str) -> Pool {
        Pool::parse(text).unwrap()
    }

    fn open(text: &str) -> Vec<String> {
        pool(text).open().map(Cow::into_owned).collect()
    }

    #[test]
    fn gives_values_as_they_are_written_in_file_order() {
        let text = "192.168.1.2/24: null\n192.168.1.1/24:\n0012: ~\nrack-7: ''\n10.0.0.9: no\n";
        let written = [
            "192.168.1.2/24",
            "192.168.1.1/24",
            "0012",
            "rack-7",
            "10.0.0.9",
        ];
        assert_eq!(open(text), written);
    }

    #[test]
    fn a_range_is_every_address_in_it() {
        for (text, expected) in [
            (
                "10.0.0.254-10.0.1.1/22: null",
                vec![
                    "10.0.0.254/22",
                    "10.0.0.255/22",
                    "10.0.1.0/22",
                    "10.0.1.1/22",
                ],
            ),
            ("10.0.0.7 - 10.0.0.8:", vec!["10.0.0.7", "10.0.0.8"]),
            ("10.0.0.0/30: null", vec!["10.0.0.1/30", "10.0.0.2/30"]),
            ("10.0.0.0/31: null", vec!["10.0.0.0/31"]),
            ("10.0.0.0-10.0.0.0/24: null", vec!["10.0.0.0/24"]),
            (
                "'2001:db8::fffe-2001:db8::1:0/64':",
                vec!["2001:db8::fffe/64", "2001:db8::ffff/64", "2001:db8::1:0/64"],
            ),
            (
                "'2001:db8::/126':",
                vec!["2001:db8::1/126", "2001:db8::2/126", "2001:db8::3/126"],
            ),
        ] {
            assert_eq!(open(text), expected, "{text}");
        }
    }

    #[test]
    fn a_large_range_costs_nothing_until_it_is_used() {
        let pool = pool("'2001:db8::/64': null\n10.0.0.0/8: null\n");
        assert_eq!(pool.open_len(), (1 << 64) - 1 + (1 << 24) - 2);
        assert_eq!(pool.open().next().as_deref(), Some("2001:db8::1/64"));
        assert!(pool.contains("10.255.255.254/8") && !pool.contains("10.255.255.255/8"));
    }

    #[test]
    fn rejects_contents_that_nobody_can_allocate_from() {
        for (text, reason) in [
            ("", "it is empty"),
            ("{}", "it is empty"),
            ("- a\n", "must be a mapping of values, not a list"),
            ("a: [", "flow node"),
            ("a: {b: c}", "not a mapping"),
            ("null: null", "must be a text or a number"),
            ("10.0.0.9-10.0.0.1: null", "runs backwards"),
            ("10.0.0.1-10.0.0.300: null", "whole address"),
            ("10.0.0.1-20: null", "whole address"),
            ("'10.0.0.1-2001:db8::1': null", "both IPv4 or both IPv6"),
            ("10.0.0.1-10.0.1.1/24: null", "not in one /24"),
            ("10.0.0.1-10.0.0.2/33: null", "at most 32"),
            (
                "a: null\n10.0.0.0/24: JPE1\n",
                "line 2, column 1: '10.0.0.0/24' is many values",
            ),
        ] {
            let error = Pool::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
