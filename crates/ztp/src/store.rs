//! Where content is stored: on this machine, or at Cloudflare.

mod cloudflare;
mod local;
mod multipart;
mod remote;
mod s3;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use crate::cli::Target;
use crate::digest::{FileDigest, sha1};
use crate::http::Trouble;
use crate::project::Project;
use crate::{Failure, regular};

/// What is stored, by key.
#[derive(Debug, Default)]
pub struct Inventory {
    pub values: BTreeMap<String, StoredValue>,
    pub objects: BTreeMap<String, StoredObject>,
}

/// What a list says of a KV value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredValue {
    /// The SHA-1 that a push noted in the metadata. The Worker writes values without any, so where
    /// it fits the value, nothing but a push has written it.
    pub pushed_sha1: Option<String>,
}

/// What a list says of an R2 object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredObject {
    /// In bytes.
    pub size: u64,
    /// The MD5 if the object was uploaded in one piece, else something with a `-`.
    pub etag: Option<String>,
    /// From the metadata that a push sets.
    pub sha1: Option<String>,
    /// The [`mark`] that a push sets, if a list says so; else see [`Storage::pushed_as`].
    pub pushed_as: Option<String>,
}

/// The mark of an R2 object that a push has stored: the SHA-1 of its key. Other objects have no mark,
/// and the copy of a pushed object has the mark of another key.
pub fn mark(key: &str) -> String {
    sha1(key.as_bytes())
}

impl StoredObject {
    /// Whether it has the bytes of a file; `None` if that cannot be told.
    pub fn is(&self, file: &FileDigest) -> Option<bool> {
        let md5 = self.etag.as_deref().filter(|etag| etag.len() == 32);
        match (md5, &self.sha1) {
            (Some(md5), _) => Some(md5 == file.md5),
            (None, Some(sha1)) => Some(*sha1 == file.sha1),
            (None, None) => None,
        }
    }
}

/// A file on its way to R2.
pub struct Upload<'a> {
    pub key: &'a str,
    pub path: &'a Path,
    /// In bytes.
    pub size: u64,
    pub digest: &'a FileDigest,
}

impl Upload<'_> {
    /// Its bytes, at most as many as are announced.
    fn open(&self) -> Result<std::io::Take<std::fs::File>, Trouble> {
        let file = regular::open(self.path);
        file.map(|file| file.take(self.size))
            .map_err(|error| Trouble::Lasting(format!("it cannot be read: {error}")))
    }
}

/// A place that content is pushed to and pulled from. Every operation can be repeated.
pub trait Storage {
    /// What a message calls it.
    fn name(&self) -> String;

    /// Everything that is there.
    fn list(&mut self) -> Result<Inventory, Failure>;

    /// KV values; those that are not there are missing.
    fn values(&mut self, keys: &[String]) -> Result<HashMap<String, Vec<u8>>, Failure>;

    /// Stores KV values, each with its SHA-1 as metadata.
    fn put_values(&mut self, values: &[(String, Vec<u8>)]) -> Result<(), Failure>;

    /// Whether an object of that size can be stored, told before anything is.
    fn takes(&self, key: &str, size: u64) -> Result<(), Failure>;

    /// Stores an R2 object, telling `progress` how many bytes are there.
    fn put_object(
        &mut self,
        upload: &Upload<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Failure>;

    /// Writes an R2 object to a file.
    fn get_object(&mut self, key: &str, to: &Path) -> Result<(), Failure>;

    /// The [`mark`] of an object that is listed.
    fn pushed_as(&mut self, _key: &str, listed: &StoredObject) -> Result<Option<String>, Failure> {
        Ok(listed.pushed_as.clone())
    }

    /// Deletes KV values. Those that are not there are deleted.
    fn delete_values(&mut self, keys: &[String]) -> Result<(), Failure>;

    /// Deletes R2 objects. Those that are not there are deleted.
    fn delete_objects(&mut self, keys: &[String]) -> Result<(), Failure>;
}

/// Opens the storage that is meant.
///
/// # Errors
/// It cannot be reached; the text says what to do.
pub fn open(target: &Target, project: &Project) -> Result<Box<dyn Storage>, Failure> {
    if target.remote {
        return Ok(Box::new(remote::Remote::open(project)?));
    }
    let state = match &target.persist_to {
        Some(folder) => std::path::absolute(folder)
            .map_err(|error| Failure::new(format!("--persist-to cannot be used: {error}")))?,
        None => project.folder.join(".wrangler").join("state"),
    };
    Ok(Box::new(local::Local::open(project, &state)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_compared_by_what_is_known_of_it() {
        let path = std::env::temp_dir().join(format!("ztp-store-{}", std::process::id()));
        std::fs::write(&path, "abc").unwrap();
        let file = FileDigest::of(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let object = |etag: &str, sha1: Option<&str>| StoredObject {
            size: 3,
            etag: Some(etag.to_owned()),
            sha1: sha1.map(str::to_owned),
            pushed_as: None,
        };
        for (object, same) in [
            (object(&file.md5, None), Some(true)),
            (object(&"0".repeat(32), Some(&file.sha1)), Some(false)),
            (object("abc-2", Some(&file.sha1)), Some(true)),
            (object("abc-2", Some("other")), Some(false)),
            (object("abc-2", None), None),
        ] {
            assert_eq!(object.is(&file), same, "{object:?}");
        }
    }
}
