//! Resource pools: their values, and the allocation of values to nodes.
//!
//! The contents of a pool are the YAML of `resources/<pool>`: a mapping from each value to null,
//! or to the node that it is reserved for, with a name if the node has several values of the pool ([`Holder`]).
//! [`Allocations`], stored separately, are the values that nodes hold. [`SeenFile`] recognizes stale reads of the file.

mod address_range;
mod allocations;
mod file;
mod holder;
mod ranges;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::node::Identifier;
use super::yaml::{self, Diagnostic, Node, Value};
use address_range::{AddressRange, Network};
pub use allocations::{AllocationError, Allocations, Grant};
pub use file::{InvalidSeenFile, MAX_STATES, Reading, SeenFile};
pub use holder::{Holder, InvalidValueName, MAX_VALUE_NAME, ValueName};
use ranges::Ranges;

/// The contents of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// The values for any node, in the order of the file.
    open: Vec<PoolEntry>,
    /// The ranges of `open`.
    ranges: Ranges,
    /// The single values of `open`, without ranges.
    keys: HashSet<String>,
    /// The `keys` that are networks with several hosts.
    networks: HashSet<String>,
    /// Value -> the node that it is reserved for.
    reserved: HashMap<String, Holder>,
    /// Node -> the first value that is reserved for it.
    reservations: HashMap<Holder, String>,
}

#[derive(Debug, Clone, PartialEq)]
enum PoolEntry {
    Value(String),
    Range(AddressRange),
}

impl Pool {
    /// Parses the YAML of `resources/<pool>`.
    ///
    /// A key is a value, allocated as written, also if it is a network (`10.0.0.0/22`); but
    /// `10.0.0.10-10.0.3.254/22` is every address from the first to the last, each with the prefix
    /// length if it is given, and `hosts(10.0.0.0/22)` is every host address of the network, with
    /// its prefix length. `identifier` is the kind of the ids in reservations.
    ///
    /// # Errors
    /// Invalid YAML; not a mapping, or an empty one; a reservation that is neither null nor a node; a range that
    /// runs backwards, leaves its network, or is reserved.
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
            ranges: Ranges::default(),
            keys: HashSet::new(),
            networks: HashSet::new(),
            reserved: HashMap::new(),
            reservations: HashMap::new(),
        };
        for (key, holder) in entries {
            pool.add(key, holder, identifier)?;
        }
        pool.ranges.sort();
        // After all keys: 65001 and '65001' are two keys of YAML and one value, which is the last holder's.
        for value in entries.iter().filter_map(|(key, _)| key.as_name()) {
            if let Some(holder) = pool.reserved.get(value) {
                pool.reservations
                    .entry(holder.clone())
                    .or_insert_with(|| value.to_owned());
            }
        }
        Ok(pool)
    }

    fn add(&mut self, key: &Node, holder: &Node, identifier: Identifier) -> Result<(), Diagnostic> {
        let Some(value) = key.as_name().filter(|value| !value.is_empty()) else {
            let message = format!("a value must be a string or a number, not {}", key.shown());
            return Err(Diagnostic::at(key, message));
        };
        let range = AddressRange::parse(value).map_err(|message| Diagnostic::at(key, message))?;
        match (range, reserved_for(holder)?) {
            (Some(range), None) => {
                self.ranges.add(&range, value);
                self.open.push(PoolEntry::Range(range));
            }
            (None, None) => {
                self.open.push(PoolEntry::Value(value.to_owned()));
                self.keys.insert(value.to_owned());
                if Network::parse(value).is_some_and(Network::has_hosts) {
                    self.networks.insert(value.to_owned());
                }
            }
            (Some(_), Some(node)) => {
                let message = format!(
                    "'{value}' is a range of values, and cannot be reserved for the node '{node}'; \
                     reserve one of them"
                );
                return Err(Diagnostic::at(key, message));
            }
            (None, Some(node)) => {
                let holder = Holder::from(node).canonical(identifier);
                self.reserved.insert(value.to_owned(), holder);
            }
        }
        Ok(())
    }

    /// The number of values for any node. A value in two ranges counts twice.
    pub fn open_len(&self) -> u128 {
        let count = |entry: &PoolEntry| match entry {
            PoolEntry::Value(_) => 1,
            PoolEntry::Range(range) => range.len(),
        };
        self.open.iter().map(count).fold(0, u128::saturating_add)
    }

    /// The first key that is a network of several hosts, in the order of the file. It is one value: `hosts(…)` is the
    /// notation for its addresses.
    pub fn network(&self) -> Option<&str> {
        self.open.iter().find_map(|entry| match entry {
            PoolEntry::Value(value) if self.networks.contains(value) => Some(value.as_str()),
            _ => None,
        })
    }

    /// The reserved values, each with its node.
    pub fn reserved(&self) -> impl Iterator<Item = (&str, &Holder)> {
        self.reserved
            .iter()
            .map(|(value, holder)| (value.as_str(), holder))
    }

    /// The first value that the file reserves for a node. The id is in the notation of [`Identifier::canonical`].
    pub fn reservation(&self, holder: &Holder) -> Option<&str> {
        self.reservations.get(holder).map(String::as_str)
    }

    /// Whether the file contains a value, reserved or not.
    pub fn contains(&self, value: &str) -> bool {
        self.reserved.contains_key(value)
            || self.keys.contains(value)
            || self.range_of(value).is_some()
    }

    /// A range of the file that contains a value, as written there.
    pub fn range_of(&self, value: &str) -> Option<&str> {
        self.ranges.containing(value)
    }

    /// The values for any node, in the order of the file, computed lazily: a range may have 2^128.
    pub fn open(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.open
            .iter()
            .flat_map(|entry| match entry {
                PoolEntry::Value(value) => {
                    Values::One(std::iter::once(Cow::Borrowed(value.as_str())))
                }
                PoolEntry::Range(range) => Values::Many(range.iter().map(Cow::Owned)),
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

/// The node that a value is reserved for; none for a value that is false in Python, as in ztpserver.
fn reserved_for(holder: &Node) -> Result<Option<&str>, Diagnostic> {
    match &holder.value {
        Value::Null | Value::Bool(false) | Value::Int(0) => Ok(None),
        Value::Str(text) if text.is_empty() => Ok(None),
        _ => holder.as_name().map(Some).ok_or_else(|| {
            let message = format!(
                "a value must have null or the node that it is reserved for, not {}",
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
    fn values_are_those_of_the_file_as_written_and_in_order() {
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
    fn a_network_is_one_value_and_its_hosts_are_each_an_address() {
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
        assert_eq!(reserved, [("10.20.1.0/24", &Holder::from("RACK01"))]);
    }

    #[test]
    fn a_reservation_accepts_every_notation_of_a_mac_address() {
        let text = "a: '00:1C:73:aa:BB:01'\nb: 001c.73aa.bb02\nc: 00-1c-73-aa-bb-03\nd: 001c73aabb01\ne: ' JPE1 '\n";
        let reserved = |identifier| {
            let pool = Pool::parse(text, identifier).unwrap();
            let mut nodes: Vec<String> = pool
                .reserved()
                .map(|(_, holder)| holder.to_string())
                .collect();
            nodes.sort();
            let first = pool.reservation(&"001c73aabb01".into());
            (nodes, first.map(str::to_owned))
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
    fn a_node_has_a_reservation_for_each_name() {
        let text = "a: JPE1\nb: JPE1/uplink2\nc: JPE1/uplink2\nd: 00:1C:73:aa:BB:01/Ethernet49/1\n\
                    e: JPE1/\nf: n/a\n";
        let pool = Pool::parse(text, Identifier::SystemMac).unwrap();
        for (holder, value) in [
            ("jpe1", Some("a")),
            ("jpe1/uplink2", Some("b")),
            ("jpe1/uplink1", None),
            ("001c73aabb01/Ethernet49/1", Some("d")),
            ("001c73aabb01", None),
        ] {
            assert_eq!(pool.reservation(&holder.into()), value, "{holder}");
        }
        // No node has the other two either: ZTPServer allocates no value with a text.
        assert_eq!(pool.open().count(), 0);
    }

    #[test]
    fn a_large_range_is_not_expanded() {
        let pool = pool("hosts(2001:db8::/64): null\nhosts(10.0.0.0/8): null\n");
        assert_eq!(pool.open_len(), (1 << 64) - 1 + (1 << 24) - 2);
        assert_eq!(pool.open().next().as_deref(), Some("2001:db8::1/64"));
        assert!(pool.contains("10.255.255.254/8") && !pool.contains("10.255.255.255/8"));
    }

    #[test]
    fn invalid_contents_are_rejected() {
        for (text, reason) in [
            ("", "it is empty"),
            ("{}", "it is empty"),
            ("- a\n", "must be a mapping of values, not a list"),
            ("a: [", "flow node"),
            ("a: {b: c}", "not a mapping"),
            ("null: null", "must be a string or a number"),
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
                "line 2, column 1: 'hosts(10.0.0.0/24)' is a range of values",
            ),
        ] {
            let error = Pool::parse(text, Identifier::SerialNumber);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
