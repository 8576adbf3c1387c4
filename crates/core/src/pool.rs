//! Resource pools: which values there are, and which node gets which.
//!
//! The contents of a pool are the YAML of `resources/<pool>`: a mapping from each value to null,
//! or to the node that it is reserved for. Who holds what is kept apart from it, in
//! [`Allocations`]: the file says what there is, the allocations say what is gone.

mod allocations;
mod range;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::node::Identifier;
use super::yaml::{self, Diagnostic, Node, Value};
pub use allocations::{Allocations, Grant, Refusal};
use range::{AddressRange, Network};

/// The contents of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// What is there for any node, in the order of the file.
    open: Vec<Entry>,
    /// The values of `open` that are keys of their own, and in no range.
    keys: HashSet<String>,
    /// Those of them that are networks with several hosts.
    networks: HashSet<String>,
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
    /// A key is a value, given out as it is written, a network (`10.0.0.0/22`) like any other; but
    /// `10.0.0.10-10.0.3.254/22` is every address from the first to the last, each with the prefix
    /// length if there is one, and `hosts(10.0.0.0/22)` is every host address of the network, with
    /// its prefix length. `identifier` says what a node is called that a value is reserved for.
    ///
    /// # Errors
    /// Bad YAML; what is no mapping or an empty one; a value for which something else than a node
    /// or nothing stands; a range that runs backwards, leaves its network, or is reserved.
    pub fn parse(text: &str, identifier: Identifier) -> Result<Self, Diagnostic> {
        let root = yaml::parse(text)?;
        let entries = match &root.value {
            Value::Mapping(entries) if !entries.is_empty() => entries,
            Value::Mapping(_) | Value::Null => return Err(Diagnostic::at(&root, "it is empty")),
            other => {
                let message = format!("it must be a mapping of values, not {}", other.kind());
                return Err(Diagnostic::at(&root, message));
            }
        };
        let mut pool = Self {
            open: Vec::new(),
            keys: HashSet::new(),
            networks: HashSet::new(),
            reserved: HashMap::new(),
            reservations: HashMap::new(),
        };
        for (key, holder) in entries {
            pool.add(key, holder, identifier)?;
        }
        Ok(pool)
    }

    fn add(&mut self, key: &Node, holder: &Node, identifier: Identifier) -> Result<(), Diagnostic> {
        let Some(value) = key.as_name().filter(|value| !value.is_empty()) else {
            let message = format!("a value must be a text or a number, not {}", key.shown());
            return Err(Diagnostic::at(key, message));
        };
        let range = AddressRange::parse(value).map_err(|message| Diagnostic::at(key, message))?;
        match (range, reserved_for(holder)?) {
            (Some(range), None) => self.open.push(Entry::Range(range)),
            (None, None) => {
                self.open.push(Entry::Value(value.to_owned()));
                self.keys.insert(value.to_owned());
                if Network::parse(value).is_some_and(Network::has_hosts) {
                    self.networks.insert(value.to_owned());
                }
            }
            (Some(_), Some(node)) => {
                let message = format!(
                    "'{value}' is many values, and cannot be reserved for the node '{node}'; \
                     reserve one of them"
                );
                return Err(Diagnostic::at(key, message));
            }
            (None, Some(node)) => {
                let node = identifier.canonical(node);
                self.reservations
                    .entry(node.clone())
                    .or_insert_with(|| value.to_owned());
                self.reserved.insert(value.to_owned(), node);
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

    /// The first key that is a network of several hosts, in the order of the file. It is one value;
    /// who means its addresses has to write `hosts(…)`.
    pub fn network(&self) -> Option<&str> {
        self.open.iter().find_map(|entry| match entry {
            Entry::Value(value) if self.networks.contains(value) => Some(value.as_str()),
            _ => None,
        })
    }

    /// The values that the file reserves, each with its node.
    pub fn reserved(&self) -> impl Iterator<Item = (&str, &str)> {
        self.reserved
            .iter()
            .map(|(value, node)| (value.as_str(), node.as_str()))
    }

    /// The first value that the file reserves for a node, which is called as [`Identifier::canonical`] has it.
    pub fn reservation(&self, node: &str) -> Option<&str> {
        self.reservations.get(node).map(String::as_str)
    }

    /// Whether the file has that value, reserved or not.
    pub fn contains(&self, value: &str) -> bool {
        self.reserved.contains_key(value)
            || self.keys.contains(value)
            || self.open.iter().any(|entry| match entry {
                Entry::Value(_) => false,
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
fn reserved_for(holder: &Node) -> Result<Option<&str>, Diagnostic> {
    match &holder.value {
        Value::Null | Value::Bool(false) | Value::Int(0) => Ok(None),
        Value::Str(text) if text.is_empty() => Ok(None),
        _ => holder.as_name().map(Some).ok_or_else(|| {
            let message = format!(
                "behind a value stands null, or the node it is reserved for, not {}",
                holder.shown()
            );
            Diagnostic::at(holder, message)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(text: &str) -> Pool {
        Pool::parse(text, Identifier::SerialNumber).unwrap()
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
            ("10.0.0.0-10.0.0.0/24: null", vec!["10.0.0.0/24"]),
            (
                "10.255.0.255-10.255.1.1/32: null",
                vec!["10.255.0.255/32", "10.255.1.0/32", "10.255.1.1/32"],
            ),
            (
                "'2001:db8::ffff-2001:db8::1:0/128':",
                vec!["2001:db8::ffff/128", "2001:db8::1:0/128"],
            ),
            (
                "'2001:db8::fffe-2001:db8::1:0/64':",
                vec!["2001:db8::fffe/64", "2001:db8::ffff/64", "2001:db8::1:0/64"],
            ),
        ] {
            assert_eq!(open(text), expected, "{text}");
        }
    }

    #[test]
    fn a_network_is_one_value_and_hosts_of_it_are_every_address() {
        for (text, expected) in [
            (
                "10.20.1.0/24: null\n10.20.2.0/24: null\n2001:db8:20:1::/64: null\n",
                vec!["10.20.1.0/24", "10.20.2.0/24", "2001:db8:20:1::/64"],
            ),
            ("10.0.0.0/31: null", vec!["10.0.0.0/31"]),
            ("0.0.0.0/0: null", vec!["0.0.0.0/0"]),
            (
                "hosts(10.0.0.0/30): null",
                vec!["10.0.0.1/30", "10.0.0.2/30"],
            ),
            (
                "hosts( 10.0.0.0/31 ): null",
                vec!["10.0.0.0/31", "10.0.0.1/31"],
            ),
            ("hosts(10.0.0.7/32): null", vec!["10.0.0.7/32"]),
            (
                "hosts(2001:db8::/126): null",
                vec!["2001:db8::1/126", "2001:db8::2/126", "2001:db8::3/126"],
            ),
            (
                "hosts(2001:db8::2/127): null",
                vec!["2001:db8::2/127", "2001:db8::3/127"],
            ),
            ("hosts(2001:db8::2/128): null", vec!["2001:db8::2/128"]),
        ] {
            assert_eq!(open(text), expected, "{text}");
        }
        let reserved = pool("10.20.1.0/24: RACK01\n");
        let reserved: Vec<_> = reserved.reserved().collect();
        assert_eq!(reserved, [("10.20.1.0/24", "RACK01")]);
    }

    #[test]
    fn a_reservation_is_for_the_node_however_its_mac_address_is_written() {
        let text = "a: '00:1C:73:aa:BB:01'\nb: 001c.73aa.bb02\nc: 00-1c-73-aa-bb-03\nd: 001c73aabb01\ne: ' JPE1 '\n";
        let reserved = |identifier| {
            let pool = Pool::parse(text, identifier).unwrap();
            let mut nodes: Vec<String> = pool.reserved().map(|(_, node)| node.into()).collect();
            nodes.sort();
            (nodes, pool.reservations.get("001c73aabb01").cloned())
        };
        assert_eq!(
            reserved(Identifier::SystemMac),
            (
                [
                    "001c73aabb01",
                    "001c73aabb01",
                    "001c73aabb02",
                    "001c73aabb03",
                    "jpe1"
                ]
                .map(str::to_owned)
                .to_vec(),
                Some("a".to_owned())
            )
        );
        assert_eq!(
            reserved(Identifier::SerialNumber),
            (
                [
                    "00-1c-73-aa-bb-03",
                    "001c.73aa.bb02",
                    "001c73aabb01",
                    "00:1C:73:aa:BB:01",
                    "JPE1"
                ]
                .map(str::to_owned)
                .to_vec(),
                Some("d".to_owned())
            )
        );
    }

    #[test]
    fn a_large_range_costs_nothing_until_it_is_used() {
        let pool = pool("hosts(2001:db8::/64): null\nhosts(10.0.0.0/8): null\n");
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
            ("10.0.0.1-10.0.0.2/31: null", "not in one /31"),
            ("hosts(10.0.0.0/24: null", "must end with ')'"),
            ("hosts(10.0.0.0): null", "with its prefix length"),
            ("hosts(10.0.0.0/33): null", "with its prefix length"),
            ("hosts(mgmt): null", "with its prefix length"),
            ("hosts(10.0.0.7/24): null", "write hosts(10.0.0.0/24)"),
            (
                "a: null\nhosts(10.0.0.0/24): JPE1\n",
                "line 2, column 1: 'hosts(10.0.0.0/24)' is many values",
            ),
        ] {
            let error = Pool::parse(text, Identifier::SerialNumber);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
