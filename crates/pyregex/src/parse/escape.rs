//! Escapes and sets.

use std::sync::Arc;

use super::{Parser, Result};
use crate::ast::Ast;
use crate::atom::Assertion;
use crate::character::{Category, CharMatcher, Class, ClassItem};

const UNCLOSED_SET: &str = "the set is not closed with ']'";
const TRAILING_BACKSLASH: &str = "the expression ends with a backslash";

fn is_octal(c: char) -> bool {
    matches!(c, '0'..='7')
}

impl Parser {
    /// An escape outside of a set, after its backslash.
    pub(super) fn escape(&mut self, start: usize) -> Result<Ast> {
        let flags = self.flags.chars;
        let Some(c) = self.next() else {
            return self.fail_at(start, TRAILING_BACKSLASH);
        };
        if let Some((category, negated)) = Category::of_escape(c) {
            return Ok(Ast::Char(CharMatcher::Class(Arc::new(Class {
                items: vec![ClassItem::Category { category, negated }],
                negated: false,
                flags,
            }))));
        }
        match c {
            'A' => Ok(Ast::Assertion(Assertion::Start)),
            'Z' => Ok(Ast::Assertion(Assertion::AbsoluteEnd)),
            'b' | 'B' => Ok(Ast::Assertion(Assertion::WordBoundary {
                negated: c == 'B',
                ascii: flags.ascii,
            })),
            '1'..='9' => {
                let mut digits = c.to_string();
                digits += &self.take_while(1, |c| c.is_ascii_digit());
                // Three octal digits are a character code, fewer are the number of a group.
                if digits.len() == 2
                    && digits.chars().all(is_octal)
                    && self.peek().is_some_and(is_octal)
                {
                    digits += &self.take_while(1, is_octal);
                    let c = self.octal(&digits, start)?;
                    return self.literal(c, start);
                }
                // At most two digits, so they always fit.
                self.back_reference(digits.parse().unwrap_or(usize::MAX), start)
            }
            c => {
                let c = self.character_escape(c, start)?;
                self.literal(c, start)
            }
        }
    }

    /// An escape that denotes one character, in a set or outside, after its backslash and first character.
    fn character_escape(&mut self, c: char, start: usize) -> Result<char> {
        match c {
            'a' => Ok('\x07'),
            'f' => Ok('\x0c'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\x0b'),
            'x' => self.hexadecimal(2, start),
            'u' => self.hexadecimal(4, start),
            'U' => self.hexadecimal(8, start),
            '0' => {
                let digits = self.take_while(2, is_octal);
                self.octal(&format!("0{digits}"), start)
            }
            'N' => self.fail_at(
                start,
                "'\\N{…}' is not supported; write the character itself, or its code as '\\uXXXX'",
            ),
            c if c.is_ascii_alphabetic() => {
                self.fail_at(start, format!("'\\{c}' is not a valid escape"))
            }
            c => Ok(c),
        }
    }

    /// A character code of exactly `length` digits.
    fn hexadecimal(&mut self, length: usize, start: usize) -> Result<char> {
        let digits = self.take_while(length, |c| c.is_ascii_hexdigit());
        let code = u32::from_str_radix(&digits, 16).ok();
        self.character(code.filter(|_| digits.len() == length), start)
    }

    /// A character code; Python rejects codes above `\377`.
    fn octal(&self, digits: &str, start: usize) -> Result<char> {
        let code = u32::from_str_radix(digits, 8).ok();
        self.character(code.filter(|&code| code <= 0o377), start)
    }

    fn character(&self, code: Option<u32>, start: usize) -> Result<char> {
        code.and_then(char::from_u32).map_or_else(
            || self.fail_at(start, "this is not a valid character code"),
            Ok,
        )
    }

    /// A set, after its `[`.
    pub(super) fn set(&mut self, start: usize) -> Result<Ast> {
        let flags = self.flags.chars;
        let negated = self.eat('^');
        let mut items = Vec::new();
        let first = self.at;
        loop {
            let at = self.at;
            let Some(c) = self.next() else {
                return self.fail_at(start, UNCLOSED_SET);
            };
            if c == ']' && at != first {
                break;
            }
            let low = self.set_item(c, at)?;
            if self.peek() != Some('-') || self.chars.get(self.at + 1) == Some(&']') {
                items.push(low);
                continue;
            }
            self.at += 1;
            let Some(c) = self.next() else {
                return self.fail_at(start, UNCLOSED_SET);
            };
            match (low, self.set_item(c, at)?) {
                (ClassItem::Range(low, _), ClassItem::Range(_, high)) if low <= high => {
                    items.push(ClassItem::Range(low, high));
                }
                _ => return self.fail_at(at, "this is not a valid range of characters"),
            }
        }
        let beyond_ascii =
            |item: &ClassItem| matches!(item, ClassItem::Range(_, high) if !high.is_ascii());
        if flags.ignore_case && items.iter().any(beyond_ascii) {
            return self.fail_at(
                start,
                "ignoring case is supported for ASCII letters only, and this set contains other characters",
            );
        }
        Ok(Ast::Char(CharMatcher::Class(Arc::new(Class {
            items,
            negated,
            flags,
        }))))
    }

    /// One character or category of a set, after its first character.
    fn set_item(&mut self, c: char, at: usize) -> Result<ClassItem> {
        let single = |c| ClassItem::Range(c, c);
        if c != '\\' {
            return Ok(single(c));
        }
        let Some(c) = self.next() else {
            return self.fail_at(at, TRAILING_BACKSLASH);
        };
        if let Some((category, negated)) = Category::of_escape(c) {
            return Ok(ClassItem::Category { category, negated });
        }
        match c {
            'b' => Ok(single('\x08')),
            c if is_octal(c) => {
                let digits = format!("{c}{}", self.take_while(2, is_octal));
                self.octal(&digits, at).map(single)
            }
            '8' | '9' => self.fail_at(at, format!("'\\{c}' is not a valid escape")),
            c => self.character_escape(c, at).map(single),
        }
    }
}
