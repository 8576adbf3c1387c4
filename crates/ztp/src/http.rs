//! The HTTP client of all commands: timeouts, retries, User-Agent.

use std::io::Read;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use ureq::http::{HeaderMap, Request, Response};
use ureq::{Agent, AsSendBody, Body};

use crate::{Failure, display_path, terminal};

/// The timeout of a connection, and of the headers of each response.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The delays before the retries of a transient error, in seconds.
const RETRY_DELAYS: [u64; 4] = [1, 2, 4, 8];
/// The longest delay after a 429 without Retry-After, in seconds. The first delay is one second, and
/// each is twice the one before.
const MAX_RATE_LIMIT_DELAY: u64 = 128;
/// The longest total wait of one request after 429 or Retry-After, in seconds. Cloudflare's API
/// accepts 1,200 requests in five minutes, and then none for five minutes.
const MAX_RATE_LIMIT_WAIT: u64 = 20 * 60;
/// The shortest delay that is reported, in seconds.
const MIN_ANNOUNCED: u64 = 10;
/// The environment variable that scales all delays, from 0 to 1: for tests.
const WAIT_SCALE: &str = "ZTP_WAIT_SCALE";
/// The longest text of a response, in bytes: a bulk read of KV has at most 25 MiB before escaping.
const MAX_TEXT_BYTES: u64 = 200 << 20;
/// The part of a response that a message quotes, in characters.
const MAX_SHOWN: usize = 300;

/// A response with a text body, of any status.
pub struct TextResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl TextResponse {
    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The error for a response with an unexpected status.
    pub fn error(&self) -> RequestError {
        let start: String = self.body.trim().chars().take(MAX_SHOWN).collect();
        let text = format!("the server responded {}: {start}", self.status);
        let retry_after = self.retry_after();
        match self.status {
            429 => RequestError::RateLimited {
                problem: text,
                retry_after,
            },
            408 | 500.. if retry_after.is_some() => RequestError::RateLimited {
                problem: text,
                retry_after,
            },
            408 | 500.. => RequestError::Transient(text),
            _ => RequestError::Permanent(text),
        }
    }

    /// The seconds of Retry-After. A date, its other form, counts as missing.
    fn retry_after(&self) -> Option<u64> {
        self.header("retry-after")?.trim().parse().ok()
    }
}

/// Why a request failed.
pub enum RequestError {
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

/// A client that returns responses of every status, and follows no redirect, so that no other host receives credentials.
pub fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(TIMEOUT))
        .timeout_recv_response(Some(TIMEOUT))
        .user_agent(concat!("ztp/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// Sends a request once, without a retry.
///
/// # Errors
/// The connection failed, or the response is incomplete, too large or not UTF-8.
pub fn send(
    agent: &Agent,
    request: Request<impl AsSendBody>,
) -> Result<TextResponse, RequestError> {
    let response = agent.run(request).map_err(transport_error)?;
    let (parts, body) = response.into_parts();
    let body = body.into_with_config().limit(MAX_TEXT_BYTES);
    Ok(TextResponse {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.read_to_string().map_err(transport_error)?,
    })
}

/// Sends a request once, and writes the body of a response with status 200 to a file.
///
/// # Errors
/// The connection failed, the response is incomplete or has another status, or the file cannot be written.
pub fn download(agent: &Agent, request: Request<()>, to: &Path) -> Result<(), RequestError> {
    let response = agent.run(request).map_err(transport_error)?;
    if response.status() != 200 {
        return Err(text_response(response)?.error());
    }
    let length = response
        .headers()
        .get("content-length")
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let cannot_write = |error: std::io::Error| {
        RequestError::Permanent(format!("cannot write {}: {error}", display_path(to)))
    };
    let mut file = std::fs::File::create(to).map_err(cannot_write)?;
    let body = response.into_body().into_with_config().limit(u64::MAX);
    let written = std::io::copy(&mut body.reader(), &mut file)
        .map_err(|error| RequestError::Transient(error.to_string()))?;
    match length {
        Some(length) if length != written => Err(RequestError::Transient(format!(
            "only {written} of {length} bytes arrived"
        ))),
        _ => Ok(()),
    }
}

fn text_response(response: Response<Body>) -> Result<TextResponse, RequestError> {
    let (parts, body) = response.into_parts();
    let mut text = Vec::new();
    let mut reader = body.into_with_config().limit(MAX_TEXT_BYTES).reader();
    reader
        .read_to_end(&mut text)
        .map_err(|error| RequestError::Transient(error.to_string()))?;
    Ok(TextResponse {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&text).into_owned(),
    })
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
///
/// # Errors
/// The last error, after the last attempt.
pub fn retry<T>(
    doing: &str,
    attempt: impl FnMut() -> Result<T, RequestError>,
) -> Result<T, Failure> {
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

/// Sends GET without a credential, once.
///
/// # Errors
/// The connection failed, or the response is incomplete, too large or not UTF-8.
pub fn get_text(url: &str) -> Result<TextResponse, Failure> {
    let failed = |error: String| Failure::new(format!("GET {url} failed: {error}"));
    let request = Request::get(url)
        .body(())
        .map_err(|error| failed(error.to_string()))?;
    send(&agent(), request).map_err(|error| match error {
        RequestError::Transient(problem)
        | RequestError::RateLimited { problem, .. }
        | RequestError::Permanent(problem) => failed(problem),
    })
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
        let (waited, _) = delays(|_| Some(rate_limited(Some(MAX_RATE_LIMIT_WAIT + 1))));
        assert!(waited.is_empty());
        let (waited, _) = delays(|_| Some(rate_limited(Some(u64::MAX))));
        assert!(waited.is_empty());
        let (waited, _) = delays(|_| Some(rate_limited(None)));
        assert!(waited.iter().sum::<u64>() <= MAX_RATE_LIMIT_WAIT);
    }

    #[test]
    fn the_status_and_retry_after_decide_the_kind_of_error() {
        let error = |status, retry_after: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = retry_after {
                headers.insert("retry-after", value.parse().unwrap());
            }
            let body = String::new();
            let response = TextResponse {
                status,
                headers,
                body,
            };
            match response.error() {
                RequestError::RateLimited { retry_after, .. } => {
                    format!("rate-limited {retry_after:?}")
                }
                RequestError::Transient(_) => "transient".to_owned(),
                RequestError::Permanent(_) => "permanent".to_owned(),
            }
        };
        assert_eq!(error(429, Some("7")), "rate-limited Some(7)");
        assert_eq!(error(429, None), "rate-limited None");
        assert_eq!(
            error(429, Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            "rate-limited None"
        );
        assert_eq!(error(503, Some("7")), "rate-limited Some(7)");
        assert_eq!(error(503, None), "transient");
        assert_eq!(error(408, None), "transient");
        assert_eq!(error(404, Some("7")), "permanent");
    }
}
