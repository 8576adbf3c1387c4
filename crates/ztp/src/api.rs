//! The client of the /admin API: requests, retries, timeouts, and the errors that the server explains.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use indicatif::ProgressBar;
use serde::Deserialize;
use serde_json::Value as Json;
use sha1::{Digest, Sha1};
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use ztp_core::content::{ContentKind, Store};
use ztp_core::path;

use crate::servers::Credential;
use crate::{Failure, display_path, regular, terminal};

/// The timeout of a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout of each read and write: the server hashes a large object before it responds.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The number of retries after errors other than 429 and Retry-After. The first comes after one second, and each
/// delay is twice the one before.
const MAX_RETRIES: usize = 4;
/// The longest delay without Retry-After, in seconds.
const MAX_DELAY: u64 = 128;
/// The longest total wait of one request, in seconds.
const MAX_WAIT: u64 = 20 * 60;
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
    /// A part of a file, from a position, with a length; the bar shows the number of bytes sent.
    File(&'a Path, u64, u64, &'a ProgressBar),
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

    /// The final response.
    fn last(self) -> Result<Self, Problem> {
        match self.status {
            429 => Err(Problem::Passing(
                self.sentence(),
                Some(self.retry_after.unwrap_or_default()),
            )),
            408 | 500.. => Err(Problem::Passing(self.sentence(), self.retry_after)),
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
    /// Without a slash at the end.
    pub url: String,
    credential: Credential,
}

impl Api {
    /// It follows no redirect, so that no other host receives the credential.
    pub fn new(url: String, credential: Credential) -> Self {
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
        Self {
            agent,
            url,
            credential,
        }
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
                .and_then(Reply::last)
                .map_err(|problem| match problem {
                    Problem::Passing(problem, None) if !call.repeatable => {
                        Problem::Lasting(format!("{problem}; see `ztp log` whether it was done"))
                    }
                    problem => problem,
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
            let reply = reply(&call, response)?.last()?;
            match reply.status == 404 && reply.is_explained() {
                true => Ok(None),
                false => Err(Problem::Lasting(reply.sentence())),
            }
        })
    }

    /// Sends a request once.
    fn response(&self, call: &Call<'_>) -> Result<Response<Body>, Problem> {
        let url = format!("{}/admin{}", self.url, call.path);
        let mut request = Request::builder().method(call.method.clone()).uri(url);
        for (name, value) in self.credential.headers() {
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
            Content::File(path, from, length, bar) => {
                let mut file = open(path, *from, *length).map_err(|error| {
                    let path = display_path(path);
                    Problem::Lasting(format!("cannot read {path}: {error}"))
                })?;
                let mut body = bar.wrap_read(&mut file);
                let request = request
                    .header("Content-Length", *length)
                    .header("Content-Type", "application/octet-stream");
                let request = built(request.body(SendBody::from_reader(&mut body)))?;
                let response = self.agent.run(request);
                if !matches!(&response, Ok(response) if response.status().is_success()) {
                    bar.dec(length - file.limit());
                }
                response
            }
        };
        Ok(sent?)
    }
}

fn built<T>(request: Result<Request<T>, ureq::http::Error>) -> Result<Request<T>, Problem> {
    request.map_err(|error| Problem::Lasting(error.to_string()))
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

fn header(response: &Response<Body>, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

/// A response that is read completely.
fn reply(call: &Call<'_>, response: Response<Body>) -> Result<Reply, Problem> {
    let is_json =
        header(&response, "content-type").is_some_and(|kind| kind.starts_with("application/json"));
    // A date, the other form of Retry-After, counts as missing.
    let retry_after = header(&response, "retry-after").and_then(|value| value.trim().parse().ok());
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    let body = response.into_body().into_with_config();
    let mut body = body.limit(MAX_JSON_BYTES).reader();
    body.read_to_end(&mut bytes)
        .map_err(|error| Problem::Passing(error.to_string(), None))?;
    let json = match is_json {
        true => serde_json::from_slice(&bytes).map_err(|error| {
            Problem::Passing(format!("the response is not valid JSON: {error}"), None)
        })?,
        false => Json::Null,
    };
    if (200..300).contains(&status) && json.is_null() && status != 204 {
        let problem = "the response is not JSON; does the URL belong to ztp-edge?";
        return Err(Problem::Lasting(problem.to_owned()));
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
fn download(response: Response<Body>, sink: &mut Sink<'_>) -> Result<Got, Problem> {
    let length = header(&response, "content-length").and_then(|value| value.parse::<u64>().ok());
    let expected = header(&response, "x-content-sha1");
    let etag = header(&response, "etag");
    let cannot_write = |error| Problem::Lasting(format!("cannot write: {error}"));
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
            Err(error) => return Err(Problem::Passing(error.to_string(), None)),
        };
        hash.update(read);
        size += read.len() as u64;
        match (&mut file, &mut *sink) {
            (Some(file), _) => file.write_all(read).map_err(cannot_write)?,
            (None, Sink::Memory(bytes, limit)) if size <= *limit => bytes.extend_from_slice(read),
            (None, _) => {}
        }
    }
    let sha1 = ztp_core::hex(&hash.finalize());
    if let Some(length) = length.filter(|length| *length != size) {
        let problem = format!("only {size} of {length} bytes arrived");
        return Err(Problem::Passing(problem, None));
    }
    if let Some(expected) = expected.filter(|expected| *expected != sha1) {
        let problem = format!("the bytes have the SHA-1 {sha1}, not {expected}");
        return Err(Problem::Passing(problem, None));
    }
    Ok(Got { etag, sha1, size })
}

/// Why a request has no final response.
enum Problem {
    /// A retry may succeed: no connection, a broken response, 408, 429 or 5xx. Retry-After, in seconds, if the server
    /// limits the rate of requests; 0 without that header.
    Passing(String, Option<u64>),
    /// A retry fails, too.
    Lasting(String),
}

impl From<ureq::Error> for Problem {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::HostNotFound => {
                Self::Lasting(error.to_string())
            }
            error => Self::Passing(error.to_string(), None),
        }
    }
}

/// Repeats an idempotent operation until it succeeds, fails for good, or has used all retries. `doing` names the
/// operation in messages.
fn retry<T>(doing: &str, attempt: impl FnMut() -> Result<T, Problem>) -> Result<T, Failure> {
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
    mut attempt: impl FnMut() -> Result<T, Problem>,
) -> Result<T, Failure> {
    let (mut delay, mut waited, mut errors) = (1, 0, 0);
    loop {
        let (problem, limit) = match attempt() {
            Ok(done) => return Ok(done),
            Err(Problem::Lasting(problem)) => {
                return Err(Failure::new(format!("{doing} failed: {problem}")));
            }
            Err(Problem::Passing(problem, limit)) => (problem, limit),
        };
        errors += usize::from(limit.is_none());
        let seconds = limit.unwrap_or_default().max(delay);
        if errors > MAX_RETRIES || seconds.saturating_add(waited) > MAX_WAIT {
            return Err(Failure::new(format!(
                "{doing} failed, also after retries: {problem}; run the command again in {seconds} seconds \
                 to resume"
            )));
        }
        wait(seconds, &problem);
        waited += seconds;
        delay = MAX_DELAY.min(delay * 2);
    }
}

/// The scale of all delays.
pub fn wait_scale() -> Result<f64, Failure> {
    let scale = std::env::var(WAIT_SCALE).unwrap_or_else(|_| "1".to_owned());
    let valid = scale
        .parse()
        .ok()
        .filter(|scale| (0.0..=1.0).contains(scale));
    valid.ok_or_else(|| {
        Failure::new(format!(
            "{WAIT_SCALE} is '{scale}'; it must be a number from 0 to 1"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The delays of an operation whose attempts, counted from 1, fail with `problems`, and its result.
    fn delays(problems: impl Fn(usize) -> Option<Problem>) -> (Vec<u64>, Result<(), String>) {
        let (mut delays, mut attempts) = (Vec::new(), 0);
        let wait = |seconds: u64, _: &str| delays.push(seconds);
        let done = retry_with("storing x", wait, || {
            attempts += 1;
            problems(attempts).map_or(Ok(()), Err)
        });
        (delays, done.map_err(|failure| failure.to_string()))
    }

    #[test]
    fn retries_wait_longer_each_time_and_respect_retry_after() {
        let passing = |limit| Some(Problem::Passing("no".to_owned(), limit));
        let (waited, done) = delays(|_| passing(None));
        assert_eq!(waited, [1, 2, 4, 8]);
        assert!(done.unwrap_err().contains("again in 16 seconds"));
        let (waited, done) = delays(|_| Some(Problem::Lasting("no".to_owned())));
        assert_eq!(
            (waited, done),
            (vec![], Err("storing x failed: no".to_owned()))
        );
        let (waited, done) = delays(|attempt| passing(Some(300)).filter(|_| attempt < 4));
        assert_eq!((waited, done), (vec![300, 300, 300], Ok(())));
        // Without Retry-After, and with one shorter than the delay.
        let (waited, _) = delays(|attempt| passing(Some(0)).filter(|_| attempt < 11));
        assert_eq!(waited, [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]);
        let (waited, _) = delays(|attempt| passing(Some(3)).filter(|_| attempt < 5));
        assert_eq!(waited, [3, 3, 4, 8]);
    }

    #[test]
    fn the_total_wait_is_bounded() {
        let limited =
            |seconds| delays(move |_| Some(Problem::Passing("no".to_owned(), Some(seconds)))).0;
        assert_eq!(limited(MAX_WAIT), [MAX_WAIT]);
        assert!(limited(u64::MAX).is_empty());
        assert!(limited(0).iter().sum::<u64>() <= MAX_WAIT);
    }
}
