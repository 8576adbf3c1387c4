//! Content as operators read it: lists of keys, and values in KV.

use futures_util::future::join;
use serde::Serialize;
use worker::Include;
use worker::web_sys::ReadableStream;
use ztp_core::content::{ContentKind, Metadata, Store};
use ztp_core::key::{Document, Record};
use ztp_core::node::NodeId;

use super::{ObjectState, Payload, Records, Storage, StoredBody, message, now};
use crate::error::Error;
use crate::objects::site::protocol::{Command, Reply, StoredValue, WrittenValue, etag};
use crate::stream::{self, Buffer};

/// Maximum number of keys in a page: the most that KV and R2 list at once.
pub const MAX_PAGE: u32 = 1_000;

/// A value or object in a list. An unknown field is null.
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
    pub body: StoredBody,
}

impl FoundValue {
    /// Reads a value into memory.
    async fn read(key: &str, stream: &ReadableStream) -> Result<Self, Error> {
        let found = Self::of(read_bytes(key, stream).await?).await;
        found.map_err(|cause| Error::storage(format!("reading {key}"), cause))
    }

    async fn of(bytes: Buffer) -> worker::Result<Self> {
        Ok(Self {
            sha1: bytes.sha1().await?,
            size: bytes.len() as u64,
            body: StoredBody::Buffer(bytes),
        })
    }
}

/// Reads the bytes of a value into memory.
pub(super) async fn read_bytes(key: &str, stream: &ReadableStream) -> Result<Buffer, Error> {
    let failed = |cause: worker::Error| Error::storage(format!("reading {key}"), cause);
    let limit = Store::Kv.max_value_bytes() as usize;
    let bytes = stream::read_up_to(stream, limit).await.map_err(failed)?;
    bytes.ok_or_else(|| failed("it is too large".into()))
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
                etag: metadata.sha1.as_deref().map(etag),
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
        let kept = self.kept(&value.kept.unwrap_or_default()).await?;
        Ok(Some(FoundValue {
            sha1: value.sha1,
            size: value.size,
            body: StoredBody::Stream(kept.body()?),
        }))
    }

    /// The bytes of a shared document as [`Storage::document_value`].
    ///
    /// # Errors
    /// As [`Storage::document_value`].
    pub async fn current_bytes(&self, document: Document<'_>) -> Result<Option<Vec<u8>>, Error> {
        let key = document.to_string();
        let found = self.document_value(&key).await?;
        let bytes = match found.map(|found| found.body) {
            None => return Ok(None),
            Some(StoredBody::Buffer(bytes)) => bytes,
            Some(StoredBody::Stream(stream)) => read_bytes(&key, &stream).await?,
        };
        Ok(Some(bytes.to_vec()))
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
            Some(StoredBody::Buffer(bytes)) => Some(FoundValue::of(bytes).await.map_err(failed)?),
            Some(StoredBody::Stream(stream)) => Some(FoundValue::read(&key, &stream).await?),
        };
        Ok((records, value))
    }

    async fn written_value(&self, key: &str) -> Result<Option<WrittenValue>, Error> {
        match self.call_site(Command::Written(key.to_owned())).await? {
            Reply::Written(written) => Ok(written),
            _ => Err(Error::unexpected_reply(format!("reading {key}"))),
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
        let kept = self.kept(value.kept.as_deref().unwrap_or_default()).await?;
        let payload = Payload::Stream(kept.body()?);
        let (sha1, modified) = (value.sha1.clone(), value.modified.clone());
        let by = value.by.as_deref().unwrap_or_default();
        let modified = modified.unwrap_or_default();
        let metadata = Metadata::new(sha1, value.size, modified, by, value.via.as_deref());
        self.put_described(key, payload, &metadata).await
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
