//! Foreign text in messages.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Most bytes that a message shows of a name, escapes included and the `…` that marks the cut not.
pub const MAX_SHOWN: usize = 256;
/// Most bytes that a message shows of an expression: the limit of a regular expression.
pub const MAX_SHOWN_EXPRESSION: usize = 2048;

/// Shows a text on one line: what is not printable is escaped, quotes and backslashes stay as the operator wrote them, and
/// a text that is too long for a message is cut off.
pub struct Printable<'a>(pub &'a str);

/// The same for what an operator wrote to compare names with, of which a message shows more.
pub struct Expression<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_cut(f, self.0, MAX_SHOWN)
    }
}

impl fmt::Display for Expression<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_cut(f, self.0, MAX_SHOWN_EXPRESSION)
    }
}

fn write_cut(f: &mut fmt::Formatter<'_>, text: &str, max: usize) -> fmt::Result {
    let mut left = max;
    for c in text.chars() {
        let as_it_is = matches!(c, '\'' | '"' | '\\');
        let width = match as_it_is {
            true => c.len_utf8(),
            false => c.escape_debug().map(char::len_utf8).sum(),
        };
        left = match left.checked_sub(width) {
            Some(left) => left,
            None => return f.write_char('…'),
        };
        match as_it_is {
            true => f.write_char(c)?,
            false => write!(f, "{}", c.escape_debug())?,
        }
    }
    Ok(())
}

/// The beginning of a text that takes at most `max` bytes where each character takes `width`; `…`, which then is the last
/// of them, shows that something is missing.
pub fn cut(text: &str, max: usize, width: impl Fn(char) -> usize) -> Cow<'_, str> {
    let mark = width('…');
    let (mut used, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        if used + mark <= max {
            end = at;
        }
        used += width(c);
        if used > max {
            let begin = text.get(..end).unwrap_or_default();
            return Cow::Owned(format!("{begin}{}", if mark <= max { "…" } else { "" }));
        }
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::{Expression, MAX_SHOWN, MAX_SHOWN_EXPRESSION, Printable, cut};

    #[test]
    fn escapes_only_what_is_not_printable() {
        assert_eq!(
            Printable("regex('\\d\"') ü\n\u{1b}").to_string(),
            "regex('\\d\"') ü\\n\\u{1b}"
        );
    }

    #[test]
    fn a_name_is_cut_by_the_bytes_that_are_shown() {
        for (text, shown) in [
            ("x".repeat(MAX_SHOWN), "x".repeat(MAX_SHOWN)),
            ("x".repeat(MAX_SHOWN + 1), "x".repeat(MAX_SHOWN) + "…"),
            ("é".repeat(1000), "é".repeat(MAX_SHOWN / 2) + "…"),
            (
                "\u{10ffff}".repeat(1000),
                "\\u{10ffff}".repeat(MAX_SHOWN / 10) + "…",
            ),
        ] {
            assert_eq!(Printable(&text).to_string(), shown);
        }
        let longest = "x".repeat(MAX_SHOWN_EXPRESSION);
        assert_eq!(Expression(&longest).to_string(), longest);
        assert_eq!(
            Expression(&(longest.clone() + "x")).to_string(),
            longest + "…"
        );
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let bytes = char::len_utf8;
        for (text, max, expected) in [
            ("", 0, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "…"),
            ("abcdef", 5, "ab…"),
            ("ééé", 5, "é…"),
            ("ééé", 6, "ééé"),
            ("abc", 2, ""),
        ] {
            assert_eq!(cut(text, max, bytes), expected, "{text} {max}");
        }
        assert_eq!(cut("<<<<", 8, |c| if c == '<' { 4 } else { 3 }), "<…");
    }
}
