//! Python's regular expression syntax, as the `re` module of Python 3.11 reads it.

use super::class::{Category, Class, Item};
use super::{InvalidRegex, MAX_GROUP_DEPTH};

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parsed {
    pub root: Ast,
    /// Number of capturing groups, the whole match not counted.
    pub groups: usize,
    /// Whether any group is referred back to: else nobody asks what the groups captured.
    pub back_references: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ast {
    Empty,
    Char {
        c: char,
        ignore_case: bool,
        ascii: bool,
    },
    Class(Class),
    /// `.`
    Any {
        newline: bool,
    },
    Assertion(Assertion),
    Group {
        index: Option<usize>,
        body: Box<Ast>,
    },
    Concat(Vec<Ast>),
    Alternatives(Vec<Ast>),
    Repeat {
        body: Box<Ast>,
        min: u32,
        max: Option<u32>,
        greedy: bool,
    },
    BackReference {
        group: usize,
        ignore_case: bool,
        ascii: bool,
    },
    Look {
        behind: Option<usize>,
        negated: bool,
        body: Box<Ast>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assertion {
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

pub(super) fn parse(pattern: &str) -> Result<Parsed> {
    let mut parser = Parser {
        chars: pattern.chars().collect(),
        at: 0,
        flags: Flags::default(),
        groups: Vec::new(),
        back_references: false,
        depth: 0,
        behind_from: None,
    };
    let root = parser.alternatives()?;
    if parser.peek().is_some() {
        return parser.fail("unbalanced ')'");
    }
    Ok(Parsed {
        root,
        groups: parser.groups.len(),
        back_references: parser.back_references,
    })
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    verbose: bool,
    ascii: bool,
}

/// A capturing group: its name, and, once it is closed, how wide a match of it is.
struct Group {
    name: Option<String>,
    width: Option<(usize, usize)>,
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    flags: Flags,
    groups: Vec<Group>,
    back_references: bool,
    depth: usize,
    /// In a look-behind: how many groups there were before it.
    behind_from: Option<usize>,
}

type Result<T> = std::result::Result<T, InvalidRegex>;

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Result<T> {
        self.fail_at(self.at, reason)
    }

    fn fail_at<T>(&self, at: usize, reason: impl Into<String>) -> Result<T> {
        Err(InvalidRegex {
            at,
            reason: reason.into(),
        })
    }

    /// Up to `max` characters that satisfy `accept`.
    fn run(&mut self, max: usize, accept: impl Fn(char) -> bool) -> String {
        let text: String = self
            .chars
            .iter()
            .skip(self.at)
            .take(max)
            .copied()
            .take_while(|&c| accept(c))
            .collect();
        self.at += text.chars().count();
        text
    }

    fn alternatives(&mut self) -> Result<Ast> {
        let mut branches = vec![self.sequence()?];
        while self.eat('|') {
            branches.push(self.sequence()?);
        }
        Ok(match branches.pop() {
            Some(only) if branches.is_empty() => only,
            Some(last) => {
                branches.push(last);
                Ast::Alternatives(branches)
            }
            None => Ast::Empty,
        })
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
                    self.run(usize::MAX, |c| c != '\n');
                    continue;
                }
            }
            let item = match c {
                '\\' => self.escape(start)?,
                '.' => Ast::Any {
                    newline: self.flags.dot_all,
                },
                '^' if self.flags.multi_line => Ast::Assertion(Assertion::LineStart),
                '^' => Ast::Assertion(Assertion::Start),
                '$' if self.flags.multi_line => Ast::Assertion(Assertion::LineEnd),
                '$' => Ast::Assertion(Assertion::End),
                '[' => self.class(start)?,
                '(' => match self.group(start)? {
                    Some(group) => group,
                    None => continue,
                },
                '*' | '+' | '?' | '{' => match self.quantifier(c, start)? {
                    Some((min, max)) => self.repeat(items.pop(), min, max, start)?,
                    None => self.literal(c, start)?,
                },
                c => self.literal(c, start)?,
            };
            items.push(item);
        }
        Ok(match items.pop() {
            None => Ast::Empty,
            Some(only) if items.is_empty() => only,
            Some(last) => {
                items.push(last);
                Ast::Concat(items)
            }
        })
    }

    fn literal(&self, c: char, at: usize) -> Result<Ast> {
        let Flags {
            ignore_case, ascii, ..
        } = self.flags;
        if ignore_case && !c.is_ascii() {
            return self.fail_at(
                at,
                format!("ignoring case is supported for ASCII letters only, not for '{c}'"),
            );
        }
        Ok(Ast::Char {
            c,
            ignore_case: ignore_case && c.is_ascii_alphabetic(),
            ascii,
        })
    }

    /// The bounds of a quantifier; `None` for a `{` that is a character like any other.
    fn quantifier(&mut self, c: char, start: usize) -> Result<Option<(u32, Option<u32>)>> {
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
        let low = self.run(usize::MAX, digit);
        let high = if self.eat(',') {
            self.run(usize::MAX, digit)
        } else {
            low.clone()
        };
        if !self.eat('}') {
            self.at = after_brace;
            return Ok(None);
        }
        let bound = |text: &str| {
            text.parse::<u32>()
                .or_else(|_| self.fail_at(start, "the repetition number is too large"))
        };
        let min = if low.is_empty() { 0 } else { bound(&low)? };
        let max = if high.is_empty() {
            None
        } else {
            Some(bound(&high)?)
        };
        if max.is_some_and(|max| max < min) {
            return self.fail_at(
                start,
                "the smallest number of repetitions is greater than the largest",
            );
        }
        Ok(Some((min, max)))
    }

    fn repeat(
        &mut self,
        item: Option<Ast>,
        min: u32,
        max: Option<u32>,
        start: usize,
    ) -> Result<Ast> {
        let body = match item {
            None | Some(Ast::Assertion(_)) => {
                return self.fail_at(start, "there is nothing to repeat");
            }
            Some(Ast::Repeat { .. }) => {
                return self.fail_at(start, "a repetition is repeated; put it into (?:…)");
            }
            Some(body) => Box::new(body),
        };
        if self.eat('+') {
            return self.fail_at(start, "possessive quantifiers are not supported");
        }
        let greedy = !self.eat('?');
        Ok(Ast::Repeat {
            body,
            min,
            max,
            greedy,
        })
    }

    /// A group, after its `(`; `None` for a comment and for flags.
    fn group(&mut self, start: usize) -> Result<Option<Ast>> {
        let outer = self.flags;
        if !self.eat('?') {
            return self.capture(None, start).map(Some);
        }
        match self.next() {
            Some(':') => {}
            Some('P') => match self.next() {
                Some('<') => {
                    let name = self.name('>')?;
                    if self
                        .groups
                        .iter()
                        .any(|group| group.name.as_deref() == Some(&name))
                    {
                        return self.fail_at(start, format!("there is a second group '{name}'"));
                    }
                    return self.capture(Some(name), start).map(Some);
                }
                Some('=') => {
                    let name = self.name(')')?;
                    let Some(index) = self
                        .groups
                        .iter()
                        .position(|group| group.name.as_deref() == Some(&name))
                    else {
                        return self
                            .fail_at(start, format!("there is no group '{name}' before this"));
                    };
                    return self.back_reference(index + 1, start).map(Some);
                }
                _ => return self.fail_at(start, "after '(?P' only '<name>' and '=name' are known"),
            },
            Some('#') => {
                self.run(usize::MAX, |c| c != ')');
                return if self.eat(')') {
                    Ok(None)
                } else {
                    self.fail_at(start, "the comment is not closed with ')'")
                };
            }
            Some('=') => return self.look(None, false, start).map(Some),
            Some('!') => return self.look(None, true, start).map(Some),
            Some('<') => {
                match self.next() {
                    Some('=') => return self.look(Some(0), false, start).map(Some),
                    Some('!') => return self.look(Some(0), true, start).map(Some),
                    _ => return self.fail_at(
                        start,
                        "after '(?<' only '=' and '!' are known; a named group is '(?P<name>…)'",
                    ),
                }
            }
            Some('(') => return self.fail_at(start, "conditional groups are not supported"),
            Some('>') => return self.fail_at(start, "atomic groups are not supported"),
            Some(c) if c == '-' || c.is_ascii_alphabetic() => {
                self.at -= 1;
                if self.set_flags(start)? {
                    return Ok(None);
                }
            }
            _ => return self.fail_at(start, "after '(?' something unknown follows"),
        }
        let body = self.nested(start)?;
        self.flags = outer;
        Ok(Some(Ast::Group {
            index: None,
            body: Box::new(body),
        }))
    }

    /// Reads flags up to `)` (true: they hold for the whole expression) or `:` (they hold for a group that begins).
    fn set_flags(&mut self, start: usize) -> Result<bool> {
        let mut on = true;
        let mut changed = self.flags;
        loop {
            match self.next() {
                Some('i') => changed.ignore_case = on,
                Some('m') => changed.multi_line = on,
                Some('s') => changed.dot_all = on,
                Some('x') => changed.verbose = on,
                Some('a') if on => changed.ascii = true,
                Some('u') if on => changed.ascii = false,
                Some('L') => return self.fail_at(start, "the flag 'L' works only on bytes"),
                Some('-') if on && self.peek() != Some(':') => on = false,
                Some(')') if on => {
                    // Python 3.11 made this an error; earlier ones let such flags act on what stands before them.
                    if start != 0 {
                        return self.fail_at(
                            start,
                            "flags for the whole expression must stand at its beginning",
                        );
                    }
                    self.flags = changed;
                    return Ok(true);
                }
                Some(':') => {
                    self.flags = changed;
                    return Ok(false);
                }
                _ => return self.fail_at(start, "after '(?' something unknown follows"),
            }
        }
    }

    fn name(&mut self, end: char) -> Result<String> {
        let start = self.at;
        let name = self.run(usize::MAX, |c| c != end);
        let valid = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !self.eat(end) || !valid {
            return self.fail_at(
                start,
                "a group needs a name of letters, digits and underscores",
            );
        }
        Ok(name)
    }

    fn capture(&mut self, name: Option<String>, start: usize) -> Result<Ast> {
        let outer = self.flags;
        let index = self.groups.len();
        self.groups.push(Group { name, width: None });
        let body = self.nested(start)?;
        self.flags = outer;
        let width = self.width(&body);
        if let Some(group) = self.groups.get_mut(index) {
            group.width = Some(width);
        }
        Ok(Ast::Group {
            index: Some(index + 1),
            body: Box::new(body),
        })
    }

    /// The inside of a group and its `)`.
    fn nested(&mut self, start: usize) -> Result<Ast> {
        self.depth += 1;
        if self.depth > MAX_GROUP_DEPTH {
            return self.fail_at(
                start,
                format!("groups are nested more than {MAX_GROUP_DEPTH} deep"),
            );
        }
        let body = self.alternatives()?;
        self.depth -= 1;
        if self.eat(')') {
            Ok(body)
        } else {
            self.fail_at(start, "the group is not closed with ')'")
        }
    }

    fn look(&mut self, behind: Option<usize>, negated: bool, start: usize) -> Result<Ast> {
        let outer = (self.flags, self.behind_from);
        if behind.is_some() {
            self.behind_from.get_or_insert(self.groups.len());
        }
        let body = self.nested(start)?;
        (self.flags, self.behind_from) = outer;
        let behind = match behind.map(|_| self.width(&body)) {
            None => None,
            Some((min, max)) if min == max => Some(min),
            Some(_) => return self.fail_at(start, "a look-behind needs a fixed width"),
        };
        Ok(Ast::Look {
            behind,
            negated,
            body: Box::new(body),
        })
    }

    fn back_reference(&mut self, group: usize, start: usize) -> Result<Ast> {
        match group
            .checked_sub(1)
            .and_then(|index| self.groups.get(index))
        {
            None => self.fail_at(start, format!("there is no group {group} before this")),
            Some(Group { width: None, .. }) => {
                self.fail_at(start, "a group cannot be referred to inside of itself")
            }
            Some(_) if self.behind_from.is_some_and(|before| group > before) => self.fail_at(
                start,
                "a group cannot be referred to inside of the look-behind that it stands in",
            ),
            Some(_) => {
                self.back_references = true;
                let Flags {
                    ignore_case, ascii, ..
                } = self.flags;
                Ok(Ast::BackReference {
                    group,
                    ignore_case,
                    ascii,
                })
            }
        }
    }

    fn escape(&mut self, start: usize) -> Result<Ast> {
        let ascii = self.flags.ascii;
        let category = |category, negated| {
            Ok(Ast::Class(Class {
                items: vec![Item::Category { category, negated }],
                negated: false,
                ignore_case: false,
                ascii,
            }))
        };
        let Some(c) = self.next() else {
            return self.fail_at(start, "a backslash stands at the end");
        };
        match c {
            'A' => Ok(Ast::Assertion(Assertion::Start)),
            'Z' => Ok(Ast::Assertion(Assertion::AbsoluteEnd)),
            'b' => Ok(Ast::Assertion(Assertion::WordBoundary {
                negated: false,
                ascii,
            })),
            'B' => Ok(Ast::Assertion(Assertion::WordBoundary {
                negated: true,
                ascii,
            })),
            'd' | 'D' => category(Category::Digit, c == 'D'),
            'w' | 'W' => category(Category::Word, c == 'W'),
            's' | 'S' => category(Category::Space, c == 'S'),
            '1'..='9' => {
                let mut digits = c.to_string();
                digits += &self.run(1, |c| c.is_ascii_digit());
                let octal = |c: char| matches!(c, '0'..='7');
                if digits.len() == 2 && digits.chars().all(octal) && self.peek().is_some_and(octal)
                {
                    digits += &self.run(1, octal);
                    let c = self.character(
                        u32::from_str_radix(&digits, 8)
                            .ok()
                            .filter(|&code| code <= 0o377),
                        start,
                    )?;
                    return self.literal(c, start);
                }
                self.back_reference(digits.parse().unwrap_or(usize::MAX), start)
            }
            c => {
                let c = self.character_escape(c, start)?;
                self.literal(c, start)
            }
        }
    }

    /// An escape that is one character, in a class and outside, after its backslash and first character.
    fn character_escape(&mut self, c: char, start: usize) -> Result<char> {
        let hex = |parser: &mut Self, length: usize| {
            let digits = parser.run(length, |c| c.is_ascii_hexdigit());
            let code = u32::from_str_radix(&digits, 16)
                .ok()
                .filter(|_| digits.len() == length);
            parser.character(code, start)
        };
        match c {
            'a' => Ok('\x07'),
            'f' => Ok('\x0c'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\x0b'),
            'x' => hex(self, 2),
            'u' => hex(self, 4),
            'U' => hex(self, 8),
            '0' => {
                let digits = self.run(2, |c| matches!(c, '0'..='7'));
                self.character(u32::from_str_radix(&format!("0{digits}"), 8).ok(), start)
            }
            'N' => self.fail_at(
                start,
                "characters by name are not supported; use \\u and a number",
            ),
            c if c.is_ascii_alphabetic() => self.fail_at(start, format!("'\\{c}' is not known")),
            c => Ok(c),
        }
    }

    fn character(&self, code: Option<u32>, start: usize) -> Result<char> {
        code.and_then(char::from_u32).map_or_else(
            || self.fail_at(start, "this is the number of no character"),
            Ok,
        )
    }

    /// A set, after its `[`.
    fn class(&mut self, start: usize) -> Result<Ast> {
        let negated = self.eat('^');
        let mut items = Vec::new();
        let first = self.at;
        loop {
            let at = self.at;
            let Some(c) = self.next() else {
                return self.fail_at(start, "the set is not closed with ']'");
            };
            if c == ']' && at != first {
                break;
            }
            let low = self.class_item(c, at)?;
            if self.peek() != Some('-') || self.chars.get(self.at + 1) == Some(&']') {
                items.push(low);
                continue;
            }
            self.at += 1;
            let Some(c) = self.next() else {
                return self.fail_at(start, "the set is not closed with ']'");
            };
            match (low, self.class_item(c, at)?) {
                (Item::Range(low, _), Item::Range(_, high)) if low <= high => {
                    items.push(Item::Range(low, high))
                }
                _ => return self.fail_at(at, "this is no range of characters"),
            }
        }
        let Flags {
            ignore_case, ascii, ..
        } = self.flags;
        if ignore_case
            && items
                .iter()
                .any(|item| matches!(item, Item::Range(_, high) if !high.is_ascii()))
        {
            return self.fail_at(
                start,
                "ignoring case is supported for ASCII letters only, and this set holds others",
            );
        }
        Ok(Ast::Class(Class {
            items,
            negated,
            ignore_case,
            ascii,
        }))
    }

    fn class_item(&mut self, c: char, at: usize) -> Result<Item> {
        let single = |c| Item::Range(c, c);
        if c != '\\' {
            return Ok(single(c));
        }
        let category = |category, negated| Ok(Item::Category { category, negated });
        match self.next() {
            Some(c @ ('d' | 'D')) => category(Category::Digit, c == 'D'),
            Some(c @ ('w' | 'W')) => category(Category::Word, c == 'W'),
            Some(c @ ('s' | 'S')) => category(Category::Space, c == 'S'),
            Some('b') => Ok(single('\x08')),
            Some(c @ '0'..='7') => {
                let digits = format!("{c}{}", self.run(2, |c| matches!(c, '0'..='7')));
                self.character(
                    u32::from_str_radix(&digits, 8)
                        .ok()
                        .filter(|&code| code <= 0o377),
                    at,
                )
                .map(single)
            }
            Some(c @ ('8' | '9')) => self.fail_at(at, format!("'\\{c}' is not known")),
            Some(c) => self.character_escape(c, at).map(single),
            None => self.fail_at(at, "a backslash stands at the end"),
        }
    }

    /// How many characters a match has, at least and at most; capped, since only equality matters.
    fn width(&self, ast: &Ast) -> (usize, usize) {
        const CAP: usize = 1 << 20;
        match ast {
            Ast::Empty | Ast::Assertion(_) | Ast::Look { .. } => (0, 0),
            Ast::Char { .. } | Ast::Class(_) | Ast::Any { .. } => (1, 1),
            Ast::Group { body, .. } => self.width(body),
            Ast::Concat(items) => items
                .iter()
                .map(|item| self.width(item))
                .fold((0, 0), |(low, high), (min, max)| {
                    ((low + min).min(CAP), (high + max).min(CAP))
                }),
            Ast::Alternatives(branches) => {
                let widths = || branches.iter().map(|branch| self.width(branch));
                (
                    widths().map(|(min, _)| min).min().unwrap_or(0),
                    widths().map(|(_, max)| max).max().unwrap_or(0),
                )
            }
            Ast::Repeat { body, min, max, .. } => {
                let (low, high) = self.width(body);
                let times =
                    |width: usize, count: u32| width.saturating_mul(count as usize).min(CAP);
                (times(low, *min), max.map_or(CAP, |max| times(high, max)))
            }
            Ast::BackReference { group, .. } => group
                .checked_sub(1)
                .and_then(|index| self.groups.get(index))
                .and_then(|group| group.width)
                .unwrap_or((0, CAP)),
        }
    }
}
