//! The values of a pool that nodes hold, and the rules of allocation.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::Pool;
use super::address_range::Network;

/// The node of each allocated value. A value has at most one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allocations {
    by_value: HashMap<String, String>,
    by_node: HashMap<String, String>,
}

/// The value of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// The node holds the value already.
    Held(String),
    /// The value is free: the caller stores the allocation.
    New(String),
}

/// Why a node receives no value, or not the given one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllocationError {
    /// No value is free. `network`: a key of the file that the operator may have meant as `hosts(…)`.
    Exhausted {
        taken: usize,
        reserved: usize,
        network: Option<String>,
    },
    /// Another node holds the value.
    Taken { value: String, holder: String },
    /// Another node holds the value that the file reserves for this one. Only operators learn which node.
    ReservationHeld { value: String },
    /// The file reserves the value for another node.
    Reserved { value: String, owner: String },
    /// The node holds another value already.
    HasAnother { value: String },
    /// The file does not contain the value.
    Unknown { value: String },
}

impl fmt::Display for AllocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted {
                taken,
                reserved,
                network,
            } => {
                write!(
                    f,
                    "no value is free: {taken} are taken and {reserved} more are reserved for other \
                     nodes; add values, or release some"
                )?;
                match network {
                    Some(network) => write!(
                        f,
                        " (the key {network} is one value; write hosts({network}) if you mean each \
                         address in it)"
                    ),
                    None => Ok(()),
                }
            }
            Self::Taken { value, holder } => write!(
                f,
                "the value {value} is held by the node {holder}; release it first"
            ),
            Self::ReservationHeld { value } => write!(
                f,
                "the value {value}, which the pool's file reserves for it, is held by another \
                 node (see /admin/pools); release it first"
            ),
            Self::Reserved { value, owner } => write!(
                f,
                "the value {value} is reserved for the node {owner} in the pool's file"
            ),
            Self::HasAnother { value } => {
                write!(f, "the node already holds {value}; release that first")
            }
            Self::Unknown { value } => write!(f, "the pool has no value {value}"),
        }
    }
}

impl Allocations {
    /// The stored allocations, as pairs of value and node. If a node has several values, it holds the first;
    /// the others are not free.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut allocations = Self::default();
        for (value, node) in pairs {
            allocations.insert(value, node);
        }
        allocations
    }

    /// Allocates a value to a node.
    pub fn insert(&mut self, value: String, node: String) {
        self.by_node
            .entry(node.clone())
            .or_insert_with(|| value.clone());
        self.by_value.insert(value, node);
    }

    /// Releases a value. A node with two values then holds the other.
    pub fn release(&mut self, value: &str) {
        if let Some(node) = self.by_value.remove(value)
            && self.by_node.get(&node).is_some_and(|held| held == value)
        {
            let other = self.by_value.iter().find(|(_, holder)| **holder == node);
            match other.map(|(value, _)| value.clone()) {
                Some(other) => drop(self.by_node.insert(node, other)),
                None => drop(self.by_node.remove(&node)),
            }
        }
    }

    /// The value that a node holds.
    pub fn held(&self, node: &str) -> Option<&str> {
        self.by_node.get(node).map(String::as_str)
    }

    /// The value for a node: the one that it holds, else the one reserved for it, else the first free one
    /// in the order of the file (ztpserver's `allocate`).
    ///
    /// # Errors
    /// [`AllocationError::Exhausted`], or [`AllocationError::ReservationHeld`].
    pub fn grant(&self, pool: &Pool, node: &str) -> Result<Grant, AllocationError> {
        if let Some(value) = self.by_node.get(node) {
            return Ok(Grant::Held(value.clone()));
        }
        if let Some(value) = pool.reservation(node) {
            let value = value.to_owned();
            return match self.by_value.contains_key(&value) {
                false => Ok(Grant::New(value)),
                true => Err(AllocationError::ReservationHeld { value }),
            };
        }
        let split = self.split_networks(pool);
        let free = pool.open().find(|value| {
            !self.by_value.contains_key(value.as_ref()) && !split.contains(value.as_ref())
        });
        free.map(|value| Grant::New(value.into_owned()))
            .ok_or_else(|| AllocationError::Exhausted {
                network: pool.network().map(str::to_owned),
                taken: self.by_value.len(),
                reserved: pool
                    .reserved
                    .keys()
                    .filter(|value| !self.by_value.contains_key(value.as_str()))
                    .count(),
            })
    }

    /// The networks in the file that contain allocated addresses which the file does not, for example from an
    /// earlier `hosts(…)`. Such a network cannot be allocated as a whole.
    fn split_networks(&self, pool: &Pool) -> HashSet<String> {
        if pool.networks.is_empty() {
            return HashSet::new();
        }
        let held = self.by_value.keys();
        held.filter(|held| !pool.keys.contains(*held) && !pool.reserved.contains_key(*held))
            .filter_map(|held| Some(Network::parse(held)?.containing()))
            .filter(|network| pool.networks.contains(network))
            .collect()
    }

    /// Checks that an operator can allocate this value to a node.
    ///
    /// # Errors
    /// Every [`AllocationError`] except those of [`Allocations::grant`].
    pub fn assign(&self, pool: &Pool, value: &str, node: &str) -> Result<Grant, AllocationError> {
        let value = value.to_owned();
        match (self.by_value.get(&value), self.by_node.get(node)) {
            (Some(holder), _) if holder == node => return Ok(Grant::Held(value)),
            (Some(holder), _) => {
                let holder = holder.clone();
                return Err(AllocationError::Taken { value, holder });
            }
            (None, Some(other)) => {
                return Err(AllocationError::HasAnother {
                    value: other.clone(),
                });
            }
            (None, None) => {}
        }
        match pool.reserved.get(&value) {
            Some(owner) if owner != node => Err(AllocationError::Reserved {
                value,
                owner: owner.clone(),
            }),
            None if !pool.contains(&value) => Err(AllocationError::Unknown { value }),
            _ => Ok(Grant::New(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Identifier;

    fn pool(text: &str) -> Pool {
        Pool::parse(text, Identifier::SerialNumber).unwrap()
    }

    fn exhausted(taken: usize, reserved: usize) -> Result<Grant, AllocationError> {
        Err(AllocationError::Exhausted {
            taken,
            reserved,
            network: None,
        })
    }

    #[test]
    fn a_node_receives_its_held_value_else_its_reservation_else_the_first_free_one() {
        let pool = pool("a: null\nb: JPE2\nc: JPE2\nd: null\n");
        let mut held = Allocations::default();
        let new = |value: &str| Ok(Grant::New(value.to_owned()));
        assert_eq!(held.grant(&pool, "JPE2"), new("b"));
        assert_eq!(held.grant(&pool, "JPE1"), new("a"));
        held.insert("a".into(), "JPE1".into());
        assert_eq!(held.grant(&pool, "JPE1"), Ok(Grant::Held("a".into())));
        assert_eq!(held.grant(&pool, "JPE3"), new("d"));
        held.insert("d".into(), "JPE3".into());
        assert_eq!(held.grant(&pool, "JPE4"), exhausted(2, 2));
        held.release("a");
        assert_eq!(held.grant(&pool, "JPE4"), new("a"));
    }

    #[test]
    fn a_value_removed_from_the_file_stays_with_its_holder() {
        let held = Allocations::new([("a".to_owned(), "JPE1".to_owned())]);
        let without = pool("b: null\n");
        assert_eq!(held.grant(&without, "JPE1"), Ok(Grant::Held("a".into())));
        assert_eq!(held.grant(&without, "JPE2"), Ok(Grant::New("b".into())));
        let again = pool("a: null\n");
        assert_eq!(held.grant(&again, "JPE2"), exhausted(1, 0));
    }

    #[test]
    fn a_network_with_allocated_addresses_is_not_allocated() {
        // An earlier version allocated each address of a network.
        let mut held = Allocations::new([
            ("10.20.1.1/24".to_owned(), "JPE1".to_owned()),
            ("2001:db8::1/64".to_owned(), "JPE2".to_owned()),
        ]);
        let networks = pool("10.20.1.0/24: null\n2001:db8::/64: null\n10.20.2.0/24: null\n");
        for (node, value) in [("JPE1", "10.20.1.1/24"), ("JPE2", "2001:db8::1/64")] {
            assert_eq!(held.grant(&networks, node), Ok(Grant::Held(value.into())));
        }
        let new = Ok(Grant::New("10.20.2.0/24".into()));
        assert_eq!(held.grant(&networks, "JPE3"), new);
        held.insert("10.20.2.0/24".into(), "JPE3".into());
        let refusal = held.grant(&networks, "JPE4").unwrap_err().to_string();
        assert!(
            refusal.contains("10.20.1.0/24 is one value; write hosts(10.20.1.0/24)"),
            "{refusal}"
        );
        let hosts = pool("hosts(10.20.1.0/24): null\n");
        let next = Ok(Grant::New("10.20.1.2/24".into()));
        assert_eq!(held.grant(&hosts, "JPE4"), next);
        held.release("10.20.1.1/24");
        let whole = Ok(Grant::New("10.20.1.0/24".into()));
        assert_eq!(held.grant(&networks, "JPE4"), whole);
    }

    #[test]
    fn a_network_and_an_address_in_it_are_two_values_of_a_file() {
        let both = pool("10.20.1.1/24: null\n10.20.1.0/24: null\n");
        let held = Allocations::new([("10.20.1.1/24".to_owned(), "JPE1".to_owned())]);
        let new = Ok(Grant::New("10.20.1.0/24".into()));
        assert_eq!(held.grant(&both, "JPE2"), new);
    }

    #[test]
    fn a_node_with_two_stored_values_holds_the_first_and_the_other_is_not_free() {
        let pool = pool("a: null\nb: null\n");
        let pairs = [("a", "JPE1"), ("b", "JPE1")];
        let pairs = pairs.map(|(value, node)| (value.to_owned(), node.to_owned()));
        let mut held = Allocations::new(pairs);
        assert_eq!(held.held("JPE1"), Some("a"));
        assert_eq!(held.grant(&pool, "JPE2"), exhausted(2, 0));
        held.release("b");
        assert_eq!(held.held("JPE1"), Some("a"));
        assert_eq!(held.grant(&pool, "JPE2"), Ok(Grant::New("b".into())));
        held.insert("b".into(), "JPE1".into());
        held.release("a");
        assert_eq!(held.held("JPE1"), Some("b"));
    }

    #[test]
    fn a_value_reserved_out_of_a_range_goes_only_to_its_node() {
        let pool = pool("10.0.0.1-10.0.0.2: null\n10.0.0.1: JPE1\n");
        let mut held = Allocations::default();
        assert_eq!(held.grant(&pool, "JPE2"), Ok(Grant::New("10.0.0.2".into())));
        held.insert("10.0.0.2".into(), "JPE2".into());
        assert_eq!(held.grant(&pool, "JPE3"), exhausted(1, 1));
        assert_eq!(held.grant(&pool, "JPE1"), Ok(Grant::New("10.0.0.1".into())));
    }

    #[test]
    fn a_reservation_held_by_another_node_is_rejected() {
        let held = Allocations::new([("a".to_owned(), "JPE1".to_owned())]);
        let refusal = held.grant(&pool("a: JPE2\nb: null\n"), "JPE2").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the value a, which the pool's file reserves for it, is held by another node \
             (see /admin/pools); release it first"
        );
    }

    #[test]
    fn an_operator_assigns_only_free_values() {
        let pool = pool("a: null\nb: JPE2\nc: null\n");
        let held = Allocations::new([("c".to_owned(), "JPE3".to_owned())]);
        let taken = AllocationError::Taken {
            value: "c".into(),
            holder: "JPE3".into(),
        };
        let reserved = AllocationError::Reserved {
            value: "b".into(),
            owner: "JPE2".into(),
        };
        for (value, node, expected) in [
            ("a", "JPE1", Ok(Grant::New("a".into()))),
            ("b", "JPE2", Ok(Grant::New("b".into()))),
            ("c", "JPE3", Ok(Grant::Held("c".into()))),
            ("c", "JPE1", Err(taken)),
            ("b", "JPE1", Err(reserved)),
            (
                "a",
                "JPE3",
                Err(AllocationError::HasAnother { value: "c".into() }),
            ),
            (
                "x",
                "JPE1",
                Err(AllocationError::Unknown { value: "x".into() }),
            ),
        ] {
            assert_eq!(
                held.assign(&pool, value, node),
                expected,
                "{value} for {node}"
            );
        }
    }
}
