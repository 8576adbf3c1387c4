//! Why a node does not match a pattern, in words for the operator.

use std::fmt;

use crate::domain::node::Neighbor;
use crate::domain::printable::Printable;
use crate::domain::pyregex::Undecided;

/// Most neighbors that a mismatch keeps.
const MAX_SEEN: usize = 3;

/// What is not as a pattern wants it. Its text is one line: `pattern 'leaf': Ethernet1 wants device regex('spine\d+'), saw
/// 'core1'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The name of the pattern.
    pub pattern: String,
    pub reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    Model {
        wants: String,
        saw: Option<String>,
    },
    /// An interface, or with `None` every one, sees no neighbor of the kind that it must.
    Missing {
        interface: Option<String>,
        wants: String,
        with_port: bool,
        saw: Seen,
    },
    /// There is such a neighbor, but an earlier line of the pattern has used up the interface that sees it.
    UsedUp {
        interface: Option<String>,
        wants: String,
    },
    Forbidden {
        interface: String,
        forbids: String,
        saw: Neighbor,
    },
    /// It cannot be told; then no other pattern may catch the node either.
    Undecided {
        what: String,
        why: Undecided,
    },
}

/// The neighbors that there are in place of the one wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The first three of them.
    pub first: Vec<Neighbor>,
    /// How many there are beside.
    pub more: usize,
}

impl Seen {
    pub(super) fn of<'n>(neighbors: impl IntoIterator<Item = &'n Neighbor>) -> Self {
        let mut neighbors = neighbors.into_iter();
        let first = neighbors.by_ref().take(MAX_SEEN).cloned().collect();
        Seen {
            first,
            more: neighbors.count(),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pattern '{}': {}", Printable(&self.pattern), self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ANY: &str = "some interface";
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
                with_port,
                saw,
            } => {
                write!(
                    f,
                    "{} wants {wants}, saw ",
                    interface.as_deref().unwrap_or(ANY)
                )?;
                if saw.first.is_empty() {
                    return f.write_str("no neighbor");
                }
                for (index, neighbor) in saw.first.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    seen(f, neighbor, *with_port)?;
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
                    interface.as_deref().unwrap_or(ANY)
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

fn seen(f: &mut fmt::Formatter<'_>, neighbor: &Neighbor, with_port: bool) -> fmt::Result {
    write!(f, "'{}'", Printable(&neighbor.device))?;
    if with_port {
        write!(f, " port '{}'", Printable(&neighbor.port))?;
    }
    Ok(())
}
