//! Regular expressions as Python's `re.match` takes them: anchored at the start only, with look-around,
//! back-references, `(?i)`, `(?P<name>…)` and `\Z`.
//!
//! [`parse`](self) reads Python's syntax in full, since that is the only way to refuse what would mean something else
//! elsewhere; [`program`](self) then answers the one question that is asked here, whether there is a match. It is our own
//! because the crates were measured and do not fit the Worker: fancy-regex 0.20 without Unicode tables adds 210 KB of
//! gzipped wasm and takes 20 to 70 µs to compile one expression, so that a neighbordb of 1,000 would cost several times
//! the 10 ms of CPU that a free request has; regress 0.12 adds 134 KB and bounds no match; regex-lite knows no look-around.
//! Here compiling takes about a microsecond, and without back-references a match is linear in the text.
//!
//! Refused when parsed, with the reason: conditionals, atomic groups and possessive quantifiers (of Python 3.11), `\N{…}`,
//! `(?L)`, ignoring case beyond ASCII, flags that do not stand at the beginning, and an expression that grows too large.

mod class;
mod parse;
mod program;

use std::fmt;

use program::Program;
pub use program::{Budget, Undecided};

/// Longest regular expression, in bytes.
pub const MAX_PATTERN: usize = 2048;
/// Most instructions that an expression may compile to; counted repetitions are written out.
pub const MAX_PROGRAM: usize = 4096;
/// Most characters, ranges and named classes that the `[...]` of an expression may have together, repetitions written out.
pub const MAX_CLASS_PARTS: usize = 4 * MAX_PROGRAM;
/// Longest text that is matched, in bytes. LLDP carries at most 255 in a name.
pub const MAX_SUBJECT: usize = 4096;
/// Deepest nesting of groups.
pub const MAX_GROUP_DEPTH: usize = 50;

/// A regular expression, ready to match.
#[derive(Clone)]
pub struct PyRegex {
    pattern: Box<str>,
    program: Program,
}

impl PyRegex {
    /// # Errors
    /// What Python 3.11's `re.compile` refuses, and what is refused here (see the module).
    pub fn new(pattern: &str) -> Result<PyRegex, InvalidRegex> {
        if pattern.len() > MAX_PATTERN {
            return Err(InvalidRegex {
                at: 0,
                reason: format!(
                    "it has {} bytes, and at most {MAX_PATTERN} are allowed",
                    pattern.len()
                ),
            });
        }
        let parsed = parse::parse(pattern)?;
        let program = program::compile(&parsed).ok_or_else(|| InvalidRegex {
            at: 0,
            reason: "its repetitions make it too large".to_owned(),
        })?;
        Ok(PyRegex {
            pattern: pattern.into(),
            program,
        })
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// How much it takes to keep and to compile: its instructions, and the parts of classes in them.
    pub fn size(&self) -> usize {
        self.program.size()
    }

    /// Whether `re.match(pattern, text)` finds a match: one that begins at the beginning of the text, and ends anywhere.
    ///
    /// # Errors
    /// The answer is not known: the budget is used up, the text is over [`MAX_SUBJECT`], or it holds a character whose
    /// class is not known here.
    pub fn is_match(&self, text: &str, budget: &mut Budget) -> Result<bool, Undecided> {
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

/// Why a regular expression is refused, and at which of its characters, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRegex {
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
