//! Foreign text in messages.

use std::fmt::{self, Write};

/// Shows a text on one line: what is not printable is escaped, quotes and backslashes stay as the operator wrote them.
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\'' | '"' | '\\' => f.write_char(c)?,
                c => write!(f, "{}", c.escape_debug())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Printable;

    #[test]
    fn escapes_only_what_is_not_printable() {
        assert_eq!(
            Printable("regex('\\d\"') ü\n\u{1b}").to_string(),
            "regex('\\d\"') ü\\n\\u{1b}"
        );
    }
}
