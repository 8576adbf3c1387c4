//! Large objects, in parts: what was begun is remembered, so that the next run goes on there.

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
use crate::http::{self, Trouble};
use crate::{Failure, display_path, regular};

use super::Upload;
use super::s3::{S3, SIGNED_FOR, arrived, notes, understood};

/// The size of all parts but the last, in bytes, unless that made too many.
const PART_BYTES: u64 = 32 << 20;
/// Most parts of an object.
const MAX_PARTS: u64 = 10_000;

/// The ETags of the parts that are there, by number.
type Etags = BTreeMap<u16, String>;

/// An upload that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    upload_id: String,
    /// Of the file that it is of.
    sha1: String,
    size: u64,
    part_bytes: u64,
}

impl S3 {
    /// Uploads a file in parts. Parts that are there from an earlier run are not sent again.
    ///
    /// # Errors
    /// A part cannot be stored; those before stay.
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
        // The parts must be of the file that the noted SHA-1 is of.
        upload.digest.still_holds(upload.path)?;
        self.complete(upload, &pending, &etags)?;
        self.remember(upload.key, None)
    }

    /// The upload of this very file that an earlier run has begun, with the parts that are there.
    fn resume(&self, upload: &Upload<'_>) -> Result<Option<(Pending, Etags)>, Failure> {
        let Some(pending) = self.remembered()?.remove(&self.name(upload.key)) else {
            return Ok(None);
        };
        if pending.sha1 != upload.digest.sha1 || pending.size != upload.size {
            self.abort(upload.key, &pending)?;
            return Ok(None);
        }
        let mut etags = Etags::new();
        let mut marker = None;
        loop {
            let page = http::patiently(&format!("going on with {}", upload.key), || {
                let credentials = Some(&self.credentials);
                let mut action =
                    self.bucket
                        .list_parts(credentials, upload.key, &pending.upload_id);
                if let Some(marker) = marker {
                    action.set_part_number_marker(marker);
                }
                let url = action.sign(SIGNED_FOR);
                let answer = self.send(Request::get(url.as_str()).body(()))?;
                match answer.status {
                    404 => Ok(None),
                    _ => understood(&answer, ListParts::parse_response).map(Some),
                }
            })?;
            // It was completed or given up elsewhere, or is older than R2 keeps one.
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
        let created = http::patiently(&format!("beginning {}", upload.key), || {
            let credentials = Some(&self.credentials);
            let mut action = self.bucket.create_multipart_upload(credentials, upload.key);
            let notes = notes(upload);
            for (name, value) in &notes {
                action.headers_mut().insert(*name, value.as_str());
            }
            let url = action.sign(SIGNED_FOR);
            let mut request = Request::post(url.as_str()).header("Content-Length", 0);
            for (name, value) in &notes {
                request = request.header(*name, value);
            }
            let answer = self.send(request.body(SendBody::none()))?;
            understood(&answer, CreateMultipartUpload::parse_response)
        })?;
        let pending = Pending {
            upload_id: created.upload_id().to_owned(),
            sha1: upload.digest.sha1.clone(),
            size: upload.size,
            part_bytes: part_bytes(upload.size),
        };
        self.remember(upload.key, Some(&pending))?;
        Ok(pending)
    }

    /// Sends one part from disk; its ETag.
    fn put_part(
        &self,
        upload: &Upload<'_>,
        pending: &Pending,
        number: u16,
        start: u64,
        length: u64,
    ) -> Result<String, Failure> {
        http::patiently(&format!("storing part {number} of {}", upload.key), || {
            let unreadable = |error| Trouble::Lasting(format!("it cannot be read: {error}"));
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
            let answer = self.send(request)?;
            arrived(&answer, &hex(&part.md5.finalize()))?;
            let etag = answer.header("etag").map(str::to_owned);
            etag.ok_or_else(|| Trouble::Lasting("it gave the part no ETag".to_owned()))
        })
    }

    fn complete(
        &self,
        upload: &Upload<'_>,
        pending: &Pending,
        etags: &Etags,
    ) -> Result<(), Failure> {
        let doing = format!("completing {}", upload.key);
        let completed = http::patiently(&doing, || {
            let action = self.bucket.complete_multipart_upload(
                Some(&self.credentials),
                upload.key,
                &pending.upload_id,
                etags.values().map(String::as_str),
            );
            let url = action.sign(SIGNED_FOR);
            let answer = self.send(Request::post(url.as_str()).body(action.body()))?;
            match answer.status {
                404 => Ok(false),
                // S3 may say in the body of a 200 that it failed.
                _ => understood(&answer, CompleteMultipartUploadResponse::parse).map(|_| true),
            }
        })?;
        // An earlier try may have completed the missing upload, and its response was lost.
        if completed || self.noted(upload.key, upload.size)?.sha1.as_ref() == Some(&pending.sha1) {
            return Ok(());
        }
        self.remember(upload.key, None)?;
        Err(Failure::new(format!(
            "{doing} failed: its parts are not there any more; push again"
        )))
    }

    /// Gives up an upload of what the file was before.
    fn abort(&self, key: &str, pending: &Pending) -> Result<(), Failure> {
        http::patiently(&format!("giving up the old upload of {key}"), || {
            let credentials = Some(&self.credentials);
            let action = self
                .bucket
                .abort_multipart_upload(credentials, key, &pending.upload_id);
            let url = action.sign(SIGNED_FOR);
            let answer = self.send(Request::delete(url.as_str()).body(()))?;
            match answer.status {
                200..300 | 404 => Ok(()),
                _ => Err(answer.trouble()),
            }
        })?;
        self.remember(key, None)
    }

    /// What an upload is remembered by.
    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.bucket.base_url())
    }

    fn remembered(&self) -> Result<BTreeMap<String, Pending>, Failure> {
        match std::fs::read(&self.pending) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(unusable(&self.pending, &error)),
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                Failure::new(format!(
                    "{} is broken: {error}; remove it, and interrupted uploads begin again",
                    display_path(&self.pending)
                ))
            }),
        }
    }

    /// Notes that an upload was begun, or with `None` that it is over.
    fn remember(&self, key: &str, pending: Option<&Pending>) -> Result<(), Failure> {
        let mut all = self.remembered()?;
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
        "cannot note in {} which uploads were begun: {error}",
        display_path(path)
    ))
}

/// The size of the parts of an object: whole MiB, all alike but the last, as R2 wants them.
fn part_bytes(size: u64) -> u64 {
    let least = size.div_ceil(MAX_PARTS);
    PART_BYTES.max(least.next_multiple_of(1 << 20))
}

/// A reader that hashes what passes.
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
    fn no_object_has_more_parts_than_it_may() {
        for size in [100 << 20, 1 << 30, 312 << 30, 5 << 40] {
            let parts = u64::div_ceil(size, part_bytes(size));
            assert!(parts <= MAX_PARTS, "{size}: {parts}");
        }
        assert_eq!(part_bytes(1 << 30), PART_BYTES);
        assert_eq!(part_bytes(5 << 40) % (1 << 20), 0);
    }
}
