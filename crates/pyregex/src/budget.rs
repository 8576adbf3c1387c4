//! The bound on matching.

use std::fmt;

use crate::MAX_SUBJECT;
use crate::search::Frame;

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
    pub(crate) visited: Vec<u64>,
    pub(crate) stack: Vec<Frame>,
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
