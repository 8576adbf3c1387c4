//! One line of a pattern's `interfaces`: a required or forbidden neighbor of some interfaces.
//!
//! A line has three parts, each of which may be the keyword `any` or `none`: local interfaces, device, port. ztpserver's
//! documentation lists the meaning of the 27 combinations: eight require a neighbor, ten forbid one, one forbids all others,
//! and eight can never be met.

use std::fmt;

use super::mismatch::NeighborConditions;
use crate::function::Function;
use crate::interface::{self, InterfaceName};
use crate::node::Neighbor;
use crate::printable::{Expression, Printable};
use crate::pyregex::{Budget, Indeterminate};
use crate::yaml::Position;

/// A line of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    pub position: Position,
    /// The source text of the interfaces, for the stored pattern: `Ethernet1-2`.
    pub written: String,
    pub peer: Peer,
    pub sense: Sense,
    /// The interfaces, sorted; `None` for any.
    pub interfaces: Option<Vec<InterfaceName>>,
    /// The condition on the neighbor's device; `None` for any.
    pub device: Option<Function>,
    /// The condition on the neighbor's port; `None` for any.
    pub port: Option<Function>,
}

/// The source text of a peer, with the names of its variables, for the stored pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// `any`, `spine1`, `spine1:Ethernet1`
    Text(String),
    /// `{device: spine1, port: Ethernet1}`
    Mapping { device: String, port: String },
}

/// The effect of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// Each named interface must have such a neighbor; for `any`, an interface that no other line has used.
    Require,
    /// None of the interfaces may have such a neighbor.
    Forbid,
    /// `none: none:none`: no interface may have any neighbor, except interfaces that an earlier line has used. ztpserver
    /// 2.1.0 applies lines in the order of the file, so after `Ethernet1: spine1` it forbids all other neighbors.
    ForbidOthers,
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

/// The condition on the device or the port of a line.
pub(super) enum Condition {
    Any,
    None,
    Like(Function),
}

impl Condition {
    pub fn parse(text: &str) -> Result<Condition, String> {
        match text {
            "any" => Ok(Condition::Any),
            "none" => Ok(Condition::None),
            text => Function::parse(text).map(Condition::Like),
        }
    }

    /// As a condition on a port.
    pub fn on_port(self) -> Condition {
        match self {
            Condition::Like(function) => Condition::Like(function.on_port()),
            other => other,
        }
    }
}

/// The meaning of the three parts of a line together.
pub(super) struct Meaning {
    pub sense: Sense,
    pub interfaces: Option<Vec<InterfaceName>>,
    pub device: Option<Function>,
    pub port: Option<Function>,
}

/// Interprets the three parts of a line.
///
/// # Errors
/// The line can never be met; the message says what to write instead.
pub(super) fn meaning(
    local: Local,
    device: Condition,
    port: Condition,
) -> Result<Meaning, &'static str> {
    use Condition::{Any, Like, None as No};
    use Sense::{Forbid, ForbidOthers, Require};
    let (sense, interfaces, device, port) = match (local, device, port) {
        (Local::Any, Any, No) | (Local::Any, No, _) => {
            return Err(
                "to forbid a neighbor, name the interfaces, or write none: <device>:<port>",
            );
        }
        (Local::None, Any, Any | No) | (Local::None, No, Any | Like(_)) => {
            return Err(
                "write after 'none:' the device or the port that no interface may see, or none:none for any neighbor",
            );
        }

        (Local::Any, Any, Any) => (Require, None, None, None),
        (Local::Any, Any, Like(port)) => (Require, None, None, Some(port)),
        (Local::Any, Like(device), Any) => (Require, None, Some(device), None),
        (Local::Any, Like(device), Like(port)) => (Require, None, Some(device), Some(port)),
        (Local::Named(names), Any, Any) => (Require, Some(names), None, None),
        (Local::Named(names), Any, Like(port)) => (Require, Some(names), None, Some(port)),
        (Local::Named(names), Like(device), Any) => (Require, Some(names), Some(device), None),
        (Local::Named(names), Like(device), Like(port)) => {
            (Require, Some(names), Some(device), Some(port))
        }

        (Local::None, No, No) => (ForbidOthers, None, None, None),
        (Local::Any | Local::None, Like(device), No) => (Forbid, None, Some(device), None),
        (Local::None, Like(device), Any) => (Forbid, None, Some(device), None),
        (Local::None, Any, Like(port)) => (Forbid, None, None, Some(port)),
        (Local::None, Like(device), Like(port)) => (Forbid, None, Some(device), Some(port)),
        (Local::Named(names), Any, No) | (Local::Named(names), No, Any | No) => {
            (Forbid, Some(names), None, None)
        }
        (Local::Named(names), No, Like(port)) => (Forbid, Some(names), None, Some(port)),
        (Local::Named(names), Like(device), No) => (Forbid, Some(names), Some(device), None),
    };
    Ok(Meaning {
        sense,
        interfaces,
        device,
        port,
    })
}

impl Constraint {
    /// Whether the device and the port of a neighbor satisfy this line.
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

    /// The first of the neighbors that this line accepts.
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

    /// The neighbor that this line requires or forbids.
    pub fn neighbor(&self) -> NeighborConditions<'_> {
        NeighborConditions {
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
