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

/// The script without the mark, and with the line ends of Unix, as ztpserver 2.1.0 sends them. Python reads the same
/// program in both.
pub fn runnable(text: String) -> String {
    match (text.strip_prefix('\u{feff}'), text.contains('\r')) {
        (None, false) => text,
        (rest, _) => rest.unwrap_or(&text).replace("\r\n", "\n"),
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
            ("#!/bin/sh\nx\r\n", "#!/bin/sh\nx\n"),
        ] {
            assert_eq!(runnable(text.to_owned()), expected, "{text:?}");
        }
    }

    #[test]
    fn any_other_script_stays_as_it_is() {
        for text in [
            "",
            "\r",
            "#!/bin/sh\nprintf 'a\r'\n",
            "#!/bin/sh\n\u{feff}",
            "#!/bin/sh\r",
        ] {
            assert!(!has_line_ends_of_windows(text), "{text:?}");
            assert_eq!(runnable(text.to_owned()), text);
        }
    }
}
