//! Content as operators read and change it: values in KV, objects in R2, and what is kept for an undo.

use std::collections::HashMap;

use futures_util::future::join;
use serde::Serialize;
use worker::js_sys::Math;
use worker::web_sys::ReadableStream;
use worker::{Conditional, Data, Include, Object};
use ztp_core::audit::Summary;
use ztp_core::content::{ContentKind, Metadata, Store};
use ztp_core::key::{ObjectKey, Record, UNDO, kept};
use ztp_core::node::NodeId;

use super::objects::{body_of, of_uploader};
use super::{Payload, RecordBody, Records, Storage, message, now};
use crate::error::Error;
use crate::objects::site::protocol::{Command, Reply, StoredValue, WrittenValue};
use crate::response::iso_time;
use crate::stream::{self, Buffer};

/// Maximum number of keys in a page: the most that KV and R2 list at once.
pub const MAX_PAGE: u32 = 1_000;

/// A value or object in a list. What is unknown is null.
#[derive(Debug, Serialize)]
pub struct Listed {
    pub key: String,
    /// `kv` or `r2`.
    pub store: &'static str,
    pub size: Option<u64>,
    pub sha1: Option<String>,
    pub etag: Option<String>,
    pub modified: Option<String>,
    pub by: Option<String>,
    pub via: Option<String>,
}

/// A value in KV with its bytes.
pub struct FoundValue {
    pub sha1: String,
    pub size: u64,
    pub body: ValueBody,
}

impl FoundValue {
    /// Reads a value into memory.
    async fn read(key: &str, stream: &ReadableStream) -> Result<Self, Error> {
        let failed = |cause: worker::Error| Error::storage(format!("reading {key}"), cause);
        let limit = Store::Kv.max_value_bytes() as usize;
        let bytes = stream::read_up_to(stream, limit).await.map_err(failed)?;
        let bytes = bytes.ok_or_else(|| failed("it is too large".into()))?;
        Self::of(bytes).await.map_err(failed)
    }

    async fn of(bytes: Buffer) -> worker::Result<Self> {
        Ok(Self {
            sha1: bytes.sha1().await?,
            size: bytes.len() as u64,
            body: ValueBody::Buffer(bytes),
        })
    }
}

/// The bytes of a value.
pub enum ValueBody {
    Buffer(Buffer),
    Stream(ReadableStream),
}

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

impl ObjectState {
    pub(super) fn of(object: &Object) -> Self {
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

impl Storage {
    /// One page of the content whose keys begin with a prefix, and the cursor of the next page. A page may be short.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if the cursor is invalid; [`Error::Storage`].
    pub async fn list_content(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Listed>, Option<String>), Error> {
        // R2 also has what is not content.
        let folders = ["actions/", "files/"].into_iter().filter_map(|folder| {
            if prefix.starts_with(folder) {
                Some(prefix)
            } else {
                folder.starts_with(prefix).then_some(folder)
            }
        });
        let folders: Vec<&str> = folders.collect();
        let has_kv = !folders.contains(&prefix);
        let (place, inner) = match cursor {
            None if has_kv => ("kv", ""),
            None => ("0", ""),
            Some(cursor) => cursor
                .split_once(':')
                .ok_or_else(|| invalid_cursor(cursor))?,
        };
        let inner = Some(inner.to_owned()).filter(|inner| !inner.is_empty());
        let (found, next, following) = if place == "kv" {
            let (found, next) = self.list_kv(prefix, inner, limit).await?;
            (found, next.map(|next| format!("kv:{next}")), 0)
        } else {
            let place: usize = place.parse().map_err(|_| invalid_cursor(place))?;
            let folder = folders
                .get(place)
                .ok_or_else(|| invalid_cursor("its place"))?;
            let (found, next) = self.list_r2(folder, inner, limit).await?;
            (found, next.map(|next| format!("{place}:{next}")), place + 1)
        };
        let next = next.or_else(|| (following < folders.len()).then(|| format!("{following}:")));
        Ok((found, next))
    }

    async fn list_kv(
        &self,
        prefix: &str,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<(Vec<Listed>, Option<String>), Error> {
        self.count(|n| n.kv_reads += 1);
        let mut list = self.bindings.data.list().limit(u64::from(limit));
        if !prefix.is_empty() {
            list = list.prefix(prefix.to_owned());
        }
        if let Some(cursor) = cursor {
            list = list.cursor(cursor);
        }
        let page = list.execute().await;
        let page = page.map_err(|cause| Error::storage("listing values", message(&cause)))?;
        let next = page.cursor.filter(|_| !page.list_complete);
        let keys = page
            .keys
            .into_iter()
            .filter(|key| is_content(&key.name, Store::Kv));
        let listed = keys.map(|key| {
            let metadata = key.metadata.map(serde_json::from_value::<Metadata>);
            // Metadata of another program may have another form.
            let metadata = metadata.and_then(Result::ok).unwrap_or_default();
            Listed {
                key: key.name,
                store: "kv",
                size: metadata.size,
                etag: metadata.sha1.as_ref().map(|sha1| format!("\"{sha1}\"")),
                sha1: metadata.sha1,
                modified: metadata.modified,
                by: metadata.by,
                via: metadata.via,
            }
        });
        Ok((listed.collect(), next))
    }

    async fn list_r2(
        &self,
        prefix: &str,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<(Vec<Listed>, Option<String>), Error> {
        self.count(|n| n.r2_reads += 1);
        let list = self.bindings.files.list().prefix(prefix).limit(limit);
        let mut list = list.include(vec![Include::CustomMetadata]);
        if let Some(cursor) = cursor {
            list = list.cursor(cursor);
        }
        let page = list.execute().await;
        let page = page.map_err(|cause| Error::storage("listing objects", cause))?;
        let next = page.cursor().filter(|_| page.truncated());
        let objects = page.objects().into_iter();
        let objects = objects.filter(|object| is_content(&object.key(), Store::R2));
        let listed = objects.map(|object| {
            let state = ObjectState::of(&object);
            Listed {
                key: object.key(),
                store: "r2",
                size: Some(state.size),
                sha1: state.sha1,
                etag: Some(state.etag),
                modified: Some(state.modified),
                by: state.by,
                via: state.via,
            }
        });
        Ok((listed.collect(), next))
    }

    /// The value of a key in KV that is not a record of a node; `None` if there is none. Also right after a change
    /// through this API, when KV may still show the value before it.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn document_value(&self, key: &str) -> Result<Option<FoundValue>, Error> {
        let (in_kv, written) = join(self.read_value(key), self.written_value(key)).await;
        let in_kv = in_kv?;
        let Some(WrittenValue { value, written }) = written? else {
            return Ok(in_kv);
        };
        let sha1 = in_kv.as_ref().map(|found| found.sha1.as_str());
        if !written.counts_over(sha1, now()) {
            return Ok(in_kv);
        }
        let Some(value) = value else { return Ok(None) };
        let kept = value.kept.unwrap_or_default();
        let object = self.kept_object(&kept).await?;
        Ok(Some(FoundValue {
            sha1: value.sha1,
            size: value.size,
            body: ValueBody::Stream(body_of(&kept, &object)?),
        }))
    }

    /// A record of a node, and the records that it was read with, of which `site` is one.
    ///
    /// # Errors
    /// As [`Storage::records`].
    pub async fn record_value(
        &self,
        node: &NodeId,
        record: Record,
    ) -> Result<(Records, Option<FoundValue>), Error> {
        let key = record.key(node);
        let failed = |cause| Error::storage(format!("reading {key}"), cause);
        let site = [Record::Site];
        let (records, found) = match record {
            Record::Site => self.found(node, record, &[]).await?,
            _ => self.found(node, record, &site).await?,
        };
        let value = match self.body(node, found).await? {
            None => None,
            Some(RecordBody::Buffer(bytes)) => Some(FoundValue::of(bytes).await.map_err(failed)?),
            Some(RecordBody::Stream(stream)) => Some(FoundValue::read(&key, &stream).await?),
        };
        Ok((records, value))
    }

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
            Some(RecordBody::Buffer(bytes)) => self.keep_bytes(&bytes, &value.sha1).await,
            Some(RecordBody::Stream(stream)) => {
                self.keep_stream(&stream, &value.sha1, value.size).await
            }
            None => Err(Error::storage(
                format!("keeping {}", record.key(node)),
                "it was deleted",
            )),
        }
    }

    async fn written_value(&self, key: &str) -> Result<Option<WrittenValue>, Error> {
        match self.call_site(Command::Written(key.to_owned())).await? {
            Reply::Written(written) => Ok(written),
            _ => Err(Error::storage(format!("reading {key}"), "unexpected reply")),
        }
    }

    async fn read_value(&self, key: &str) -> Result<Option<FoundValue>, Error> {
        match self.kv_stream(key).await? {
            Some(stream) => FoundValue::read(key, &stream).await.map(Some),
            None => Ok(None),
        }
    }

    /// The value of a key as KV shows it, without its bytes.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn value_in_kv(&self, key: &str) -> Result<Option<StoredValue>, Error> {
        self.count(|n| n.kv_reads += 1);
        let read = self.bindings.data.get(key).stream_with_metadata();
        let read = read.await;
        let (stream, metadata): (_, Option<serde_json::Value>) =
            read.map_err(|cause| Error::storage(format!("reading {key}"), message(&cause)))?;
        let Some(stream) = stream else {
            return Ok(None);
        };
        let hashed = stream::sha1(&stream).await;
        let (size, sha1) =
            hashed.map_err(|cause| Error::storage(format!("reading {key}"), cause))?;
        let metadata = metadata.map(serde_json::from_value::<Metadata>);
        let metadata = metadata.and_then(Result::ok).unwrap_or_default();
        Ok(Some(StoredValue {
            sha1: ztp_core::hex(&sha1),
            size,
            modified: metadata.modified,
            by: metadata.by,
            via: metadata.via,
            kept: None,
        }))
    }

    /// Writes a kept value to KV, with its metadata.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn send_value(&self, key: &str, value: &StoredValue) -> Result<(), Error> {
        let kept = value.kept.as_deref().unwrap_or_default();
        let object = self.kept_object(kept).await?;
        let payload = Payload::Stream(body_of(kept, &object)?);
        let (sha1, modified) = (value.sha1.clone(), value.modified.clone());
        let by = value.by.as_deref().unwrap_or_default();
        let modified = modified.unwrap_or_default();
        let metadata = Metadata::new(sha1, value.size, modified, by, value.via.as_deref());
        self.put_described(key, payload, &metadata).await
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

    /// A kept value.
    ///
    /// # Errors
    /// [`Error::Storage`], also if it was deleted.
    pub async fn kept_object(&self, key: &str) -> Result<Object, Error> {
        self.count(|n| n.r2_reads += 1);
        let failed = |cause: worker::Error| Error::storage(format!("reading {key}"), cause);
        let object = self
            .bindings
            .files
            .get(key)
            .execute()
            .await
            .map_err(failed)?;
        object.ok_or_else(|| failed("it was deleted".into()))
    }

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
    /// [`Error::Storage`], also if the object has another state.
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

fn is_content(key: &str, store: Store) -> bool {
    ContentKind::of(key).is_ok_and(|kind| kind.store() == store)
}

fn invalid_cursor(cursor: &str) -> Error {
    Error::BadRequest(format!(
        "cursor is {cursor:?}, which no response contained: send the cursor of the page before, with the same prefix"
    ))
}

pub(super) fn kept_key(sha1: &str) -> String {
    kept(now(), sha1, (Math::random() * f64::from(u32::MAX)) as u32)
}

/// The bytes of a hexadecimal number of a valid form.
fn bytes_of(hex: &str) -> Vec<u8> {
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
