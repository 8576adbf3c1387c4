//! The content API: the list of stored content, downloads, and uploads in parts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::Path;

use indicatif::ProgressBar;
use serde::Deserialize;
use serde_json::Value as Json;
use sha1::{Digest, Sha1};
use ureq::Body;
use ureq::http::{Method, Response};

use ztp_core::content::{ContentKind, Store};
use ztp_core::path::encode_segment;

use super::reply::header;
use super::retry::{Problem, retry};
use super::{Api, Call, Content, Reply};
use crate::regular::FileDigest;
use crate::{Failure, parallel, unwritable};

/// The number of bytes that a download has in memory.
const CHUNK: usize = 64 << 10;
/// The hint for a response in another format.
const UPDATE: &str = "use the same release of ztp and ztp-edge";
/// The number of parts of an upload that are sent at a time.
const PARTS_AT_ONCE: usize = 4;

/// A key in the list of stored content, or what a refusal says of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Stored {
    #[serde(default)]
    pub key: String,
    /// In bytes. Unknown, as the next four, after an edit in the dashboard.
    pub size: Option<u64>,
    pub sha1: Option<String>,
    pub etag: Option<String>,
    pub modified: Option<String>,
    pub by: Option<String>,
    /// `push` if a push has stored it.
    pub via: Option<String>,
}

impl Stored {
    /// Whether a push has stored it, and it has not changed since.
    pub fn is_pushed(&self) -> bool {
        self.via.as_deref() == Some("push") && self.sha1.is_some()
    }

    /// Whether an operator has stored it, not a switch or an unknown program.
    pub fn is_of_operator(&self) -> bool {
        self.is_pushed() || self.by.as_deref().is_some_and(|by| by != "switch")
    }

    /// Who changed it last, and when.
    pub fn last_change(&self) -> String {
        let by = self.by.as_deref().unwrap_or("someone");
        let time = self.modified.as_ref().map(|time| format!(" at {time}"));
        format!("{by}{}", time.unwrap_or_default())
    }
}

/// The destination of a download.
pub enum Sink<'a> {
    File(&'a Path),
    /// At most the first bytes, up to a number: none if only the hash is wanted.
    Memory(&'a mut Vec<u8>, u64),
}

/// Why a startup-config is left alone: what the server sends is not what is stored.
pub const WITHOUT_SECRETS: &str = "the server sends it without its secrets, which your entry in `operators` does not let \
                                   you see; use one with `secrets: true`";

/// A value that was read completely.
pub struct Got {
    pub etag: Option<String>,
    pub sha1: String,
    pub size: u64,
}

impl Got {
    /// Whether the server has removed the secrets of a startup-config: only such a response has no ETag.
    pub fn is_without_secrets(&self) -> bool {
        self.etag.is_none()
    }
}

/// An upload in parts that has begun.
#[derive(Deserialize)]
struct Upload {
    upload: String,
    part_size: std::num::NonZeroU64,
    /// The numbers of the parts that the server has.
    #[serde(default)]
    received: Vec<u64>,
}

impl Api {
    /// All stored content, by key.
    pub fn list(&self) -> Result<BTreeMap<String, Stored>, Failure> {
        let mut all = BTreeMap::new();
        for page in self.pages("listing the content", "/content".to_owned()) {
            let content = page?.ok()?["content"].take();
            let content: Vec<Stored> = serde_json::from_value(content).map_err(|error| {
                format!("the list of the content is not valid: {error}; {UPDATE}")
            })?;
            // A key that is not content could leave the folder of a pull.
            let is_content = |entry: &Stored| ContentKind::of(&entry.key).is_ok();
            let content = content.into_iter().filter(is_content);
            all.extend(content.map(|entry| (entry.key.clone(), entry)));
        }
        Ok(all)
    }

    /// Completes the SHA-1, size and ETag of a key whose list entry has none; they stay unknown if the server sends it
    /// without its secrets. `None` if the key is deleted since.
    pub fn complete(&self, stored: Stored) -> Result<Option<Stored>, Failure> {
        if stored.sha1.is_some() && stored.etag.is_some() {
            return Ok(Some(stored));
        }
        let got = self.read(&stored.key, Sink::Memory(&mut Vec::new(), 0))?;
        Ok(got.map(|got| match got.is_without_secrets() {
            true => Stored {
                etag: None,
                sha1: None,
                ..stored
            },
            false => Stored {
                etag: got.etag,
                size: Some(got.size),
                sha1: Some(got.sha1),
                ..stored
            },
        }))
    }

    /// Reads the content of a key; `None` if it is not stored.
    pub fn read(&self, key: &str, mut sink: Sink<'_>) -> Result<Option<Got>, Failure> {
        let call = Call::get(format!("reading {key}"), content_path(key));
        retry(&call.doing, || {
            let response = self.response(&call)?;
            if response.status() == 200 {
                return download(response, &mut sink).map(Some);
            }
            let reply = Reply::read(&call.doing, response)?;
            match reply.status == 404 && reply.is_explained() {
                true => Ok(None),
                false => Err(Problem::Permanent(reply.sentence())),
            }
        })
    }

    /// Sends the parts of a file that the server does not have, and completes the upload. `begun`: the response of
    /// POST /admin/uploads. `options`: parameters of the completion.
    pub fn upload(
        &self,
        doing: &str,
        file: &FileDigest,
        begun: Json,
        options: &str,
        bar: &ProgressBar,
    ) -> Result<Reply, Failure> {
        let begun: Upload = serde_json::from_value(begun).map_err(|error| {
            format!("{doing} failed: the response is not valid: {error}; {UPDATE}")
        })?;
        let part_size = begun.part_size.get();
        let parts = (1..=file.size.div_ceil(part_size)).map(|number| {
            let from = (number - 1) * part_size;
            (number, from, part_size.min(file.size - from))
        });
        let (there, missing): (Vec<_>, Vec<_>) =
            parts.partition(|part| begun.received.contains(&part.0));
        bar.inc(there.iter().map(|part| part.2).sum());
        let url = format!("/uploads/{}", encode_segment(&begun.upload));
        parallel::map(missing, PARTS_AT_ONCE, |(number, from, length)| {
            let doing = format!("{doing}, part {number}");
            let call = Call::new(doing, Method::PUT, format!("{url}/{number}"));
            self.json(&call.content(Content::File(&file.path, from, length, bar)))
        })?;
        let complete = format!("{url}/complete?via=push{options}");
        self.send(&Call::new(doing, Method::POST, complete))
    }
}

/// The path of a key below /admin.
pub fn content_path(key: &str) -> String {
    let segments: Vec<String> = key.split('/').map(encode_segment).collect();
    format!("/content/{}", segments.join("/"))
}

/// The store of a key.
pub fn store_of(key: &str) -> Store {
    ContentKind::of(key).map_or(Store::Kv, |kind| kind.store())
}

/// Writes a body to its destination, and compares its length and SHA-1 with the headers.
fn download(response: Response<Body>, sink: &mut Sink<'_>) -> Result<Got, Problem> {
    let length = header(&response, "content-length").and_then(|value| value.parse::<u64>().ok());
    let expected = header(&response, "x-content-sha1");
    let etag = header(&response, "etag");
    let failed = |path: &Path, error| Problem::Permanent(unwritable(path, error));
    let mut file = None;
    match sink {
        Sink::File(path) => file = Some(File::create(*path).map_err(|error| failed(path, error))?),
        Sink::Memory(bytes, _) => bytes.clear(),
    }
    let body = response.into_body().into_with_config().limit(u64::MAX);
    let mut body = BufReader::with_capacity(CHUNK, body.reader());
    let (mut hash, mut size) = (Sha1::new(), 0);
    loop {
        let chunk = match body.fill_buf() {
            Ok([]) => break,
            Ok(chunk) => chunk,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Problem::broken(error)),
        };
        hash.update(chunk);
        let read = chunk.len();
        size += read as u64;
        match (&mut file, &mut *sink) {
            (Some(file), Sink::File(path)) => {
                file.write_all(chunk).map_err(|error| failed(path, error))?
            }
            (_, Sink::Memory(bytes, limit)) if size <= *limit => bytes.extend_from_slice(chunk),
            _ => {}
        }
        body.consume(read);
    }
    let sha1 = ztp_core::hex(&hash.finalize());
    let problem = match (length, expected) {
        (Some(length), _) if length != size => format!("only {size} of {length} bytes arrived"),
        (_, Some(expected)) if expected != sha1 => {
            format!("the bytes have the SHA-1 {sha1}, not {expected}")
        }
        _ => return Ok(Got { etag, sha1, size }),
    };
    Err(Problem::broken(problem))
}
