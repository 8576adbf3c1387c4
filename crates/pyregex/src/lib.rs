#![doc = include_str!("../README.md")]

mod ast;
mod atom;
mod budget;
mod character;
mod parse;
mod program;
mod search;

use std::fmt;

pub use budget::{Budget, Indeterminate};
use program::Program;

/// Limit of the length of a regular expression, in bytes.
pub const MAX_PATTERN: usize = 2048;
/// Limit of the instructions that an expression compiles to. Counted repetitions are expanded: `a{1000}` needs 1000.
pub const MAX_PROGRAM: usize = 4096;
/// Limit of the characters, ranges and named classes in all `[...]` of an expression. Counted repetitions are expanded.
pub const MAX_CLASS_PARTS: usize = 4 * MAX_PROGRAM;
/// Limit of the length of a text that is matched, in bytes. A name in LLDP has at most 255.
pub const MAX_SUBJECT: usize = 4096;
/// Limit of the nesting of groups.
pub const MAX_GROUP_DEPTH: usize = 50;
/// Limit of the memory in which a search marks what it has tried, in bytes. The largest program and text need 2 MiB, and
/// as much again in each look-around that is open.
pub const MAX_MARKS: usize = 4 * 1024 * 1024;
/// Limit of the alternatives that a search has yet to try, at most 24 bytes each.
pub const MAX_ALTERNATIVES: usize = 1 << 18;

/// A compiled regular expression.
///
/// Two are equal if they were written in the same way.
#[derive(Clone)]
pub struct PyRegex {
    pattern: Box<str>,
    program: Program,
}

impl PyRegex {
    /// Compiles a regular expression.
    ///
    /// # Errors
    /// Python 3.11's `re.compile` rejects the expression, or it needs a feature that is not supported, or it exceeds
    /// [`MAX_PATTERN`], [`MAX_PROGRAM`] or [`MAX_GROUP_DEPTH`].
    ///
    /// ```
    /// # use pyregex::PyRegex;
    /// let error = PyRegex::new("spine[0-9").unwrap_err();
    /// assert_eq!(error.at, 5);
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the set is not closed with ']' (at character 6 of the expression)"
    /// );
    /// ```
    pub fn new(pattern: &str) -> Result<PyRegex, InvalidRegex> {
        if pattern.len() > MAX_PATTERN {
            return Err(InvalidRegex {
                at: 0,
                reason: format!(
                    "the expression has {} bytes; the limit is {MAX_PATTERN}",
                    pattern.len()
                ),
            });
        }
        let parsed = parse::parse(pattern)?;
        let program = program::compile(&parsed).ok_or_else(|| InvalidRegex {
            at: 0,
            reason: format!(
                "its repetitions expand to more than {MAX_PROGRAM} instructions; use smaller counts"
            ),
        })?;
        Ok(PyRegex {
            pattern: pattern.into(),
            program,
        })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// The cost to keep and to compile it: its instructions, and the parts of the classes in them.
    pub fn size(&self) -> usize {
        self.program.size()
    }

    /// Whether Python's `re.match(pattern, text)` finds a match: it starts at the start of the text and may end anywhere.
    ///
    /// # Errors
    /// The result is not known: the budget is spent, the text exceeds [`MAX_SUBJECT`], the search exceeds [`MAX_MARKS`] or
    /// [`MAX_ALTERNATIVES`], or the result depends on a character
    /// whose class in Python is not known here.
    ///
    /// ```
    /// # use pyregex::{Budget, PyRegex};
    /// let regex = PyRegex::new(r"(?P<row>row\d+)-spine(?!9)").unwrap();
    /// let mut budget = Budget::new(1_000);
    /// assert_eq!(regex.is_match("row1-spine1", &mut budget), Ok(true));
    /// assert_eq!(regex.is_match("dc1-row1-spine1", &mut budget), Ok(false));
    /// ```
    pub fn is_match(&self, text: &str, budget: &mut Budget) -> Result<bool, Indeterminate> {
        self.program.is_match(text, budget)
    }
}

impl fmt::Debug for PyRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PyRegex({:?})", self.pattern)
    }
}

impl PartialEq for PyRegex {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for PyRegex {}

/// Why a regular expression is rejected, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRegex {
    /// The index of the character (not the byte) where the rejected part starts, counted from 0.
    pub at: usize,
    pub reason: String,
}

impl fmt::Display for InvalidRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (at character {} of the expression)",
            self.reason,
            self.at + 1
        )
    }
}

impl std::error::Error for InvalidRegex {}

#[cfg(test)]
mod tests;
