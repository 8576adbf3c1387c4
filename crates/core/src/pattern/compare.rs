//! The lines of a pattern beside what a node sees, for the operator.

use serde::Serialize;

use super::matching::NeighborTable;
use super::mismatch::{Mismatch, Reason};
use super::{Constraint, Pattern, Sense};
use crate::interface::InterfaceName;
use crate::node::{Neighbor, NodeFacts};

/// The bytes that a line or a neighbor takes besides its names.
const FRAME: usize = 48;

/// The neighbors of a node, to be compared with any number of patterns.
pub struct Comparison<'a> {
    table: NeighborTable<'a>,
    /// The bytes that lines may still take.
    left: usize,
}

/// A line of a pattern beside the neighbors at its interfaces.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared<'a> {
    /// The line: `Ethernet1: spine1:any`.
    pub line: String,
    /// Whether this is the line that the node does not meet.
    pub differs: bool,
    /// The neighbors at its interfaces; `None` if the line names no interface.
    pub saw: Option<Vec<Sight<'a>>>,
}

/// A neighbor and the interface at which it is seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sight<'a> {
    pub interface: String,
    pub device: &'a str,
    pub port: &'a str,
}

impl<'a> Sight<'a> {
    fn new(interface: impl ToString, neighbor: &'a Neighbor) -> Self {
        Sight {
            interface: interface.to_string(),
            device: &neighbor.device,
            port: &neighbor.port,
        }
    }

    fn size(&self) -> usize {
        self.interface.len() + self.device.len() + self.port.len() + FRAME
    }
}

impl<'a> Comparison<'a> {
    /// A comparison in which the lines of all patterns take at most `max` bytes.
    pub fn of(facts: &'a NodeFacts, max: usize) -> Self {
        Comparison {
            table: NeighborTable::of(facts),
            left: max,
        }
    }

    /// The lines of a pattern beside what the node sees. `mismatch`: that of [`Pattern::check`]; the line that it is about
    /// differs.
    ///
    /// `None` if they do not fit, and for all patterns after that one.
    pub fn lines(
        &mut self,
        pattern: &Pattern,
        mismatch: Option<&Mismatch<'a>>,
    ) -> Option<Vec<Compared<'a>>> {
        let left = std::mem::take(&mut self.left);
        let (lines, left) = self.fitting(pattern, mismatch, left)?;
        self.left = left;
        Some(lines)
    }

    /// The lines, and the bytes that are left.
    fn fitting(
        &self,
        pattern: &Pattern,
        mismatch: Option<&Mismatch<'a>>,
        mut left: usize,
    ) -> Option<(Vec<Compared<'a>>, usize)> {
        let reason = mismatch.map(|mismatch| &mismatch.reason);
        let mut lines: Vec<Compared<'a>> = Vec::new();
        let mut found = false;
        for constraint in &pattern.constraints {
            let line = constraint.to_string();
            left = left.checked_sub(line.len() + FRAME)?;
            let differs = !found && reason.is_some_and(|reason| constraint.is_about(reason));
            found |= differs;
            let mut saw = constraint.interfaces.as_ref().map(|_| Vec::new());
            for &name in constraint.interfaces.iter().flatten() {
                for neighbor in self.table.at(name) {
                    let sight = Sight::new(name, neighbor);
                    left = left.checked_sub(sight.size())?;
                    saw.get_or_insert_default().push(sight);
                }
            }
            if let (
                None,
                true,
                Some(Reason::Forbidden {
                    interface,
                    saw: one,
                    ..
                }),
            ) = (&saw, differs, reason)
            {
                let sight = Sight::new(interface, one);
                left = left.checked_sub(sight.size())?;
                saw = Some(vec![sight]);
            }
            lines.push(Compared { line, differs, saw });
        }
        Some((lines, left))
    }
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
            let compared = Comparison::of(&facts, 10_000)
                .lines(&pattern, outcome.as_ref().err())
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
        let compared = Comparison::of(&facts, 10_000)
            .lines(&pattern, outcome.as_ref().err())
            .unwrap();
        let saw = |line: &Compared<'_>| {
            let saw = line.saw.as_ref()?;
            let words = saw
                .iter()
                .map(|sight| format!("{} {} {}", sight.interface, sight.device, sight.port));
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
        let taken = 2 * (14 + FRAME) + (9 + 5 + 9) + 2 * (9 + 6 + 9) + 3 * FRAME;
        let mut exact = Comparison::of(&facts, taken);
        assert_eq!(
            exact.lines(&pattern, None).map(|lines| lines.len()),
            Some(2)
        );
        assert_eq!(exact.lines(&pattern, None), None);
        let mut short = Comparison::of(&facts, taken - 1);
        assert_eq!(short.lines(&pattern, None), None);
        let empty = Pattern::parse_stored("name: p\ninterfaces: []\n").unwrap();
        assert_eq!(short.lines(&empty, None), Some(vec![]));
    }
}
