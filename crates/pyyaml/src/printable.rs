//! Foreign text in messages.

use std::fmt::{self, Write};

/// Most characters that a message shows of a text.
const MAX_SHOWN: usize = 256;

/// Shows a text on one line: what is not printable is escaped, quotes and backslashes stay as the operator wrote them, and
/// a text that is too long for a message is cut off.
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, c) in self.0.chars().enumerate() {
            match c {
                _ if index == MAX_SHOWN => return f.write_char('…'),
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

    #[test]
    fn cuts_off_what_is_too_long() {
        let shown = Printable(&"é".repeat(1000)).to_string();
        assert_eq!(shown, "é".repeat(256) + "…");
    }
}
