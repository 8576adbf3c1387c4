//! Matching a node against a pattern.

use super::mismatch::{Mismatch, Reason, Seen};
use super::{Constraint, Pattern, Sense};
use crate::interface::InterfaceName;
use crate::node::{Neighbor, NodeFacts};
use crate::pyregex::{Budget, Indeterminate};

/// The neighbors of a node, indexed for matching against any number of patterns.
pub(crate) struct NeighborTable<'a> {
    facts: &'a NodeFacts,
    /// The parsed name, the name as sent, and the neighbors, in the order of the facts. Interfaces without neighbors are
    /// omitted: they neither meet nor violate a line.
    interfaces: Vec<(Option<InterfaceName>, &'a str, &'a [Neighbor])>,
    /// The interfaces that patterns can name, sorted by name.
    by_name: Vec<(InterfaceName, &'a [Neighbor])>,
}

impl<'a> NeighborTable<'a> {
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
        NeighborTable {
            facts,
            interfaces,
            by_name,
        }
    }

    pub(super) fn at(&self, name: InterfaceName) -> &'a [Neighbor] {
        let found = self.by_name.binary_search_by_key(&name, |&(name, _)| name);
        let found = found.ok().and_then(|index| self.by_name.get(index));
        found.map_or(&[], |&(_, neighbors)| neighbors)
    }
}

impl Pattern {
    /// As [`Pattern::check`], within a budget that several patterns share.
    ///
    /// A forbidding line applies to every neighbor of each of its interfaces. Each interface meets at most one requiring
    /// line: the first unmet one in the order of the file. At a line `none: none:none`, an interface that has met no
    /// earlier line must have no neighbor.
    pub(crate) fn check_table<'a>(
        &'a self,
        table: &NeighborTable<'a>,
        budget: &mut Budget,
    ) -> Result<(), Mismatch<'a>> {
        let mismatch = |reason| Mismatch {
            pattern: &self.name,
            reason,
        };
        if let Some(model) = &self.model {
            let saw = table.facts.model.as_deref();
            let matched = saw.map(|saw| model.is_match(saw, budget)).transpose();
            match matched {
                Ok(Some(true)) => {}
                Ok(Some(false) | None) => {
                    return Err(mismatch(Reason::Model {
                        required: model.as_str(),
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
                Sense::Forbid => forbidden(constraint, table, budget),
                Sense::Require => missing(constraint, table, budget),
                // It applies to the interfaces that no earlier line has used: see `unmet`.
                Sense::ForbidOthers => Ok(None),
            };
            if let Some(reason) = result.unwrap_or_else(|why| Some(indeterminate(constraint, why)))
            {
                return Err(mismatch(reason));
            }
        }
        match self.unmet(table, budget) {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(mismatch(reason)),
            Err((constraint, why)) => Err(mismatch(indeterminate(constraint, why))),
        }
    }

    /// Assigns each interface to the first line that it meets. Returns a line that remains unmet, or an interface with a
    /// neighbor that no line requires if `none: none:none` forbids others.
    fn unmet<'a>(
        &'a self,
        table: &NeighborTable<'a>,
        budget: &mut Budget,
    ) -> Result<Option<Reason<'a>>, (&'a Constraint, Indeterminate)> {
        let mut lines: Vec<Line<'a>> = self
            .constraints
            .iter()
            .filter(|constraint| constraint.sense != Sense::Forbid)
            .map(Line::new)
            .collect();
        for &(name, written, neighbors) in &table.interfaces {
            for Line { constraint, met } in &mut lines {
                budget.spend(1).map_err(|why| (*constraint, why))?;
                if let (Sense::ForbidOthers, Some(saw)) = (constraint.sense, neighbors.first()) {
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
        let mut required = lines
            .iter()
            .filter(|line| line.constraint.sense == Sense::Require);
        let left = required.find_map(|Line { constraint, met }| {
            Some((constraint, met.iter().position(|met| !met)?))
        });
        Ok(left.map(|(constraint, place)| {
            let names = constraint.interfaces.as_ref();
            Reason::Exhausted {
                interface: names.and_then(|names| names.get(place)).copied(),
                required: constraint.neighbor(),
            }
        }))
    }
}

/// A requiring line, and for each of its interfaces whether it is met; `any` has one slot.
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

/// The slot of a line that an interface can meet.
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
    table: &NeighborTable<'a>,
    budget: &mut Budget,
) -> Result<Option<Reason<'a>>, Indeterminate> {
    for &(name, written, neighbors) in &table.interfaces {
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

/// The mismatch of the first interface without the neighbor that a line requires.
fn missing<'a>(
    constraint: &'a Constraint,
    table: &NeighborTable<'a>,
    budget: &mut Budget,
) -> Result<Option<Reason<'a>>, Indeterminate> {
    let reason = |interface, saw| Reason::Missing {
        interface,
        required: constraint.neighbor(),
        saw,
    };
    let Some(names) = &constraint.interfaces else {
        for (_, _, neighbors) in &table.interfaces {
            if constraint.find(neighbors, budget)?.is_some() {
                return Ok(None);
            }
        }
        return Ok(Some(reason(None, Seen::Anywhere(&table.facts.neighbors))));
    };
    for &name in names {
        let neighbors = table.at(name);
        if constraint.find(neighbors, budget)?.is_none() {
            return Ok(Some(reason(Some(name), Seen::There(neighbors))));
        }
    }
    Ok(None)
}
