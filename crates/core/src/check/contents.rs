//! The contents that are checked, and their index by key.

use std::collections::BTreeMap;

use crate::content::{ContentKind, NotContent, Store};
use crate::credentials;
use crate::key::{Document, Record};

/// The key of ZTPServer's settings. It is not content, but its `[vars]` are printed.
pub const SERVER_CONF: &str = "ztpserver.conf";

/// Everything that is stored, or is about to be: a data_root on disk, or the values of KV and the objects of R2.
pub trait Contents {
    /// Every key that is stored, in any order.
    fn list(&self) -> Vec<Listed>;

    /// The value of a key. Nothing larger than KV's largest value is read, and no object of R2.
    ///
    /// # Errors
    /// Why it cannot be read, for the operator.
    fn read(&self, key: &str) -> Result<Vec<u8>, String>;

    /// Whether a key that is not listed is stored elsewhere, where the Worker finds it: a folder is often only a part.
    fn elsewhere(&self, _key: &str) -> Elsewhere {
        Elsewhere::No
    }
}

/// Whether a key is stored where a check does not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    Yes,
    No,
    /// No server was asked.
    Unknown,
}

/// A key that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    /// The store that has the key.
    pub store: Store,
    /// Of the value, in bytes.
    pub size: u64,
}

/// The part of some contents that the Worker reads, by key.
pub struct Index<'c> {
    contents: &'c dyn Contents,
    content: BTreeMap<String, Content>,
}

/// One value or object that the Worker reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub kind: ContentKind,
    /// In bytes.
    pub size: u64,
}

impl<'c> Index<'c> {
    /// Indexes contents; reads no value.
    pub fn of(contents: &'c dyn Contents) -> Self {
        Self::with_rest(contents).0
    }

    /// The index, and the keys that the Worker does not read, each with the reason.
    pub(super) fn with_rest(contents: &'c dyn Contents) -> (Self, Vec<(Listed, Unread)>) {
        let mut content = BTreeMap::new();
        let mut rest = Vec::new();
        for listed in contents.list() {
            match ContentKind::of(&listed.key) {
                Ok(kind) if kind.store() == listed.store => {
                    let size = listed.size;
                    content.insert(listed.key, Content { kind, size });
                }
                Ok(kind) => rest.push((listed, Unread::OtherStore(kind.store()))),
                Err(reason) => rest.push((listed, Unread::NotContent(reason))),
            }
        }
        (Self { contents, content }, rest)
    }

    /// Every key that the Worker reads, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Content)> {
        self.content.iter()
    }

    pub fn get(&self, key: &str) -> Option<&Content> {
        self.content.get(key)
    }

    pub fn has(&self, key: &str) -> bool {
        self.content.contains_key(key)
    }

    /// Whether a key is stored here or elsewhere.
    pub(super) fn find(&self, key: &str) -> Elsewhere {
        match self.has(key) {
            true => Elsewhere::Yes,
            false => self.contents.elsewhere(key),
        }
    }

    /// The text of a value, if it is stored, no larger than its store takes, and UTF-8.
    pub fn text(&self, key: &str) -> Option<String> {
        String::from_utf8(self.read(key)?.ok()?).ok()
    }

    /// The bytes of a value; `None` if it is not stored, or larger than the limit of its store.
    pub(super) fn read(&self, key: &str) -> Option<Result<Vec<u8>, String>> {
        let content = self.content.get(key)?;
        let fits = content.size <= content.kind.store().max_value_bytes();
        fits.then(|| self.contents.read(key))
    }

    /// The site that owns a node, as `nodes/<id>/site` has it.
    pub fn site_of(&self, node: &str) -> Option<String> {
        let text = self.text(&format!("nodes/{node}/{}", Record::Site.name()))?;
        Some(text.trim().to_owned()).filter(|site| !site.is_empty())
    }

    /// The file that `allocate('<pool>')` reads for a node of a site, by the rule of the Worker: that of the site, else
    /// the one that all sites share.
    pub fn pool_file(&self, pool: &str, site: Option<&str>) -> PoolFile {
        let own = site.map(|site| format!("{site}/{pool}"));
        let names = own.into_iter().chain([pool.to_owned()]);
        let key = |name: &String| Document::Pool(name).to_string();
        let names: Vec<String> = names.collect();
        if let Some(name) = names.iter().find(|name| self.has(&key(name))) {
            return PoolFile::Named(name.clone());
        }
        let suffix = format!("/{pool}");
        let sites: Vec<String> = self
            .pool_names()
            .filter_map(|name| name.strip_suffix(&suffix))
            .filter(|site| credentials::is_site_name(site))
            .map(str::to_owned)
            .collect();
        match site {
            None if !sites.is_empty() => PoolFile::OfSites(sites),
            _ => PoolFile::Missing(names.iter().map(key).collect()),
        }
    }

    /// The names of all pools.
    pub fn pool_names(&self) -> impl Iterator<Item = &str> {
        self.content
            .values()
            .filter_map(|content| match &content.kind {
                ContentKind::Pool(name) => Some(name.as_str()),
                _ => None,
            })
    }
}

/// Where a call of a pool finds its values.
#[derive(Debug, PartialEq, Eq)]
pub enum PoolFile {
    /// In the pool of that name: `berlin/mgmt` for the file `resources/berlin/mgmt`.
    Named(String),
    /// The site is not known, and only sites have a pool of that name: which ones.
    OfSites(Vec<String>),
    /// Neither file is stored. The keys of both.
    Missing(Vec<String>),
}

/// Why the Worker does not read a key.
pub(super) enum Unread {
    NotContent(NotContent),
    /// It reads the key from that store, which is another one.
    OtherStore(Store),
}
