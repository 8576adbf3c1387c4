//! Why a node does not match a pattern, in words for the operator.

use std::fmt;

use crate::function::Function;
use crate::interface::InterfaceName;
use crate::node::Neighbor;
use crate::printable::Printable;
use crate::pyregex::Indeterminate;

/// Most neighbors that a mismatch names.
const MAX_SEEN: usize = 3;

/// What is not as a pattern wants it. Its text is one line: `pattern 'leaf': Ethernet1 wants device regex('spine\d+'), saw
/// 'core1'`.
///
/// It borrows what it speaks of, and words are made of it only if nothing else fits: most nodes are held against many
/// patterns before the one that is meant for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch<'a> {
    /// The name of the pattern.
    pub pattern: &'a str,
    pub reason: Reason<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Reason<'a> {
    Model {
        wants: &'a str,
        saw: Option<&'a str>,
    },
    /// An interface, or with `None` every one, sees no neighbor of the kind that it must.
    Missing {
        interface: Option<InterfaceName>,
        wants: Kind<'a>,
        saw: Seen<'a>,
    },
    /// There is such a neighbor, but an earlier line of the pattern has used up the interface that sees it.
    UsedUp {
        interface: Option<InterfaceName>,
        wants: Kind<'a>,
    },
    Forbidden {
        interface: &'a str,
        forbids: Kind<'a>,
        saw: &'a Neighbor,
    },
    /// It cannot be told; then no other pattern may catch the node either.
    Undecided { what: String, why: Indeterminate },
}

/// A kind of neighbor; `None` is any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind<'a> {
    pub device: Option<&'a Function>,
    pub port: Option<&'a Function>,
}

/// The neighbors that there are in place of the one wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen<'a> {
    /// The first three of them.
    pub first: Vec<&'a Neighbor>,
    /// How many there are beside.
    pub more: usize,
}

impl<'a> Seen<'a> {
    pub(super) fn of(neighbors: impl IntoIterator<Item = &'a Neighbor>) -> Self {
        let mut neighbors = neighbors.into_iter();
        let first = neighbors.by_ref().take(MAX_SEEN).collect();
        Seen {
            first,
            more: neighbors.count(),
        }
    }
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pattern '{}': {}", Printable(self.pattern), self.reason)
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Model {
                wants,
                saw: Some(saw),
            } => write!(f, "wants model regex('{wants}'), saw '{}'", Printable(saw)),
            Reason::Model { wants, saw: None } => {
                write!(f, "wants model regex('{wants}'), and the node sent none")
            }
            Reason::Missing {
                interface,
                wants,
                saw,
            } => {
                write!(f, "{} wants {wants}, saw ", Place(*interface))?;
                if saw.first.is_empty() {
                    return f.write_str("no neighbor");
                }
                for (index, neighbor) in saw.first.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    seen(f, neighbor, wants.port.is_some())?;
                }
                match saw.more {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Reason::UsedUp { interface, wants } => {
                write!(
                    f,
                    "{} wants {wants}, which is there, but an earlier line of the pattern used it up",
                    Place(*interface)
                )
            }
            Reason::Forbidden {
                interface,
                forbids,
                saw,
            } => {
                write!(f, "{} must not see {forbids}, saw ", Printable(interface))?;
                seen(f, saw, true)
            }
            Reason::Undecided { what, why } => write!(f, "cannot decide on {what}: {why}"),
        }
    }
}

/// Where something is wanted.
struct Place(Option<InterfaceName>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => name.fmt(f),
            None => f.write_str("some interface"),
        }
    }
}

/// As messages have it: `device regex('spine\d+') port 'Ethernet1'`.
impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.device, self.port) {
            (None, None) => f.write_str("a neighbor"),
            (Some(device), None) => write!(f, "device {device}"),
            (None, Some(port)) => write!(f, "port {port}"),
            (Some(device), Some(port)) => write!(f, "device {device} port {port}"),
        }
    }
}

fn seen(f: &mut fmt::Formatter<'_>, neighbor: &Neighbor, with_port: bool) -> fmt::Result {
    write!(f, "'{}'", Printable(&neighbor.device))?;
    if with_port {
        write!(f, " port '{}'", Printable(&neighbor.port))?;
    }
    Ok(())
}
