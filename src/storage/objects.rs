//! R2 objects: actions and files.

use std::collections::HashMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Remembered, Storage};
use crate::error::Error;
use crate::hex;
use crate::key::ObjectKey;
use crate::runtime::{Failure, Held, Object, Stream, Value, task};

/// The largest object that is remembered, in bytes.
pub const MAX_SMALL_BYTES: u64 = 64 << 10;
/// What a remembered digest takes in memory, in bytes, about.
const DIGEST_BYTES: usize = 256;

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
        let Some((object, description)) = self.read(key).await? else {
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
            _ => Ok(self.head(key).await?.map(|(_, description)| description)),
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

    /// Size and SHA-1 of an object. Its body is read and hashed once in the life of each upload:
    /// the digest is remembered in KV, with the version that it is of.
    pub async fn object_digest(&self, key: &ObjectKey) -> Result<Option<Rc<ObjectDigest>>, Error> {
        let memory = key.digest_key();
        match self.remembered(&memory) {
            Some(Remembered::Digest(digest)) => return Ok(Some(digest)),
            Some(Remembered::Nothing) => return Ok(None),
            _ => {}
        }
        let Some(digest) = self.find_digest(key, &memory).await? else {
            if key.has_fallback() {
                self.remember(&memory, Remembered::Nothing, 0);
            }
            return Ok(None);
        };
        let digest = Rc::new(digest);
        self.remember(
            &memory,
            Remembered::Digest(Rc::clone(&digest)),
            DIGEST_BYTES,
        );
        Ok(Some(digest))
    }

    async fn find_digest(
        &self,
        key: &ObjectKey,
        memory: &str,
    ) -> Result<Option<ObjectDigest>, Error> {
        let Some((head, description)) = self.head(key).await? else {
            return Ok(None);
        };
        if let Some(given) = head.digests()
            && let Some(digest) = uploaded_digest(&description, &given)
        {
            return Ok(Some(digest));
        }
        if let Some(digest) = self.stored_digest(memory, &description.version).await? {
            return Ok(Some(digest));
        }
        // A client that does not wait until an image is hashed would never get to know its hash.
        task::keep_on();
        let Some(digest) = self.hash(key).await? else {
            return Ok(None);
        };
        let text = serde_json::to_vec(&digest)
            .map_err(|cause| Error::storage(format!("remembering {memory}"), cause))?;
        self.put_value(memory, Value::Bytes(&text)).await?;
        Ok(Some(digest))
    }

    /// What is remembered in KV, if it is of that version. What cannot be read is made anew.
    async fn stored_digest(
        &self,
        memory: &str,
        version: &str,
    ) -> Result<Option<ObjectDigest>, Error> {
        let bytes = self.value(memory.to_owned()).await?;
        let digest =
            bytes.and_then(|bytes| serde_json::from_slice::<ObjectDigest>(&bytes.to_vec()).ok());
        Ok(digest.filter(|digest| digest.version == version))
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
