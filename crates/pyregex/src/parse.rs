//! Python's regular expression syntax, as the `re` module of Python 3.11 reads it.
//!
//! The parser reads the full syntax: an expression that it only half understood could match something else than in Python.

mod escape;
mod group;

use crate::InvalidRegex;
use crate::ast::{Ast, Parsed, Repetition, Width};
use crate::atom::Assertion;
use crate::character::{CharFlags, CharMatcher};

type Result<T> = std::result::Result<T, InvalidRegex>;

pub(crate) fn parse(pattern: &str) -> Result<Parsed> {
    let mut parser = Parser {
        chars: pattern.chars().collect(),
        at: 0,
        flags: Flags::default(),
        groups: Vec::new(),
        back_references: false,
        depth: 0,
        groups_before_look_behind: None,
    };
    let root = parser.alternatives()?;
    if parser.peek().is_some() {
        return parser.fail_at(parser.at, "unbalanced ')'");
    }
    Ok(Parsed {
        root,
        groups: parser.groups.len(),
        back_references: parser.back_references,
    })
}

/// The flags in force.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    /// `i` and `a`
    chars: CharFlags,
    /// `m`
    multi_line: bool,
    /// `s`
    dot_all: bool,
    /// `x`
    verbose: bool,
}

/// A capturing group.
struct Group {
    name: Option<String>,
    /// `None` until the group is closed.
    width: Option<Width>,
}

struct Parser {
    chars: Vec<char>,
    /// The index of the next character.
    at: usize,
    flags: Flags,
    groups: Vec<Group>,
    back_references: bool,
    depth: usize,
    /// In a look-behind: the number of groups before the outermost one.
    groups_before_look_behind: Option<usize>,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    /// Consumes `c` if it is the next character, and returns whether it was.
    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn fail_at<T>(&self, at: usize, reason: impl Into<String>) -> Result<T> {
        Err(InvalidRegex {
            at,
            reason: reason.into(),
        })
    }

    /// Consumes the next characters while they satisfy `accept`, at most `max` of them.
    fn take_while(&mut self, max: usize, accept: impl Fn(char) -> bool) -> String {
        let rest = self.chars.iter().skip(self.at).take(max).copied();
        let text: String = rest.take_while(|&c| accept(c)).collect();
        self.at += text.chars().count();
        text
    }

    fn alternatives(&mut self) -> Result<Ast> {
        let mut branches = vec![self.sequence()?];
        while self.eat('|') {
            branches.push(self.sequence()?);
        }
        Ok(Ast::alternatives(branches))
    }

    fn sequence(&mut self) -> Result<Ast> {
        let mut items: Vec<Ast> = Vec::new();
        while let Some(c) = self.peek() {
            let start = self.at;
            if matches!(c, '|' | ')') {
                break;
            }
            self.at += 1;
            if self.flags.verbose {
                if matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c') {
                    continue;
                }
                if c == '#' {
                    self.take_while(usize::MAX, |c| c != '\n');
                    continue;
                }
            }
            let item = match c {
                '\\' => self.escape(start)?,
                '.' if self.flags.dot_all => Ast::Char(CharMatcher::Any),
                '.' => Ast::Char(CharMatcher::NotNewline),
                '^' if self.flags.multi_line => Ast::Assertion(Assertion::LineStart),
                '^' => Ast::Assertion(Assertion::Start),
                '$' if self.flags.multi_line => Ast::Assertion(Assertion::LineEnd),
                '$' => Ast::Assertion(Assertion::End),
                '[' => self.set(start)?,
                '(' => match self.group(start)? {
                    Some(group) => group,
                    None => continue,
                },
                '*' | '+' | '?' | '{' => match self.counts(c, start)? {
                    Some(counts) => self.repeat(items.pop(), counts, start)?,
                    None => self.literal(c, start)?,
                },
                c => self.literal(c, start)?,
            };
            items.push(item);
        }
        Ok(Ast::sequence(items))
    }

    fn literal(&self, c: char, at: usize) -> Result<Ast> {
        let CharFlags { ignore_case, ascii } = self.flags.chars;
        if ignore_case && !c.is_ascii() {
            return self.fail_at(
                at,
                format!("ignoring case is supported for ASCII letters only, not for '{c}'"),
            );
        }
        let flags = CharFlags {
            // Python folds `ſ` and the Kelvin sign into letters; no character counts as the same as a digit or a sign.
            ignore_case: ignore_case && c.is_ascii_alphabetic(),
            ascii,
        };
        Ok(Ast::Char(CharMatcher::Literal {
            folded: flags.fold(c),
            flags,
        }))
    }

    /// The minimum and maximum of a quantifier, after its first character; `None` for a `{` that is a literal.
    fn counts(&mut self, c: char, start: usize) -> Result<Option<(u32, Option<u32>)>> {
        match c {
            '*' => return Ok(Some((0, None))),
            '+' => return Ok(Some((1, None))),
            '?' => return Ok(Some((0, Some(1)))),
            _ => {}
        }
        let after_brace = self.at;
        if self.peek() == Some('}') {
            return Ok(None);
        }
        let digit = |c: char| c.is_ascii_digit();
        let low = self.take_while(usize::MAX, digit);
        let high = if self.eat(',') {
            self.take_while(usize::MAX, digit)
        } else {
            low.clone()
        };
        if !self.eat('}') {
            self.at = after_brace;
            return Ok(None);
        }
        let count = |text: &str| {
            text.parse::<u32>()
                .or_else(|_| self.fail_at(start, "the repetition count is too large"))
        };
        let min = if low.is_empty() { 0 } else { count(&low)? };
        let max = if high.is_empty() {
            None
        } else {
            Some(count(&high)?)
        };
        if max.is_some_and(|max| max < min) {
            return self.fail_at(
                start,
                "the minimum repetition count is greater than the maximum",
            );
        }
        Ok(Some((min, max)))
    }

    fn repeat(
        &mut self,
        item: Option<Ast>,
        (min, max): (u32, Option<u32>),
        start: usize,
    ) -> Result<Ast> {
        let body = match item {
            None | Some(Ast::Assertion(_)) => {
                return self.fail_at(start, "there is nothing to repeat");
            }
            Some(Ast::Repeat { .. }) => {
                return self.fail_at(
                    start,
                    "a quantifier follows another one; enclose the first in '(?:…)'",
                );
            }
            Some(body) => Box::new(body),
        };
        if self.eat('+') {
            return self.fail_at(start, "possessive quantifiers are not supported");
        }
        let greedy = !self.eat('?');
        Ok(Ast::Repeat {
            body,
            repetition: Repetition { min, max, greedy },
        })
    }
}
