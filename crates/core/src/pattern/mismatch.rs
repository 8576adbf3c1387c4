//! Why a node does not match a pattern, in words for the operator.

use std::fmt;

use super::near;
use crate::function::Function;
use crate::interface::InterfaceName;
use crate::node::Neighbor;
use crate::printable::{Expression, Printable};
use crate::pyregex::{Budget, Indeterminate};

/// Most neighbors that a mismatch names.
pub const MAX_SEEN: usize = 3;
/// Most steps that looking for neighbors which are near to the one wanted may take, over all of a refusal: some milliseconds.
pub const MAX_HINT_STEPS: u64 = 200_000;

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
    Indeterminate { what: String, why: Indeterminate },
}

/// A kind of neighbor; `None` is any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind<'a> {
    pub device: Option<&'a Function>,
    pub port: Option<&'a Function>,
}

/// The neighbors that there are in place of the one wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen<'a> {
    /// Of one interface.
    There(&'a [Neighbor]),
    /// Of all interfaces.
    Anywhere(&'a [(String, Vec<Neighbor>)]),
}

impl<'a> Seen<'a> {
    /// They themselves, in the order in which the switch sent them.
    pub fn neighbors(self) -> impl Iterator<Item = &'a Neighbor> {
        let (there, anywhere) = match self {
            Seen::There(neighbors) => (neighbors, &[][..]),
            Seen::Anywhere(interfaces) => (&[][..], interfaces),
        };
        let anywhere = anywhere.iter().flat_map(|(_, neighbors)| neighbors);
        there.iter().chain(anywhere)
    }

    fn count(self) -> usize {
        match self {
            Seen::There(neighbors) => neighbors.len(),
            Seen::Anywhere(interfaces) => interfaces.iter().map(|(_, seen)| seen.len()).sum(),
        }
    }
}

impl Mismatch<'_> {
    /// Whether it is not known if the pattern matches.
    pub fn is_indeterminate(&self) -> bool {
        matches!(self.reason, Reason::Indeterminate { .. })
    }

    /// The text, within a budget that several share: it ends with advice on a neighbor that is near to the one wanted, as
    /// long as there are steps left to look for one.
    pub fn text(&self, budget: &mut Budget) -> String {
        let mut text = format!("pattern '{}': {}", Printable(self.pattern), self.reason);
        if let Reason::Missing { wants, saw, .. } = self.reason
            && let Ok(Some(near)) = near::find(wants, saw, budget)
        {
            text += &near.to_string();
        }
        text
    }
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&mut Budget::new(MAX_HINT_STEPS)))
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Model {
                wants,
                saw: Some(saw),
            } => write!(
                f,
                "wants model regex('{}'), saw '{}'",
                Expression(wants),
                Printable(saw)
            ),
            Reason::Model { wants, saw: None } => {
                let wants = Expression(wants);
                write!(f, "wants model regex('{wants}'), and the node sent none")
            }
            Reason::Missing {
                interface,
                wants,
                saw,
            } => {
                write!(f, "{} wants {wants}, saw ", Place(*interface))?;
                for (index, neighbor) in saw.neighbors().take(MAX_SEEN).enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    seen(f, neighbor, wants.port.is_some())?;
                }
                match saw.count() {
                    0 => f.write_str("no neighbor"),
                    1..=MAX_SEEN => Ok(()),
                    count => write!(f, " and {} more", count - MAX_SEEN),
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
            Reason::Indeterminate { what, why } => write!(f, "cannot decide on {what}: {why}"),
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
