//! The nodes of a site: their numbers by state, and the orders in which they are listed.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::boot::State;

/// The number of nodes in each state, in the order of [`State::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts(pub [u64; State::ALL.len()]);

impl Counts {
    pub fn add(&mut self, state: State, nodes: u64) {
        self.0[rank(state)] += nodes;
    }

    pub fn add_all(&mut self, others: &Self) {
        for (state, nodes) in others.iter() {
            self.add(state, nodes);
        }
    }

    /// Each state with its number of nodes.
    pub fn iter(&self) -> impl Iterator<Item = (State, u64)> {
        State::ALL.into_iter().zip(self.0)
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// The place of a state in [`State::ALL`].
pub fn rank(state: State) -> usize {
    state as usize
}

/// The states that a list names, separated by commas; `None`: one of them is not a state.
pub fn states(list: &str) -> Option<Vec<State>> {
    let named = |name: &str| State::ALL.into_iter().find(|state| state.name() == name);
    list.split(',').map(|name| named(name.trim())).collect()
}

/// The parts of a list, in its order, of which each has an item of a node at most once: what is stored part by part is
/// stored as if each item were stored alone.
pub fn by_turns<'a, T>(
    items: &'a [T],
    node: impl Fn(&'a T) -> &'a str,
) -> impl Iterator<Item = &'a [T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut nodes = HashSet::new();
        let different = rest.iter().take_while(|item| nodes.insert(node(item)));
        let (part, later) = rest.split_at(different.count());
        rest = later;
        (!part.is_empty()).then_some(part)
    })
}

/// The order of a list of nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sort {
    /// As [`State::ALL`]; within a state the newest event first.
    #[default]
    State,
    /// By name.
    Node,
    /// The newest event first.
    Last,
}

impl FromStr for Sort {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "state" => Ok(Self::State),
            "node" => Ok(Self::Node),
            "last" => Ok(Self::Last),
            _ => Err(()),
        }
    }
}

/// The place of a node in each order. As text it is a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub state: State,
    /// The time of the last event, in milliseconds since 1970; 0: none.
    pub last: u64,
    pub node: String,
}

impl Place {
    /// Whether this place is before another one.
    pub fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        let node = self.node.cmp(&other.node);
        let last = other.last.cmp(&self.last).then(node);
        match sort {
            Sort::State => rank(self.state).cmp(&rank(other.state)).then(last),
            Sort::Node => node,
            Sort::Last => last,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.state.name(), self.last, self.node)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(cursor: &str) -> Result<Self, ()> {
        let mut parts = cursor.splitn(3, ':');
        let mut part = || parts.next().ok_or(());
        let (state, last, node) = (part()?, part()?, part()?);
        let state = State::ALL.into_iter().find(|known| known.name() == state);
        Ok(Self {
            state: state.ok_or(())?,
            last: last.parse().map_err(|_| ())?,
            node: node.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_of_a_state_is_its_place_in_the_list() {
        for (at, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(rank(state), at);
        }
    }

    #[test]
    fn counts_add_up() {
        let mut counts = Counts::default();
        counts.add(State::Failed, 1);
        counts.add(State::BackedUp, 2);
        let mut all = counts;
        all.add_all(&counts);
        assert_eq!(all.0, [2, 0, 0, 0, 0, 0, 0, 4]);
        assert_eq!((counts.total(), all.total()), (3, 6));
    }

    #[test]
    fn of_a_node_a_turn_has_one_item_and_the_order_stays() {
        for (items, turns) in [
            ("", ""),
            ("A", "A"),
            ("A B C", "A B C"),
            ("A A A", "A | A | A"),
            ("A B A C B B", "A B | A C B | B"),
            ("B A A B", "B A | A B"),
        ] {
            let items: Vec<&str> = items.split_whitespace().collect();
            let parts = by_turns(&items, |item| item).map(|part| part.join(" "));
            assert_eq!(parts.collect::<Vec<_>>().join(" | "), turns);
        }
    }

    #[test]
    fn a_list_of_states_has_only_states() {
        assert_eq!(states("failed"), Some(vec![State::Failed]));
        let two = Some(vec![State::BackedUp, State::Stalled]);
        assert_eq!(states("backed-up, stalled"), two);
        for list in ["", "Failed", "failed,", "failed;stalled", "boot"] {
            assert_eq!(states(list), None, "{list}");
        }
    }

    #[test]
    fn each_order_has_its_first_node() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        for (sort, nodes) in [
            (Sort::State, "D B A C"),
            (Sort::Node, "A B C D"),
            (Sort::Last, "C B A D"),
        ] {
            let mut places = ["waiting:1:A", "waiting:5:B", "booted:9:C", "failed:0:D"].map(place);
            places.sort_by(|one, other| one.compare(other, sort));
            let names = places.map(|place| place.node).join(" ");
            assert_eq!(names, nodes, "{sort:?}");
        }
        let (one, other) = (place("failed:7:A"), place("failed:7:B"));
        for sort in [Sort::State, Sort::Node, Sort::Last] {
            assert_eq!(one.compare(&other, sort), Ordering::Less);
        }
    }

    #[test]
    fn a_place_is_a_cursor() {
        for text in ["failed:0:A", "backed-up:17:00:1c:73", "planned:1:a:b c"] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
        }
        for text in [
            "",
            "failed",
            "failed:7",
            "x:7:A",
            "failed:x:A",
            "failed:-1:A",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
