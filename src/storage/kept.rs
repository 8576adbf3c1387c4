//! Values that are kept in R2 for an undo.

use worker::js_sys::Math;
use worker::web_sys::ReadableStream;
use worker::{Data, Object};
use ztp_core::audit::Summary;
use ztp_core::key::{ObjectKey, Record, UNDO, kept};
use ztp_core::node::NodeId;

use super::content::read_bytes;
use super::objects::body_of;
use super::objects::changes::{ObjectState, bytes_of};
use super::{Storage, StoredBody, now};
use crate::error::Error;
use crate::stream::{self, Buffer};

/// A kept value with its bytes.
pub struct Kept {
    key: String,
    object: Object,
    pub state: ObjectState,
}

impl Kept {
    /// Its bytes.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn body(&self) -> Result<ReadableStream, Error> {
        body_of(&self.key, &self.object)
    }

    /// Its bytes in memory.
    ///
    /// # Errors
    /// [`Error::Storage`], also if they are too many for a value of KV.
    pub async fn bytes(&self) -> Result<Buffer, Error> {
        read_bytes(&self.key, &self.body()?).await
    }
}

impl Storage {
    /// Keeps the value of a record in R2, for an undo. Returns its key there.
    ///
    /// # Errors
    /// [`Error::Storage`], also if the record has another value meanwhile.
    pub async fn keep_record(
        &self,
        node: &NodeId,
        record: Record,
        value: &Summary,
    ) -> Result<String, Error> {
        let (_, found) = self.found(node, record, &[]).await?;
        match self.body(node, found).await? {
            Some(StoredBody::Buffer(bytes)) => self.keep_bytes(&bytes, &value.sha1).await,
            Some(StoredBody::Stream(stream)) => {
                self.keep_stream(&stream, &value.sha1, value.size).await
            }
            None => Err(Error::storage(
                format!("keeping {}", record.key(node)),
                "it was deleted",
            )),
        }
    }

    /// Keeps bytes in R2. Returns their key there.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn keep_bytes(&self, bytes: &Buffer, sha1: &str) -> Result<String, Error> {
        let stream = bytes.stream();
        let stream = stream.map_err(|cause| Error::storage("keeping a value", cause))?;
        self.keep(stream, sha1).await
    }

    /// Keeps the value of KV in R2, for an undo. Returns its key there.
    ///
    /// # Errors
    /// [`Error::Storage`], also if KV has another value meanwhile.
    pub async fn keep_value(&self, key: &str, sha1: &str, size: u64) -> Result<String, Error> {
        let changed = || Error::storage(format!("keeping the value of {key}"), "it was deleted");
        let stream = self.kv_stream(key).await?.ok_or_else(changed)?;
        self.keep_stream(&stream, sha1, size).await
    }

    /// Keeps a stream of a known size in R2. Returns its key there.
    ///
    /// # Errors
    /// [`Error::Storage`], also if the bytes have another SHA-1.
    pub async fn keep_stream(
        &self,
        stream: &ReadableStream,
        sha1: &str,
        size: u64,
    ) -> Result<String, Error> {
        let stream = stream::of_length(stream, size).await;
        let stream = stream.map_err(|cause| Error::storage("keeping a value", cause))?;
        self.keep(stream, sha1).await
    }

    async fn keep(&self, stream: ReadableStream, sha1: &str) -> Result<String, Error> {
        let key = kept_key(sha1);
        self.count(|n| n.r2_writes += 1);
        let put = self
            .bindings
            .files
            .put(key.as_str(), Data::ReadableStream(stream));
        let put = put.sha1(bytes_of(sha1)).execute().await;
        put.map_err(|cause| Error::storage(format!("writing {key}"), cause))?;
        Ok(key)
    }

    /// Copies an object, for an undo, if it still has this state. Returns the key of the copy.
    ///
    /// # Errors
    /// [`Error::Storage`], also if the object has another state.
    pub async fn keep_object(&self, key: &ObjectKey, state: &ObjectState) -> Result<String, Error> {
        let changed = || Error::storage(format!("keeping {}", key.as_str()), "it was replaced");
        let Some((object, _)) = self.get(key).await? else {
            return Err(changed());
        };
        if object.http_etag() != state.etag {
            return Err(changed());
        }
        let kept = kept_key(state.sha1.as_deref().unwrap_or_default());
        let body = body_of(key.as_str(), &object)?;
        self.count(|n| n.r2_writes += 1);
        let put = self.bindings.files.put(kept.as_str(), body);
        let put = put.custom_metadata(object.custom_metadata().unwrap_or_default());
        let put = match state.sha1.as_deref() {
            Some(sha1) => put.sha1(bytes_of(sha1)),
            None => put,
        };
        let put = put.execute().await;
        put.map_err(|cause| Error::storage(format!("writing {kept}"), cause))?;
        Ok(kept)
    }

    /// Deletes a kept value.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn discard_kept(&self, key: &str) -> Result<(), Error> {
        self.count(|n| n.r2_writes += 1);
        let deleted = self.bindings.files.delete(key).await;
        deleted.map_err(|cause| Error::storage(format!("deleting {key}"), cause))
    }

    /// Deletes a kept value that no change needs. If that fails, the log has a warning, and it is deleted after 30 days.
    pub async fn discard_unused(&self, key: &str) {
        if let Err(error) = self.discard_kept(key).await {
            self.warn(error.detail());
        }
    }

    /// The keys of kept values after a key, the oldest first, and whether there are more.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn kept_keys(&self, after: Option<&str>) -> Result<(Vec<String>, bool), Error> {
        self.count(|n| n.r2_reads += 1);
        let mut list = self.bindings.files.list().prefix(UNDO);
        if let Some(after) = after {
            list = list.start_after(after);
        }
        let page = list.execute().await;
        let page = page.map_err(|cause| Error::storage("listing kept values", cause))?;
        let keys = page.objects().iter().map(Object::key).collect();
        Ok((keys, page.truncated()))
    }

    /// A kept value; `None` if it was deleted.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn find_kept(&self, key: &str) -> Result<Option<Kept>, Error> {
        self.count(|n| n.r2_reads += 1);
        let object = self.bindings.files.get(key).execute().await;
        let object = object.map_err(|cause| Error::storage(format!("reading {key}"), cause))?;
        Ok(object.map(|object| Kept {
            key: key.to_owned(),
            state: ObjectState::of(&object),
            object,
        }))
    }

    /// A kept value.
    ///
    /// # Errors
    /// [`Error::Storage`], also if it was deleted.
    pub async fn kept(&self, key: &str) -> Result<Kept, Error> {
        let deleted = || Error::storage(format!("reading {key}"), "it was deleted");
        self.find_kept(key).await?.ok_or_else(deleted)
    }
}

pub(super) fn kept_key(sha1: &str) -> String {
    kept(now(), sha1, (Math::random() * f64::from(u32::MAX)) as u32)
}
