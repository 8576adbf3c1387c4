//! Holding a node against a pattern.

use super::mismatch::{Mismatch, Reason, Seen};
use super::{Constraint, Pattern, Sense};
use crate::interface::InterfaceName;
use crate::node::{Neighbor, NodeFacts};
use crate::pyregex::{Budget, Indeterminate};

/// A node's interfaces, made ready to be held against any number of patterns.
pub(crate) struct Wiring<'a> {
    facts: &'a NodeFacts,
    /// The name as patterns know it, the name as sent, the neighbors; in the order of the facts. An interface without
    /// neighbors meets no line and breaks none, so it is left out.
    interfaces: Vec<(Option<InterfaceName>, &'a str, &'a [Neighbor])>,
    /// Those that patterns can name, by that name.
    by_name: Vec<(InterfaceName, &'a [Neighbor])>,
}

impl<'a> Wiring<'a> {
    pub fn of(facts: &'a NodeFacts) -> Self {
        let interfaces: Vec<_> = facts
            .neighbors
            .iter()
            .filter(|(_, neighbors)| !neighbors.is_empty())
            .map(|(name, neighbors)| {
                (
                    InterfaceName::from_switch(name),
                    name.as_str(),
                    neighbors.as_slice(),
                )
            })
            .collect();
        let mut by_name: Vec<_> = interfaces
            .iter()
            .filter_map(|&(name, _, neighbors)| Some((name?, neighbors)))
            .collect();
        by_name.sort_unstable_by_key(|&(name, _)| name);
        Wiring {
            facts,
            interfaces,
            by_name,
        }
    }

    fn at(&self, name: InterfaceName) -> &'a [Neighbor] {
        let found = self.by_name.binary_search_by_key(&name, |&(name, _)| name);
        let found = found.ok().and_then(|index| self.by_name.get(index));
        found.map_or(&[], |&(_, neighbors)| neighbors)
    }
}

impl Pattern {
    /// As [`Pattern::check`], within a budget that several patterns share.
    ///
    /// A line that forbids holds for every neighbor of every interface that it speaks of. Of the lines that want
    /// something, each interface meets the first in the order of the file that is not met yet, and no more than that one;
    /// one that has met none when `none: none:none` comes may see no neighbor.
    pub(crate) fn check_wiring<'a>(
        &'a self,
        wiring: &Wiring<'a>,
        budget: &mut Budget,
    ) -> Result<(), Mismatch<'a>> {
        let mismatch = |reason| Mismatch {
            pattern: &self.name,
            reason,
        };
        if let Some(model) = &self.model {
            let saw = wiring.facts.model.as_deref();
            let matched = saw.map(|saw| model.is_match(saw, budget)).transpose();
            match matched {
                Ok(Some(true)) => {}
                Ok(Some(false) | None) => {
                    return Err(mismatch(Reason::Model {
                        wants: model.as_str(),
                        saw,
                    }));
                }
                Err(why) => {
                    return Err(mismatch(Reason::Indeterminate {
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
                // Which interfaces it speaks of is known only when those above have taken theirs.
                Sense::ForbidsOthers => Ok(None),
            };
            if let Some(reason) = result.unwrap_or_else(|why| Some(indeterminate(constraint, why)))
            {
                return Err(mismatch(reason));
            }
        }
        match self.unmet(wiring, budget) {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(mismatch(reason)),
            Err((constraint, why)) => Err(mismatch(indeterminate(constraint, why))),
        }
    }

    /// Gives each interface in turn the first line that it meets, and says which line is left over, or which interface
    /// sees a neighbor that no line has asked for when there must not be others.
    fn unmet<'a>(
        &'a self,
        wiring: &Wiring<'a>,
        budget: &mut Budget,
    ) -> Result<Option<Reason<'a>>, (&'a Constraint, Indeterminate)> {
        let mut lines: Vec<Line<'a>> = self
            .constraints
            .iter()
            .filter(|constraint| constraint.sense != Sense::Forbids)
            .map(Line::new)
            .collect();
        for &(name, written, neighbors) in &wiring.interfaces {
            for Line { constraint, met } in &mut lines {
                budget.spend(1).map_err(|why| (*constraint, why))?;
                if let (Sense::ForbidsOthers, Some(saw)) = (constraint.sense, neighbors.first()) {
                    return Ok(Some(Reason::Forbidden {
                        interface: written,
                        forbids: constraint.neighbor(),
                        saw,
                    }));
                }
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
        let mut wanted = lines
            .iter()
            .filter(|line| line.constraint.sense == Sense::Wants);
        let left = wanted.find_map(|Line { constraint, met }| {
            Some((constraint, met.iter().position(|met| !met)?))
        });
        Ok(left.map(|(constraint, place)| {
            let names = constraint.interfaces.as_ref();
            Reason::UsedUp {
                interface: names.and_then(|names| names.get(place)).copied(),
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

fn indeterminate(constraint: &Constraint, why: Indeterminate) -> Reason<'static> {
    Reason::Indeterminate {
        what: constraint.to_string(),
        why,
    }
}

fn forbidden<'a>(
    constraint: &'a Constraint,
    wiring: &Wiring<'a>,
    budget: &mut Budget,
) -> Result<Option<Reason<'a>>, Indeterminate> {
    for &(name, written, neighbors) in &wiring.interfaces {
        budget.spend(1)?;
        if place(constraint, name).is_none() {
            continue;
        }
        if let Some(saw) = constraint.find(neighbors, budget)? {
            return Ok(Some(Reason::Forbidden {
                interface: written,
                forbids: constraint.neighbor(),
                saw,
            }));
        }
    }
    Ok(None)
}

/// The first interface that sees nothing of what a line wants.
fn missing<'a>(
    constraint: &'a Constraint,
    wiring: &Wiring<'a>,
    budget: &mut Budget,
) -> Result<Option<Reason<'a>>, Indeterminate> {
    let reason = |interface, saw| Reason::Missing {
        interface,
        wants: constraint.neighbor(),
        saw,
    };
    let Some(names) = &constraint.interfaces else {
        for (_, _, neighbors) in &wiring.interfaces {
            if constraint.find(neighbors, budget)?.is_some() {
                return Ok(None);
            }
        }
        return Ok(Some(reason(None, Seen::Anywhere(&wiring.facts.neighbors))));
    };
    for &name in names {
        let neighbors = wiring.at(name);
        if constraint.find(neighbors, budget)?.is_none() {
            return Ok(Some(reason(Some(name), Seen::There(neighbors))));
        }
    }
    Ok(None)
}
