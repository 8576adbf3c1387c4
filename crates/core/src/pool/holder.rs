//! The holder of a value of a pool: a node, with a name if it has several values of the pool.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::node::Identifier;
use crate::printable::Printable;

/// Maximum length of the name of a value, in bytes.
pub const MAX_VALUE_NAME: usize = 64;

/// The name of one of a node's values of a pool, as `uplink2` in `allocate('p2p', 'uplink2')`: not empty, at most
/// [`MAX_VALUE_NAME`] bytes, without quotes and control characters, and without white space around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueName(String);

impl ValueName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ValueName {
    type Err = InvalidValueName;

    fn from_str(name: &str) -> Result<Self, InvalidValueName> {
        if name.is_empty() {
            return Err(InvalidValueName::Empty);
        }
        if name.len() > MAX_VALUE_NAME {
            return Err(InvalidValueName::TooLong(name.len()));
        }
        if name.contains(|c: char| c.is_control() || matches!(c, '\'' | '"')) || name.trim() != name
        {
            return Err(InvalidValueName::Unsafe(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }
}

/// Why a string is not a valid [`ValueName`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidValueName {
    Empty,
    /// Its length in bytes.
    TooLong(usize),
    Unsafe(String),
}

impl fmt::Display for InvalidValueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the name of the value is empty"),
            Self::TooLong(length) => write!(
                f,
                "the name of the value has {length} bytes; the limit is {MAX_VALUE_NAME}"
            ),
            Self::Unsafe(name) => write!(
                f,
                "'{}' is not a valid name of a value: quotes, control characters and white space around it are not \
                 allowed",
                Printable(name)
            ),
        }
    }
}

impl std::error::Error for InvalidValueName {}

/// A node that holds or requests a value, with the name of the value unless it is that of `allocate('p2p')`.
///
/// It is the text `NODE` or `NODE/NAME`, as in a pool's file, in the database of its object and in messages. The id of a
/// node has no `/`, so the first one ends it. ZTPServer keeps such a text in its file, and gives the value to no node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holder(String);

impl Holder {
    pub fn new(node: &str, name: Option<&ValueName>) -> Self {
        Self(match name {
            Some(name) => format!("{node}/{}", name.as_str()),
            None => node.to_owned(),
        })
    }

    /// With the id that the node has itself: see [`Identifier::canonical`].
    pub fn canonical(&self, identifier: Identifier) -> Self {
        let (node, name) = self.parts();
        let node = identifier.canonical(node);
        Self(match name {
            Some(name) => format!("{node}/{name}"),
            None => node,
        })
    }

    /// The id of the node.
    pub fn node(&self) -> &str {
        self.parts().0
    }

    /// The name of the value.
    pub fn name(&self) -> Option<&str> {
        self.parts().1
    }

    /// A text that is not `NODE/NAME` with a valid name, such as `n/`, is the id of a node, which no node has.
    fn parts(&self) -> (&str, Option<&str>) {
        let named = self.0.split_once('/').filter(|(node, name)| {
            !node.trim().is_empty() && name.trim().parse::<ValueName>().is_ok()
        });
        match named {
            Some((node, name)) => (node.trim(), Some(name.trim())),
            None => (&self.0, None),
        }
    }
}

impl From<&str> for Holder {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_has_no_quotes_or_control_characters() {
        let longest = "x".repeat(MAX_VALUE_NAME);
        for name in ["uplink2", "Ethernet49/1", "to spine 1", "ü", "$x", &longest] {
            assert_eq!(name.parse::<ValueName>().unwrap().as_str(), name);
        }
        for (name, reason) in [
            ("", "the name of the value is empty"),
            (
                &*format!("{longest}x"),
                "the name of the value has 65 bytes; the limit is 64",
            ),
            ("a', 'b", "'a', 'b' is not a valid name of a value"),
            ("a\"", "quotes"),
            ("a\n", "control characters"),
            (" a", "white space"),
        ] {
            let error = name.parse::<ValueName>().unwrap_err().to_string();
            assert!(error.contains(reason), "{name}: {error}");
        }
    }

    #[test]
    fn the_first_slash_of_a_text_is_the_end_of_the_node() {
        for (text, node, name) in [
            ("JPE1", "JPE1", None),
            ("JPE1/uplink2", "JPE1", Some("uplink2")),
            ("JPE1/Ethernet49/1", "JPE1", Some("Ethernet49/1")),
            ("SN 1 / to spine 1", "SN 1", Some("to spine 1")),
            ("JPE1 uplink2", "JPE1 uplink2", None),
            ("JPE1/", "JPE1/", None),
            ("/uplink2", "/uplink2", None),
            ("JPE1/'a'", "JPE1/'a'", None),
        ] {
            let holder = Holder::from(text);
            assert_eq!((holder.node(), holder.name()), (node, name), "{text}");
            let canonical = holder.canonical(Identifier::SerialNumber);
            let name = name.map(|name| name.parse().unwrap());
            assert_eq!(canonical, Holder::new(node, name.as_ref()), "{text}");
        }
    }
}
