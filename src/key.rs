//! Every storage key. A key is the path of the same file under ZTPServer's `data_root`.
//!
//! `actions/**` and `files/**` are R2 objects, everything else is a KV value. Keys are made here
//! only, from checked parts, so that none can leave the folder it belongs to.

use std::fmt;

use sha1::{Digest, Sha1};

use crate::assets;
use crate::domain::node::NodeId;
use crate::hex;

/// The longest key KV takes, in bytes.
pub const MAX_KV_KEY_BYTES: usize = 512;
/// The longest key R2 takes, in bytes.
pub const MAX_R2_KEY_BYTES: usize = 1024;

/// What the keys of all pools begin with.
pub const POOLS: &str = "resources/";

/// What the keys of all nodes' records begin with.
pub const NODES: &str = "nodes/";

/// What the keys of remembered digests begin with. They are the Worker's own, and no content.
pub const DIGESTS: &str = "digests/";

/// A document that all nodes share, in KV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document<'a> {
    /// The client script.
    Bootstrap,
    /// Where clients log to.
    BootstrapConf,
    /// Patterns and variables.
    Neighbordb,
    /// A definition that patterns name.
    Definition(&'a str),
    /// A config-handler that patterns name.
    ConfigHandler(&'a str),
    /// The contents of a resource pool.
    Pool(&'a str),
}

impl Document<'_> {
    /// Whether something else serves while it is not stored: what ships inside, or for a site's own
    /// pool the shared one. Only then is it worth remembering that it is not.
    pub fn has_fallback(&self) -> bool {
        matches!(self, Self::Bootstrap | Self::BootstrapConf | Self::Pool(_))
    }
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
        }
    }
}

/// What is stored of one node, in KV under `nodes/<id>/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Record {
    /// The facts of the last POST, as JSON.
    Facts,
    /// What the node is told to do.
    Definition,
    /// What its neighbours must look like.
    Pattern,
    /// Values for the definition's `$names`.
    Attributes,
    /// The configuration backed up by the node, or put there for it.
    StartupConfig,
    /// The script that ZTPServer runs after a backup; kept, never run.
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

    /// Its name in the node's folder.
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

    /// Its key for one node.
    pub fn key(self, node: &NodeId) -> String {
        folder(node) + self.name()
    }
}

/// What the keys of one node's records begin with.
pub fn folder(node: &NodeId) -> String {
    format!("{NODES}{node}/")
}

/// The key of an R2 object: an action or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// `actions/<name>`; `None` if no action can have that name.
    pub fn action(name: &str) -> Option<Self> {
        if name.contains('/') {
            None
        } else {
            Self::below("actions", name)
        }
    }

    /// `files/<path>`; `None` if no file can have that path.
    pub fn file(path: &str) -> Option<Self> {
        Self::below("files", path)
    }

    /// Whether it is a stock action, which ships inside.
    pub fn has_fallback(&self) -> bool {
        let action = self.0.strip_prefix("actions/");
        action.is_some_and(|name| assets::action(name).is_some())
    }

    /// Where the digest of this object is remembered, in KV: beside the content of `data_root`, as
    /// no file of it.
    pub fn digest_key(&self) -> String {
        let key = format!("{DIGESTS}{}", self.0);
        if key.len() <= MAX_KV_KEY_BYTES {
            return key;
        }
        format!("{DIGESTS}sha1/{}", hex(&Sha1::digest(self.0.as_bytes())))
    }

    /// The key as R2 takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn below(folder: &str, path: &str) -> Option<Self> {
        let fits = folder.len() + 1 + path.len() <= MAX_R2_KEY_BYTES;
        (fits && path.split('/').all(is_name)).then(|| Self(format!("{folder}/{path}")))
    }
}

/// Whether a path segment can be a name: not empty, no dot segment, no control character.
pub fn is_name(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && !segment.contains(char::is_control)
}

/// Whether a pool can have that name: its key stays in its folder and fits KV.
pub fn is_pool_name(name: &str) -> bool {
    name.len() <= MAX_KV_KEY_BYTES - POOLS.len() && name.split('/').all(is_name)
}

/// The pool and the value that the segments of a path name, `<pool>/<value>`, where both may have slashes. `stored`: the
/// names of all pools.
///
/// A first segment with a slash (it was written `%2F`) is the whole name. Else the name is the longest run of segments
/// that a stored pool has, and the first segment if there is none; the rest is the value. `None` without a value.
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
    fn a_pool_of_a_path_is_the_longest_one_that_is_stored() {
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
    fn no_object_key_leaves_its_folder() {
        for path in [
            "", ".", "..", "a/..", "../x", "a//b", "/a", "a/", "a\0b", "a\nb", "./a",
        ] {
            assert_eq!(ObjectKey::file(path), None, "{path:?}");
            assert_eq!(ObjectKey::action(path), None, "{path:?}");
        }
        assert_eq!(ObjectKey::action("a/b"), None);
    }

    #[test]
    fn odd_names_are_names() {
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
    fn a_key_is_as_long_as_r2_takes() {
        let longest = "a".repeat(MAX_R2_KEY_BYTES - "files/".len());
        assert!(ObjectKey::file(&longest).is_some());
        assert!(ObjectKey::file(&format!("{longest}a")).is_none());
    }

    #[test]
    fn the_digest_of_every_object_has_a_key_that_kv_takes() {
        let key = |path: &str| ObjectKey::file(path).unwrap().digest_key();
        assert_eq!(key("images/x.swi"), "digests/files/images/x.swi");
        let long = key(&"a".repeat(1000));
        assert!(long.len() <= MAX_KV_KEY_BYTES && long.starts_with("digests/sha1/"));
        assert_ne!(long, key(&"a".repeat(1001)));
    }

    #[test]
    fn every_record_is_found_by_its_name() {
        for record in Record::ALL {
            assert_eq!(Record::named(record.name()), Some(record));
        }
        assert_eq!(Record::named("other"), None);
    }
}
