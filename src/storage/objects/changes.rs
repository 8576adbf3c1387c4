//! Objects in R2 as operators change them: their states are not cached.

use std::collections::HashMap;

use worker::web_sys::ReadableStream;
use worker::{Conditional, Object};
use ztp_core::key::ObjectKey;

use super::{body_of, of_uploader};
use crate::error::Error;
use crate::response::iso_time;
use crate::storage::Storage;

/// An object without its bytes.
#[derive(Debug, Clone)]
pub struct ObjectState {
    /// With its quotes.
    pub etag: String,
    pub size: u64,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
    pub modified: String,
    pub by: Option<String>,
    pub via: Option<String>,
}

impl ObjectState {
    pub(in crate::storage) fn of(object: &Object) -> Self {
        let (sha1, sha256) = of_uploader(object);
        let mut metadata = object.custom_metadata().unwrap_or_default();
        Self {
            etag: object.http_etag(),
            size: object.size(),
            sha1,
            sha256,
            modified: iso_time(object.uploaded().as_millis()),
            by: metadata.remove("by"),
            via: metadata.remove("via"),
        }
    }
}

/// An object to write.
pub struct ObjectChange<'a> {
    pub body: ReadableStream,
    /// R2 rejects other bytes. In hexadecimal, so also for the next one.
    pub sha1: Option<&'a str>,
    pub sha256: Option<&'a str>,
    /// In bytes.
    pub size: u64,
    pub by: &'a str,
    pub via: Option<&'a str>,
}

impl Storage {
    /// The state of an object, not cached.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn object_state(&self, key: &ObjectKey) -> Result<Option<ObjectState>, Error> {
        let head = self.head(key).await?;
        Ok(head.map(|(object, _)| ObjectState::of(&object)))
    }

    /// An object with its bytes, not cached.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn object_value(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<(ObjectState, ReadableStream)>, Error> {
        let Some((object, _)) = self.get(key).await? else {
            return Ok(None);
        };
        let body = body_of(key.as_str(), &object)?;
        Ok(Some((ObjectState::of(&object), body)))
    }

    /// Adds the SHA-1 to the state of an object. It is hashed unless it is known.
    ///
    /// # Errors
    /// [`Error::Storage`], also if the object was deleted. If it was replaced, the SHA-1 is that of the new one.
    pub async fn complete_state(
        &self,
        key: &ObjectKey,
        state: &mut ObjectState,
    ) -> Result<(), Error> {
        if state.sha1.is_none() {
            let digest = self.object_digest(key, false).await?;
            let changed = || Error::storage(format!("hashing {}", key.as_str()), "it was deleted");
            state.sha1 = Some(digest.ok_or_else(changed)?.sha1.clone());
        }
        Ok(())
    }

    /// Writes an object, if it still has the state `before`; `None` if it has another one.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if its bytes have another SHA-1 than the change says; [`Error::Storage`].
    pub async fn put_object(
        &self,
        key: &ObjectKey,
        before: Option<&ObjectState>,
        change: ObjectChange<'_>,
    ) -> Result<Option<ObjectState>, Error> {
        let only_if = match before {
            Some(state) => Conditional {
                etag_matches: Some(state.etag.trim_matches('"').to_owned()),
                ..Conditional::default()
            },
            None => Conditional {
                etag_does_not_match: Some("*".to_owned()),
                ..Conditional::default()
            },
        };
        let mut metadata = HashMap::from([
            ("by".to_owned(), change.by.to_owned()),
            ("size".to_owned(), change.size.to_string()),
        ]);
        let others = [
            ("sha1", change.sha1),
            ("sha256", change.sha256),
            ("via", change.via),
        ];
        for (name, value) in others {
            metadata.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        }
        self.count(|n| n.r2_writes += 1);
        let put = self.bindings.files.put(key.as_str(), change.body);
        let put = put.custom_metadata(metadata).only_if(only_if);
        let put = match change.sha1 {
            Some(sha1) => put.sha1(bytes_of(sha1)),
            None => put,
        };
        let put = put.execute().await;
        let put = put.map_err(|cause| match cause.to_string() {
            cause if is_other_checksum(&cause) => Error::BadRequest(format!(
                "the SHA-1 of the bytes is not {}: nothing was stored; send the same bytes that were hashed",
                change.sha1.unwrap_or_default()
            )),
            cause => Error::storage(format!("writing {}", key.as_str()), cause),
        })?;
        self.forget_object(key);
        Ok(put.map(|object| ObjectState {
            sha1: change.sha1.map(str::to_owned),
            sha256: change.sha256.map(str::to_owned),
            ..ObjectState::of(&object)
        }))
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn delete_object(&self, key: &ObjectKey) -> Result<(), Error> {
        self.count(|n| n.r2_writes += 1);
        let deleted = self.bindings.files.delete(key.as_str()).await;
        deleted.map_err(|cause| Error::storage(format!("deleting {}", key.as_str()), cause))?;
        self.forget_object(key);
        Ok(())
    }
}

/// The bytes of a hexadecimal number of a valid form.
pub(in crate::storage) fn bytes_of(hex: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap_or_default() as u8;
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| pair.iter().fold(0, |byte, c| byte << 4 | digit(*c)))
        .collect()
}

/// R2's error 10037: the checksum that was given is not that of the bytes.
fn is_other_checksum(cause: &str) -> bool {
    cause.contains("10037") || cause.contains("checksum")
}
