//! Uploads of large objects in parts. Their state is in the object that concerns all sites.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use worker::web_sys::ReadableStream;
use worker::{Data, UploadedPart};

use super::kept::{Kept, kept_key};
use super::{Storage, now};
use crate::conditions::Preconditions;
use crate::error::Error;
use crate::objects::site::protocol::{Command, Reply};

/// The prefix of the names of uploads, and of their parts.
const UPLOADS: &str = "upload/";

/// An upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// In hexadecimal; so for the next one.
    pub sha1: String,
    pub sha256: Option<String>,
    pub conditions: Preconditions,
    /// The key in R2 of the parts, and the id of R2's upload.
    pub staged: String,
    pub r2: String,
    /// The response to its completion.
    pub done: Option<Value>,
}

/// The number of a part, and its ETag in R2.
pub type Part = (u16, String);

impl Storage {
    /// An upload with the parts that were received, in order; `None` if there is none.
    ///
    /// # Errors
    /// As [`Storage::call_site`].
    pub async fn upload(&self, id: &str) -> Result<Option<(Upload, Vec<Part>)>, Error> {
        let name = name_of(id);
        let items = match self.call_site(Command::Items(name.clone())).await? {
            Reply::Items(items) => items,
            _ => return Err(unexpected()),
        };
        let mut upload = None;
        let mut parts = Vec::new();
        for (item, text) in items {
            let part = item.strip_prefix(&name).unwrap_or_default();
            match part.strip_prefix('/').map(str::parse) {
                Some(Ok(part)) => parts.push((part, text)),
                _ => {
                    let read = serde_json::from_str(&text);
                    upload =
                        Some(read.map_err(|cause| Error::storage("reading an upload", cause))?);
                }
            }
        }
        Ok(upload.map(|upload| (upload, parts)))
    }

    /// Stores an upload.
    ///
    /// # Errors
    /// As [`Storage::call_site`].
    pub async fn save_upload(&self, id: &str, upload: &Upload) -> Result<(), Error> {
        let text = serde_json::to_string(upload);
        let text = text.map_err(|cause| Error::storage("storing an upload", cause))?;
        self.save_item(name_of(id), text).await
    }

    /// Stores that a part was received.
    ///
    /// # Errors
    /// As [`Storage::call_site`].
    pub async fn save_part(&self, id: &str, part: u16, etag: &str) -> Result<(), Error> {
        self.save_item(format!("{}/{part:05}", name_of(id)), etag.to_owned())
            .await
    }

    async fn save_item(&self, name: String, text: String) -> Result<(), Error> {
        match self.call_site(Command::SetItem(name, text)).await? {
            Reply::Ended => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// Begins an upload in R2: the key of its object until it is complete, and its id.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn begin_parts(&self, sha1: &str) -> Result<(String, String), Error> {
        let staged = kept_key(sha1);
        self.count(|n| n.r2_writes += 1);
        let begun = self
            .bindings
            .files
            .create_multipart_upload(staged.as_str())
            .execute()
            .await;
        let begun = begun.map_err(|cause| Error::storage("beginning an upload", cause))?;
        Ok((staged, begun.upload_id().await))
    }

    /// Sends a part to R2. Returns its ETag there.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn put_part(
        &self,
        upload: &Upload,
        part: u16,
        body: ReadableStream,
    ) -> Result<String, Error> {
        let failed =
            |cause| Error::storage(format!("storing part {part} of {}", upload.key), cause);
        self.count(|n| n.r2_writes += 1);
        let files = &self.bindings.files;
        let r2 = files.resume_multipart_upload(upload.staged.as_str(), upload.r2.as_str());
        let sent = r2
            .map_err(failed)?
            .upload_part(part, Data::ReadableStream(body))
            .await;
        Ok(sent.map_err(failed)?.etag())
    }

    /// Makes one object of all parts, under its key until it is verified.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn complete_parts(&self, upload: &Upload, parts: &[Part]) -> Result<Kept, Error> {
        let failed =
            |cause| Error::storage(format!("completing the upload of {}", upload.key), cause);
        // An earlier request may have completed it.
        if let Some(kept) = self.find_kept(&upload.staged).await? {
            return Ok(kept);
        }
        let parts = parts
            .iter()
            .map(|(part, etag)| UploadedPart::new(*part, etag.clone()));
        self.count(|n| n.r2_writes += 1);
        let files = &self.bindings.files;
        let r2 = files.resume_multipart_upload(upload.staged.as_str(), upload.r2.as_str());
        r2.map_err(failed)?.complete(parts).await.map_err(failed)?;
        let kept = self.find_kept(&upload.staged).await?;
        kept.ok_or_else(|| failed("it was deleted".into()))
    }

    /// Deletes an upload with its parts, also if it is complete. Its entry is deleted first: a request that R2 refuses
    /// then finds that there is no upload.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn forget_upload(&self, id: &str, upload: &Upload) -> Result<(), Error> {
        self.remove_upload(id).await?;
        self.discard_parts(upload).await
    }

    /// Deletes the entry of an upload, and those of its parts.
    ///
    /// # Errors
    /// As [`Storage::call_site`].
    pub async fn remove_upload(&self, id: &str) -> Result<(), Error> {
        match self.call_site(Command::RemoveItems(name_of(id))).await? {
            Reply::Ended => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// Deletes the parts of an upload in R2.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn discard_parts(&self, upload: &Upload) -> Result<(), Error> {
        self.count(|n| n.r2_writes += 1);
        let files = &self.bindings.files;
        let r2 = files.resume_multipart_upload(upload.staged.as_str(), upload.r2.as_str());
        let aborted = match r2 {
            Ok(r2) => r2.abort().await,
            Err(cause) => Err(cause),
        };
        // R2 has no such upload if it is complete.
        if let Err(cause) = aborted
            && upload.done.is_none()
            && self.find_kept(&upload.staged).await?.is_none()
        {
            self.warn(format!(
                "deleting the parts of {} failed ({cause}); R2 deletes them later",
                upload.key
            ));
        }
        self.discard_kept(&upload.staged).await
    }
}

fn name_of(id: &str) -> String {
    format!("{UPLOADS}{id}")
}

fn unexpected() -> Error {
    Error::unexpected_reply("calling the uploads")
}

/// The time after which an upload that is not complete is deleted, in milliseconds: 7 days after it began.
const MAX_UPLOAD_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// Uploads that began before this time, in milliseconds since 1970, are deleted.
pub fn expired() -> u64 {
    now().saturating_sub(MAX_UPLOAD_MS)
}
