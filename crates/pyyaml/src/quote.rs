//! Writing a text so that it is read back as that text.

use super::scalar::{Tag, resolve};

/// A text as a YAML scalar: as it is where that can only be a string, else in double quotes. Not for multi-line literals.
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
            // Line breaks, and what readers refuse.
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
    fn is_read_back_as_it_was() {
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
