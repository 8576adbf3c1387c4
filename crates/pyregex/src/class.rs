//! Sets of characters: `[a-z]`, `\d`, `\w`, `\s`.

use super::Undecided;

/// A class that an escape names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Digit,
    Word,
    Space,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    Range(char, char),
    Category { category: Category, negated: bool },
}

/// A set of characters, and the flags that it stands under.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Class {
    pub items: Vec<Item>,
    pub negated: bool,
    pub ignore_case: bool,
    /// `(?a)`: only ASCII characters are digits, letters and blanks.
    pub ascii: bool,
}

impl Class {
    pub fn contains(&self, c: char) -> Result<bool, Undecided> {
        let c = if self.ignore_case {
            fold(c, self.ascii)
        } else {
            c
        };
        for item in &self.items {
            let found = match *item {
                Item::Range(from, to) if self.ignore_case => {
                    (from..=to).contains(&c) || (from..=to).contains(&c.to_ascii_uppercase())
                }
                Item::Range(from, to) => (from..=to).contains(&c),
                Item::Category { category, negated } => {
                    category.contains(c, self.ascii)? != negated
                }
            };
            if found {
                return Ok(!self.negated);
            }
        }
        Ok(self.negated)
    }
}

impl Category {
    pub fn contains(self, c: char, ascii: bool) -> Result<bool, Undecided> {
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
            // Rust counts combining marks as letters, and numbers like ½ as numeric; Python does not. In these scripts there
            // are none of the former.
            Category::Word if matches!(c, '\u{80}'..='\u{344}' | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{52f}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fa5}' | '\u{ac00}'..='\u{d7a3}') => {
                Ok(true)
            }
            Category::Digit | Category::Word => Err(Undecided::Character(c)),
        }
    }
}

/// The character that stands for all that are the same when case is ignored. Python folds these four into ASCII letters.
pub(super) fn fold(c: char, ascii: bool) -> char {
    match c {
        'ſ' if !ascii => 's',
        '\u{212a}' if !ascii => 'k',
        'ı' | 'İ' if !ascii => 'i',
        c => c.to_ascii_lowercase(),
    }
}
