//! Characters that look like a space and are none to YAML: tabs, and what word processors and web pages put in.

use super::Position;

/// The character that most likely broke a text, if an error at `at` has one in its own line or in those since `from`: where
/// it is, and what it is called.
///
/// A tab counts where it is the character at `at`; another blank where YAML needs a space, which is at the beginning of a
/// line, and after `:` or the `-` of an entry.
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
                    "a tab stands here, where YAML takes only spaces; replace it by spaces";
                return Some((at, message.to_owned()));
            }
            let needs_space = structure || after_colon;
            if let Some(name) = name(c).filter(|_| needs_space) {
                let message = format!(
                    "{name} stands here, which YAML takes for a letter; replace it by a space"
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

/// What a blank is called that is not one to YAML; `None` for every other character.
pub(super) fn name(c: char) -> Option<String> {
    match c {
        '\u{a0}' => Some("a no-break space (U+00A0)".to_owned()),
        '\u{202f}' => Some("a narrow no-break space (U+202F)".to_owned()),
        '\u{200b}' => Some("a zero-width space (U+200B)".to_owned()),
        // These end a line, in YAML 1.1.
        '\u{85}' | '\u{2028}' | '\u{2029}' => None,
        c if c.is_whitespace() && !c.is_ascii() => {
            Some(format!("the blank U+{:04X}", u32::from(c)))
        }
        _ => None,
    }
}

/// Whether a text has a blank that is not one to YAML.
pub(super) fn named_in(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    text.chars().find_map(name)
}
