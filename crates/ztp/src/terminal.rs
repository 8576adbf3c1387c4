//! The only module that escapes output: names of files and responses of servers are not escaped before.
//!
//! Escaped are the characters that a terminal interprets (control characters, bidirectional and
//! invisible ones), and the beginnings of commands of a CI. GitHub Actions interprets a line that
//! begins with `::`, after spaces, and `##[` anywhere in a line; Azure Pipelines `##vso[`; TeamCity
//! `##teamcity[`. So `##`, a word of any length, and `[` is escaped.

use std::io::{ErrorKind, Write};

use crate::Failure;

/// Escapes a name or a text within a line, including line ends. The escapes of
/// [`Printable`](ztp_core::printable::Printable) stay as they are.
pub fn line(text: &str) -> String {
    escaped(text, rust)
}

/// Escapes an output of several lines. The escapes are those of JSON, so that JSON stays valid.
pub fn lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let line = escaped(line, json);
        match line.trim_start().strip_prefix("::") {
            Some(rest) => {
                let blanks = line.len() - line.trim_start().len();
                format!("{}\\u003a:{rest}", " ".repeat(blanks))
            }
            None => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Escapes the message of an error, and indents its further lines.
pub fn message(text: &str) -> String {
    lines(text).replace('\n', "\n  | ")
}

/// Replaces each interpreted character of a line by one other, so that columns stay the same.
pub fn masked(line: &str) -> String {
    escaped(line, |c| {
        String::from(if c == '\t' { ' ' } else { '\u{fffd}' })
    })
}

/// Escapes a text, and writes it to standard output.
pub fn display(text: &str) -> Result<(), Failure> {
    write(&lines(text))
}

/// Writes a text that is escaped, or has no foreign parts, to standard output: in colour if that is a
/// terminal. It is not an error if the reader closes the pipe.
pub fn write(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot write the output: {error}").into())
        }
        _ => Ok(()),
    }
}

/// Escapes a line about something that does not stop the command, and writes it to standard error.
pub fn warn(text: &str) {
    anstream::eprintln!("{}", message(text));
}

fn escaped(text: &str, escape: impl Fn(char) -> String) -> String {
    let shown = text.char_indices().map(|(at, c)| match c {
        c if is_interpreted(c) || begins_command(&text[at..]) => escape(c),
        c => c.to_string(),
    });
    shown.collect()
}

/// Whether a text begins with a command of a CI: `##[`, `##vso[`.
fn begins_command(text: &str) -> bool {
    text.strip_prefix("##").is_some_and(|rest| {
        let word = |c: char| c.is_ascii_alphabetic();
        rest.trim_start_matches(word).starts_with('[')
    })
}

/// The escape of Rust, and of [`Printable`](ztp_core::printable::Printable).
fn rust(c: char) -> String {
    match c {
        '#' => c.escape_unicode().to_string(),
        c => c.escape_debug().to_string(),
    }
}

/// The escape of JSON: UTF-16 units.
fn json(c: char) -> String {
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units).iter();
    units.map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Whether a terminal may interpret a character instead of showing it. Combining characters are
/// shown.
fn is_interpreted(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    // escape_debug of a str escapes a combining character only at the start; that of a char always.
    format!("x{c}").escape_debug().count() > 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_without_control_characters() {
        for (name, shown) in [
            (
                "plain/ü é 漢 \\ ' \" e\u{301}",
                "plain/ü é 漢 \\ ' \" e\u{301}",
            ),
            ("a\u{1b}[2J\r\n\tb", "a\\u{1b}[2J\\r\\n\\tb"),
            (
                "\u{7f}\u{9b}\u{202e}\u{2028}",
                "\\u{7f}\\u{9b}\\u{202e}\\u{2028}",
            ),
            (
                "##[error]###VSO[x]## [ ##x",
                "\\u{23}#[error]#\\u{23}#VSO[x]## [ ##x",
            ),
        ] {
            assert_eq!(line(name), shown);
            // An escaped name is not escaped again.
            assert_eq!(line(&line(name)), shown);
            assert_eq!(lines(&line(name)), shown);
        }
    }

    #[test]
    fn a_line_of_output_is_never_a_ci_command() {
        assert_eq!(
            lines("a::b\n::error::c\n  ::d\n\t::e"),
            "a::b\n\\u003a:error::c\n  \\u003a:d\n\\u0009::e"
        );
        assert_eq!(message("a\n::b"), "a\n  | \\u003a:b");
    }

    #[test]
    fn escaped_json_has_the_same_values() {
        let text = "\u{7f}\u{9b}\u{202e}\u{e0001}##[x]\u{1b}\n";
        let json = serde_json::json!({ text: text });
        let shown = lines(&format!("{json:#}"));
        assert!(
            shown.chars().all(|c| c == '\n' || !is_interpreted(c)),
            "{shown}"
        );
        assert!(!shown.contains("##["), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            json
        );
    }

    #[test]
    fn a_masked_line_keeps_its_columns() {
        let line = "\ta\u{1b}\u{202e}##[x]";
        assert_eq!(masked(line), " a\u{fffd}\u{fffd}\u{fffd}#[x]");
        assert_eq!(masked(line).chars().count(), line.chars().count());
    }
}
