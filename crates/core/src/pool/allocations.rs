//! The values of a pool that nodes hold, and the rules of allocation.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::address_range::Network;
use super::{Holder, Pool};

/// The holder of each allocated value. A value has at most one holder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allocations {
    by_value: HashMap<String, Holder>,
    by_holder: HashMap<Holder, String>,
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
    /// No value is free. `others`: those that other names of the node would receive in the same request. `network`: a key
    /// of the file that the operator may have meant as `hosts(…)`.
    Exhausted {
        taken: usize,
        others: usize,
        reserved: usize,
        network: Option<String>,
    },
    /// Another node holds the value, or this one with another name.
    Taken { value: String, holder: Holder },
    /// Another node holds the value that the file reserves for this one, or `own`: this one with another name. Only
    /// operators learn which other node.
    ReservationHeld { value: String, own: Option<Holder> },
    /// The file reserves the value for another node or name.
    Reserved { value: String, owner: Holder },
    /// The node holds another value with this name, or without a name.
    HasAnother { value: String, name: Option<String> },
    /// The file does not contain the value.
    Unknown { value: String },
}

impl fmt::Display for AllocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted {
                taken,
                others,
                reserved,
                network,
            } => {
                write!(f, "no value is free: {taken} are taken")?;
                if *others > 0 {
                    write!(f, ", {others} are for other names of this node")?;
                }
                write!(
                    f,
                    " and {reserved} more are reserved for other nodes; add values, or release some"
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
            Self::ReservationHeld {
                value,
                own: Some(holder),
            } => write!(
                f,
                "the value {value}, which the pool's file reserves for it, is held by {holder}; release it first"
            ),
            Self::ReservationHeld { value, own: None } => write!(
                f,
                "the value {value}, which the pool's file reserves for it, is held by another \
                 node (see /admin/pools); release it first"
            ),
            Self::Reserved { value, owner } => write!(
                f,
                "the value {value} is reserved for the node {owner} in the pool's file"
            ),
            Self::HasAnother { value, name: None } => {
                write!(f, "the node already holds {value}; release that first")
            }
            Self::HasAnother {
                value,
                name: Some(name),
            } => write!(
                f,
                "the node already holds {value} with the name '{name}'; release that first"
            ),
            Self::Unknown { value } => write!(f, "the pool has no value {value}"),
        }
    }
}

impl Allocations {
    /// The stored allocations, as pairs of value and holder. If a holder has several values, it holds the first;
    /// the others are not free.
    pub fn new(pairs: impl IntoIterator<Item = (String, Holder)>) -> Self {
        let mut allocations = Self::default();
        for (value, holder) in pairs {
            allocations.insert(value, holder);
        }
        allocations
    }

    /// Allocates a value.
    pub fn insert(&mut self, value: String, holder: Holder) {
        self.by_holder
            .entry(holder.clone())
            .or_insert_with(|| value.clone());
        self.by_value.insert(value, holder);
    }

    /// Releases a value. A holder with two values then holds the other.
    pub fn release(&mut self, value: &str) {
        if let Some(holder) = self.by_value.remove(value)
            && self
                .by_holder
                .get(&holder)
                .is_some_and(|held| held == value)
        {
            let other = self.by_value.iter().find(|(_, other)| **other == holder);
            match other.map(|(value, _)| value.clone()) {
                Some(other) => drop(self.by_holder.insert(holder, other)),
                None => drop(self.by_holder.remove(&holder)),
            }
        }
    }

    /// The value that a node holds with a name, or without one.
    pub fn held(&self, holder: &Holder) -> Option<&str> {
        self.by_holder.get(holder).map(String::as_str)
    }

    /// The values for the names of a node, each once: the one that it holds, else the one reserved for it, else the first
    /// free one in the order of the file (ztpserver's `allocate`).
    ///
    /// The errors are [`AllocationError::Exhausted`] and [`AllocationError::ReservationHeld`]. If there is one, the caller
    /// stores no new value.
    pub fn grants(&self, pool: &Pool, holders: &[Holder]) -> Vec<Result<Grant, AllocationError>> {
        let mut picked = HashSet::new();
        // The file may be large: one search for all names.
        let mut open = pool.open();
        let mut split = None;
        let mut grants = Vec::with_capacity(holders.len());
        for holder in holders {
            if let Some(value) = self.by_holder.get(holder) {
                grants.push(Ok(Grant::Held(value.clone())));
                continue;
            }
            let split = split.get_or_insert_with(|| self.split_networks(pool));
            let value = match pool.reservation(holder) {
                Some(value) => match self.by_value.get(value) {
                    None => Some(value.to_owned()),
                    Some(other) => {
                        grants.push(Err(AllocationError::ReservationHeld {
                            value: value.to_owned(),
                            own: (other.node() == holder.node()).then(|| other.clone()),
                        }));
                        continue;
                    }
                },
                None => {
                    let mut free = open.by_ref().filter(|value| {
                        let value = value.as_ref();
                        !self.by_value.contains_key(value)
                            && !picked.contains(value)
                            && !split.contains(value)
                    });
                    free.next().map(|value| value.into_owned())
                }
            };
            let Some(value) = value else {
                grants.push(Err(self.exhausted(pool, &picked)));
                continue;
            };
            split.extend(split_by(pool, &value));
            picked.insert(value.clone());
            grants.push(Ok(Grant::New(value)));
        }
        grants
    }

    fn exhausted(&self, pool: &Pool, picked: &HashSet<String>) -> AllocationError {
        let is_free = |value: &&String| {
            !self.by_value.contains_key(value.as_str()) && !picked.contains(value.as_str())
        };
        AllocationError::Exhausted {
            taken: self.by_value.len(),
            others: picked.len(),
            reserved: pool.reserved.keys().filter(is_free).count(),
            network: pool.network().map(str::to_owned),
        }
    }

    /// The networks in the file that contain allocated addresses which the file does not, for example from an
    /// earlier `hosts(…)`. Such a network cannot be allocated as a whole.
    fn split_networks(&self, pool: &Pool) -> HashSet<String> {
        if pool.networks.is_empty() {
            return HashSet::new();
        }
        let held = self.by_value.keys();
        held.filter_map(|held| split_by(pool, held)).collect()
    }

    /// Checks that an operator can allocate this value to a node.
    ///
    /// # Errors
    /// Every [`AllocationError`] except those of [`Allocations::grants`].
    pub fn assign(
        &self,
        pool: &Pool,
        value: &str,
        holder: &Holder,
    ) -> Result<Grant, AllocationError> {
        let value = value.to_owned();
        match (self.by_value.get(&value), self.by_holder.get(holder)) {
            (Some(other), _) if other == holder => return Ok(Grant::Held(value)),
            (Some(other), _) => {
                let holder = other.clone();
                return Err(AllocationError::Taken { value, holder });
            }
            (None, Some(other)) => {
                return Err(AllocationError::HasAnother {
                    value: other.clone(),
                    name: holder.name().map(str::to_owned),
                });
            }
            (None, None) => {}
        }
        match pool.reserved.get(&value) {
            Some(owner) if owner != holder => Err(AllocationError::Reserved {
                value,
                owner: owner.clone(),
            }),
            None if !pool.contains(&value) => Err(AllocationError::Unknown { value }),
            _ => Ok(Grant::New(value)),
        }
    }
}

/// The network in the file that cannot be allocated as a whole while an address in it is allocated, which is not a key of
/// the file.
fn split_by(pool: &Pool, held: &str) -> Option<String> {
    if pool.networks.is_empty() || pool.keys.contains(held) || pool.reserved.contains_key(held) {
        return None;
    }
    let network = Network::parse(held)?.containing();
    pool.networks.contains(&network).then_some(network)
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
            others: 0,
            reserved,
            network: None,
        })
    }

    /// The value for a node without a name.
    fn grant(held: &Allocations, pool: &Pool, node: &str) -> Result<Grant, AllocationError> {
        let mut grants = held.grants(pool, &[node.into()]);
        assert_eq!(grants.len(), 1);
        grants.remove(0)
    }

    /// The values for several names of a node, and the refusals.
    fn grants(held: &Allocations, pool: &Pool, holders: &[&str]) -> Vec<String> {
        let holders: Vec<Holder> = holders.iter().map(|&holder| holder.into()).collect();
        let grants = held.grants(pool, &holders).into_iter();
        let shown = grants.map(|grant| match grant {
            Ok(Grant::Held(value)) => format!("held {value}"),
            Ok(Grant::New(value)) => value,
            Err(refusal) => refusal.to_string(),
        });
        shown.collect()
    }

    #[test]
    fn a_node_receives_its_held_value_else_its_reservation_else_the_first_free_one() {
        let pool = pool("a: null\nb: JPE2\nc: JPE2\nd: null\n");
        let mut held = Allocations::default();
        let new = |value: &str| Ok(Grant::New(value.to_owned()));
        assert_eq!(grant(&held, &pool, "JPE2"), new("b"));
        assert_eq!(grant(&held, &pool, "JPE1"), new("a"));
        held.insert("a".into(), "JPE1".into());
        assert_eq!(grant(&held, &pool, "JPE1"), Ok(Grant::Held("a".into())));
        assert_eq!(grant(&held, &pool, "JPE3"), new("d"));
        held.insert("d".into(), "JPE3".into());
        assert_eq!(grant(&held, &pool, "JPE4"), exhausted(2, 2));
        held.release("a");
        assert_eq!(grant(&held, &pool, "JPE4"), new("a"));
    }

    #[test]
    fn a_value_removed_from_the_file_stays_with_its_holder() {
        let held = Allocations::new([("a".to_owned(), "JPE1".into())]);
        let without = pool("b: null\n");
        assert_eq!(grant(&held, &without, "JPE1"), Ok(Grant::Held("a".into())));
        assert_eq!(grant(&held, &without, "JPE2"), Ok(Grant::New("b".into())));
        let again = pool("a: null\n");
        assert_eq!(grant(&held, &again, "JPE2"), exhausted(1, 0));
    }

    #[test]
    fn a_network_with_allocated_addresses_is_not_allocated() {
        // An earlier version allocated each address of a network.
        let mut held = Allocations::new([
            ("10.20.1.1/24".to_owned(), "JPE1".into()),
            ("2001:db8::1/64".to_owned(), "JPE2".into()),
        ]);
        let networks = pool("10.20.1.0/24: null\n2001:db8::/64: null\n10.20.2.0/24: null\n");
        for (node, value) in [("JPE1", "10.20.1.1/24"), ("JPE2", "2001:db8::1/64")] {
            assert_eq!(grant(&held, &networks, node), Ok(Grant::Held(value.into())));
        }
        let new = Ok(Grant::New("10.20.2.0/24".into()));
        assert_eq!(grant(&held, &networks, "JPE3"), new);
        held.insert("10.20.2.0/24".into(), "JPE3".into());
        let refusal = grant(&held, &networks, "JPE4").unwrap_err().to_string();
        assert!(
            refusal.contains("10.20.1.0/24 is one value; write hosts(10.20.1.0/24)"),
            "{refusal}"
        );
        let hosts = pool("hosts(10.20.1.0/24): null\n");
        let next = Ok(Grant::New("10.20.1.2/24".into()));
        assert_eq!(grant(&held, &hosts, "JPE4"), next);
        held.release("10.20.1.1/24");
        let whole = Ok(Grant::New("10.20.1.0/24".into()));
        assert_eq!(grant(&held, &networks, "JPE4"), whole);
    }

    #[test]
    fn a_network_and_an_address_in_it_are_two_values_of_a_file() {
        let both = pool("10.20.1.1/24: null\n10.20.1.0/24: null\n");
        let held = Allocations::new([("10.20.1.1/24".to_owned(), "JPE1".into())]);
        let new = Ok(Grant::New("10.20.1.0/24".into()));
        assert_eq!(grant(&held, &both, "JPE2"), new);
    }

    #[test]
    fn a_node_with_two_stored_values_holds_the_first_and_the_other_is_not_free() {
        let pool = pool("a: null\nb: null\n");
        let pairs = [("a", "JPE1"), ("b", "JPE1")];
        let pairs = pairs.map(|(value, node)| (value.to_owned(), node.into()));
        let mut held = Allocations::new(pairs);
        assert_eq!(held.held(&"JPE1".into()), Some("a"));
        assert_eq!(grant(&held, &pool, "JPE2"), exhausted(2, 0));
        held.release("b");
        assert_eq!(held.held(&"JPE1".into()), Some("a"));
        assert_eq!(grant(&held, &pool, "JPE2"), Ok(Grant::New("b".into())));
        held.insert("b".into(), "JPE1".into());
        held.release("a");
        assert_eq!(held.held(&"JPE1".into()), Some("b"));
    }

    #[test]
    fn a_value_reserved_out_of_a_range_goes_only_to_its_node() {
        let pool = pool("10.0.0.1-10.0.0.2: null\n10.0.0.1: JPE1\n");
        let mut held = Allocations::default();
        assert_eq!(
            grant(&held, &pool, "JPE2"),
            Ok(Grant::New("10.0.0.2".into()))
        );
        held.insert("10.0.0.2".into(), "JPE2".into());
        assert_eq!(grant(&held, &pool, "JPE3"), exhausted(1, 1));
        assert_eq!(
            grant(&held, &pool, "JPE1"),
            Ok(Grant::New("10.0.0.1".into()))
        );
    }

    #[test]
    fn a_reservation_held_by_another_node_is_rejected() {
        let held = Allocations::new([("a".to_owned(), "JPE1".into())]);
        let refusal = grant(&held, &pool("a: JPE2\nb: null\n"), "JPE2").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the value a, which the pool's file reserves for it, is held by another node \
             (see /admin/pools); release it first"
        );
    }

    #[test]
    fn an_operator_assigns_only_free_values() {
        let pool = pool("a: null\nb: JPE2\nc: null\n");
        let held = Allocations::new([("c".to_owned(), "JPE3".into())]);
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
                Err(AllocationError::HasAnother {
                    value: "c".into(),
                    name: None,
                }),
            ),
            (
                "x",
                "JPE1",
                Err(AllocationError::Unknown { value: "x".into() }),
            ),
        ] {
            assert_eq!(
                held.assign(&pool, value, &node.into()),
                expected,
                "{value} for {node}"
            );
        }
    }

    #[test]
    fn a_node_holds_a_value_for_each_name_and_one_without() {
        let pool = pool("a: null\nb: JPE1/x\nc: JPE1\nd: null\n");
        let mut held = Allocations::default();
        let names = ["JPE1/x", "JPE1/y", "JPE1"];
        assert_eq!(grants(&held, &pool, &names), ["b", "a", "c"]);
        held.insert("a".into(), "JPE1/y".into());
        assert_eq!(grants(&held, &pool, &names), ["b", "held a", "c"]);
        assert_eq!(grant(&held, &pool, "JPE2"), Ok(Grant::New("d".into())));
        assert_eq!(held.held(&"JPE1".into()), None);
        held.release("a");
        assert_eq!(held.held(&"JPE1/y".into()), None);
    }

    #[test]
    fn a_node_whose_names_exceed_the_pool_receives_the_reason() {
        let pool = pool("a: null\nb: null\nc: JPE1/z\nd: JPE9\n");
        let held = Allocations::new([("a".to_owned(), "JPE2".into())]);
        assert_eq!(
            grants(&held, &pool, &["JPE1/z", "JPE1/x", "JPE1/y"]),
            [
                "c",
                "b",
                "no value is free: 1 are taken, 2 are for other names of this node and 1 more are reserved for other \
                 nodes; add values, or release some"
            ]
        );
    }

    #[test]
    fn no_two_names_of_a_request_receive_one_value() {
        let twice = pool("10.0.0.1-10.0.0.2: null\n10.0.0.2-10.0.0.3: null\n");
        assert_eq!(
            grants(&Allocations::default(), &twice, &["A/x", "A/y", "A/z"]),
            ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
        );
        let split = pool("hosts(10.20.1.0/30): null\n10.20.1.0/30: null\n10.20.2.0/30: null\n");
        assert_eq!(
            grants(&Allocations::default(), &split, &["A/x", "A/y", "A/z"]),
            ["10.20.1.1/30", "10.20.1.2/30", "10.20.2.0/30"]
        );
    }

    #[test]
    fn a_reservation_that_the_node_holds_with_another_name_is_rejected_with_the_name() {
        let held = Allocations::new([("a".to_owned(), "JPE1/x".into())]);
        assert_eq!(
            grants(&held, &pool("a: JPE1/y\nb: null\n"), &["JPE1/y"]),
            [
                "the value a, which the pool's file reserves for it, is held by JPE1/x; release it first"
            ]
        );
    }

    #[test]
    fn an_operator_assigns_a_value_to_each_name() {
        let pool = pool("a: null\nb: null\nc: JPE1/z\n");
        let held = Allocations::new([("a".to_owned(), "JPE1/x".into())]);
        for (value, holder, expected) in [
            ("b", "JPE1", "b"),
            ("b", "JPE1/y", "b"),
            ("c", "JPE1/z", "c"),
            ("a", "JPE1/x", "held a"),
            (
                "a",
                "JPE1",
                "the value a is held by the node JPE1/x; release it first",
            ),
            (
                "b",
                "JPE1/x",
                "the node already holds a with the name 'x'; release that first",
            ),
            (
                "c",
                "JPE1",
                "the value c is reserved for the node JPE1/z in the pool's file",
            ),
        ] {
            let shown = match held.assign(&pool, value, &holder.into()) {
                Ok(Grant::Held(value)) => format!("held {value}"),
                Ok(Grant::New(value)) => value,
                Err(refusal) => refusal.to_string(),
            };
            assert_eq!(shown, expected, "{value} for {holder}");
        }
    }
}
