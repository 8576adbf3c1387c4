//! R2 objects: actions and files.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Remembered, Storage};
use crate::error::Error;
use crate::hex;
use crate::key::ObjectKey;
use crate::runtime::{Failure, Held, Object, Stream, now, sleep, task};

/// The largest object that is remembered, in bytes.
pub const MAX_SMALL_BYTES: u64 = 64 << 10;
/// What a remembered digest takes in memory, in bytes, about.
const DIGEST_BYTES: usize = 256;

/// How long a request waits for another one that hashes the same object, in milliseconds.
pub const MAX_HASH_MILLISECONDS: u64 = 60_000;
/// How often it looks whether that is done, in milliseconds.
const HASHED_MILLISECONDS: u32 = 50;

thread_local! {
    /// What is being hashed, and since when, in milliseconds.
    static HASHING: RefCell<HashMap<String, u64>> = RefCell::default();
}

/// What R2 knows of an object without reading it.
#[derive(Debug, Clone)]
pub struct Description {
    /// In bytes.
    pub size: u64,
    /// With its quotes.
    pub etag: String,
    /// As `Last-Modified` has it.
    pub last_modified: String,
    /// Another one for each upload.
    version: String,
}

/// An object and its body.
pub enum Found {
    /// In memory.
    Small(Rc<SmallObject>),
    /// To be passed through.
    Large(Description, Stream),
}

/// An object of at most [`MAX_SMALL_BYTES`].
#[derive(Debug)]
pub struct SmallObject {
    pub description: Description,
    pub bytes: Held,
}

/// Size and hashes of an object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ObjectDigest {
    /// Of which upload it is.
    version: String,
    pub size: u64,
    /// In hexadecimal.
    pub sha1: String,
    /// In hexadecimal, if the uploader gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The hashing of one version of an object, by one request for all that ask for it meanwhile. It is
/// over when this is dropped.
struct Hashing {
    name: String,
}

impl Hashing {
    /// `None` if another request hashes it. One that does for [`MAX_HASH_MILLISECONDS`] has been lost:
    /// the runtime may end a request in the middle of it.
    fn begin(memory: &str, version: &str) -> Option<Self> {
        let name = format!("{memory} {version}");
        HASHING.with_borrow_mut(|hashing| {
            let since = hashing.get(&name).copied();
            if since.is_some_and(|since| now().saturating_sub(since) < MAX_HASH_MILLISECONDS) {
                return None;
            }
            hashing.insert(name.clone(), now());
            Some(Self { name })
        })
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        HASHING.with_borrow_mut(|hashing| hashing.remove(&self.name));
    }
}

impl Description {
    fn of(object: &Object) -> Self {
        let lines = object.description();
        let mut lines = lines.split('\n').map(str::to_owned);
        let mut next = || lines.next().unwrap_or_default();
        Self {
            size: next().parse().unwrap_or_default(),
            version: next(),
            etag: next(),
            last_modified: next(),
        }
    }
}

impl Storage {
    /// An object with its body, in one operation; none if it is in memory.
    pub async fn object(&self, key: &ObjectKey) -> Result<Option<Found>, Error> {
        match self.remembered(key.as_str()) {
            Some(Remembered::Object(object)) => return Ok(Some(Found::Small(object))),
            Some(Remembered::Nothing) => return Ok(None),
            _ => {}
        }
        let before = self.recall(key.as_str()).map(|recalled| recalled.what);
        let found = match (self.read(key).await, before) {
            (Ok(found), _) => found,
            (Err(failure), Some(Remembered::Object(object))) => {
                self.warn_of_copy(&failure);
                return Ok(Some(Found::Small(object)));
            }
            (Err(failure), _) => return Err(failure),
        };
        let Some((object, description)) = found else {
            if key.has_fallback() {
                self.remember(key.as_str(), Remembered::Nothing, 0);
            }
            return Ok(None);
        };
        if description.size > MAX_SMALL_BYTES {
            let body = object.stream().ok_or_else(|| no_body(key))?;
            return Ok(Some(Found::Large(description, body)));
        }
        let bytes = object.bytes().await.map_err(|cause| reading(key, cause))?;
        let size = bytes.len();
        let small = Rc::new(SmallObject { description, bytes });
        self.remember(key.as_str(), Remembered::Object(Rc::clone(&small)), size);
        Ok(Some(Found::Small(small)))
    }

    /// What an object is, without its body.
    pub async fn object_description(&self, key: &ObjectKey) -> Result<Option<Description>, Error> {
        match self.remembered(key.as_str()) {
            Some(Remembered::Object(object)) => Ok(Some(object.description.clone())),
            Some(Remembered::Nothing) => Ok(None),
            _ => {
                let before = self.recall(key.as_str()).map(|recalled| recalled.what);
                match (self.head(key).await, before) {
                    (Ok(found), _) => Ok(found.map(|(_, description)| description)),
                    (Err(failure), Some(Remembered::Object(object))) => {
                        self.warn_of_copy(&failure);
                        Ok(Some(object.description.clone()))
                    }
                    (Err(failure), _) => Err(failure),
                }
            }
        }
    }

    /// The bytes from `first` to `last` of the object that was described; `None` if it is another
    /// one by now.
    pub async fn object_part(
        &self,
        key: &ObjectKey,
        description: &Description,
        (first, last): (u64, u64),
    ) -> Result<Option<Stream>, Error> {
        self.count(|n| n.r2_reads += 1);
        let etag = description.etag.trim_matches('"');
        let range = (first, last - first + 1);
        let get = self.bindings.files.get_part(key.as_str(), etag, range);
        let object = get.await.map_err(|cause| reading(key, cause))?;
        Ok(object.and_then(|object| object.stream()))
    }

    /// Size and SHA-1 of an object. Its body is read and hashed once in the life of each upload: the
    /// digest is remembered in KV, with the version that it is of. That KV cannot remember it is a
    /// warning; requests that come while an object is hashed wait for that hash.
    pub async fn object_digest(&self, key: &ObjectKey) -> Result<Option<Rc<ObjectDigest>>, Error> {
        let memory = key.digest_key();
        match self.remembered(&memory) {
            Some(Remembered::Digest(digest)) => return Ok(Some(digest)),
            Some(Remembered::Nothing) => return Ok(None),
            _ => {}
        }
        let before = self.recall(&memory).map(|recalled| recalled.what);
        let found = match (self.find_digest(key, &memory).await, before) {
            (Ok(found), _) => found,
            (Err(failure), Some(Remembered::Digest(digest))) => {
                self.warn_of_copy(&failure);
                return Ok(Some(digest));
            }
            (Err(failure), _) => return Err(failure),
        };
        let Some(digest) = found else {
            if key.has_fallback() {
                self.remember(&memory, Remembered::Nothing, 0);
            }
            return Ok(None);
        };
        self.remember_digest(&memory, &digest);
        Ok(Some(digest))
    }

    fn remember_digest(&self, memory: &str, digest: &Rc<ObjectDigest>) {
        let remembered = Remembered::Digest(Rc::clone(digest));
        self.remember(memory, remembered, DIGEST_BYTES);
    }

    /// The digest of that version that this instance has in memory, however old that is.
    fn known_digest(&self, memory: &str, version: &str) -> Option<Rc<ObjectDigest>> {
        match self.recall(memory)?.what {
            Remembered::Digest(digest) if digest.version == version => Some(digest),
            _ => None,
        }
    }

    async fn find_digest(
        &self,
        key: &ObjectKey,
        memory: &str,
    ) -> Result<Option<Rc<ObjectDigest>>, Error> {
        let Some((head, description)) = self.head(key).await? else {
            return Ok(None);
        };
        let version = &description.version;
        if let Some(known) = self.known_digest(memory, version) {
            return Ok(Some(known));
        }
        if let Some(given) = head.digests()
            && let Some(digest) = uploaded_digest(&description, &given)
        {
            return Ok(Some(Rc::new(digest)));
        }
        if let Some(digest) = self.stored_digest(memory, version).await {
            return Ok(Some(Rc::new(digest)));
        }
        // A client that does not wait until an image is hashed would never get to know its hash.
        task::keep_on();
        let hashing = loop {
            // It may have been hashed while this request waited.
            if let Some(known) = self.known_digest(memory, version) {
                return Ok(Some(known));
            }
            match Hashing::begin(memory, version) {
                Some(hashing) => break hashing,
                None => sleep(HASHED_MILLISECONDS).await,
            }
        };
        let Some(digest) = self.hash(key).await? else {
            return Ok(None);
        };
        let digest = Rc::new(digest);
        self.remember_digest(memory, &digest);
        drop(hashing);
        self.store_digest(memory, &digest).await;
        Ok(Some(digest))
    }

    /// What is remembered in KV, if it is of that version. What cannot be read is made anew.
    async fn stored_digest(&self, memory: &str, version: &str) -> Option<ObjectDigest> {
        match self.value(memory.to_owned()).await {
            Ok(bytes) => {
                let digest = serde_json::from_slice::<ObjectDigest>(&bytes?.to_vec()).ok()?;
                (digest.version == version).then_some(digest)
            }
            Err(failure) => {
                self.warn(format!("{}; the object was hashed anew", failure.detail()));
                None
            }
        }
    }

    /// Remembers a digest in KV, if that is possible. The next request for it finds it in memory, or
    /// hashes the object again.
    async fn store_digest(&self, memory: &str, digest: &ObjectDigest) {
        let stored = match serde_json::to_vec(digest) {
            Ok(text) => {
                let stored = self.put_once(memory, &Held::copy(&text)).await;
                stored.map_err(|cause| cause.to_string())
            }
            Err(cause) => Err(cause.to_string()),
        };
        if let Err(cause) = stored {
            self.warn(format!(
                "writing {memory} failed ({cause}); another instance will hash the object again"
            ));
        }
    }

    /// Hashes an object: the runtime does, while the body streams past, and no byte enters wasm.
    async fn hash(&self, key: &ObjectKey) -> Result<Option<ObjectDigest>, Error> {
        let Some((object, description)) = self.read(key).await? else {
            return Ok(None);
        };
        let failed = |cause| Error::storage(format!("hashing {}", key.as_str()), cause);
        let body = object.stream().ok_or_else(|| no_body(key))?;
        let sha1 = hex(&body.sha1().await.map_err(failed)?);
        let given = object.digests().map(|given| Given::read(&given));
        Ok(Some(ObjectDigest {
            version: description.version,
            size: description.size,
            sha1,
            sha256: given.and_then(|given| given.checksums.sha256),
        }))
    }

    async fn read(&self, key: &ObjectKey) -> Result<Option<(Object, Description)>, Error> {
        self.count(|n| n.r2_reads += 1);
        let answer = self.bindings.files.get(key.as_str()).await;
        self.seen(key, answer)
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<(Object, Description)>, Error> {
        self.count(|n| n.r2_reads += 1);
        let answer = self.bindings.files.head(key.as_str()).await;
        self.seen(key, answer)
    }

    /// An answer of R2. What is remembered of another upload than this one is forgotten: a client that
    /// compares a file with its meta-data must not get them from two.
    fn seen(
        &self,
        key: &ObjectKey,
        answer: Result<Option<Object>, Failure>,
    ) -> Result<Option<(Object, Description)>, Error> {
        let object = answer.map_err(|cause| reading(key, cause))?;
        let seen = object.map(|object| {
            let description = Description::of(&object);
            (object, description)
        });
        let version = seen.as_ref().map(|(_, description)| &description.version);
        for name in [key.as_str(), &key.digest_key()] {
            // However old it is.
            let of_another = match self.recall(name).map(|recalled| recalled.what) {
                Some(Remembered::Object(object)) => Some(&object.description.version) != version,
                Some(Remembered::Digest(digest)) => Some(&digest.version) != version,
                _ => false,
            };
            if of_another {
                self.forget(name);
            }
        }
        Ok(seen)
    }
}

/// What is known of an object's content without reading it. Hashes are in hexadecimal.
#[derive(Debug, Default, Deserialize)]
struct Given {
    checksums: Checksums,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

/// What R2 has checked.
#[derive(Debug, Default, Deserialize)]
struct Checksums {
    sha1: Option<String>,
    sha256: Option<String>,
}

impl Given {
    fn read(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }
}

/// The digest that whoever uploaded the object gave: R2 has checked a checksum; what is in custom
/// metadata (`ztp push` puts it there, since a multipart upload can have no checksum of the whole)
/// counts while the size that it was made for is the size there is.
fn uploaded_digest(description: &Description, given: &str) -> Option<ObjectDigest> {
    let given = Given::read(given);
    let (version, size) = (description.version.clone(), description.size);
    if let Some(sha1) = given.checksums.sha1 {
        return Some(ObjectDigest {
            version,
            size,
            sha1,
            sha256: given.checksums.sha256,
        });
    }
    let sha1 = given.metadata.get("sha1").filter(|sha1| is_sha1(sha1))?;
    let of_size = given.metadata.get("sha1-size")?.parse() == Ok(size);
    of_size.then(|| ObjectDigest {
        version,
        size,
        sha1: sha1.clone(),
        sha256: None,
    })
}

fn is_sha1(text: &str) -> bool {
    text.len() == 40
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn reading(key: &ObjectKey, cause: Failure) -> Error {
    Error::storage(format!("reading {}", key.as_str()), cause)
}

fn no_body(key: &ObjectKey) -> Error {
    Error::storage(
        format!("reading {}", key.as_str()),
        "it came without a body",
    )
}
