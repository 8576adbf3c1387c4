//! Characters that look like a space but are not one in YAML: tabs, and characters that word processors and web pages insert.

use super::Position;

/// The likely cause of a syntax error at `at`: its position and a message; `None` if no such character is in the lines from
/// `from` to that of the error.
///
/// A tab counts if it is the character at `at`. Any other counts where YAML requires a space: at the start of a line, and
/// after `:` or the `-` of an entry.
pub(super) fn suspect(text: &str, from: usize, at: Position) -> Option<(Position, String)> {
    let lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    let near = lines.take(at.line).skip(from.saturating_sub(1));
    let mut found = None;
    for (number, line) in near {
        let column = |index| Position {
            line: number,
            column: index + 1,
        };
        let mut structure = true;
        let mut after_colon = false;
        for (index, c) in line.chars().enumerate() {
            if c == '\t' && column(index) == at {
                let message =
                    "a tab is used here, where YAML allows only spaces; replace it with spaces";
                return Some((at, message.to_owned()));
            }
            let needs_space = structure || after_colon;
            if let Some(name) = name(c).filter(|_| needs_space) {
                let message = format!(
                    "{name} is used here, which YAML reads as a letter; replace it with a space"
                );
                found = Some((column(index), message));
                break;
            }
            structure &= matches!(c, ' ' | '\t' | '-');
            after_colon = c == ':';
        }
    }
    found
}

/// The name of a character that looks like a space but is not one in YAML; `None` for any other character.
pub(super) fn name(c: char) -> Option<String> {
    match c {
        '\u{a0}' => Some("a no-break space (U+00A0)".to_owned()),
        '\u{202f}' => Some("a narrow no-break space (U+202F)".to_owned()),
        '\u{200b}' => Some("a zero-width space (U+200B)".to_owned()),
        // These end a line in YAML 1.1.
        '\u{85}' | '\u{2028}' | '\u{2029}' => None,
        c if c.is_whitespace() && !c.is_ascii() => {
            Some(format!("the space character U+{:04X}", u32::from(c)))
        }
        _ => None,
    }
}

/// The name of the first such character in a text.
pub(super) fn named_in(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    text.chars().find_map(name)
}
