//! One line of a pattern's `interfaces`: which of the node's interfaces must, or must not, see which neighbor.
//!
//! A line has three parts, each of which may be the keyword `any` or `none`: local interfaces, device, port. ztpserver's
//! documentation lists what the 27 combinations mean: eight want a neighbor, ten forbid one, one says that there is none, and
//! eight could never be met.

use std::fmt;

use super::mismatch::Kind;
use crate::function::Function;
use crate::interface::{self, InterfaceName};
use crate::node::Neighbor;
use crate::printable::{Expression, Printable};
use crate::pyregex::{Budget, Indeterminate};
use crate::yaml::Position;

/// What one line asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    pub position: Position,
    /// The interfaces as written, for the pattern to be stored: `Ethernet1-2`.
    pub written: String,
    pub peer: Peer,
    pub sense: Sense,
    /// The interfaces meant, sorted; `None` for any.
    pub interfaces: Option<Vec<InterfaceName>>,
    /// What the neighbor's name must be like; `None` for any.
    pub device: Option<Function>,
    /// What the neighbor's port must be like; `None` for any.
    pub port: Option<Function>,
}

/// The peer as written, with the names of its variables, for the pattern to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// `any`, `spine1`, `spine1:Ethernet1`
    Text(String),
    /// `{device: spine1, port: Ethernet1}`
    Mapping { device: String, port: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// Each interface named must see such a neighbor; of `any`, one that no other line has used up.
    Wants,
    /// None of the interfaces may see such a neighbor.
    Forbids,
    /// `none: none:none`: no interface may see any neighbor, but for those that a line above has used up. ztpserver 2.1.0
    /// decides in the order of the file, so that behind `Ethernet1: spine1` it means that nothing else is connected.
    ForbidsOthers,
}

/// The local side of a line.
pub(super) enum Local {
    Any,
    None,
    Named(Vec<InterfaceName>),
}

impl Local {
    pub fn parse(written: &str) -> Result<Local, String> {
        match written {
            "any" => Ok(Local::Any),
            "none" => Ok(Local::None),
            list => interface::parse_list(list).map(Local::Named),
        }
    }
}

/// The device or the port of a line.
pub(super) enum Wanted {
    Any,
    None,
    Like(Function),
}

impl Wanted {
    pub fn parse(text: &str) -> Result<Wanted, String> {
        match text {
            "any" => Ok(Wanted::Any),
            "none" => Ok(Wanted::None),
            text => Function::parse(text).map(Wanted::Like),
        }
    }
}

/// What the three parts of a line mean together.
pub(super) struct Meaning {
    pub sense: Sense,
    pub interfaces: Option<Vec<InterfaceName>>,
    pub device: Option<Function>,
    pub port: Option<Function>,
}

/// # Errors
/// The three can never be met together; the text says what to write in place of them.
pub(super) fn meaning(local: Local, device: Wanted, port: Wanted) -> Result<Meaning, &'static str> {
    use Sense::{Forbids, ForbidsOthers, Wants};
    use Wanted::{Any, Like, None as No};
    let (sense, interfaces, device, port) = match (local, device, port) {
        (Local::Any, Any, No) | (Local::Any, No, _) => {
            return Err(
                "to forbid a neighbor, name the interfaces, or write none: <device>:<port>",
            );
        }
        (Local::None, Any, Any | No) | (Local::None, No, Any | Like(_)) => {
            return Err(
                "after 'none:' comes the device or the port that no interface may see, or none:none for any neighbor",
            );
        }

        (Local::Any, Any, Any) => (Wants, None, None, None),
        (Local::Any, Any, Like(port)) => (Wants, None, None, Some(port)),
        (Local::Any, Like(device), Any) => (Wants, None, Some(device), None),
        (Local::Any, Like(device), Like(port)) => (Wants, None, Some(device), Some(port)),
        (Local::Named(names), Any, Any) => (Wants, Some(names), None, None),
        (Local::Named(names), Any, Like(port)) => (Wants, Some(names), None, Some(port)),
        (Local::Named(names), Like(device), Any) => (Wants, Some(names), Some(device), None),
        (Local::Named(names), Like(device), Like(port)) => {
            (Wants, Some(names), Some(device), Some(port))
        }

        (Local::None, No, No) => (ForbidsOthers, None, None, None),
        (Local::Any | Local::None, Like(device), No) => (Forbids, None, Some(device), None),
        (Local::None, Like(device), Any) => (Forbids, None, Some(device), None),
        (Local::None, Any, Like(port)) => (Forbids, None, None, Some(port)),
        (Local::None, Like(device), Like(port)) => (Forbids, None, Some(device), Some(port)),
        (Local::Named(names), Any, No) | (Local::Named(names), No, Any | No) => {
            (Forbids, Some(names), None, None)
        }
        (Local::Named(names), No, Like(port)) => (Forbids, Some(names), None, Some(port)),
        (Local::Named(names), Like(device), No) => (Forbids, Some(names), Some(device), None),
    };
    Ok(Meaning {
        sense,
        interfaces,
        device,
        port,
    })
}

impl Constraint {
    /// Whether a neighbor is of the kind that this line wants or forbids.
    pub(super) fn accepts(
        &self,
        neighbor: &Neighbor,
        budget: &mut Budget,
    ) -> Result<bool, Indeterminate> {
        let accepts = |wanted: &Option<Function>, name: &str, budget: &mut Budget| {
            wanted
                .as_ref()
                .map_or(Ok(true), |function| function.accepts(name, budget))
        };
        Ok(accepts(&self.device, &neighbor.device, budget)?
            && accepts(&self.port, &neighbor.port, budget)?)
    }

    /// Whether any of the neighbors is; which one.
    pub(super) fn find<'n>(
        &self,
        neighbors: &'n [Neighbor],
        budget: &mut Budget,
    ) -> Result<Option<&'n Neighbor>, Indeterminate> {
        for neighbor in neighbors {
            if self.accepts(neighbor, budget)? {
                return Ok(Some(neighbor));
            }
        }
        Ok(None)
    }

    /// The kind of neighbor that this line wants or forbids.
    pub fn neighbor(&self) -> Kind<'_> {
        Kind {
            device: self.device.as_ref(),
            port: self.port.as_ref(),
        }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", Printable(&self.written))?;
        match &self.peer {
            Peer::Text(text) => Expression(text).fmt(f),
            Peer::Mapping { device, port } => {
                write!(f, "{}:{}", Expression(device), Expression(port))
            }
        }
    }
}
