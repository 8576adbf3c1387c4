//! The client of the /admin API: requests, each sent again after errors that may pass.

mod content;
mod reply;
mod retry;

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::Value as Json;
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use ztp_core::path::encode_segment;

pub use content::{Got, Sink, Stored, WITHOUT_SECRETS, content_path, store_of};
pub use reply::Reply;
pub use retry::wait_scale;

use crate::servers::Credential;
use crate::{Failure, regular, unreadable};
use retry::{Problem, retry};

/// The timeout of a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout of each read and write: the server hashes a large object before it responds.
const TIMEOUT: Duration = Duration::from_secs(300);

pub enum Content<'a> {
    None,
    Json(&'a Json),
    /// A part of a file, from a position, with a length; the bar shows the number of bytes sent.
    File(&'a Path, u64, u64, &'a ProgressBar),
}

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

    pub fn delete(doing: impl Into<String>, path: impl Into<String>) -> Self {
        Self::new(doing, Method::DELETE, path)
    }

    pub fn content(self, content: Content<'a>) -> Self {
        Self { content, ..self }
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
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(TIMEOUT))
            .timeout_per_write(Some(TIMEOUT))
            .user_agent(concat!("ztp/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = config.into();
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
            let response = self.response(call);
            let reply = response.and_then(|response| Reply::read(&call.doing, response));
            reply.map_err(|problem| match problem {
                Problem::Transient(problem, None) if !call.repeatable => {
                    Problem::Permanent(format!("{problem}; see `ztp log` whether it was done"))
                }
                problem => problem,
            })
        })
    }

    /// [`Self::send`] of a request whose response must be a success: its JSON.
    pub fn json(&self, call: &Call<'_>) -> Result<Json, Failure> {
        self.send(call)?.ok()
    }

    /// The responses with the pages of a list, up to one that is not a success.
    pub fn pages(&self, doing: &str, path: String) -> impl Iterator<Item = Result<Reply, Failure>> {
        let mut next = Some(path.clone());
        std::iter::from_fn(move || {
            let reply = self.send(&Call::get(doing, next.take()?));
            if let Ok(page) = &reply
                && let Some(cursor) = page.json["cursor"].as_str()
            {
                let before = if path.contains('?') { '&' } else { '?' };
                next = Some(format!("{path}{before}cursor={}", encode_segment(cursor)));
            }
            Some(reply)
        })
    }

    /// Sends a request once.
    fn response(&self, call: &Call<'_>) -> Result<Response<Body>, Problem> {
        let url = format!("{}/admin{}", self.url, call.path);
        let mut request = Request::builder().method(call.method.clone()).uri(url);
        for (name, value) in self.credential.headers().iter().chain(&call.headers) {
            request = request.header(*name, value);
        }
        let run = |request: ureq::http::request::Builder, kind, length, body: &mut dyn Read| {
            let request = request.header("Content-Type", kind);
            let request = request.header("Content-Length", length);
            let request = request.body(SendBody::from_reader(body));
            self.agent.run(request.map_err(ureq::Error::from)?)
        };
        let response = match &call.content {
            Content::None => {
                let request = request.body(()).map_err(ureq::Error::from);
                request.and_then(|request| self.agent.run(request))
            }
            Content::Json(body) => {
                let body = body.to_string();
                let length = body.len() as u64;
                run(request, "application/json", length, &mut body.as_bytes())
            }
            Content::File(path, from, length, bar) => {
                let failed = |error| unreadable(path, error);
                let mut file = regular::open(path).map_err(failed)?;
                file.seek(SeekFrom::Start(*from)).map_err(failed)?;
                let mut file = file.take(*length);
                let kind = "application/octet-stream";
                let response = run(request, kind, *length, &mut bar.wrap_read(&mut file));
                if !matches!(&response, Ok(response) if response.status().is_success()) {
                    bar.dec(length - file.limit());
                }
                response
            }
        };
        response.map_err(|error| Problem::of(&self.url, &error))
    }
}
