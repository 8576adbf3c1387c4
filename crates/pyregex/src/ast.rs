//! The syntax tree of an expression.

use crate::atom::{Assertion, BackReference, Look};
use crate::character::CharMatcher;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parsed {
    pub root: Ast,
    /// The number of capturing groups, without the whole match.
    pub groups: usize,
    /// Whether the expression refers back to a group. If not, captures have no effect on the result.
    pub back_references: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ast {
    Empty,
    Char(CharMatcher),
    Assertion(Assertion),
    BackReference(BackReference),
    Group {
        /// The number of a capturing group, counted from 1.
        index: Option<usize>,
        body: Box<Ast>,
    },
    Concat(Vec<Ast>),
    Alternatives(Vec<Ast>),
    Repeat {
        body: Box<Ast>,
        repetition: Repetition,
    },
    Look {
        look: Look,
        body: Box<Ast>,
    },
}

/// How often the body of a quantifier may match, and which count is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repetition {
    pub min: u32,
    /// `None`: no limit.
    pub max: Option<u32>,
    /// Whether more repetitions are tried before fewer.
    pub greedy: bool,
}

/// The number of characters in a match. Capped at [`Width::CAP`]: only equality of `min` and `max` is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Width {
    pub min: usize,
    pub max: usize,
}

impl Width {
    pub const CAP: usize = 1 << 20;
    const ZERO: Width = Width { min: 0, max: 0 };
    const ONE: Width = Width { min: 1, max: 1 };
    const UNKNOWN: Width = Width {
        min: 0,
        max: Width::CAP,
    };

    fn plus(self, other: Width) -> Width {
        Width {
            min: (self.min + other.min).min(Width::CAP),
            max: (self.max + other.max).min(Width::CAP),
        }
    }

    fn times(self, Repetition { min, max, .. }: Repetition) -> Width {
        let times = |width: usize, count: u32| width.saturating_mul(count as usize).min(Width::CAP);
        Width {
            min: times(self.min, min),
            max: max.map_or(Width::CAP, |max| times(self.max, max)),
        }
    }
}

impl Ast {
    /// One node for parts that follow one another.
    pub fn sequence(items: Vec<Ast>) -> Ast {
        Ast::collapse(items, Ast::Concat)
    }

    /// One node for the branches of `|`.
    pub fn alternatives(branches: Vec<Ast>) -> Ast {
        Ast::collapse(branches, Ast::Alternatives)
    }

    fn collapse(mut nodes: Vec<Ast>, several: impl FnOnce(Vec<Ast>) -> Ast) -> Ast {
        if nodes.len() > 1 {
            return several(nodes);
        }
        nodes.pop().unwrap_or(Ast::Empty)
    }

    /// The width of a match. `group_width` returns that of a group, counted from 1; `None` if it is not known.
    pub fn width(&self, group_width: &dyn Fn(usize) -> Option<Width>) -> Width {
        match self {
            Ast::Empty | Ast::Assertion(_) | Ast::Look { .. } => Width::ZERO,
            Ast::Char(_) => Width::ONE,
            Ast::BackReference(reference) => group_width(reference.group).unwrap_or(Width::UNKNOWN),
            Ast::Group { body, .. } => body.width(group_width),
            Ast::Concat(items) => items
                .iter()
                .map(|item| item.width(group_width))
                .fold(Width::ZERO, Width::plus),
            Ast::Alternatives(branches) => branches
                .iter()
                .map(|branch| branch.width(group_width))
                .reduce(|one, other| Width {
                    min: one.min.min(other.min),
                    max: one.max.max(other.max),
                })
                .unwrap_or(Width::ZERO),
            Ast::Repeat { body, repetition } => body.width(group_width).times(*repetition),
        }
    }
}
