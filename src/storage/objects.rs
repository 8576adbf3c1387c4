//! R2 objects: actions and files.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use worker::{Conditional, Error as Cause, Object, Range, ResponseBody, js_sys};

use super::{Remembered, Storage, hashing};
use crate::error::Error;
use crate::hex;
use crate::key::ObjectKey;

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
    Large(Description, ResponseBody),
}

/// An object of at most [`MAX_SMALL_BYTES`].
#[derive(Debug)]
pub struct SmallObject {
    pub description: Description,
    pub bytes: Vec<u8>,
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
        let uploaded = js_sys::Date::from(object.uploaded());
        Self {
            size: object.size(),
            etag: object.http_etag(),
            last_modified: String::from(uploaded.to_utc_string()),
            version: object.version(),
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
        let Some(object) = self.read(key).await? else {
            if key.has_fallback() {
                self.remember(key.as_str(), Remembered::Nothing, 0);
            }
            return Ok(None);
        };
        let description = Description::of(&object);
        let failed = |cause| reading(key, cause);
        let Some(body) = object.body() else {
            return Err(failed(Cause::RustError(
                "it came without a body".to_owned(),
            )));
        };
        if description.size > MAX_SMALL_BYTES {
            return Ok(Some(Found::Large(
                description,
                body.response_body().map_err(failed)?,
            )));
        }
        let bytes = body.bytes().await.map_err(failed)?;
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
            _ => Ok(self.head(key).await?.map(|object| Description::of(&object))),
        }
    }

    /// The bytes from `first` to `last` of the object that was described; `None` if it is another
    /// one by now.
    pub async fn object_part(
        &self,
        key: &ObjectKey,
        description: &Description,
        (first, last): (u64, u64),
    ) -> Result<Option<ResponseBody>, Error> {
        self.count(|n| n.r2_reads += 1);
        let same = Conditional {
            etag_matches: Some(description.etag.trim_matches('"').to_owned()),
            ..Conditional::default()
        };
        let range = Range::OffsetWithLength {
            offset: first,
            length: last - first + 1,
        };
        let get = self
            .bindings
            .files
            .get(key.as_str())
            .only_if(same)
            .range(range);
        let object = get.execute().await.map_err(|cause| reading(key, cause))?;
        let body = object.as_ref().and_then(Object::body);
        let body = body.map(|body| body.response_body()).transpose();
        body.map_err(|cause| reading(key, cause))
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
        let Some(head) = self.head(key).await? else {
            return Ok(None);
        };
        if let Some(digest) = uploaded_digest(&head) {
            return Ok(Some(digest));
        }
        if let Some(digest) = self.stored_digest(memory, &head.version()).await? {
            return Ok(Some(digest));
        }
        let Some(digest) = self.hash(key).await? else {
            return Ok(None);
        };
        let text = serde_json::to_vec(&digest)
            .map_err(|cause| Error::storage(format!("remembering {memory}"), cause))?;
        self.put_value(memory, &text).await?;
        Ok(Some(digest))
    }

    /// What is remembered in KV, if it is of that version. What cannot be read is made anew.
    async fn stored_digest(
        &self,
        memory: &str,
        version: &str,
    ) -> Result<Option<ObjectDigest>, Error> {
        let bytes = self.value(memory).await?;
        let digest = bytes.and_then(|bytes| serde_json::from_slice::<ObjectDigest>(&bytes).ok());
        Ok(digest.filter(|digest| digest.version == version))
    }

    /// Hashes an object: the runtime does, while the body streams past, and no byte enters wasm.
    async fn hash(&self, key: &ObjectKey) -> Result<Option<ObjectDigest>, Error> {
        let Some(object) = self.read(key).await? else {
            return Ok(None);
        };
        let failed = |cause| Error::storage(format!("hashing {}", key.as_str()), cause);
        let body = object
            .body()
            .map(|body| body.response_body())
            .transpose()
            .map_err(failed)?;
        let Some(ResponseBody::Stream(stream)) = body else {
            return Ok(None);
        };
        let sha1 = hashing::sha1(&stream).await.map_err(failed)?;
        Ok(Some(ObjectDigest {
            version: object.version(),
            size: object.size(),
            sha1: hex(&sha1),
            sha256: object.checksum().sha256.map(|sha256| hex(&sha256.to_vec())),
        }))
    }

    async fn read(&self, key: &ObjectKey) -> Result<Option<Object>, Error> {
        self.count(|n| n.r2_reads += 1);
        let answer = self.bindings.files.get(key.as_str()).execute().await;
        let object = answer.map_err(|cause| reading(key, cause))?;
        self.forget_others(key, object.as_ref());
        Ok(object)
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Object>, Error> {
        self.count(|n| n.r2_reads += 1);
        let answer = self.bindings.files.head(key.as_str()).await;
        let object = answer.map_err(|cause| reading(key, cause))?;
        self.forget_others(key, object.as_ref());
        Ok(object)
    }

    /// Forgets what is remembered of another upload than the one just seen: a client that compares
    /// a file with its meta-data must not get them from two.
    fn forget_others(&self, key: &ObjectKey, seen: Option<&Object>) {
        let seen = seen.map(Object::version);
        for name in [key.as_str(), &key.digest_key()] {
            let version = match self.remembered(name) {
                Some(Remembered::Object(object)) => Some(object.description.version.clone()),
                Some(Remembered::Digest(digest)) => Some(digest.version.clone()),
                _ => None,
            };
            if version.is_some() && version != seen {
                self.forget(name);
            }
        }
    }
}

/// The digest that whoever uploaded the object gave: R2 has checked a checksum; what is in custom
/// metadata (`ztp push` puts it there, since a multipart upload can have no checksum of the whole)
/// counts while the size that it was made for is the size there is.
fn uploaded_digest(object: &Object) -> Option<ObjectDigest> {
    let checksums = object.checksum();
    let (version, size) = (object.version(), object.size());
    if let Some(sha1) = checksums.sha1 {
        let sha256 = checksums.sha256.map(|sha256| hex(&sha256.to_vec()));
        return Some(ObjectDigest {
            version,
            size,
            sha1: hex(&sha1.to_vec()),
            sha256,
        });
    }
    let metadata = object.custom_metadata().ok()?;
    let sha1 = metadata.get("sha1").filter(|sha1| is_sha1(sha1))?;
    let of_size = metadata.get("sha1-size")?.parse() == Ok(size);
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

fn reading(key: &ObjectKey, cause: Cause) -> Error {
    Error::storage(format!("reading {}", key.as_str()), cause)
}
