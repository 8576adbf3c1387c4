//! Two properties of patterns that need no node: that a pattern can never match, and that an earlier one matches every
//! node that it matches.
//!
//! Every result is certain, but not every case is recognised. These are recognised:
//!
//! - two lines that require a neighbor on the same interface: an interface satisfies only one line;
//! - a line that requires a neighbor that another line of the pattern forbids on the same interface;
//! - a line that requires a neighbor after `none: none:none`: an interface with a neighbor fails at that line;
//! - a later pattern without `node` that has every condition of an earlier one. The earlier one has the same model or
//!   none. For every line of it that forbids, the later one has a line that is as strict or stricter. The lines that
//!   require a neighbor are the same in both, or those of the earlier pattern name each interface once, or they are a
//!   single `any` line. A condition is as strict as another if both are equal, if the other matches any name, or if it
//!   is an exact name that the other matches. An earlier `none: none:none` covers a later pattern that matches only
//!   nodes without neighbors, or one in which it and the lines that require a neighbor are the same.

use std::collections::HashMap;

use crate::function::Function;
use crate::interface::InterfaceName;
use crate::pattern::{Constraint, MAX_STEPS, Pattern, Sense};
use crate::pyregex::Budget;
use crate::yaml::Position;

/// Maximum number of steps for all comparisons of a neighbordb: about a second. Each pattern is compared with all before it.
const MAX_COMPARISON_STEPS: u64 = 100 * MAX_STEPS;

/// The budget for all comparisons of a neighbordb. After it, no case is recognised in which an expression must be matched.
pub fn budget() -> Budget {
    Budget::new(MAX_COMPARISON_STEPS)
}

/// Why no node can ever match a pattern, and the line that shows it.
pub fn contradiction(pattern: &Pattern, budget: &mut Budget) -> Option<(Position, String)> {
    let requires = lines(pattern, Sense::Require);
    let forbids = lines(pattern, Sense::Forbid);
    let mut in_order = pattern.constraints.iter();
    if let Some(no_others) = in_order.find(|line| line.sense == Sense::ForbidOthers)
        && let Some(line) = in_order.find(|line| line.sense == Sense::Require)
    {
        let reason = format!(
            "'{line}' requires a neighbor, and '{no_others}' above it, in line {}, forbids every neighbor that no line above it requires",
            no_others.position.line
        );
        return Some((line.position, reason));
    }
    let mut taken: HashMap<InterfaceName, &Constraint> = HashMap::new();
    for line in requires {
        for name in line.interfaces.iter().flatten() {
            if let Some(first) = taken.insert(*name, line) {
                let reason = format!(
                    "line {} already requires a neighbor on {name}, and an interface can satisfy only one line",
                    first.position.line
                );
                return Some((line.position, reason));
            }
        }
        let impossible = forbids.iter().find(|forbid| {
            implies_neighbor(line, forbid, budget)
                && match (&line.interfaces, &forbid.interfaces) {
                    (_, None) => true,
                    (None, Some(_)) => false,
                    (Some(required), Some(forbidden)) => required
                        .iter()
                        .any(|name| forbidden.binary_search(name).is_ok()),
                }
        });
        if let Some(forbid) = impossible {
            let reason = format!(
                "'{line}' requires a neighbor that '{forbid}' in line {} forbids",
                forbid.position.line
            );
            return Some((line.position, reason));
        }
    }
    None
}

/// Whether every node that matches `later` matches `earlier`. Neither may have `node`.
pub fn covers(earlier: &Pattern, later: &Pattern, budget: &mut Budget) -> bool {
    let same_model = match (&earlier.model, &later.model) {
        (None, _) => true,
        (Some(earlier), Some(later)) => earlier == later,
        (Some(_), None) => false,
    };
    if !same_model {
        return false;
    }
    let requires = lines(earlier, Sense::Require);
    let forbids_others = |pattern| !lines(pattern, Sense::ForbidOthers).is_empty();
    if forbids_others(later) && lines(later, Sense::Require).is_empty() {
        // It matches only nodes without neighbors, which violate no line that forbids and satisfy none that requires.
        return requires.is_empty();
    }
    let stricter = lines(later, Sense::Forbid);
    let forbids = lines(earlier, Sense::Forbid);
    forbids.iter().all(|forbid| {
        stricter.iter().any(|stricter| {
            implies_neighbor(forbid, stricter, budget)
                && within(&forbid.interfaces, &stricter.interfaces)
        })
    }) && match forbids_others(earlier) {
        true => same_in_order(earlier, later),
        false => covers_requires(&requires, &lines(later, Sense::Require), budget),
    }
}

/// Whether two patterns assign interfaces to lines in the same way.
fn same_in_order(earlier: &Pattern, later: &Pattern) -> bool {
    let ordered = |pattern: &'_ Pattern| -> Vec<_> {
        let lines = pattern.constraints.iter();
        let lines = lines.filter(|line| line.sense != Sense::Forbid);
        lines
            .map(|line| {
                (
                    line.sense,
                    line.interfaces.clone(),
                    line.device.clone(),
                    line.port.clone(),
                )
            })
            .collect()
    };
    ordered(earlier) == ordered(later)
}

/// Whether every node that satisfies the required lines of `later` satisfies those of `earlier`.
fn covers_requires(earlier: &[&Constraint], later: &[&Constraint], budget: &mut Budget) -> bool {
    let same = |(a, b): (&&Constraint, &&Constraint)| {
        a.interfaces == b.interfaces && a.device == b.device && a.port == b.port
    };
    if earlier.len() == later.len() && earlier.iter().zip(later).all(same) {
        return true;
    }
    // If no interface occurs in two lines, a node that satisfies each line by itself satisfies all.
    match earlier {
        [only] if only.interfaces.is_none() => {
            let mut later = later.iter();
            return later.any(|later| implies_neighbor(later, only, budget));
        }
        _ if earlier.iter().any(|line| line.interfaces.is_none()) => return false,
        _ => {}
    }
    let mut named: Vec<_> = earlier
        .iter()
        .flat_map(|line| line.interfaces.iter().flatten())
        .collect();
    named.sort_unstable();
    let apart = named.windows(2).all(|pair| pair.first() != pair.last());
    apart
        && earlier.iter().all(|line| {
            line.interfaces.iter().flatten().all(|name| {
                later.iter().any(|later| {
                    let names = later.interfaces.as_ref();
                    names.is_some_and(|names| names.binary_search(name).is_ok())
                        && implies_neighbor(later, line, budget)
                })
            })
        })
}

fn lines(pattern: &Pattern, sense: Sense) -> Vec<&Constraint> {
    let lines = pattern.constraints.iter();
    lines.filter(|line| line.sense == sense).collect()
}

/// Whether every neighbor that `narrow` describes is one that `wide` describes.
fn implies_neighbor(narrow: &Constraint, wide: &Constraint, budget: &mut Budget) -> bool {
    implies(&narrow.device, &wide.device, budget) && implies(&narrow.port, &wide.port, budget)
}

fn implies(narrow: &Option<Function>, wide: &Option<Function>, budget: &mut Budget) -> bool {
    match (narrow, wide) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(narrow), Some(wide)) if narrow == wide => true,
        (Some(Function::Host(narrow)), Some(Function::Host(wide))) => {
            narrow.eq_ignore_ascii_case(wide)
        }
        (Some(Function::Exact(name)), Some(wide)) => wide.accepts(name, budget).unwrap_or(false),
        _ => false,
    }
}

fn within(some: &Option<Vec<InterfaceName>>, all: &Option<Vec<InterfaceName>>) -> bool {
    match (some, all) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(some), Some(all)) => some.iter().all(|name| all.binary_search(name).is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use crate::node::{Neighbor, NodeFacts};
    use proptest::prelude::*;

    use super::*;

    fn pattern(interfaces: &str) -> Pattern {
        Pattern::parse_stored(&format!("interfaces: {interfaces}")).unwrap()
    }

    #[test]
    fn a_pattern_covers_patterns_with_all_its_conditions() {
        for (earlier, later) in [
            ("[]", "[Ethernet1: spine1]"),
            (
                "[Ethernet1: \"host('spine1')\"]",
                "[Ethernet1: spine1.example.net]",
            ),
            (
                "[Ethernet1: \"host('spine1')\"]",
                "[Ethernet1: \"host('SPINE1')\"]",
            ),
            ("[any: any]", "[Ethernet7: spine1]"),
            ("[Ethernet1: any]", "[Ethernet1-2: spine1]"),
            (
                "[Ethernet1: \"regex('spine')\"]",
                "[Ethernet1: 'spine1:Ethernet7', Ethernet2: any]",
            ),
            (
                "[Ethernet1: a, Ethernet2: b]",
                "[Ethernet2: b, Ethernet1: a]",
            ),
            ("[any: a, any: b]", "[any: a, any: b]"),
            ("[Ethernet1: none]", "[Ethernet1-4: none]"),
            ("[none: 'core:Ethernet1']", "[none: core]"),
            ("[Ethernet3: 'none:Ethernet1']", "[Ethernet1-5: 'none:any']"),
            ("[]", "[none: none]"),
            ("[none: none]", "[none: 'none:none']"),
            ("[none: none]", "[none: none, none: core]"),
            ("[none: core, Ethernet1: none]", "[none: none]"),
            (
                "[Ethernet1: a, none: none]",
                "[Ethernet1: a, none: none, none: core]",
            ),
            ("[Ethernet1: a]", "[Ethernet1: a, none: none]"),
        ] {
            assert!(
                covers(&pattern(earlier), &pattern(later), &mut budget()),
                "{earlier} {later}"
            );
        }
    }

    #[test]
    fn a_pattern_does_not_cover_a_pattern_without_one_of_its_conditions() {
        for (earlier, later) in [
            ("[Ethernet1: any]", "[any: any]"),
            ("[Ethernet1: spine1]", "[Ethernet1: spine2]"),
            ("[Ethernet1: spine1]", "[Ethernet1: \"regex('spine1')\"]"),
            ("[Ethernet1-2: any]", "[Ethernet1: any]"),
            ("[any: a, any: b]", "[any: b, any: a]"),
            ("[any: a, any: b]", "[any: a, any: b, any: c]"),
            ("[Ethernet1-4: none]", "[Ethernet1: none]"),
            ("[none: core]", "[none: 'core:Ethernet1']"),
            ("[none: core]", "[]"),
            ("[none: none]", "[]"),
            ("[none: none]", "[any: any]"),
            ("[any: any]", "[none: none]"),
            ("[none: none]", "[none: \"regex('.')\"]"),
            ("[Ethernet1: a, none: none]", "[none: none]"),
            ("[none: none]", "[Ethernet1: a, none: none]"),
            ("[Ethernet1: a, none: none]", "[Ethernet1: a]"),
            (
                "[Ethernet1: a, none: none]",
                "[Ethernet1: a, Ethernet2: b, none: none]",
            ),
        ] {
            assert!(
                !covers(&pattern(earlier), &pattern(later), &mut budget()),
                "{earlier} {later}"
            );
        }
    }

    #[test]
    fn a_model_covers_only_the_same_model() {
        let model = |model: &str| Pattern::parse_stored(&format!("model: {model}")).unwrap();
        assert!(covers(&model("DCS"), &model("DCS"), &mut budget()));
        assert!(covers(&pattern("[]"), &model("DCS"), &mut budget()));
        assert!(!covers(&model("DCS"), &model("DCS-7050"), &mut budget()));
        assert!(!covers(&model("DCS"), &pattern("[]"), &mut budget()));
    }

    #[test]
    fn contradictions_are_found() {
        for (interfaces, part) in [
            (
                "[Ethernet1: a, Ethernet1-2: b]",
                "already requires a neighbor on Ethernet1",
            ),
            ("[Ethernet1: a, Ethernet1: none]", "'Ethernet1: none'"),
            ("[Ethernet1: 'a:b', none: a]", "'none: a'"),
            ("[any: spine1, none: \"regex('spine')\"]", "'none: regex"),
            ("[none: none, any: any]", "'any: any' requires"),
            (
                "[Ethernet1: a, none: none, any: any]",
                "'any: any' requires",
            ),
        ] {
            let (_, reason) = contradiction(&pattern(interfaces), &mut budget()).unwrap();
            assert!(reason.contains(part), "{interfaces}: {reason}");
        }
        for interfaces in [
            "[Ethernet1: a, any: a]",
            "[Ethernet1: a, Ethernet2: none]",
            "[any: a, Ethernet1: none]",
            "[Ethernet1: any, none: core]",
            "[none: none]",
            "[Ethernet1: any, none: none]",
            "[none: none, none: core, none: none]",
        ] {
            assert_eq!(
                contradiction(&pattern(interfaces), &mut budget()),
                None,
                "{interfaces}"
            );
        }
    }

    /// Patterns over few names, so that their lines often describe the same neighbors.
    fn some_pattern() -> impl Strategy<Value = Pattern> {
        let local =
            prop::sample::select(vec!["any", "none", "Ethernet1", "Ethernet1-2", "Ethernet2"]);
        let name = || {
            let names = vec![
                "any",
                "none",
                "a",
                "b",
                "regex('a')",
                "includes('a')",
                "excludes('b')",
            ];
            prop::sample::select(names)
        };
        let line = (local, name(), name());
        let lines = prop::collection::vec(line, 0..4);
        lines.prop_filter_map("a line that can never be met", |lines| {
            let lines: Vec<_> = lines
                .into_iter()
                .map(|(local, device, port)| {
                    format!("- {local}: {{device: \"{device}\", port: \"{port}\"}}\n")
                })
                .collect();
            Pattern::parse_stored(&format!(
                "interfaces:\n{}{}",
                lines.concat(),
                if lines.is_empty() { "  []" } else { "" }
            ))
            .ok()
        })
    }

    fn some_facts() -> impl Strategy<Value = NodeFacts> {
        let name = || prop::sample::select(vec!["a", "b", "ab", "c"]);
        let neighbors = prop::collection::vec((name(), name()), 0..3);
        prop::collection::vec(neighbors, 0..4).prop_map(|interfaces| NodeFacts {
            neighbors: interfaces
                .into_iter()
                .enumerate()
                .map(|(index, seen)| {
                    let seen = seen.into_iter().map(|(device, port)| Neighbor {
                        device: device.to_owned(),
                        port: port.to_owned(),
                    });
                    (format!("Ethernet{}", index + 1), seen.collect())
                })
                .collect(),
            ..NodeFacts::default()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

        #[test]
        fn a_contradiction_matches_no_node_and_a_covered_pattern_none_that_the_earlier_does_not(
            earlier in some_pattern(),
            later in some_pattern(),
            nodes in prop::collection::vec(some_facts(), 32),
        ) {
            let covered = covers(&earlier, &later, &mut budget());
            let impossible = contradiction(&later, &mut budget()).is_some();
            for node in &nodes {
                let matches = later.check(node).is_ok();
                prop_assert!(!(matches && impossible));
                prop_assert!(!(matches && covered) || earlier.check(node).is_ok(), "{node:?}");
            }
        }
    }
}
