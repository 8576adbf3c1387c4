//! Names of stored content that neighbordb refers to: definitions and config-handlers.

use std::fmt;
use std::str::FromStr;

/// Maximum length of a name, in bytes: with its folder it must fit a key of Workers KV (512 bytes).
pub const MAX_CONTENT_NAME: usize = 400;

/// The path of a file below a folder of `data_root`. It cannot leave the folder: no segment is empty, `.` or `..`, and no
/// character is white space or a control character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContentName(String);

impl ContentName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ContentName {
    type Err = InvalidContentName;

    fn from_str(name: &str) -> Result<Self, InvalidContentName> {
        let reason = if name.is_empty() {
            "a name is missing"
        } else if name.len() > MAX_CONTENT_NAME {
            "the name is longer than 400 bytes"
        } else if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            "blanks and control characters are not allowed in the name"
        } else if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            "no part of the name between '/' may be empty, '.' or '..'"
        } else {
            return Ok(ContentName(name.to_owned()));
        };
        Err(InvalidContentName(reason))
    }
}

/// Why a string is not a valid [`ContentName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidContentName(&'static str);

impl fmt::Display for InvalidContentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidContentName {}

#[cfg(test)]
mod tests {
    use super::ContentName;

    #[test]
    fn a_name_cannot_leave_its_folder() {
        for name in ["leaf", "site/leaf-7050.yaml", "..leaf", "ü"] {
            assert!(name.parse::<ContentName>().is_ok(), "{name}");
        }
        for name in [
            "",
            "/leaf",
            "leaf/",
            "a//b",
            "..",
            "a/../b",
            "./a",
            "a b",
            "a\0",
            &"x".repeat(401),
        ] {
            assert!(name.parse::<ContentName>().is_err(), "{name}");
        }
    }
}
