//! Why a node does not match a pattern, for the operator.

use std::fmt;

use super::near;
use crate::function::Function;
use crate::interface::InterfaceName;
use crate::node::Neighbor;
use crate::printable::{Expression, Printable};
use crate::pyregex::{Budget, Indeterminate};

/// Maximum number of neighbors that a mismatch names.
pub const MAX_SEEN: usize = 3;
/// Maximum number of steps of the search for similar neighbors in one refusal: some milliseconds.
pub const MAX_HINT_STEPS: u64 = 50_000;

/// The condition of a pattern that a node does not meet. Its text is one line: `pattern 'leaf': Ethernet1 requires device
/// regex('spine\d+'), saw 'core1'`.
///
/// It borrows from the pattern and the facts, and the text is formatted only for a refusal: most nodes fail many patterns
/// before one matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch<'a> {
    /// The name of the pattern.
    pub pattern: &'a str,
    pub reason: Reason<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Reason<'a> {
    Model {
        required: &'a str,
        saw: Option<&'a str>,
    },
    /// An interface, or for `None` every interface, lacks the required neighbor.
    Missing {
        interface: Option<InterfaceName>,
        required: NeighborConditions<'a>,
        saw: Seen<'a>,
    },
    /// The required neighbor exists, but an earlier line of the pattern has used its interface.
    Exhausted {
        interface: Option<InterfaceName>,
        required: NeighborConditions<'a>,
    },
    Forbidden {
        interface: &'a str,
        forbids: NeighborConditions<'a>,
        saw: &'a Neighbor,
    },
    /// The match is indeterminate; then no later pattern may match the node, either.
    Indeterminate { what: String, why: Indeterminate },
}

/// The conditions on a neighbor; `None` is any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeighborConditions<'a> {
    pub device: Option<&'a Function>,
    pub port: Option<&'a Function>,
}

/// The actual neighbors, none of which is the required one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen<'a> {
    /// Those of one interface.
    There(&'a [Neighbor]),
    /// Those of all interfaces.
    Anywhere(&'a [(String, Vec<Neighbor>)]),
}

impl<'a> Seen<'a> {
    /// The neighbors, in the order in which the switch sent them.
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
    /// Whether the match is indeterminate.
    pub fn is_indeterminate(&self) -> bool {
        matches!(self.reason, Reason::Indeterminate { .. })
    }

    /// The text, within a budget that several mismatches share. It ends with a hint if a neighbor is similar to the
    /// required one, while the budget lasts.
    pub fn text(&self, budget: &mut Budget) -> String {
        let mut text = format!("pattern '{}': {}", Printable(self.pattern), self.reason);
        if let Reason::Missing { required, saw, .. } = self.reason
            && let Ok(Some(near)) = near::find(required, saw, budget)
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
                required,
                saw: Some(saw),
            } => write!(
                f,
                "requires model regex('{}'), saw '{}'",
                Expression(required),
                Printable(saw)
            ),
            Reason::Model {
                required,
                saw: None,
            } => {
                let required = Expression(required);
                write!(
                    f,
                    "requires model regex('{required}'), and the node sent none"
                )
            }
            Reason::Missing {
                interface,
                required,
                saw,
            } => {
                write!(f, "{} requires {required}, saw ", SomeInterface(*interface))?;
                for (index, neighbor) in saw.neighbors().take(MAX_SEEN).enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    seen(f, neighbor, required.port.is_some())?;
                }
                match saw.count() {
                    0 => f.write_str("no neighbor"),
                    1..=MAX_SEEN => Ok(()),
                    count => write!(f, " and {} more", count - MAX_SEEN),
                }
            }
            Reason::Exhausted {
                interface,
                required,
            } => {
                write!(
                    f,
                    "{} requires {required}, which exists, but an earlier line of the pattern used its interface",
                    SomeInterface(*interface)
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

/// The interface of a mismatch.
struct SomeInterface(Option<InterfaceName>);

impl fmt::Display for SomeInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => name.fmt(f),
            None => f.write_str("some interface"),
        }
    }
}

/// The format of messages: `device regex('spine\d+') port 'Ethernet1'`.
impl fmt::Display for NeighborConditions<'_> {
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
