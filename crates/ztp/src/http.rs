//! One HTTP client for everything: how long it waits, when it tries again, what it says of itself.

use std::io::Read;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use ureq::http::{HeaderMap, Request, Response};
use ureq::{Agent, AsSendBody, Body};

use crate::{Failure, shown};

/// How long connecting, and the beginning of any single answer, may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the pauses between tries are, in seconds.
const PAUSES: [u64; 4] = [1, 2, 4, 8];
/// The longest text of an answer: a bulk read of KV has at most 25 MiB, before it is escaped.
const MAX_TEXT_BYTES: u64 = 200 << 20;
/// How much of an answer a message repeats, in characters.
const MAX_SHOWN: usize = 300;

/// An answer as text, whatever its status.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The trouble that an answer other than a good one is.
    pub fn trouble(&self) -> Trouble {
        let start: String = self.body.trim().chars().take(MAX_SHOWN).collect();
        let text = format!("it answered {}: {start}", self.status);
        match self.status {
            408 | 429 | 500.. => Trouble::Passing(text),
            _ => Trouble::Lasting(text),
        }
    }
}

/// Why a request failed.
pub enum Trouble {
    /// Trying again may help.
    Passing(String),
    Lasting(String),
}

/// A client that takes every status for an answer, and follows no redirect: credentials stay here.
pub fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .user_agent(concat!("ztp/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// Sends a request once.
///
/// # Errors
/// There is no whole answer.
pub fn send(agent: &Agent, request: Request<impl AsSendBody>) -> Result<Answer, Trouble> {
    let response = agent.run(request).map_err(passing)?;
    let (parts, body) = response.into_parts();
    let body = body.into_with_config().limit(MAX_TEXT_BYTES);
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.read_to_string().map_err(passing)?,
    })
}

/// Sends a request once, and writes the body of a good answer to a file.
///
/// # Errors
/// There is no whole answer, or it is none of what was asked for.
pub fn download(agent: &Agent, request: Request<()>, to: &Path) -> Result<(), Trouble> {
    let response = agent.run(request).map_err(passing)?;
    if response.status() != 200 {
        return Err(as_answer(response)?.trouble());
    }
    let length = response
        .headers()
        .get("content-length")
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let lasting =
        |error: std::io::Error| Trouble::Lasting(format!("cannot write {}: {error}", shown(to)));
    let mut file = std::fs::File::create(to).map_err(lasting)?;
    let body = response.into_body().into_with_config().limit(u64::MAX);
    let written = std::io::copy(&mut body.reader(), &mut file)
        .map_err(|error| Trouble::Passing(error.to_string()))?;
    match length {
        Some(length) if length != written => Err(Trouble::Passing(format!(
            "only {written} of {length} bytes arrived"
        ))),
        _ => Ok(()),
    }
}

fn as_answer(response: Response<Body>) -> Result<Answer, Trouble> {
    let (parts, body) = response.into_parts();
    let mut text = Vec::new();
    let mut reader = body.into_with_config().limit(MAX_TEXT_BYTES).reader();
    reader
        .read_to_end(&mut text)
        .map_err(|error| Trouble::Passing(error.to_string()))?;
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&text).into_owned(),
    })
}

fn passing(error: ureq::Error) -> Trouble {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::HostNotFound => {
            Trouble::Lasting(error.to_string())
        }
        error => Trouble::Passing(error.to_string()),
    }
}

/// Does something until it works or there is no hope; what is done can be repeated.
///
/// # Errors
/// The last trouble, after the last try.
pub fn patiently<T>(
    doing: &str,
    mut attempt: impl FnMut() -> Result<T, Trouble>,
) -> Result<T, Failure> {
    let mut pauses = PAUSES.into_iter();
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(Trouble::Lasting(problem)) => {
                return Err(Failure::new(format!("{doing} failed: {problem}")));
            }
            Err(Trouble::Passing(problem)) => match pauses.next() {
                Some(seconds) => sleep(Duration::from_secs(seconds)),
                None => {
                    return Err(Failure::new(format!(
                        "{doing} failed {} times, the last time because {problem}; run it again \
                         to go on where it stopped",
                        PAUSES.len() + 1
                    )));
                }
            },
        }
    }
}

/// GET, without any credential.
///
/// # Errors
/// There is no answer.
pub fn get_text(url: &str) -> Result<Answer, Failure> {
    let failed = |error: String| Failure::new(format!("cannot ask {url}: {error}"));
    let request = Request::get(url)
        .body(())
        .map_err(|error| failed(error.to_string()))?;
    send(&agent(), request).map_err(|trouble| match trouble {
        Trouble::Passing(problem) | Trouble::Lasting(problem) => failed(problem),
    })
}
