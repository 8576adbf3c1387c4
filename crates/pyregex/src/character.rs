//! Matching one character: literals, `.`, `\d`, `\w`, `\s` and sets like `[a-z]`.

use std::sync::Arc;

use crate::Indeterminate;

/// The flags that decide whether two characters count as the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CharFlags {
    /// `(?i)`, supported for ASCII letters.
    pub ignore_case: bool,
    /// `(?a)`: only ASCII characters are digits, letters and whitespace.
    pub ascii: bool,
}

impl CharFlags {
    /// The representative of all characters that count as the same as `c`. Python folds four characters beyond ASCII into
    /// ASCII letters.
    pub fn fold(self, c: char) -> char {
        if !self.ignore_case {
            return c;
        }
        match c {
            'ſ' if !self.ascii => 's',
            '\u{212a}' if !self.ascii => 'k',
            'ı' | 'İ' if !self.ascii => 'i',
            c => c.to_ascii_lowercase(),
        }
    }
}

/// The part of an expression that matches exactly one character.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CharMatcher {
    /// `folded` is the character as `flags` fold it.
    Literal { folded: char, flags: CharFlags },
    /// Shared, because a repetition copies it, and small, because an expression has thousands of matchers.
    Class(Arc<Class>),
    /// `.`
    NotNewline,
    /// `.` in `(?s)`
    Any,
}

impl CharMatcher {
    pub fn matches(&self, c: char) -> Result<bool, Indeterminate> {
        match self {
            CharMatcher::Literal { folded, flags } => Ok(flags.fold(c) == *folded),
            CharMatcher::Class(class) => class.contains(c),
            CharMatcher::NotNewline => Ok(c != '\n'),
            CharMatcher::Any => Ok(true),
        }
    }

    /// The number of parts, if it is a class.
    pub fn class_parts(&self) -> usize {
        match self {
            CharMatcher::Class(class) => class.items.len(),
            _ => 0,
        }
    }

    /// The only character that matches; `None` if there are several.
    pub fn exact(&self) -> Option<char> {
        match self {
            CharMatcher::Literal { folded, flags } if !flags.ignore_case => Some(*folded),
            _ => None,
        }
    }
}

/// A set of characters, with the flags in force where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Class {
    pub items: Vec<ClassItem>,
    pub negated: bool,
    pub flags: CharFlags,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClassItem {
    /// Both ends are included.
    Range(char, char),
    Category {
        category: Category,
        negated: bool,
    },
}

impl Class {
    fn contains(&self, c: char) -> Result<bool, Indeterminate> {
        let c = self.flags.fold(c);
        for item in &self.items {
            let found = match *item {
                ClassItem::Range(from, to) => {
                    (from..=to).contains(&c)
                        || (self.flags.ignore_case && (from..=to).contains(&c.to_ascii_uppercase()))
                }
                ClassItem::Category { category, negated } => {
                    category.contains(c, self.flags.ascii)? != negated
                }
            };
            if found {
                return Ok(!self.negated);
            }
        }
        Ok(self.negated)
    }
}

/// The characters that `\d`, `\w` or `\s` matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    Digit,
    Word,
    Space,
}

impl Category {
    /// The category of an escape (the character after the backslash), and whether the escape negates it.
    pub fn of_escape(c: char) -> Option<(Category, bool)> {
        let category = match c {
            'd' | 'D' => Category::Digit,
            'w' | 'W' => Category::Word,
            's' | 'S' => Category::Space,
            _ => return None,
        };
        Some((category, c.is_ascii_uppercase()))
    }

    pub fn contains(self, c: char, ascii: bool) -> Result<bool, Indeterminate> {
        if c.is_ascii() || ascii {
            return Ok(match self {
                Category::Digit => c.is_ascii_digit(),
                Category::Word => c.is_ascii_alphanumeric() || c == '_',
                Category::Space => {
                    matches!(c, '\t'..='\r' | ' ') || (!ascii && matches!(c, '\x1c'..='\x1f'))
                }
            });
        }
        match self {
            Category::Space => Ok(c.is_whitespace()),
            Category::Digit if !c.is_numeric() => Ok(false),
            Category::Word if !c.is_alphanumeric() => Ok(false),
            // Rust counts combining marks as letters and numbers like ½ as numeric; Python does not. These blocks have no
            // such marks.
            Category::Word if matches!(c, '\u{80}'..='\u{344}' | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{52f}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fa5}' | '\u{ac00}'..='\u{d7a3}') => {
                Ok(true)
            }
            Category::Digit | Category::Word => Err(Indeterminate::Character(c)),
        }
    }
}
