//! The values that a folder had in common with a server after the last push or pull. If the server has another value
//! since, somebody else changed it, and a push must not replace it unseen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha1::{Digest, Sha1};

use crate::{Failure, servers};

/// The values of one folder and server.
pub struct Seen {
    /// `None` if this machine has no folder for settings, as in a container. Then nothing is remembered.
    path: Option<PathBuf>,
    /// The SHA-1 of the value of each key, or more than one if a push was interrupted.
    values: BTreeMap<String, Vec<String>>,
}

impl Seen {
    /// Those of a folder and the URL of a server.
    pub fn load(folder: &Path, url: &str) -> Result<Self, Failure> {
        let absolute = std::fs::canonicalize(folder).or_else(|_| std::path::absolute(folder));
        let path = absolute.ok().and_then(|folder| {
            let name = Sha1::digest(format!("{url}\n{}", folder.display()));
            servers::ours(&format!("seen/{}.json", ztp_core::hex(&name)))
        });
        let text = path.as_deref().map(servers::load).transpose()?.flatten();
        // An invalid file is one of another version: it is replaced.
        let values = text.and_then(|text| serde_json::from_slice(&text).ok());
        let values = values.unwrap_or_default();
        Ok(Self { path, values })
    }

    /// Whether the value with a SHA-1 is that of the last push or pull.
    pub fn has(&self, key: &str, sha1: Option<&str>) -> bool {
        let mut seen = self.values.get(key).into_iter().flatten();
        seen.any(|seen| Some(seen.as_str()) == sha1)
    }

    /// Whether the value with a SHA-1 is another one than that of the last push or pull.
    pub fn is_changed(&self, key: &str, sha1: Option<&str>) -> bool {
        self.values.contains_key(key) && !self.has(key, sha1)
    }

    /// Remembers the value of a key.
    pub fn set(&mut self, key: &str, sha1: &str) {
        self.values.insert(key.to_owned(), vec![sha1.to_owned()]);
    }

    /// Remembers a value that may be stored soon, beside the present one.
    pub fn announce(&mut self, key: &str, former: Option<&str>, sha1: &str) {
        let both = former.into_iter().chain([sha1]).map(str::to_owned);
        self.values.insert(key.to_owned(), both.collect());
    }

    pub fn remove(&mut self, key: &str) {
        self.values.remove(key);
    }

    /// Writes the file.
    pub fn save(&self) -> Result<(), Failure> {
        match &self.path {
            Some(path) => servers::save(path, &json!(self.values)),
            None => Ok(()),
        }
    }
}
