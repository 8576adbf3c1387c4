//! Text from content and requests in messages.

use std::fmt::{self, Write};

/// Limit of the characters that a message shows of a text.
const MAX_SHOWN: usize = 256;

/// Displays a text on one line. Escapes what is not printable, keeps quotes and backslashes as the operator wrote them, and
/// truncates a text that is too long for a message.
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
    fn escapes_only_unprintable_characters() {
        assert_eq!(
            Printable("regex('\\d\"') ü\n\u{1b}").to_string(),
            "regex('\\d\"') ü\\n\\u{1b}"
        );
    }

    #[test]
    fn truncates_a_long_text() {
        let shown = Printable(&"é".repeat(1000)).to_string();
        assert_eq!(shown, "é".repeat(256) + "…");
    }
}
