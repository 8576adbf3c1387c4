//! The client of the /admin API: requests, retries, timeouts, and the errors that the server explains.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use sha1::{Digest, Sha1};
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use ztp_core::content::{ContentKind, Store};
use ztp_core::path;

use crate::digest::hex;
use crate::servers::Server;
use crate::{Failure, display_path, regular, terminal};

/// The timeout of a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout of each read and write: the server hashes a large object before it responds.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The delays before the retries of a transient error, in seconds.
const RETRY_DELAYS: [u64; 4] = [1, 2, 4, 8];
/// The longest delay after a 429 without Retry-After, in seconds. The first delay is one second, and
/// each is twice the one before.
const MAX_RATE_LIMIT_DELAY: u64 = 128;
/// The longest total wait of one request after 429 or Retry-After, in seconds.
const MAX_RATE_LIMIT_WAIT: u64 = 20 * 60;
/// The shortest delay that is reported, in seconds.
const MIN_ANNOUNCED: u64 = 10;
/// The environment variable that scales all delays, from 0 to 1: for tests.
const WAIT_SCALE: &str = "ZTP_WAIT_SCALE";
/// The longest JSON of a response, in bytes: a list has at most 1,000 entries.
const MAX_JSON_BYTES: u64 = 16 << 20;
/// The part of a response without a sentence that a message quotes, in characters.
const MAX_SHOWN: usize = 300;
/// The number of bytes that a download has in memory.
const CHUNK: usize = 64 << 10;

/// The statuses that refuse a change because of the present state or the contents, with a reason for the operator.
const REFUSALS: [u16; 5] = [404, 409, 410, 412, 422];

/// A key in the list of stored content.
#[derive(Debug, Clone, Deserialize)]
pub struct Stored {
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

    /// Who changed it last, and when.
    pub fn last_change(&self) -> String {
        let by = self.by.as_deref().unwrap_or("someone");
        match &self.modified {
            Some(time) => format!("{by} at {time}"),
            None => by.to_owned(),
        }
    }
}

/// The body of a request.
pub enum Content<'a> {
    None,
    Json(&'a Json),
    /// A part of a file. `sent` receives the number of bytes sent since the last call, and what to subtract
    /// before a retry.
    File {
        path: &'a Path,
        from: u64,
        length: u64,
        sent: &'a (dyn Fn(i64) + Sync),
    },
}

/// A request to the API.
pub struct Call<'a> {
    /// The operation, for messages: "storing neighbordb".
    pub doing: String,
    pub method: Method,
    /// Below /admin, encoded, with the query.
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub content: Content<'a>,
    /// Whether it may be sent again if the response is lost.
    pub repeatable: bool,
}

impl<'a> Call<'a> {
    pub fn new(doing: impl Into<String>, method: Method, path: impl Into<String>) -> Self {
        Self {
            doing: doing.into(),
            method,
            path: path.into(),
            headers: Vec::new(),
            content: Content::None,
            repeatable: true,
        }
    }

    pub fn get(doing: impl Into<String>, path: impl Into<String>) -> Self {
        Self::new(doing, Method::GET, path)
    }

    pub fn post(doing: impl Into<String>, path: impl Into<String>, body: &'a Json) -> Self {
        Self::new(doing, Method::POST, path).content(Content::Json(body))
    }

    pub fn content(mut self, content: Content<'a>) -> Self {
        self.content = content;
        self
    }

    /// The condition of a change: `former` is the ETag of the value that it replaces, `None` if there must be none.
    pub fn replacing(mut self, former: Option<&str>) -> Self {
        self.headers.push(match former {
            Some(etag) => ("If-Match", etag.to_owned()),
            None => ("If-None-Match", "*".to_owned()),
        });
        self
    }
}

/// A response.
pub struct Reply {
    doing: String,
    pub status: u16,
    retry_after: Option<u64>,
    /// `Null` if the body is not JSON.
    pub json: Json,
    /// The beginning of a body that is not JSON.
    text: String,
}

impl Reply {
    /// The JSON of a success.
    ///
    /// # Errors
    /// The server refused: its sentence.
    pub fn ok(self) -> Result<Json, Failure> {
        match self.status {
            200..300 => Ok(self.json),
            _ => Err(self.failure()),
        }
    }

    /// The error for the operator.
    pub fn failure(&self) -> Failure {
        let message = format!("{} failed: {}", self.doing, self.sentence());
        match self.is_explained() && REFUSALS.contains(&self.status) {
            true => Failure::refused(message),
            false => Failure::new(message),
        }
    }

    /// The reason that the server gives.
    pub fn sentence(&self) -> String {
        if let Some(sentence) = self.json.get("error").and_then(Json::as_str) {
            return sentence.to_owned();
        }
        match self.status {
            404 => "the server has no /admin, or does not accept this token (404); check the URL, and run \
                    `ztp login` with a valid token"
                .to_owned(),
            // Cloudflare Access redirects to its page for signing in.
            300..400 => format!(
                "the server redirects to another page ({}); if Cloudflare Access protects it, set \
                 CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET",
                self.status
            ),
            status => {
                let start: String = self.text.trim().chars().take(MAX_SHOWN).collect();
                format!("the server responded {status}: {start}")
            }
        }
    }

    fn is_explained(&self) -> bool {
        self.json.get("error").is_some()
    }

    fn transient(self) -> Result<Self, RequestError> {
        let (problem, retry_after) = (self.sentence(), self.retry_after);
        match self.status {
            429 => Err(RequestError::RateLimited {
                problem,
                retry_after,
            }),
            408 | 500.. if retry_after.is_some() => Err(RequestError::RateLimited {
                problem,
                retry_after,
            }),
            408 | 500.. => Err(RequestError::Transient(problem)),
            _ => Ok(self),
        }
    }
}

/// The destination of a download.
pub enum Sink<'a> {
    /// Only its hash is wanted.
    Hash,
    File(&'a Path),
    /// At most the first bytes, up to a number.
    Memory(&'a mut Vec<u8>, u64),
}

/// A value that was read completely.
pub struct Got {
    pub etag: Option<String>,
    pub sha1: String,
    pub size: u64,
}

/// A server and the credential for it.
pub struct Api {
    agent: Agent,
    pub server: Server,
}

impl Api {
    /// It follows no redirect, so that no other host receives the credential.
    pub fn new(server: Server) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(TIMEOUT))
            .timeout_per_write(Some(TIMEOUT))
            .user_agent(concat!("ztp/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { agent, server }
    }

    /// Sends a request, and again after errors that may pass.
    ///
    /// # Errors
    /// No response after all retries, or a file that cannot be read. A response of any other status is not an error.
    pub fn send(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        retry(&call.doing, || {
            let reply = self
                .response(call)
                .and_then(|response| reply(call, response));
            reply
                .and_then(Reply::transient)
                .map_err(|error| match error {
                    RequestError::Transient(problem) if !call.repeatable => {
                        RequestError::Permanent(format!(
                            "{problem}; see `ztp log` whether it was done"
                        ))
                    }
                    error => error,
                })
        })
    }

    /// The JSON of the response.
    ///
    /// # Errors
    /// As [`Self::send`], and each status that is not a success.
    pub fn json(&self, call: &Call<'_>) -> Result<Json, Failure> {
        self.send(call)?.ok()
    }

    /// All stored content, by key.
    ///
    /// # Errors
    /// The server refuses, or the list is not valid.
    pub fn list(&self) -> Result<BTreeMap<String, Stored>, Failure> {
        #[derive(Deserialize)]
        struct Page {
            content: Vec<Stored>,
            cursor: Option<String>,
        }
        let mut all = BTreeMap::new();
        let mut query = String::new();
        loop {
            let call = Call::get("listing the content", format!("/content{query}"));
            let page = self.json(&call)?;
            let page: Page = serde_json::from_value(page).map_err(|error| {
                Failure::new(format!("the list of the content is not valid: {error}"))
            })?;
            let pages = page.content.into_iter();
            // A key that is not content could leave the folder of a pull.
            let entries = pages.filter(|entry| ContentKind::of(&entry.key).is_ok());
            all.extend(entries.map(|entry| (entry.key.clone(), entry)));
            match page.cursor {
                Some(cursor) => query = format!("?cursor={}", path::encode_segment(&cursor)),
                None => return Ok(all),
            }
        }
    }

    /// Completes the SHA-1, size and ETag of a key whose list entry has none. `None` if the key is deleted since.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn complete(&self, mut stored: Stored) -> Result<Option<Stored>, Failure> {
        if stored.sha1.is_some() && stored.etag.is_some() {
            return Ok(Some(stored));
        }
        let Some(got) = self.read(&stored.key, Sink::Hash)? else {
            return Ok(None);
        };
        stored.etag = got.etag;
        stored.size = Some(got.size);
        stored.sha1 = Some(got.sha1);
        Ok(Some(stored))
    }

    /// Reads the content of a key; `None` if it is not stored.
    ///
    /// # Errors
    /// The value cannot be read, or the destination cannot be written.
    pub fn read(&self, key: &str, mut sink: Sink<'_>) -> Result<Option<Got>, Failure> {
        let call = Call::get(format!("reading {key}"), content_path(key));
        retry(&call.doing, || {
            let response = self.response(&call)?;
            if response.status() == 200 {
                return download(response, &mut sink).map(Some);
            }
            let reply = reply(&call, response)?.transient()?;
            match reply.status == 404 && reply.is_explained() {
                true => Ok(None),
                false => Err(RequestError::Permanent(reply.sentence())),
            }
        })
    }

    /// Sends a request once.
    fn response(&self, call: &Call<'_>) -> Result<Response<Body>, RequestError> {
        let url = format!("{}/admin{}", self.server.url, call.path);
        let mut request = Request::builder().method(call.method.clone()).uri(url);
        for (name, value) in self.server.credential.headers() {
            request = request.header(name, value);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let sent = match &call.content {
            Content::None => self.agent.run(built(request.body(()))?),
            Content::Json(body) => {
                let request = request.header("Content-Type", "application/json");
                self.agent.run(built(request.body(body.to_string()))?)
            }
            Content::File {
                path,
                from,
                length,
                sent,
            } => {
                let mut body = Counted {
                    file: open(path, *from, *length).map_err(|error| {
                        let path = display_path(path);
                        RequestError::Permanent(format!("cannot read {path}: {error}"))
                    })?,
                    sent: *sent,
                    count: 0,
                };
                let request = request
                    .header("Content-Length", *length)
                    .header("Content-Type", "application/octet-stream");
                let request = built(request.body(SendBody::from_reader(&mut body)))?;
                let response = self.agent.run(request);
                if !matches!(&response, Ok(response) if response.status().is_success()) {
                    sent(-body.count);
                }
                response
            }
        };
        sent.map_err(transport_error)
    }
}

fn built<T>(request: Result<Request<T>, ureq::http::Error>) -> Result<Request<T>, RequestError> {
    request.map_err(|error| RequestError::Permanent(error.to_string()))
}

/// The path of a key below /admin.
pub fn content_path(key: &str) -> String {
    let segments: Vec<String> = key.split('/').map(path::encode_segment).collect();
    format!("/content/{}", segments.join("/"))
}

/// The store of a key.
pub fn store_of(key: &str) -> Store {
    ContentKind::of(key).map_or(Store::Kv, |kind| kind.store())
}

fn open(path: &Path, from: u64, length: u64) -> std::io::Result<std::io::Take<File>> {
    let mut file = regular::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    Ok(file.take(length))
}

/// A file that reports the number of bytes read.
struct Counted<'a> {
    file: std::io::Take<File>,
    sent: &'a (dyn Fn(i64) + Sync),
    count: i64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        let bytes = i64::try_from(read).unwrap_or(i64::MAX);
        (self.sent)(bytes);
        self.count += bytes;
        Ok(read)
    }
}

fn header(response: &Response<Body>, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

/// A response that is read completely.
fn reply(call: &Call<'_>, response: Response<Body>) -> Result<Reply, RequestError> {
    let is_json =
        header(&response, "content-type").is_some_and(|kind| kind.starts_with("application/json"));
    // A date, the other form of Retry-After, counts as missing.
    let retry_after = header(&response, "retry-after").and_then(|value| value.trim().parse().ok());
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    let body = response.into_body().into_with_config();
    let mut body = body.limit(MAX_JSON_BYTES).reader();
    body.read_to_end(&mut bytes)
        .map_err(|error| RequestError::Transient(error.to_string()))?;
    let json = match is_json {
        true => serde_json::from_slice(&bytes).map_err(|error| {
            RequestError::Transient(format!("the response is not valid JSON: {error}"))
        })?,
        false => Json::Null,
    };
    if (200..300).contains(&status) && json.is_null() && status != 204 {
        let problem = "the response is not JSON; does the URL belong to ztp-edge?";
        return Err(RequestError::Permanent(problem.to_owned()));
    }
    Ok(Reply {
        doing: call.doing.clone(),
        status,
        retry_after,
        json,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

/// Writes a body to its destination, and compares its length and SHA-1 with the headers.
fn download(response: Response<Body>, sink: &mut Sink<'_>) -> Result<Got, RequestError> {
    let length = header(&response, "content-length").and_then(|value| value.parse::<u64>().ok());
    let expected = header(&response, "x-content-sha1");
    let etag = header(&response, "etag");
    let cannot_write = |error| RequestError::Permanent(format!("cannot write: {error}"));
    let mut file = None;
    match sink {
        Sink::File(path) => file = Some(File::create(&**path).map_err(cannot_write)?),
        Sink::Memory(bytes, _) => bytes.clear(),
        Sink::Hash => {}
    }
    let mut body = response
        .into_body()
        .into_with_config()
        .limit(u64::MAX)
        .reader();
    let mut chunk = vec![0; CHUNK];
    let (mut hash, mut size) = (Sha1::new(), 0);
    loop {
        let read = match body.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => chunk.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(RequestError::Transient(error.to_string())),
        };
        hash.update(read);
        size += read.len() as u64;
        match (&mut file, &mut *sink) {
            (Some(file), _) => file.write_all(read).map_err(cannot_write)?,
            (None, Sink::Memory(bytes, limit)) if size <= *limit => bytes.extend_from_slice(read),
            (None, _) => {}
        }
    }
    let sha1 = hex(&hash.finalize());
    if let Some(length) = length.filter(|length| *length != size) {
        let problem = format!("only {size} of {length} bytes arrived");
        return Err(RequestError::Transient(problem));
    }
    if let Some(expected) = expected.filter(|expected| *expected != sha1) {
        let problem = format!("the bytes have the SHA-1 {sha1}, not {expected}");
        return Err(RequestError::Transient(problem));
    }
    Ok(Got { etag, sha1, size })
}

/// Why a request has no final response.
enum RequestError {
    /// A retry may succeed: no connection, a broken response, 408 or 5xx.
    Transient(String),
    /// The server limits the rate of requests. A retry may succeed after a delay.
    RateLimited {
        problem: String,
        /// In seconds.
        retry_after: Option<u64>,
    },
    /// A retry fails, too.
    Permanent(String),
}

fn transport_error(error: ureq::Error) -> RequestError {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::HostNotFound => {
            RequestError::Permanent(error.to_string())
        }
        error => RequestError::Transient(error.to_string()),
    }
}

/// Repeats an idempotent operation until it succeeds, fails permanently, or has used all retries.
/// `doing` names the operation in messages.
fn retry<T>(doing: &str, attempt: impl FnMut() -> Result<T, RequestError>) -> Result<T, Failure> {
    let scale = wait_scale()?;
    let wait = |seconds: u64, problem: &str| {
        if seconds >= MIN_ANNOUNCED {
            let problem = terminal::line(problem);
            anstream::eprintln!("waiting {seconds} seconds: {problem}");
        }
        sleep(Duration::from_secs(seconds).mul_f64(scale));
    };
    retry_with(doing, wait, attempt)
}

/// [`retry`] with an injected clock: `wait` receives the delay in seconds, and the reason.
fn retry_with<T>(
    doing: &str,
    mut wait: impl FnMut(u64, &str),
    mut attempt: impl FnMut() -> Result<T, RequestError>,
) -> Result<T, Failure> {
    let mut delays = RETRY_DELAYS.into_iter();
    let (mut next_delay, mut waited) = (1, 0);
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(RequestError::Permanent(problem)) => {
                return Err(Failure::new(format!("{doing} failed: {problem}")));
            }
            Err(RequestError::Transient(problem)) => match delays.next() {
                Some(seconds) => wait(seconds, &problem),
                None => {
                    return Err(Failure::new(format!(
                        "{doing} failed {} times, the last time with this error: {problem}; run the command \
                         again to resume",
                        RETRY_DELAYS.len() + 1
                    )));
                }
            },
            Err(RequestError::RateLimited {
                problem,
                retry_after,
            }) => {
                let seconds = retry_after.unwrap_or_default().max(next_delay);
                if seconds.saturating_add(waited) > MAX_RATE_LIMIT_WAIT {
                    return Err(Failure::new(format!(
                        "{doing} failed: {problem}; run the command again in {seconds} seconds to \
                         resume"
                    )));
                }
                wait(seconds, &problem);
                waited += seconds;
                next_delay = MAX_RATE_LIMIT_DELAY.min(next_delay * 2);
            }
        }
    }
}

/// The scale of all delays.
fn wait_scale() -> Result<f64, Failure> {
    let Some(value) = std::env::var_os(WAIT_SCALE) else {
        return Ok(1.0);
    };
    let scale = value.to_str().and_then(|value| value.parse().ok());
    scale
        .filter(|scale| (0.0..=1.0).contains(scale))
        .ok_or_else(|| {
            Failure::new(format!(
                "{WAIT_SCALE} is '{}'; it must be a number from 0 to 1",
                value.display()
            ))
        })
}

/// The body of a request that has no fields.
pub fn nothing() -> Json {
    json!({})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate_limited(retry_after: Option<u64>) -> RequestError {
        let problem = "the server responded 429".to_owned();
        RequestError::RateLimited {
            problem,
            retry_after,
        }
    }

    /// The delays of an operation whose attempts, counted from 1, fail with `errors`, and its result.
    fn delays(errors: impl Fn(usize) -> Option<RequestError>) -> (Vec<u64>, Result<(), String>) {
        let mut delays = Vec::new();
        let mut attempts = 0;
        let wait = |seconds: u64, _: &str| delays.push(seconds);
        let done = retry_with("storing x", wait, || {
            attempts += 1;
            errors(attempts).map_or(Ok(()), Err)
        });
        (delays, done.map_err(|failure| failure.to_string()))
    }

    #[test]
    fn a_transient_error_is_retried_four_times_and_a_permanent_one_never() {
        let (waited, done) = delays(|_| {
            Some(RequestError::Transient(
                "the connection was reset".to_owned(),
            ))
        });
        assert_eq!(waited, RETRY_DELAYS);
        assert!(done.unwrap_err().contains("failed 5 times"));
        let (waited, done) = delays(|_| Some(RequestError::Permanent("no".to_owned())));
        assert_eq!(
            (waited, done),
            (vec![], Err("storing x failed: no".to_owned()))
        );
    }

    #[test]
    fn retry_after_is_respected() {
        let (waited, done) = delays(|attempt| (attempt < 4).then(|| rate_limited(Some(300))));
        assert_eq!((waited, done), (vec![300, 300, 300], Ok(())));
    }

    #[test]
    fn without_retry_after_the_delays_double_up_to_128_seconds() {
        let (waited, done) = delays(|attempt| (attempt < 11).then(|| rate_limited(None)));
        assert_eq!(waited, [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]);
        assert_eq!(done, Ok(()));
        // A shorter Retry-After does not shorten them.
        let (waited, _) = delays(|attempt| (attempt < 5).then(|| rate_limited(Some(3))));
        assert_eq!(waited, [3, 3, 4, 8]);
    }

    #[test]
    fn the_total_wait_for_a_rate_limit_is_bounded() {
        let (waited, done) = delays(|_| Some(rate_limited(Some(MAX_RATE_LIMIT_WAIT))));
        assert_eq!(waited, [MAX_RATE_LIMIT_WAIT]);
        assert!(
            done.unwrap_err()
                .contains("run the command again in 1200 seconds")
        );
        let (waited, _) = delays(|_| Some(rate_limited(Some(u64::MAX))));
        assert!(waited.is_empty());
        let (waited, _) = delays(|_| Some(rate_limited(None)));
        assert!(waited.iter().sum::<u64>() <= MAX_RATE_LIMIT_WAIT);
    }

    fn replied(status: u16, retry_after: Option<u64>, json: Json) -> Reply {
        Reply {
            doing: "storing x".to_owned(),
            status,
            retry_after,
            json,
            text: String::new(),
        }
    }

    #[test]
    fn the_status_and_retry_after_decide_the_kind_of_error() {
        let error = |status, retry_after| match replied(status, retry_after, Json::Null).transient()
        {
            Err(RequestError::RateLimited { retry_after, .. }) => {
                format!("limited {retry_after:?}")
            }
            Err(RequestError::Transient(_)) => "transient".to_owned(),
            Err(RequestError::Permanent(_)) => "permanent".to_owned(),
            Ok(_) => "final".to_owned(),
        };
        assert_eq!(error(429, Some(7)), "limited Some(7)");
        assert_eq!(error(429, None), "limited None");
        assert_eq!(error(503, Some(7)), "limited Some(7)");
        assert_eq!(error(503, None), "transient");
        assert_eq!(error(408, None), "transient");
        assert_eq!(error(404, Some(7)), "final");
    }

    #[test]
    fn an_error_is_the_sentence_of_the_server_or_says_what_to_check() {
        let failure = |status, json| replied(status, None, json).failure();
        let refused = failure(404, json!({"error": "the node X is not known"}));
        assert_eq!(
            refused.to_string(),
            "storing x failed: the node X is not known"
        );
        assert_eq!(refused.code, crate::FINDINGS);
        let unknown = failure(404, Json::Null);
        assert!(unknown.to_string().contains("`ztp login`"), "{unknown}");
        assert_eq!(unknown.code, crate::FAILED);
        assert!(
            failure(302, Json::Null)
                .to_string()
                .contains("CF_ACCESS_CLIENT_ID")
        );
    }

    #[test]
    fn the_path_of_a_key_is_encoded_by_segment() {
        assert_eq!(
            content_path("files/a b/ü#?"),
            "/content/files/a%20b/%C3%BC%23%3F"
        );
    }
}
