//! Scripts that a switch executes, and what keeps it from running one: it must begin with `#!`, and the name of the
//! interpreter must end where its line ends.

/// Whether a text begins with a byte order mark, as some editors of Windows write it.
pub fn begins_with_mark(text: &str) -> bool {
    text.starts_with('\u{feff}')
}

/// Whether the first line ends with a carriage return. Then `python` is followed by one, and no such interpreter exists.
pub fn has_line_ends_of_windows(text: &str) -> bool {
    text.split('\n')
        .next()
        .is_some_and(|first| first.len() < text.len() && first.ends_with('\r'))
}

/// The script without both. Python reads it as the same program.
pub fn runnable(text: String) -> String {
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    match has_line_ends_of_windows(&text) {
        true => text.replace("\r\n", "\n"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_begins_with_its_interpreter() {
        for (text, expected) in [
            ("#!/bin/sh\r\nx\r\n", "#!/bin/sh\nx\n"),
            ("\u{feff}#!/bin/sh\nx\n", "#!/bin/sh\nx\n"),
            ("\u{feff}#!/bin/sh\r\nx\r\n", "#!/bin/sh\nx\n"),
        ] {
            assert_eq!(runnable(text.to_owned()), expected, "{text:?}");
        }
    }

    #[test]
    fn any_other_script_stays_as_it_is() {
        for text in [
            "",
            "\r",
            "#!/bin/sh\nprintf 'a\r\n'\r\n",
            "#!/bin/sh\n\u{feff}",
            "#!/bin/sh\r",
        ] {
            assert!(!has_line_ends_of_windows(text), "{text:?}");
            assert_eq!(runnable(text.to_owned()), text);
        }
    }
}
