//! The parts of an expression that the parser reads and the search executes without a change between. With
//! [`CharMatcher`](crate::character::CharMatcher), these are what `Ast` and `Instruction` have in common.

use crate::Indeterminate;
use crate::character::{Category, CharFlags};

/// A condition on a position in the text; matches no characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assertion {
    /// `^` and `\A`
    Start,
    /// `^` in `(?m)`
    LineStart,
    /// `$`: the end, or before a newline at the end
    End,
    /// `$` in `(?m)`
    LineEnd,
    /// `\Z`
    AbsoluteEnd,
    /// `\b` and `\B`
    WordBoundary { negated: bool, ascii: bool },
}

impl Assertion {
    pub fn holds(self, text: &str, at: usize) -> Result<bool, Indeterminate> {
        let rest = text.get(at..).unwrap_or_default();
        let before = text.get(..at).unwrap_or_default();
        Ok(match self {
            Assertion::Start => at == 0,
            Assertion::LineStart => at == 0 || before.ends_with('\n'),
            Assertion::End => rest.is_empty() || rest == "\n",
            Assertion::LineEnd => rest.is_empty() || rest.starts_with('\n'),
            Assertion::AbsoluteEnd => rest.is_empty(),
            Assertion::WordBoundary { negated, ascii } => {
                let word =
                    |c: Option<char>| c.map_or(Ok(false), |c| Category::Word.contains(c, ascii));
                // Before Python 3.14, neither `\b` nor `\B` matches in an empty text.
                !text.is_empty()
                    && (word(before.chars().next_back())? != word(rest.chars().next())?) != negated
            }
        })
    }
}

/// `\1` and `(?P=name)`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BackReference {
    /// Counted from 1.
    pub group: usize,
    pub flags: CharFlags,
}

impl BackReference {
    /// The end of the repetition of `captured` that starts at `at`; `None` if the text continues otherwise.
    pub fn end(self, captured: &str, text: &str, at: usize) -> Option<usize> {
        let rest = text.get(at..)?;
        if !self.flags.ignore_case {
            return rest.starts_with(captured).then_some(at + captured.len());
        }
        let mut chars = rest.char_indices();
        for expected in captured.chars() {
            let (_, c) = chars.next()?;
            if self.flags.fold(c) != self.flags.fold(expected) {
                return None;
            }
        }
        Some(at + chars.next().map_or(rest.len(), |(length, _)| length))
    }
}

/// `(?=…)`, `(?!…)`, `(?<=…)` and `(?<!…)`, without the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// The number of characters between the start of the body and the position: 0 for a look-ahead, the width of the body
    /// for a look-behind.
    pub back: usize,
    pub negated: bool,
}

impl Look {
    /// The position where the body starts; `None` if the text has too few characters before `at`.
    pub fn start(self, text: &str, at: usize) -> Option<usize> {
        let Some(skipped) = self.back.checked_sub(1) else {
            return Some(at);
        };
        let (start, _) = text.get(..at)?.char_indices().rev().nth(skipped)?;
        Some(start)
    }
}
