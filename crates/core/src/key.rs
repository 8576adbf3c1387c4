//! Every storage key. A key is the path of the same file under ZTPServer's `data_root`.
//!
//! `actions/**` and `files/**` are R2 objects, everything else is a KV value. Only this module creates
//! keys, from validated parts, so that none can leave its folder.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kv::digest;
use crate::node::NodeId;

/// Maximum length of a key in KV, in bytes.
pub const MAX_KV_KEY_BYTES: usize = 512;
/// Maximum length of a key in R2, in bytes.
pub const MAX_R2_KEY_BYTES: usize = 1024;

/// The prefix of the keys of pools.
pub const POOLS: &str = "resources/";

/// The prefix of the keys of nodes' records.
pub const NODES: &str = "nodes/";

/// The prefix of the keys of former startup-configs, in R2. Only the Worker reads and writes them.
pub const HISTORY: &str = "history/";

/// The prefix of the keys of replaced values and objects, in R2. Only the Worker reads and writes them.
pub const UNDO: &str = "undo/";

/// The prefix of the keys of digests. Only the Worker reads and writes them.
pub const DIGESTS: &str = "digests/";

/// A document that all nodes share, in KV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document<'a> {
    /// The client script.
    Bootstrap,
    /// The log destinations of clients.
    BootstrapConf,
    /// Patterns and variables.
    Neighbordb,
    /// A definition that patterns refer to.
    Definition(&'a str),
    /// A config-handler that patterns refer to.
    ConfigHandler(&'a str),
    /// The contents of a resource pool.
    Pool(&'a str),
    /// Who may use the /admin API.
    Operators,
}

impl fmt::Display for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bootstrap => f.write_str("bootstrap/bootstrap"),
            Self::BootstrapConf => f.write_str("bootstrap/bootstrap.conf"),
            Self::Neighbordb => f.write_str("neighbordb"),
            Self::Definition(name) => write!(f, "definitions/{name}"),
            Self::ConfigHandler(name) => write!(f, "config-handlers/{name}"),
            Self::Pool(name) => write!(f, "{POOLS}{name}"),
            Self::Operators => f.write_str("operators"),
        }
    }
}

/// The records of one node, in KV under `nodes/<id>/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Record {
    /// The facts of the last POST, as JSON.
    Facts,
    /// The actions of the node.
    Definition,
    /// The pattern that the node's facts must match.
    Pattern,
    /// Values for the definition's `$names`.
    Attributes,
    /// The configuration from the node's backup, or from an operator.
    StartupConfig,
    /// The script that ZTPServer runs after a backup; stored, never run.
    ConfigHandler,
    /// The site that the node belongs to.
    Site,
}

impl Record {
    /// Every record.
    pub const ALL: [Self; 7] = [
        Self::Facts,
        Self::Definition,
        Self::Pattern,
        Self::Attributes,
        Self::StartupConfig,
        Self::ConfigHandler,
        Self::Site,
    ];

    /// The file name in the node's folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facts => ".node",
            Self::Definition => "definition",
            Self::Pattern => "pattern",
            Self::Attributes => "attributes",
            Self::StartupConfig => "startup-config",
            Self::ConfigHandler => "config-handler",
            Self::Site => "site",
        }
    }

    /// The record of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|record| record.name() == name)
    }

    /// The key of this record of a node.
    pub fn key(self, node: &NodeId) -> String {
        folder(node) + self.name()
    }
}

/// The prefix of the keys of one node's records.
pub fn folder(node: &NodeId) -> String {
    format!("{NODES}{node}/")
}

/// The key in R2 of a value that is kept for an undo: `undo/<time>-<sha1>-<random>`. Keys sort by time until the year
/// 2286. `sha1`: empty if it is unknown. `random`: two operators may store the same bytes at the same time, and delete
/// them one by one.
pub fn kept(time: u64, sha1: &str, random: u32) -> String {
    format!("{UNDO}{time:013}-{sha1}-{random:08x}")
}

/// The time in the key of a kept value, in milliseconds since 1970.
pub fn kept_at(key: &str) -> Option<u64> {
    key.strip_prefix(UNDO)?.split('-').next()?.parse().ok()
}

/// The key of an R2 object: an action or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// `actions/<name>`; `None` if the name is invalid.
    pub fn action(name: &str) -> Option<Self> {
        if name.contains('/') {
            None
        } else {
            Self::below("actions", name)
        }
    }

    /// `files/<path>`; `None` if the path is invalid.
    pub fn file(path: &str) -> Option<Self> {
        Self::below("files", path)
    }

    /// The key in KV of this object's digest, which is not part of `data_root`.
    pub fn digest_key(&self) -> String {
        let key = format!("{DIGESTS}{}", self.0);
        if key.len() <= MAX_KV_KEY_BYTES {
            return key;
        }
        format!("{DIGESTS}sha1/{}", digest(self.0.as_bytes()))
    }

    /// The key in R2.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn below(folder: &str, path: &str) -> Option<Self> {
        let fits = folder.len() + 1 + path.len() <= MAX_R2_KEY_BYTES;
        (fits && path.split('/').all(is_name)).then(|| Self(format!("{folder}/{path}")))
    }
}

/// Whether a path segment is a valid name: not empty, not a dot segment, no control character.
pub fn is_name(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && !segment.contains(char::is_control)
}

/// Whether a string is a valid name of a pool: its key stays in its folder and fits KV.
pub fn is_pool_name(name: &str) -> bool {
    name.len() <= MAX_KV_KEY_BYTES - POOLS.len() && name.split('/').all(is_name)
}

/// The pool and the value in the path `<pool>/<value>`, where both may contain slashes. `stored`: the names of all pools.
///
/// A first segment with a slash (encoded as `%2F`) is the whole name. Else the name is the longest sequence of segments
/// that is the name of a stored pool, or the first segment; the rest is the value. `None` without a value.
pub fn pool_and_value(segments: &[&str], stored: &[String]) -> Option<(String, String)> {
    let first = segments.first()?;
    let most = match first.contains('/') {
        true => 1,
        false => segments.len() - 1,
    };
    let name = |length: &usize| segments.get(..*length).unwrap_or_default().join("/");
    let is_stored = |length: &usize| {
        let name = name(length);
        is_pool_name(&name) && stored.contains(&name)
    };
    let length = (1..=most).rev().find(is_stored);
    let length = length.unwrap_or(1);
    let value = segments.get(length..).filter(|rest| !rest.is_empty())?;
    Some((name(&length), value.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_in_a_path_is_the_longest_name_of_a_stored_pool() {
        let stored = ["net", "berlin", "berlin/mgmt", "berlin/mgmt/old"].map(str::to_owned);
        for (segments, expected) in [
            (&["net", "10.0.0.1", "24"][..], Some(("net", "10.0.0.1/24"))),
            (&["net", "10.0.0.1/24"], Some(("net", "10.0.0.1/24"))),
            (
                &["berlin", "mgmt", "10.0.0.1", "24"],
                Some(("berlin/mgmt", "10.0.0.1/24")),
            ),
            (
                &["berlin", "mgmt", "10.0.0.1/24"],
                Some(("berlin/mgmt", "10.0.0.1/24")),
            ),
            (
                &["berlin/mgmt", "10.0.0.1", "24"],
                Some(("berlin/mgmt", "10.0.0.1/24")),
            ),
            (&["berlin/mgmt", "old", "7"], Some(("berlin/mgmt", "old/7"))),
            (
                &["berlin", "mgmt", "old", "7"],
                Some(("berlin/mgmt/old", "7")),
            ),
            (
                &["berlin", "mgmt/10.0.0.1"],
                Some(("berlin", "mgmt/10.0.0.1")),
            ),
            (&["berlin", "mgmt"], Some(("berlin", "mgmt"))),
            (&["london", "mgmt", "1"], Some(("london", "mgmt/1"))),
            (&["net"], None),
            (&[], None),
        ] {
            let expected = expected.map(|(pool, value)| (pool.to_owned(), value.to_owned()));
            assert_eq!(pool_and_value(segments, &stored), expected, "{segments:?}");
        }
    }

    #[test]
    fn an_object_key_cannot_leave_its_folder() {
        for path in [
            "", ".", "..", "a/..", "../x", "a//b", "/a", "a/", "a\0b", "a\nb", "./a",
        ] {
            assert_eq!(ObjectKey::file(path), None, "{path:?}");
            assert_eq!(ObjectKey::action(path), None, "{path:?}");
        }
        assert_eq!(ObjectKey::action("a/b"), None);
    }

    #[test]
    fn unusual_names_are_valid() {
        for path in [
            "EOS-4.14.5F.swi",
            "a b/ü",
            "...",
            "..a",
            ".hidden",
            "100%",
            "a\\b",
        ] {
            assert_eq!(
                ObjectKey::file(path).unwrap().as_str(),
                format!("files/{path}")
            );
        }
    }

    #[test]
    fn an_object_key_has_at_most_the_length_of_r2() {
        let longest = "a".repeat(MAX_R2_KEY_BYTES - "files/".len());
        assert!(ObjectKey::file(&longest).is_some());
        assert!(ObjectKey::file(&format!("{longest}a")).is_none());
    }

    #[test]
    fn the_digest_key_of_every_object_fits_kv() {
        let key = |path: &str| ObjectKey::file(path).unwrap().digest_key();
        assert_eq!(key("images/x.swi"), "digests/files/images/x.swi");
        let long = key(&"a".repeat(1000));
        assert!(long.len() <= MAX_KV_KEY_BYTES && long.starts_with("digests/sha1/"));
        assert_ne!(long, key(&"a".repeat(1001)));
    }

    #[test]
    fn the_key_of_a_kept_value_has_its_time() {
        let key = kept(1_800_000_000_000, "da39", 7);
        assert_eq!(key, "undo/1800000000000-da39-00000007");
        assert_eq!(kept_at(&key), Some(1_800_000_000_000));
        for other in ["files/1-a-b", "undo/", "undo/upload"] {
            assert_eq!(kept_at(other), None, "{other}");
        }
    }

    #[test]
    fn every_record_is_found_by_its_name() {
        for record in Record::ALL {
            assert_eq!(Record::named(record.name()), Some(record));
        }
        assert_eq!(Record::named("other"), None);
    }
}
