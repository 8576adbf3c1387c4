//! Storage of content: on this machine, or at Cloudflare.

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
use crate::http::RequestError;
use crate::project::Project;
use crate::{Failure, regular};

/// The stored values and objects, by key.
#[derive(Debug, Default)]
pub struct Inventory {
    pub values: BTreeMap<String, StoredValue>,
    pub objects: BTreeMap<String, StoredObject>,
}

/// A KV value in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredValue {
    /// The SHA-1 in the metadata that a push has set. The Worker writes values without metadata, so if
    /// it equals the SHA-1 of the value, a push has written the value.
    pub pushed_sha1: Option<String>,
}

/// An R2 object in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredObject {
    /// In bytes.
    pub size: u64,
    /// The MD5 if the object was uploaded in one request, else a value with a `-`.
    pub etag: Option<String>,
    /// From the metadata that a push sets.
    pub sha1: Option<String>,
    /// The [`mark`] that a push sets, if the list contains it; else see [`Storage::pushed_as`].
    pub pushed_as: Option<String>,
}

/// The mark of an R2 object that a push has stored: the SHA-1 of its key. Other objects have no mark,
/// and the copy of a pushed object has the mark of another key.
pub fn mark(key: &str) -> String {
    sha1(key.as_bytes())
}

impl StoredObject {
    /// Whether it has the bytes of a file; `None` if neither hash is known.
    pub fn is(&self, file: &FileDigest) -> Option<bool> {
        let md5 = self.etag.as_deref().filter(|etag| etag.len() == 32);
        match (md5, &self.sha1) {
            (Some(md5), _) => Some(md5 == file.md5),
            (None, Some(sha1)) => Some(*sha1 == file.sha1),
            (None, None) => None,
        }
    }
}

/// A file that is uploaded to R2.
pub struct Upload<'a> {
    pub key: &'a str,
    pub path: &'a Path,
    /// In bytes.
    pub size: u64,
    pub digest: &'a FileDigest,
}

impl Upload<'_> {
    /// Its bytes, at most `size`.
    fn open(&self) -> Result<std::io::Take<std::fs::File>, RequestError> {
        let file = regular::open(self.path);
        file.map(|file| file.take(self.size))
            .map_err(|error| RequestError::Permanent(format!("it cannot be read: {error}")))
    }
}

/// Storage that content is pushed to and pulled from. Every operation is idempotent.
pub trait Storage {
    /// Its name in messages.
    fn name(&self) -> String;

    /// All values and objects.
    fn list(&mut self) -> Result<Inventory, Failure>;

    /// The KV values that exist among `keys`.
    fn values(&mut self, keys: &[String]) -> Result<HashMap<String, Vec<u8>>, Failure>;

    /// Stores KV values, each with its SHA-1 as metadata.
    fn put_values(&mut self, values: &[(String, Vec<u8>)]) -> Result<(), Failure>;

    /// An error if an object of this size cannot be stored. A push checks all sizes before it stores anything.
    fn check_size(&self, key: &str, size: u64) -> Result<(), Failure>;

    /// Stores an R2 object. `progress` receives the number of bytes stored so far.
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

    /// Deletes KV values. A missing value is not an error.
    fn delete_values(&mut self, keys: &[String]) -> Result<(), Failure>;

    /// Deletes R2 objects. A missing object is not an error.
    fn delete_objects(&mut self, keys: &[String]) -> Result<(), Failure>;
}

/// Opens the storage that the command line names.
///
/// # Errors
/// It cannot be reached. The message says what to do.
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
    fn an_object_is_compared_by_md5_or_sha1() {
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
