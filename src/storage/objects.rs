//! R2 objects: actions and files.

pub mod changes;

use std::cell::RefCell;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use worker::web_sys::ReadableStream;
use worker::{Conditional, Object, Range, ResponseBody};
use ztp_core::hex;
use ztp_core::key::ObjectKey;

use super::cache::{Cache, Flights, MAX_HASH_MS, MAX_OBJECT_BYTES};
use super::{FLIGHTS, Payload, Storage, now};
use crate::error::Error;
use crate::stream::{self, Buffer};

/// Maximum size of a cached object, in bytes.
pub const MAX_SMALL_BYTES: u64 = 64 << 10;
/// The approximate size of a digest in memory, in bytes.
const DIGEST_BYTES: usize = 512;

thread_local! {
    /// `None`: the object is not stored, and a stock action is served.
    static OBJECTS: RefCell<Cache<Option<Rc<SmallObject>>>> =
        RefCell::new(Cache::new(MAX_OBJECT_BYTES));
    static DIGESTS: RefCell<Cache<Option<Rc<ObjectDigest>>>> =
        RefCell::new(Cache::new(MAX_OBJECT_BYTES));
}

/// The attributes of an object without its body.
#[derive(Debug, Clone)]
pub struct Description {
    /// In bytes.
    pub size: u64,
    /// With its quotes.
    pub etag: String,
    /// In the format of `Last-Modified`.
    pub last_modified: String,
    /// Different for each upload.
    version: String,
}

/// An object with its body.
pub enum FoundObject {
    /// The body is in memory.
    Small(Rc<SmallObject>),
    /// The body is a stream, to pass through.
    Large(Description, ReadableStream),
}

/// An object of at most [`MAX_SMALL_BYTES`].
#[derive(Debug)]
pub struct SmallObject {
    pub description: Description,
    pub bytes: Buffer,
}

/// Size and hashes of an object, in the format stored in KV.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredDigest {
    /// The version of the hashed upload.
    version: String,
    size: u64,
    /// In hexadecimal.
    sha1: String,
    /// In hexadecimal, if the uploader supplied it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// The digest of an object.
#[derive(Debug)]
pub struct ObjectDigest {
    version: String,
    /// In hexadecimal.
    pub sha1: String,
    /// The response of /meta: size, SHA-1, and SHA-256 if the uploader supplied it.
    pub json: Buffer,
}

impl From<StoredDigest> for ObjectDigest {
    fn from(digest: StoredDigest) -> Self {
        let mut json = json!({ "size": digest.size, "sha1": digest.sha1.as_str() });
        if let Some(sha256) = digest.sha256 {
            json["sha256"] = sha256.into();
        }
        Self {
            version: digest.version,
            sha1: digest.sha1,
            json: Buffer::new(json.to_string().as_bytes()),
        }
    }
}

impl Description {
    fn of(object: &Object) -> Self {
        let uploaded = worker::js_sys::Date::from(object.uploaded());
        Self {
            size: object.size(),
            version: object.version(),
            etag: object.http_etag(),
            last_modified: uploaded.to_utc_string().into(),
        }
    }
}

impl Storage {
    /// An object with its body: one operation, or none if it is cached.
    ///
    /// `cache_missing`: a stock action is served while the object is not stored, so its absence is cached.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn object(
        &self,
        key: &ObjectKey,
        cache_missing: bool,
    ) -> Result<Option<FoundObject>, Error> {
        let cached = OBJECTS.with_borrow(|objects| objects.get(key.as_str(), now()));
        if let Some(cached) = cached.as_ref().filter(|cached| cached.is_fresh()) {
            return Ok(cached.value.clone().map(FoundObject::Small));
        }
        let read = match self.get(key).await {
            Ok(read) => read,
            Err(error) => {
                let copy = self.serve_stale(key.as_str(), cached, error)?;
                return Ok(copy.map(FoundObject::Small));
            }
        };
        let Some((object, description)) = read else {
            if cache_missing {
                let missing = |objects: &mut Cache<_>| objects.insert(key.as_str(), None, 0, now());
                OBJECTS.with_borrow_mut(missing);
            }
            return Ok(None);
        };
        let body = body_of(key.as_str(), &object)?;
        if description.size > MAX_SMALL_BYTES {
            return Ok(Some(FoundObject::Large(description, body)));
        }
        let limit = MAX_SMALL_BYTES as usize;
        let bytes = stream::read_up_to(&body, limit).await;
        let bytes = bytes.map_err(|cause| reading(key.as_str(), cause))?;
        let bytes =
            bytes.ok_or_else(|| reading(key.as_str(), "it is larger than its description"))?;
        let size = bytes.len();
        let small = Rc::new(SmallObject { description, bytes });
        let kept = Some(Rc::clone(&small));
        OBJECTS.with_borrow_mut(|objects| objects.insert(key.as_str(), kept, size, now()));
        Ok(Some(FoundObject::Small(small)))
    }

    /// The description of an object.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn object_description(&self, key: &ObjectKey) -> Result<Option<Description>, Error> {
        let cached = OBJECTS.with_borrow(|objects| objects.get(key.as_str(), now()));
        match cached.filter(|cached| cached.is_fresh()) {
            Some(cached) => Ok(cached.value.map(|object| object.description.clone())),
            None => Ok(self.head(key).await?.map(|(_, description)| description)),
        }
    }

    /// The bytes from `first` to `last` of the described upload; `None` if another upload replaced it.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn object_part(
        &self,
        key: &ObjectKey,
        description: &Description,
        (first, last): (u64, u64),
    ) -> Result<Option<ReadableStream>, Error> {
        self.count(|n| n.r2_reads += 1);
        let get = self
            .bindings
            .files
            .get(key.as_str())
            .only_if(Conditional {
                etag_matches: Some(description.etag.trim_matches('"').to_owned()),
                ..Conditional::default()
            })
            .range(Range::OffsetWithLength {
                offset: first,
                length: last - first + 1,
            });
        let object = get
            .execute()
            .await
            .map_err(|cause| reading(key.as_str(), cause))?;
        match object {
            // R2 returns no body if the ETag differs: another upload replaced the object.
            Some(object) if object.body().is_some() => Ok(Some(body_of(key.as_str(), &object)?)),
            _ => Ok(None),
        }
    }

    /// Size and SHA-1 of an object. Its body is read and hashed once for each upload: the digest is stored in
    /// KV, with the version of the upload. Concurrent requests share one hash.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn object_digest(
        &self,
        key: &ObjectKey,
        cache_missing: bool,
    ) -> Result<Option<Rc<ObjectDigest>>, Error> {
        let digest_key = key.digest_key();
        let cached = || DIGESTS.with_borrow(|digests| digests.get(&digest_key, now()));
        let flight = match cached() {
            Some(cached) if cached.is_fresh() => return Ok(cached.value),
            _ => {
                let flights = FLIGHTS.with(Flights::clone);
                flights.join(&digest_key, MAX_HASH_MS).await
            }
        };
        let before = match cached() {
            Some(cached) if cached.is_fresh() => return Ok(cached.value),
            before => before,
        };
        let known = before.as_ref().and_then(|cached| cached.value.clone());
        let found = match self.find_digest(key, &digest_key, known).await {
            Ok(found) => found,
            Err(error) => return self.serve_stale(&digest_key, before, error),
        };
        if found.is_some() || cache_missing {
            let kept = found.clone();
            DIGESTS.with_borrow_mut(|digests| {
                digests.insert(&digest_key, kept, DIGEST_BYTES, now());
            });
        }
        drop(flight);
        Ok(found)
    }

    async fn find_digest(
        &self,
        key: &ObjectKey,
        digest_key: &str,
        known: Option<Rc<ObjectDigest>>,
    ) -> Result<Option<Rc<ObjectDigest>>, Error> {
        let Some((head, description)) = self.head(key).await? else {
            return Ok(None);
        };
        // At any age: the digest of an upload never changes.
        if let Some(known) = known.filter(|known| known.version == description.version) {
            return Ok(Some(known));
        }
        if let Some(digest) = uploaded_digest(&description, &head) {
            return Ok(Some(Rc::new(digest.into())));
        }
        // The stored digest saves hashing; the response is the same without it.
        match self.value(digest_key).await {
            Ok(bytes) => {
                let stored = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                let same = |digest: &StoredDigest| digest.version == description.version;
                if let Some(digest) = stored.filter(same) {
                    return Ok(Some(Rc::new(digest.into())));
                }
            }
            Err(error) => self.warn(format!(
                "{}; {} was hashed instead",
                error.detail(),
                key.as_str()
            )),
        }
        let Some(digest) = self.hash(key).await? else {
            return Ok(None);
        };
        let text = serde_json::to_string(&digest)
            .map_err(|cause| Error::storage(format!("storing {digest_key}"), cause))?;
        if let Err(error) = self.put(digest_key, Payload::Text(&text)).await {
            self.warn(format!(
                "{}; another instance will hash {} again",
                error.detail(),
                key.as_str()
            ));
        }
        Ok(Some(Rc::new(digest.into())))
    }

    /// Hashes the body of an object as a stream, outside wasm memory.
    async fn hash(&self, key: &ObjectKey) -> Result<Option<StoredDigest>, Error> {
        let Some((object, description)) = self.get(key).await? else {
            return Ok(None);
        };
        let hashed = stream::sha1(&body_of(key.as_str(), &object)?).await;
        let (_, sha1) =
            hashed.map_err(|cause| Error::storage(format!("hashing {}", key.as_str()), cause))?;
        Ok(Some(StoredDigest {
            version: description.version,
            size: description.size,
            sha1: hex(&sha1),
            sha256: of_uploader(&object).1,
        }))
    }

    /// Forgets what is cached of an object that this instance has changed.
    pub(super) fn forget_object(&self, key: &ObjectKey) {
        OBJECTS.with_borrow_mut(|objects| objects.remove(key.as_str()));
        DIGESTS.with_borrow_mut(|digests| digests.remove(&key.digest_key()));
    }

    pub(super) async fn get(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<(Object, Description)>, Error> {
        self.count(|n| n.r2_reads += 1);
        let result = self.bindings.files.get(key.as_str()).execute().await;
        described(key, result)
    }

    pub(super) async fn head(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<(Object, Description)>, Error> {
        self.count(|n| n.r2_reads += 1);
        let result = self.bindings.files.head(key.as_str()).await;
        described(key, result)
    }
}

/// The object in a result of R2, with its description. Removes cached content of any other upload: a client
/// that compares a file with its metadata must receive both from the same upload.
fn described(
    key: &ObjectKey,
    result: worker::Result<Option<Object>>,
) -> Result<Option<(Object, Description)>, Error> {
    let object = result.map_err(|cause| reading(key.as_str(), cause))?;
    let found = object.map(|object| {
        let description = Description::of(&object);
        (object, description)
    });
    let version = found
        .as_ref()
        .map(|(_, description)| description.version.as_str());
    OBJECTS.with_borrow_mut(|objects| {
        let cached = objects.get(key.as_str(), now()).map(|cached| cached.value);
        if cached.is_some_and(|object| {
            object
                .as_ref()
                .map(|object| object.description.version.as_str())
                != version
        }) {
            objects.remove(key.as_str());
        }
    });
    let digest_key = key.digest_key();
    DIGESTS.with_borrow_mut(|digests| {
        let cached = digests.get(&digest_key, now()).map(|cached| cached.value);
        if cached
            .is_some_and(|digest| digest.as_ref().map(|digest| digest.version.as_str()) != version)
        {
            digests.remove(&digest_key);
        }
    });
    Ok(found)
}

/// The digest that the uploader supplied.
fn uploaded_digest(description: &Description, object: &Object) -> Option<StoredDigest> {
    let (sha1, sha256) = of_uploader(object);
    Some(StoredDigest {
        version: description.version.clone(),
        size: description.size,
        sha1: sha1?,
        sha256,
    })
}

/// The SHA-1 that the uploader supplied, and the SHA-256: checksums, which R2 has verified; or custom metadata, if its
/// size is that of the object. A multipart upload has no checksum of the whole, and R2 verifies one checksum of an
/// upload.
pub(super) fn of_uploader(object: &Object) -> (Option<String>, Option<String>) {
    let checksums = object.checksum();
    let metadata = object.custom_metadata().unwrap_or_default();
    let size = metadata.get("size").or(metadata.get("sha1-size"));
    let of_size = size.is_some_and(|size| size.parse() == Ok(object.size()));
    let supplied = |name, length| {
        let found = metadata.get(name).filter(|_| of_size)?;
        is_hex(found, length).then(|| found.clone())
    };
    let sha1 = checksums.sha1.map(|sha1| hex(&sha1));
    let sha256 = checksums.sha256.map(|sha256| hex(&sha256));
    (
        sha1.or_else(|| supplied("sha1", 40)),
        sha256.or_else(|| supplied("sha256", 64)),
    )
}

/// Whether a text is a number of so many hexadecimal digits, in lower case.
pub fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The body of an object as a stream.
///
/// # Errors
/// [`Error::Storage`] if R2 returned none.
pub fn body_of(key: &str, object: &Object) -> Result<ReadableStream, Error> {
    let body = object.body().map(|body| body.response_body());
    match body {
        Some(Ok(ResponseBody::Stream(stream))) => Ok(stream),
        Some(Err(cause)) => Err(reading(key, cause)),
        _ => Err(reading(key, "R2 returned it without a body")),
    }
}

fn reading(key: &str, cause: impl std::fmt::Display) -> Error {
    Error::storage(format!("reading {key}"), cause)
}
