//! Writes a text as a scalar that reads back as the same text.

use super::scalar::{Tag, resolve};

/// A text as a YAML scalar: unchanged if it can only be read as a string, otherwise in double quotes. Always one line.
pub fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
        && resolve(text) == Tag::Str;
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            // Line breaks, and characters that parsers reject.
            c if c.is_control()
                || matches!(
                    c,
                    '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                ) =>
            {
                quoted += &format!("\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quoted;
    use crate::parse;

    #[test]
    fn a_quoted_text_reads_back_unchanged() {
        for text in [
            "",
            "leaf",
            "yes",
            "12",
            "a: b",
            "a #b",
            "'\"\\",
            "ü\u{85}\u{2028}\u{feff}\t\n\r\0\x7f",
            "- x",
            "~",
            "*a",
            "{a}",
            "  x  ",
            "0x1f",
        ] {
            assert_eq!(
                parse(&quoted(text)).unwrap().as_str(),
                Some(text),
                "{text:?} as {}",
                quoted(text)
            );
        }
    }
}
