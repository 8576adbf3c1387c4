//! Holding a node against a pattern.

use std::collections::HashMap;

use super::mismatch::{Mismatch, Reason, Seen};
use super::{Constraint, Pattern, Sense};
use crate::domain::interface::InterfaceName;
use crate::domain::node::{Neighbor, NodeFacts};
use crate::domain::pyregex::{Budget, Undecided};

/// A node's interfaces, made ready to be held against any number of patterns.
pub(in crate::domain) struct Wiring<'a> {
    facts: &'a NodeFacts,
    /// The name as patterns know it, the name as sent, the neighbors; in the order of the facts.
    interfaces: Vec<(Option<InterfaceName>, &'a str, &'a [Neighbor])>,
    by_name: HashMap<InterfaceName, &'a [Neighbor]>,
}

impl<'a> Wiring<'a> {
    pub fn of(facts: &'a NodeFacts) -> Self {
        let interfaces: Vec<_> = facts
            .neighbors
            .iter()
            .map(|(name, neighbors)| {
                (
                    InterfaceName::from_switch(name),
                    name.as_str(),
                    neighbors.as_slice(),
                )
            })
            .collect();
        let by_name = interfaces
            .iter()
            .filter_map(|&(name, _, neighbors)| Some((name?, neighbors)))
            .collect();
        Wiring {
            facts,
            interfaces,
            by_name,
        }
    }

    fn at(&self, name: InterfaceName) -> &'a [Neighbor] {
        self.by_name.get(&name).copied().unwrap_or_default()
    }
}

impl Pattern {
    /// As [`Pattern::check`], within a budget that several patterns share.
    ///
    /// A line that forbids holds for every neighbor of every interface that it speaks of. Of the lines that want
    /// something, each interface meets the first in the order of the file that is not met yet, and no more than that one.
    pub(in crate::domain) fn check_wiring(
        &self,
        wiring: &Wiring<'_>,
        budget: &mut Budget,
    ) -> Result<(), Mismatch> {
        let mismatch = |reason| Mismatch {
            pattern: self.name.clone(),
            reason,
        };
        if let Some(model) = &self.model {
            let matched = wiring
                .facts
                .model
                .as_deref()
                .map(|model_seen| model.is_match(model_seen, budget))
                .transpose();
            match matched {
                Ok(Some(true)) => {}
                Ok(Some(false) | None) => {
                    return Err(mismatch(Reason::Model {
                        wants: model.as_str().to_owned(),
                        saw: wiring.facts.model.clone(),
                    }));
                }
                Err(why) => {
                    return Err(mismatch(Reason::Undecided {
                        what: format!("model regex('{}')", model.as_str()),
                        why,
                    }));
                }
            }
        }
        for constraint in &self.constraints {
            let result = match constraint.sense {
                Sense::Forbids => forbidden(constraint, wiring, budget),
                Sense::Wants => missing(constraint, wiring, budget),
            };
            if let Some(reason) = result.unwrap_or_else(|why| Some(undecided(constraint, why))) {
                return Err(mismatch(reason));
            }
        }
        match self.unmet(wiring, budget) {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(mismatch(reason)),
            Err((constraint, why)) => Err(mismatch(undecided(constraint, why))),
        }
    }

    /// Gives each interface in turn the first line that it meets, and says which line is left over.
    fn unmet<'p>(
        &'p self,
        wiring: &Wiring<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Reason>, (&'p Constraint, Undecided)> {
        let mut lines: Vec<Line<'p>> = self
            .constraints
            .iter()
            .filter(|constraint| constraint.sense == Sense::Wants)
            .map(Line::new)
            .collect();
        for &(name, _, neighbors) in &wiring.interfaces {
            for Line { constraint, met } in &mut lines {
                let Some(met) = place(constraint, name)
                    .and_then(|place| met.get_mut(place))
                    .filter(|met| !**met)
                else {
                    continue;
                };
                if constraint
                    .find(neighbors, budget)
                    .map_err(|why| (*constraint, why))?
                    .is_some()
                {
                    *met = true;
                    break;
                }
            }
        }
        let left = lines.iter().find_map(|Line { constraint, met }| {
            Some((constraint, met.iter().position(|met| !met)?))
        });
        Ok(left.map(|(constraint, place)| {
            let interface = constraint
                .interfaces
                .as_ref()
                .and_then(|names| names.get(place))
                .map(ToString::to_string);
            Reason::UsedUp {
                interface,
                wants: constraint.neighbor(),
            }
        }))
    }
}

/// A line that wants something, and for each of its interfaces whether that is met; for `any` there is one place.
struct Line<'p> {
    constraint: &'p Constraint,
    met: Vec<bool>,
}

impl<'p> Line<'p> {
    fn new(constraint: &'p Constraint) -> Self {
        Line {
            constraint,
            met: vec![false; constraint.interfaces.as_ref().map_or(1, Vec::len)],
        }
    }
}

/// Which place of a line an interface can fill.
fn place(constraint: &Constraint, name: Option<InterfaceName>) -> Option<usize> {
    match &constraint.interfaces {
        None => Some(0),
        Some(names) => names.binary_search(&name?).ok(),
    }
}

fn undecided(constraint: &Constraint, why: Undecided) -> Reason {
    Reason::Undecided {
        what: constraint.to_string(),
        why,
    }
}

fn forbidden(
    constraint: &Constraint,
    wiring: &Wiring<'_>,
    budget: &mut Budget,
) -> Result<Option<Reason>, Undecided> {
    for &(name, written, neighbors) in &wiring.interfaces {
        if place(constraint, name).is_none() {
            continue;
        }
        if let Some(saw) = constraint.find(neighbors, budget)? {
            return Ok(Some(Reason::Forbidden {
                interface: written.to_owned(),
                forbids: constraint.neighbor(),
                saw: saw.clone(),
            }));
        }
    }
    Ok(None)
}

/// The first interface that sees nothing of what a line wants.
fn missing(
    constraint: &Constraint,
    wiring: &Wiring<'_>,
    budget: &mut Budget,
) -> Result<Option<Reason>, Undecided> {
    let reason = |interface, saw| Reason::Missing {
        interface,
        wants: constraint.neighbor(),
        with_port: constraint.port.is_some(),
        saw,
    };
    let Some(names) = &constraint.interfaces else {
        for (_, _, neighbors) in &wiring.interfaces {
            if constraint.find(neighbors, budget)?.is_some() {
                return Ok(None);
            }
        }
        let saw = Seen::of(
            wiring
                .interfaces
                .iter()
                .flat_map(|(_, _, neighbors)| *neighbors),
        );
        return Ok(Some(reason(None, saw)));
    };
    for &name in names {
        let neighbors = wiring.at(name);
        if constraint.find(neighbors, budget)?.is_none() {
            return Ok(Some(reason(Some(name.to_string()), Seen::of(neighbors))));
        }
    }
    Ok(None)
}
