//! R2's S3 interface: signed URLs, single objects, lists. Uploads in parts are in [`super::multipart`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use ureq::http::Request;
use ureq::{Agent, SendBody};

use crate::Failure;
use crate::http::{self, Answer, Trouble};

use super::cloudflare::{built, variable};
use super::remote::mark_of_disposition;
use super::{StoredObject, Upload, mark};

/// How long a signed URL is good: the time that one part may take.
pub const SIGNED_FOR: Duration = Duration::from_secs(3600);
/// R2 has one region.
const REGION: &str = "auto";
/// From this size on an object is uploaded in parts, in bytes, so that little is lost with a broken
/// connection.
pub const MIN_MULTIPART_BYTES: u64 = 100 << 20;

/// One bucket, with credentials.
pub struct S3 {
    pub agent: Agent,
    pub bucket: Bucket,
    pub credentials: Credentials,
    /// Where it is kept which uploads were begun.
    pub pending: PathBuf,
}

impl S3 {
    /// The bucket, if there are credentials in the usual variables; the endpoint is R2's of the
    /// account, unless `AWS_ENDPOINT_URL_S3` names another.
    ///
    /// # Errors
    /// Half of the credentials is missing, or the endpoint is none.
    pub fn from_environment(
        account: &str,
        bucket: &str,
        project: &Path,
    ) -> Result<Option<Self>, Failure> {
        let (key, secret) = match (
            variable("AWS_ACCESS_KEY_ID"),
            variable("AWS_SECRET_ACCESS_KEY"),
        ) {
            (Some(key), Some(secret)) => (key, secret),
            (None, None) => return Ok(None),
            _ => {
                return Err(Failure::new(
                    "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set; set both or none",
                ));
            }
        };
        let endpoint = variable("AWS_ENDPOINT_URL_S3")
            .or_else(|| variable("AWS_ENDPOINT_URL"))
            .unwrap_or_else(|| format!("https://{account}.r2.cloudflarestorage.com"));
        let wrong = |problem: String| {
            Failure::new(format!(
                "the S3 endpoint '{endpoint}' cannot be used: {problem}; correct AWS_ENDPOINT_URL_S3"
            ))
        };
        let url = endpoint
            .parse()
            .map_err(|error| wrong(format!("{error}")))?;
        let bucket = Bucket::new(url, UrlStyle::Path, bucket.to_owned(), REGION)
            .map_err(|error| wrong(error.to_string()))?;
        let credentials = match variable("AWS_SESSION_TOKEN") {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        };
        Ok(Some(Self {
            agent: http::agent(),
            bucket,
            credentials,
            pending: project.join(".wrangler").join("ztp-uploads.json"),
        }))
    }

    /// All objects, each with its SHA-1 where a list does not say what it is.
    ///
    /// # Errors
    /// The bucket cannot be listed.
    pub fn list(&self) -> Result<BTreeMap<String, StoredObject>, Failure> {
        let mut found = BTreeMap::new();
        let mut next: Option<String> = None;
        loop {
            let page = http::patiently("listing R2", || {
                let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
                if let Some(token) = &next {
                    action.with_continuation_token(token.as_str());
                }
                let url = action.sign(SIGNED_FOR);
                let answer = self.send(Request::get(url.as_str()).body(()))?;
                understood(&answer, ListObjectsV2::parse_response)
            })?;
            for object in page.contents {
                let etag = object.etag.map(|etag| etag.trim_matches('"').to_owned());
                let size = object.size.unwrap_or_default();
                let in_parts = etag.as_ref().is_some_and(|etag| etag.contains('-'));
                let noted = match in_parts {
                    true => self.noted(&object.key, size)?,
                    false => Noted::default(),
                };
                let stored = StoredObject {
                    size,
                    etag,
                    sha1: noted.sha1,
                    pushed_as: noted.pushed_as,
                };
                found.insert(object.key, stored);
            }
            next = page.next_continuation_token;
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// The metadata that a push has set; the SHA-1 only if the object still has the size that it was
    /// computed for.
    pub fn noted(&self, key: &str, size: u64) -> Result<Noted, Failure> {
        http::patiently(&format!("asking for {key}"), || {
            let action = self.bucket.head_object(Some(&self.credentials), key);
            let url = action.sign(SIGNED_FOR);
            let answer = self.send(Request::head(url.as_str()).body(()))?;
            let of_size = answer.header("x-amz-meta-sha1-size") == Some(size.to_string().as_str());
            let sha1 = answer.header("x-amz-meta-sha1").filter(|_| of_size);
            let pushed_as = answer.header("x-amz-meta-pushed-as").map(str::to_owned);
            let disposition = answer.header("content-disposition");
            match answer.status {
                200 => Ok(Noted {
                    sha1: sha1.map(str::to_owned),
                    pushed_as: pushed_as.or_else(|| disposition.and_then(mark_of_disposition)),
                }),
                404 => Ok(Noted::default()),
                _ => Err(answer.trouble()),
            }
        })
    }

    /// Stores an object, in parts if it is large.
    ///
    /// # Errors
    /// It cannot be stored; what is there already is used by the next try.
    pub fn put(&self, upload: &Upload<'_>, progress: &mut dyn FnMut(u64)) -> Result<(), Failure> {
        if upload.size >= MIN_MULTIPART_BYTES {
            return self.put_in_parts(upload, progress);
        }
        http::patiently(&format!("storing {}", upload.key), || {
            let mut file = upload.open()?;
            let mut action = self.bucket.put_object(Some(&self.credentials), upload.key);
            let notes = notes(upload);
            for (name, value) in &notes {
                action.headers_mut().insert(*name, value.as_str());
            }
            let url = action.sign(SIGNED_FOR);
            let mut request = Request::put(url.as_str()).header("Content-Length", upload.size);
            for (name, value) in &notes {
                request = request.header(*name, value);
            }
            let answer = self.send(request.body(SendBody::from_reader(&mut file)))?;
            arrived(&answer, &upload.digest.md5)
        })?;
        progress(upload.size);
        Ok(())
    }

    /// Writes an object to a file.
    ///
    /// # Errors
    /// It cannot be read, or the file not be written.
    pub fn get(&self, key: &str, to: &Path) -> Result<(), Failure> {
        http::patiently(&format!("reading {key}"), || {
            let action = self.bucket.get_object(Some(&self.credentials), key);
            let url = action.sign(SIGNED_FOR);
            let request = built(Request::get(url.as_str()).body(()))?;
            http::download(&self.agent, request, to)
        })
    }

    /// Sends a request whose URL is signed.
    pub fn send<T: ureq::AsSendBody>(
        &self,
        request: Result<Request<T>, ureq::http::Error>,
    ) -> Result<Answer, Trouble> {
        let answer = http::send(&self.agent, built(request)?)?;
        match answer.status {
            401 | 403 => Err(Trouble::Lasting(format!(
                "the credentials are not accepted ({}); correct AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY",
                complaint(&answer)
            ))),
            _ => Ok(answer),
        }
    }
}

/// What S3 says is wrong, taken from its XML; the status if there is none.
fn complaint(answer: &Answer) -> String {
    let message = answer
        .body
        .split_once("<Message>")
        .and_then(|(_, rest)| rest.split_once("</Message>"));
    message.map_or_else(
        || answer.status.to_string(),
        |(message, _)| message.to_owned(),
    )
}

/// The metadata of an object that a push sets.
#[derive(Debug, Default)]
pub struct Noted {
    pub sha1: Option<String>,
    pub pushed_as: Option<String>,
}

/// The metadata of an upload: its SHA-1 with the size that this is of, so that the Worker need not
/// hash the object, and the mark, by which `--prune` knows a pushed object.
pub fn notes(upload: &Upload<'_>) -> [(&'static str, String); 3] {
    [
        ("x-amz-meta-pushed-as", mark(upload.key)),
        ("x-amz-meta-sha1", upload.digest.sha1.clone()),
        ("x-amz-meta-sha1-size", upload.size.to_string()),
    ]
}

/// The body of a good answer, as what it should be.
pub fn understood<T, E: std::fmt::Display>(
    answer: &Answer,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Trouble> {
    if answer.status != 200 {
        return Err(answer.trouble());
    }
    parse(&answer.body).map_err(|error| Trouble::Passing(format!("its answer is odd: {error}")))
}

/// Whether what arrived has the MD5 of what was sent, which R2 gives as ETag.
pub fn arrived(answer: &Answer, md5: &str) -> Result<(), Trouble> {
    if answer.status != 200 {
        return Err(answer.trouble());
    }
    match answer.header("etag").map(|etag| etag.trim_matches('"')) {
        Some(etag) if etag.len() == md5.len() && etag != md5 => Err(Trouble::Passing(format!(
            "what arrived has the MD5 {etag}, and not {md5}"
        ))),
        _ => Ok(()),
    }
}
