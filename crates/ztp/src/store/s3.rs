//! R2's S3 interface: signed URLs, single objects, lists. Uploads in parts are in [`super::multipart`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use ureq::http::Request;
use ureq::{Agent, SendBody};

use crate::Failure;
use crate::http::{self, RequestError, TextResponse};

use super::cloudflare::{built, variable};
use super::remote::mark_of_disposition;
use super::{StoredObject, Upload, mark};

/// The lifetime of a signed URL, and so the longest upload of one part.
pub const SIGNED_FOR: Duration = Duration::from_secs(3600);
/// R2 has one region.
const REGION: &str = "auto";
/// The smallest object that is uploaded in parts, in bytes: a broken connection then costs one part.
pub const MIN_MULTIPART_BYTES: u64 = 100 << 20;

/// One bucket, with credentials.
pub struct S3 {
    pub agent: Agent,
    pub bucket: Bucket,
    pub credentials: Credentials,
    /// The path of the list of unfinished uploads.
    pub pending: PathBuf,
}

impl S3 {
    /// The bucket, if the environment has credentials. The endpoint is R2's of the account, unless
    /// `AWS_ENDPOINT_URL_S3` names another.
    ///
    /// # Errors
    /// One of the two credentials is missing, or the endpoint is not a valid URL.
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
                    "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set; set both or neither",
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

    /// All objects, with the SHA-1 of those whose ETag is not an MD5.
    ///
    /// # Errors
    /// The bucket cannot be listed.
    pub fn list(&self) -> Result<BTreeMap<String, StoredObject>, Failure> {
        let mut found = BTreeMap::new();
        let mut next: Option<String> = None;
        loop {
            let page = http::retry("listing R2", || {
                let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
                if let Some(token) = &next {
                    action.with_continuation_token(token.as_str());
                }
                let url = action.sign(SIGNED_FOR);
                let response = self.send(Request::get(url.as_str()).body(()))?;
                parse_body(&response, ListObjectsV2::parse_response)
            })?;
            for object in page.contents {
                let etag = object.etag.map(|etag| etag.trim_matches('"').to_owned());
                let size = object.size.unwrap_or_default();
                let in_parts = etag.as_ref().is_some_and(|etag| etag.contains('-'));
                let pushed = match in_parts {
                    true => self.pushed_metadata(&object.key, size)?,
                    false => PushedMetadata::default(),
                };
                let stored = StoredObject {
                    size,
                    etag,
                    sha1: pushed.sha1,
                    pushed_as: pushed.pushed_as,
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
    pub fn pushed_metadata(&self, key: &str, size: u64) -> Result<PushedMetadata, Failure> {
        http::retry(&format!("reading the metadata of {key}"), || {
            let action = self.bucket.head_object(Some(&self.credentials), key);
            let url = action.sign(SIGNED_FOR);
            let response = self.send(Request::head(url.as_str()).body(()))?;
            let of_size =
                response.header("x-amz-meta-sha1-size") == Some(size.to_string().as_str());
            let sha1 = response.header("x-amz-meta-sha1").filter(|_| of_size);
            let pushed_as = response.header("x-amz-meta-pushed-as").map(str::to_owned);
            let disposition = response.header("content-disposition");
            match response.status {
                200 => Ok(PushedMetadata {
                    sha1: sha1.map(str::to_owned),
                    pushed_as: pushed_as.or_else(|| disposition.and_then(mark_of_disposition)),
                }),
                404 => Ok(PushedMetadata::default()),
                _ => Err(response.error()),
            }
        })
    }

    /// Stores an object, in parts if it is large.
    ///
    /// # Errors
    /// It cannot be stored. The next attempt uses the stored parts.
    pub fn put(&self, upload: &Upload<'_>, progress: &mut dyn FnMut(u64)) -> Result<(), Failure> {
        if upload.size >= MIN_MULTIPART_BYTES {
            return self.put_in_parts(upload, progress);
        }
        http::retry(&format!("storing {}", upload.key), || {
            let mut file = upload.open()?;
            let mut action = self.bucket.put_object(Some(&self.credentials), upload.key);
            let metadata = metadata(upload);
            for (name, value) in &metadata {
                action.headers_mut().insert(*name, value.as_str());
            }
            let url = action.sign(SIGNED_FOR);
            let mut request = Request::put(url.as_str()).header("Content-Length", upload.size);
            for (name, value) in &metadata {
                request = request.header(*name, value);
            }
            let response = self.send(request.body(SendBody::from_reader(&mut file)))?;
            check_md5(&response, &upload.digest.md5)
        })?;
        progress(upload.size);
        Ok(())
    }

    /// Writes an object to a file.
    ///
    /// # Errors
    /// The object cannot be read, or the file cannot be written.
    pub fn get(&self, key: &str, to: &Path) -> Result<(), Failure> {
        http::retry(&format!("reading {key}"), || {
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
    ) -> Result<TextResponse, RequestError> {
        let response = http::send(&self.agent, built(request)?)?;
        match response.status {
            401 | 403 => Err(RequestError::Permanent(format!(
                "the credentials are not accepted ({}); correct AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY",
                s3_message(&response)
            ))),
            _ => Ok(response),
        }
    }
}

/// The message in the XML of an S3 error; the status if there is none.
fn s3_message(response: &TextResponse) -> String {
    let message = response
        .body
        .split_once("<Message>")
        .and_then(|(_, rest)| rest.split_once("</Message>"));
    message.map_or_else(
        || response.status.to_string(),
        |(message, _)| message.to_owned(),
    )
}

/// The metadata of an object that a push sets.
#[derive(Debug, Default)]
pub struct PushedMetadata {
    pub sha1: Option<String>,
    pub pushed_as: Option<String>,
}

/// The metadata of an upload: the SHA-1 and the size of the hashed file, so that the Worker need not
/// hash the object, and the mark, by which `--prune` recognizes a pushed object.
pub fn metadata(upload: &Upload<'_>) -> [(&'static str, String); 3] {
    [
        ("x-amz-meta-pushed-as", mark(upload.key)),
        ("x-amz-meta-sha1", upload.digest.sha1.clone()),
        ("x-amz-meta-sha1-size", upload.size.to_string()),
    ]
}

/// The parsed body of a response with status 200.
pub fn parse_body<T, E: std::fmt::Display>(
    response: &TextResponse,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, RequestError> {
    if response.status != 200 {
        return Err(response.error());
    }
    parse(&response.body)
        .map_err(|error| RequestError::Transient(format!("the response is not valid: {error}")))
}

/// Checks that the stored bytes have the MD5 of the sent ones. R2 returns it as ETag.
pub fn check_md5(response: &TextResponse, md5: &str) -> Result<(), RequestError> {
    if response.status != 200 {
        return Err(response.error());
    }
    match response.header("etag").map(|etag| etag.trim_matches('"')) {
        Some(etag) if etag.len() == md5.len() && etag != md5 => Err(RequestError::Transient(
            format!("the stored bytes have the MD5 {etag}, not {md5}"),
        )),
        _ => Ok(()),
    }
}
