//! The values that a folder had in common with a server after the last push or pull. If the server has another value
//! since, somebody else changed it, and a push must not replace it unseen.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use sha1::{Digest, Sha1};

use crate::{Failure, servers};

pub struct Seen {
    /// The name of the file. Without a folder for settings, nothing is remembered.
    name: String,
    /// The SHA-1 of the value of each key, or more than one if a push was interrupted.
    values: BTreeMap<String, Vec<String>>,
}

impl Seen {
    /// Those of a folder and the URL of a server.
    pub fn load(folder: &Path, url: &str) -> Result<Self, Failure> {
        let absolute = std::fs::canonicalize(folder).or_else(|_| std::path::absolute(folder));
        let folder = absolute.unwrap_or_else(|_| folder.to_owned());
        let hash = Sha1::digest(format!("{url}\n{}", folder.display()));
        let name = format!("seen/{}.json", ztp_core::hex(&hash));
        // An invalid file is one of another version: it is replaced.
        let values = servers::load(&name)?.and_then(|(_, text)| serde_json::from_slice(&text).ok());
        let values = values.unwrap_or_default();
        Ok(Self { name, values })
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

    pub fn save(&self) -> Result<(), Failure> {
        servers::save(&self.name, &json!(self.values)).map(drop)
    }
}
