//! Multipart uploads of large objects. A file lists the unfinished uploads, so that the next run resumes them.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use md5::{Digest, Md5};
use rusty_s3::S3Action;
use rusty_s3::actions::{CompleteMultipartUploadResponse, CreateMultipartUpload, ListParts};
use serde::{Deserialize, Serialize};
use ureq::SendBody;
use ureq::http::Request;

use crate::digest::hex;
use crate::http::{self, RequestError};
use crate::{Failure, display_path, regular};

use super::Upload;
use super::s3::{S3, SIGNED_FOR, check_md5, metadata, parse_body};

/// The size of all parts but the last, in bytes, unless an object needs larger ones.
const PART_BYTES: u64 = 32 << 20;
/// The largest number of parts of an object.
const MAX_PARTS: u64 = 10_000;

/// The ETags of the stored parts, by number.
type Etags = BTreeMap<u16, String>;

/// An unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    upload_id: String,
    /// Of the file.
    sha1: String,
    size: u64,
    part_bytes: u64,
}

impl S3 {
    /// Uploads a file in parts, except those that an earlier run has stored.
    ///
    /// # Errors
    /// A part cannot be stored. The stored parts stay.
    pub(super) fn put_in_parts(
        &self,
        upload: &Upload<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let (pending, mut etags) = match self.resume(upload)? {
            Some(resumed) => resumed,
            None => (self.begin(upload)?, Etags::new()),
        };
        let parts = upload.size.div_ceil(pending.part_bytes);
        let mut done = 0;
        for number in 1..=parts {
            let start = (number - 1) * pending.part_bytes;
            let length = pending.part_bytes.min(upload.size - start);
            let number = u16::try_from(number)
                .map_err(|_| Failure::new(format!("{} has too many parts", upload.key)))?;
            if let std::collections::btree_map::Entry::Vacant(place) = etags.entry(number) {
                place.insert(self.put_part(upload, &pending, number, start, length)?);
            }
            done += length;
            progress(done);
        }
        // The file must not have changed since its SHA-1, which the metadata has, was computed.
        upload.digest.check_unchanged(upload.path)?;
        self.complete(upload, &pending, &etags)?;
        self.save_pending(upload.key, None)
    }

    /// The unfinished upload of the same file from an earlier run, with the stored parts.
    fn resume(&self, upload: &Upload<'_>) -> Result<Option<(Pending, Etags)>, Failure> {
        let Some(pending) = self.load_pending()?.remove(&self.name(upload.key)) else {
            return Ok(None);
        };
        if pending.sha1 != upload.digest.sha1 || pending.size != upload.size {
            self.abort(upload.key, &pending)?;
            return Ok(None);
        }
        let mut etags = Etags::new();
        let mut marker = None;
        loop {
            let page = http::retry(&format!("resuming the upload of {}", upload.key), || {
                let credentials = Some(&self.credentials);
                let mut action =
                    self.bucket
                        .list_parts(credentials, upload.key, &pending.upload_id);
                if let Some(marker) = marker {
                    action.set_part_number_marker(marker);
                }
                let url = action.sign(SIGNED_FOR);
                let response = self.send(Request::get(url.as_str()).body(()))?;
                match response.status {
                    404 => Ok(None),
                    _ => parse_body(&response, ListParts::parse_response).map(Some),
                }
            })?;
            // Another client completed or aborted it, or it is older than R2 keeps one.
            let Some(page) = page else { return Ok(None) };
            for part in page.parts {
                let start = u64::from(part.number).saturating_sub(1) * pending.part_bytes;
                let length = pending.part_bytes.min(upload.size.saturating_sub(start));
                if part.size == length {
                    etags.insert(part.number, part.etag);
                }
            }
            marker = page.next_part_number_marker;
            if marker.is_none() {
                return Ok(Some((pending, etags)));
            }
        }
    }

    fn begin(&self, upload: &Upload<'_>) -> Result<Pending, Failure> {
        let created = http::retry(&format!("starting the upload of {}", upload.key), || {
            let credentials = Some(&self.credentials);
            let mut action = self.bucket.create_multipart_upload(credentials, upload.key);
            let metadata = metadata(upload);
            for (name, value) in &metadata {
                action.headers_mut().insert(*name, value.as_str());
            }
            let url = action.sign(SIGNED_FOR);
            let mut request = Request::post(url.as_str()).header("Content-Length", 0);
            for (name, value) in &metadata {
                request = request.header(*name, value);
            }
            let response = self.send(request.body(SendBody::none()))?;
            parse_body(&response, CreateMultipartUpload::parse_response)
        })?;
        let pending = Pending {
            upload_id: created.upload_id().to_owned(),
            sha1: upload.digest.sha1.clone(),
            size: upload.size,
            part_bytes: part_bytes(upload.size),
        };
        self.save_pending(upload.key, Some(&pending))?;
        Ok(pending)
    }

    /// Sends one part from disk. Returns its ETag.
    fn put_part(
        &self,
        upload: &Upload<'_>,
        pending: &Pending,
        number: u16,
        start: u64,
        length: u64,
    ) -> Result<String, Failure> {
        http::retry(&format!("storing part {number} of {}", upload.key), || {
            let unreadable = |error| RequestError::Permanent(format!("it cannot be read: {error}"));
            let mut file = regular::open(upload.path).map_err(unreadable)?;
            file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
            let mut part = Hashing {
                inner: file.take(length),
                md5: Md5::new(),
            };
            let credentials = Some(&self.credentials);
            let action =
                self.bucket
                    .upload_part(credentials, upload.key, number, &pending.upload_id);
            let url = action.sign(SIGNED_FOR);
            let request = Request::put(url.as_str())
                .header("Content-Length", length)
                .body(SendBody::from_reader(&mut part));
            let response = self.send(request)?;
            check_md5(&response, &hex(&part.md5.finalize()))?;
            let etag = response.header("etag").map(str::to_owned);
            etag.ok_or_else(|| {
                RequestError::Permanent("the response for the part has no ETag".to_owned())
            })
        })
    }

    fn complete(
        &self,
        upload: &Upload<'_>,
        pending: &Pending,
        etags: &Etags,
    ) -> Result<(), Failure> {
        let doing = format!("completing the upload of {}", upload.key);
        let completed = http::retry(&doing, || {
            let action = self.bucket.complete_multipart_upload(
                Some(&self.credentials),
                upload.key,
                &pending.upload_id,
                etags.values().map(String::as_str),
            );
            let url = action.sign(SIGNED_FOR);
            let response = self.send(Request::post(url.as_str()).body(action.body()))?;
            match response.status {
                404 => Ok(false),
                // S3 may say in the body of a 200 that it failed.
                _ => parse_body(&response, CompleteMultipartUploadResponse::parse).map(|_| true),
            }
        })?;
        // An earlier attempt may have completed the missing upload, and its response was lost.
        if completed
            || self.pushed_metadata(upload.key, upload.size)?.sha1.as_ref() == Some(&pending.sha1)
        {
            return Ok(());
        }
        self.save_pending(upload.key, None)?;
        Err(Failure::new(format!(
            "{doing} failed: R2 no longer has its parts; push again"
        )))
    }

    /// Aborts an upload of a former version of the file.
    fn abort(&self, key: &str, pending: &Pending) -> Result<(), Failure> {
        http::retry(&format!("aborting the old upload of {key}"), || {
            let credentials = Some(&self.credentials);
            let action = self
                .bucket
                .abort_multipart_upload(credentials, key, &pending.upload_id);
            let url = action.sign(SIGNED_FOR);
            let response = self.send(Request::delete(url.as_str()).body(()))?;
            match response.status {
                200..300 | 404 => Ok(()),
                _ => Err(response.error()),
            }
        })?;
        self.save_pending(key, None)
    }

    /// The name of an upload in the file of unfinished uploads.
    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.bucket.base_url())
    }

    fn load_pending(&self) -> Result<BTreeMap<String, Pending>, Failure> {
        match std::fs::read(&self.pending) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(unusable(&self.pending, &error)),
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                Failure::new(format!(
                    "{} is broken: {error}; remove it, and interrupted uploads start again",
                    display_path(&self.pending)
                ))
            }),
        }
    }

    /// Adds an unfinished upload to the file, or with `None` removes it.
    fn save_pending(&self, key: &str, pending: Option<&Pending>) -> Result<(), Failure> {
        let mut all = self.load_pending()?;
        match pending {
            Some(pending) => all.insert(self.name(key), pending.clone()),
            None => all.remove(&self.name(key)),
        };
        let text =
            serde_json::to_vec_pretty(&all).map_err(|error| unusable(&self.pending, &error))?;
        if let Some(folder) = self.pending.parent() {
            std::fs::create_dir_all(folder).map_err(|error| unusable(folder, &error))?;
        }
        let new = self.pending.with_extension("new");
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &self.pending))
            .map_err(|error| unusable(&self.pending, &error))
    }
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!(
        "cannot list the unfinished uploads in {}: {error}",
        display_path(path)
    ))
}

/// The size of the parts of an object: whole MiB, all equal except the last, as R2 requires.
fn part_bytes(size: u64) -> u64 {
    let least = size.div_ceil(MAX_PARTS);
    PART_BYTES.max(least.next_multiple_of(1 << 20))
}

/// A reader that hashes the bytes that it reads.
struct Hashing<R> {
    inner: R,
    md5: Md5,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.md5.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_object_has_at_most_10_000_parts() {
        for size in [100 << 20, 1 << 30, 312 << 30, 5 << 40] {
            let parts = u64::div_ceil(size, part_bytes(size));
            assert!(parts <= MAX_PARTS, "{size}: {parts}");
        }
        assert_eq!(part_bytes(1 << 30), PART_BYTES);
        assert_eq!(part_bytes(5 << 40) % (1 << 20), 0);
    }
}
