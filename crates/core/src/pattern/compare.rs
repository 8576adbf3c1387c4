//! The lines of a pattern beside what a node sees, for the operator.

use serde::Serialize;

use super::mismatch::{Mismatch, Reason};
use super::{Constraint, Pattern, Sense};
use crate::interface::InterfaceName;
use crate::node::{Neighbor, NodeFacts};

/// The bytes that a neighbor takes in a comparison besides its names.
const FRAME: usize = 48;

/// A line of a pattern beside the neighbors at its interfaces.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared<'a> {
    /// The line: `Ethernet1: spine1:any`.
    pub line: String,
    /// Whether this is the line that the node does not meet.
    pub differs: bool,
    /// Each neighbor with its interface; `None` if the line names no interface.
    pub saw: Option<Vec<Sight<'a>>>,
}

/// A neighbor and the interface at which it is seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sight<'a> {
    pub interface: &'a str,
    #[serde(flatten)]
    pub neighbor: &'a Neighbor,
}

impl Pattern {
    /// The lines beside what the node sees. `mismatch`: that of [`Pattern::check`]; the line that it is about differs.
    ///
    /// `None` if they take more than `left` bytes; else `left` becomes what remains.
    pub fn compare<'a>(
        &self,
        facts: &'a NodeFacts,
        mismatch: Option<&Mismatch<'a>>,
        left: &mut usize,
    ) -> Option<Vec<Compared<'a>>> {
        let reason = mismatch.map(|mismatch| &mismatch.reason);
        let failed = self
            .constraints
            .iter()
            .position(|constraint| reason.is_some_and(|reason| constraint.is_about(reason)));
        let mut rest = *left;
        let mut lines = Vec::new();
        for (index, constraint) in self.constraints.iter().enumerate() {
            let line = constraint.to_string();
            let differs = failed == Some(index);
            let saw = match (&constraint.interfaces, reason) {
                (Some(names), _) => Some(at(facts, names)),
                (None, Some(Reason::Forbidden { interface, saw, .. })) if differs => {
                    Some(vec![Sight {
                        interface: interface,
                        neighbor: saw,
                    }])
                }
                (None, _) => None,
            };
            let seen = saw.iter().flatten();
            let size = |sight: &Sight<'_>| {
                let Neighbor { device, port } = sight.neighbor;
                sight.interface.len() + device.len() + port.len() + FRAME
            };
            rest = rest.checked_sub(line.len() + FRAME + seen.map(size).sum::<usize>())?;
            lines.push(Compared { line, differs, saw });
        }
        *left = rest;
        Some(lines)
    }
}

/// The neighbors at the named interfaces.
fn at<'a>(facts: &'a NodeFacts, names: &[InterfaceName]) -> Vec<Sight<'a>> {
    let named = facts.neighbors.iter().filter(|(written, _)| {
        InterfaceName::from_switch(written).is_some_and(|name| names.binary_search(&name).is_ok())
    });
    let sights = |(written, neighbors): &'a (String, Vec<Neighbor>)| {
        let sight = |neighbor| Sight {
            interface: written,
            neighbor,
        };
        neighbors.iter().map(sight)
    };
    named.flat_map(sights).collect()
}

impl Constraint {
    /// Whether a mismatch is about this line, or one with the same conditions.
    fn is_about(&self, reason: &Reason<'_>) -> bool {
        let names = |interface: &Option<InterfaceName>| match (&self.interfaces, interface) {
            (Some(names), Some(name)) => names.binary_search(name).is_ok(),
            (None, None) => true,
            _ => false,
        };
        match reason {
            Reason::Model { .. } => false,
            Reason::Missing {
                interface,
                required,
                ..
            }
            | Reason::Exhausted {
                interface,
                required,
            } => self.sense == Sense::Require && names(interface) && self.neighbor() == *required,
            Reason::Forbidden {
                interface, forbids, ..
            } => {
                let named =
                    self.interfaces.is_none() || names(&InterfaceName::from_switch(interface));
                self.sense != Sense::Require && named && self.neighbor() == *forbids
            }
            Reason::Indeterminate { what, .. } => self.to_string() == *what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Post;

    fn facts() -> NodeFacts {
        let body = r#"{"serialnumber": "SN1", "model": "DCS-7050", "neighbors": {
            "Ethernet1": [{"device": "core1", "port": "Ethernet7"}],
            "Ethernet2": [{"device": "spine2", "port": "Ethernet7"}, {"device": "spine3", "port": "Ethernet9"}]}}"#;
        Post::parse(body.as_bytes()).unwrap().facts
    }

    #[test]
    fn the_line_that_a_node_does_not_meet_differs() {
        let facts = facts();
        for (lines, differs) in [
            ("- Ethernet2: spine2\n- Ethernet1: spine1\n", Some(1)),
            ("- Ethernet1-2: any\n- Ethernet3: any\n", Some(1)),
            ("- any: regex('spine\\d+'):any\n- any: leaf1\n", Some(1)),
            ("- Ethernet2: any\n- none: core1:any\n", Some(1)),
            ("- Ethernet2: core1:none\n- Ethernet1: none\n", Some(1)),
            ("- Ethernet1: any\n- none: none:none\n", Some(1)),
            ("- any: spine2\n- any: spine3\n", Some(1)),
            (
                "- Ethernet1: core1\n- Ethernet2: regex('(s*)*(s*)*(s*)*\\1\\2\\3b')\n- Ethernet2: x\n",
                Some(1),
            ),
            ("- Ethernet1: core1\n- any: spine2\n", None),
        ] {
            let pattern = Pattern::parse_stored(&format!("name: p\ninterfaces:\n{lines}")).unwrap();
            let outcome = pattern.check(&facts);
            let compared = pattern
                .compare(&facts, outcome.as_ref().err(), &mut 10_000)
                .unwrap();
            let found = compared.iter().position(|line| line.differs);
            assert_eq!(found, differs, "{lines}: {outcome:?}");
            assert_eq!(outcome.is_ok(), differs.is_none(), "{lines}");
        }
    }

    #[test]
    fn a_line_has_the_neighbors_at_its_interfaces() {
        let facts = facts();
        let text = "name: p\ninterfaces:\n- Ethernet1-2: any\n- Ethernet3: none\n- any: any\n- none: core1:any\n";
        let pattern = Pattern::parse_stored(text).unwrap();
        let outcome = pattern.check(&facts);
        let compared = pattern
            .compare(&facts, outcome.as_ref().err(), &mut 10_000)
            .unwrap();
        let saw = |line: &Compared<'_>| {
            let saw = line.saw.as_ref()?;
            let words = saw.iter().map(|sight| {
                format!(
                    "{} {} {}",
                    sight.interface, sight.neighbor.device, sight.neighbor.port
                )
            });
            Some(words.collect::<Vec<_>>().join(", "))
        };
        let found: Vec<_> = compared
            .iter()
            .map(|line| (line.line.as_str(), saw(line)))
            .collect();
        assert_eq!(
            found,
            [
                ("Ethernet1-2: any", Some("Ethernet1 core1 Ethernet7, Ethernet2 spine2 Ethernet7, Ethernet2 spine3 Ethernet9".to_owned())),
                ("Ethernet3: none", Some(String::new())),
                ("any: any", None),
                ("none: core1:any", Some("Ethernet1 core1 Ethernet7".to_owned())),
            ]
        );
    }

    #[test]
    fn lines_beyond_the_limit_are_left_out_as_a_whole() {
        let facts = facts();
        let pattern =
            Pattern::parse_stored("name: p\ninterfaces:\n- Ethernet1: any\n- Ethernet2: any\n")
                .unwrap();
        let mut left = 10_000;
        pattern.compare(&facts, None, &mut left).unwrap();
        let taken = 10_000 - left;
        let mut exact = taken;
        assert!(pattern.compare(&facts, None, &mut exact).is_some());
        assert_eq!(exact, 0);
        let mut short = taken - 1;
        assert_eq!(pattern.compare(&facts, None, &mut short), None);
        assert_eq!(short, taken - 1);
    }
}
