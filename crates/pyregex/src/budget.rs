//! The bound on matching.

use std::fmt;

use crate::search::Frame;
use crate::{MAX_ALTERNATIVES, MAX_MARKS, MAX_SUBJECT};

/// The steps that matching may still take, and the memory that it works in. Share one budget between all matches of one
/// decision: then the decision as a whole is bounded.
///
/// ```
/// # use pyregex::{Budget, Indeterminate, PyRegex};
/// let slow = PyRegex::new(r"(a*)*\1b").unwrap();
/// let mut budget = Budget::new(10_000);
/// assert_eq!(slow.is_match(&"a".repeat(100), &mut budget), Err(Indeterminate::TooManySteps));
/// // Nothing is left for a second match.
/// assert_eq!(slow.is_match("ab", &mut budget), Err(Indeterminate::TooManySteps));
/// ```
pub struct Budget {
    steps: u64,
    /// One bit for each pair of an instruction and a position in the text that the search has tried.
    visited: Vec<u64>,
    stack: Vec<Frame>,
}

impl Budget {
    /// A budget of `steps`. One step takes a few nanoseconds.
    pub fn new(steps: u64) -> Budget {
        Budget {
            steps,
            visited: Vec::new(),
            stack: Vec::new(),
        }
    }

    /// The number of alternatives on the stack.
    pub(crate) fn alternatives(&self) -> usize {
        self.stack.len()
    }

    pub(crate) fn push(&mut self, frame: Frame) -> Result<(), Indeterminate> {
        if self.stack.len() == MAX_ALTERNATIVES {
            return Err(Indeterminate::TooMuchMemory);
        }
        self.stack.push(frame);
        Ok(())
    }

    /// The alternative to try next, if the stack has more than `floor`.
    pub(crate) fn pop(&mut self, floor: usize) -> Option<Frame> {
        if self.stack.len() > floor {
            self.stack.pop()
        } else {
            None
        }
    }

    /// Discards the alternatives above `floor`.
    pub(crate) fn discard(&mut self, floor: usize) {
        self.stack.truncate(floor);
    }

    /// Adds `bits` unset marks and returns the place of the first. Clearing them costs steps.
    pub(crate) fn add_marks(&mut self, bits: usize) -> Result<usize, Indeterminate> {
        let start = self.visited.len();
        let end = start + bits.div_ceil(64);
        if end > MAX_MARKS / size_of::<u64>() {
            return Err(Indeterminate::TooMuchMemory);
        }
        self.spend((end - start) as u64 / 8)?;
        self.visited.resize(end, 0);
        Ok(start)
    }

    /// Sets a mark, and returns whether it was unset.
    pub(crate) fn mark(&mut self, start: usize, bit: usize) -> bool {
        match self.visited.get_mut(start + bit / 64) {
            Some(word) if *word & (1 << (bit % 64)) == 0 => {
                *word |= 1 << (bit % 64);
                true
            }
            _ => false,
        }
    }

    /// Removes the marks from `start` on.
    pub(crate) fn remove_marks(&mut self, start: usize) {
        self.visited.truncate(start);
    }

    /// Subtracts `steps`.
    ///
    /// # Errors
    /// [`Indeterminate::TooManySteps`] if fewer are left; the budget is then empty.
    pub fn spend(&mut self, steps: u64) -> Result<(), Indeterminate> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(Indeterminate::TooManySteps)
            }
        }
    }
}

/// Why it is not known whether a text matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Indeterminate {
    /// The [`Budget`] is spent.
    TooManySteps,
    /// The search exceeds [`MAX_MARKS`] or [`MAX_ALTERNATIVES`].
    TooMuchMemory,
    /// The text exceeds [`MAX_SUBJECT`]. Contains its length in bytes.
    TooLong(usize),
    /// It is not known whether Python counts this character as a letter or as a digit.
    Character(char),
}

impl fmt::Display for Indeterminate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Indeterminate::TooManySteps => write!(
                f,
                "it takes too many steps; simplify the expression, for instance its nested repetitions"
            ),
            Indeterminate::TooMuchMemory => write!(
                f,
                "it takes too much memory; simplify the expression, for instance its look-arounds and counted repetitions"
            ),
            Indeterminate::TooLong(length) => {
                write!(f, "the text has {length} bytes; the limit is {MAX_SUBJECT}")
            }
            Indeterminate::Character(c) => write!(
                f,
                "it is not known whether Python counts '{}' as a letter or digit; write the character itself in the expression",
                c.escape_unicode()
            ),
        }
    }
}

impl std::error::Error for Indeterminate {}
