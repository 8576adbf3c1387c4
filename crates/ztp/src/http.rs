//! One HTTP client for everything: how long it waits, when it tries again, what it says of itself.

use std::io::Read;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use ureq::http::{HeaderMap, Request, Response};
use ureq::{Agent, AsSendBody, Body};

use crate::{Failure, display_path, terminal};

/// How long connecting, and the beginning of any single answer, may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the pauses between tries are, in seconds.
const PAUSES: [u64; 4] = [1, 2, 4, 8];
/// The longest pause after a 429 without Retry-After, in seconds. The first one is one second, and
/// each is twice the one before.
const MAX_BUSY_PAUSE: u64 = 128;
/// The longest total wait of one request after 429 or Retry-After, in seconds. Cloudflare's API
/// accepts 1,200 requests in five minutes, and then none for five minutes.
const MAX_BUSY: u64 = 20 * 60;
/// The shortest pause that is announced, in seconds.
const MIN_ANNOUNCED: u64 = 10;
/// The environment variable with the factor of all pauses, from 0 to 1: for tests.
const WAIT_SCALE: &str = "ZTP_WAIT_SCALE";
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
        let retry_after = self.retry_after();
        match self.status {
            429 => Trouble::Busy {
                problem: text,
                retry_after,
            },
            408 | 500.. if retry_after.is_some() => Trouble::Busy {
                problem: text,
                retry_after,
            },
            408 | 500.. => Trouble::Passing(text),
            _ => Trouble::Lasting(text),
        }
    }

    /// The seconds of Retry-After. A date, its other form, counts as missing.
    fn retry_after(&self) -> Option<u64> {
        self.header("retry-after")?.trim().parse().ok()
    }
}

/// Why a request failed.
pub enum Trouble {
    /// Trying again may help.
    Passing(String),
    /// The server limits the rate of requests.
    Busy {
        problem: String,
        /// In seconds.
        retry_after: Option<u64>,
    },
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
    let lasting = |error: std::io::Error| {
        Trouble::Lasting(format!("cannot write {}: {error}", display_path(to)))
    };
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
    attempt: impl FnMut() -> Result<T, Trouble>,
) -> Result<T, Failure> {
    let scale = wait_scale()?;
    let wait = |seconds: u64, problem: &str| {
        if seconds >= MIN_ANNOUNCED {
            let problem = terminal::line(problem);
            anstream::eprintln!("waiting {seconds} seconds: {problem}");
        }
        sleep(Duration::from_secs(seconds).mul_f64(scale));
    };
    with_pauses(doing, wait, attempt)
}

/// [`patiently`] with an injected clock: `wait` receives the seconds, and the reason.
fn with_pauses<T>(
    doing: &str,
    mut wait: impl FnMut(u64, &str),
    mut attempt: impl FnMut() -> Result<T, Trouble>,
) -> Result<T, Failure> {
    let mut pauses = PAUSES.into_iter();
    let (mut busy_pause, mut busy) = (1, 0);
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(Trouble::Lasting(problem)) => {
                return Err(Failure::new(format!("{doing} failed: {problem}")));
            }
            Err(Trouble::Passing(problem)) => match pauses.next() {
                Some(seconds) => wait(seconds, &problem),
                None => {
                    return Err(Failure::new(format!(
                        "{doing} failed {} times, the last time because {problem}; run the command \
                         again to resume",
                        PAUSES.len() + 1
                    )));
                }
            },
            Err(Trouble::Busy {
                problem,
                retry_after,
            }) => {
                let seconds = retry_after.unwrap_or_default().max(busy_pause);
                if seconds.saturating_add(busy) > MAX_BUSY {
                    return Err(Failure::new(format!(
                        "{doing} failed: {problem}; run the command again in {seconds} seconds to \
                         resume"
                    )));
                }
                wait(seconds, &problem);
                busy += seconds;
                busy_pause = MAX_BUSY_PAUSE.min(busy_pause * 2);
            }
        }
    }
}

/// The factor of all pauses.
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
        Trouble::Passing(problem) | Trouble::Busy { problem, .. } | Trouble::Lasting(problem) => {
            failed(problem)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(retry_after: Option<u64>) -> Trouble {
        let problem = "it answered 429".to_owned();
        Trouble::Busy {
            problem,
            retry_after,
        }
    }

    /// The pauses of an attempt that has so much trouble, and how it ends.
    fn pauses(trouble: impl Fn(usize) -> Option<Trouble>) -> (Vec<u64>, Result<(), String>) {
        let mut pauses = Vec::new();
        let mut tries = 0;
        let wait = |seconds: u64, _: &str| pauses.push(seconds);
        let done = with_pauses("storing x", wait, || {
            tries += 1;
            trouble(tries).map_or(Ok(()), Err)
        });
        (pauses, done.map_err(|failure| failure.to_string()))
    }

    #[test]
    fn passing_trouble_is_waited_for_a_few_times() {
        let (waited, done) = pauses(|_| Some(Trouble::Passing("it broke off".to_owned())));
        assert_eq!(waited, PAUSES);
        assert!(done.unwrap_err().contains("failed 5 times"));
        let (waited, done) = pauses(|_| Some(Trouble::Lasting("no".to_owned())));
        assert_eq!(
            (waited, done),
            (vec![], Err("storing x failed: no".to_owned()))
        );
    }

    #[test]
    fn a_busy_server_is_left_alone_for_as_long_as_it_says() {
        let (waited, done) = pauses(|tries| (tries < 4).then(|| busy(Some(300))));
        assert_eq!((waited, done), (vec![300, 300, 300], Ok(())));
    }

    #[test]
    fn without_a_time_the_pauses_double_up_to_minutes() {
        let (waited, done) = pauses(|tries| (tries < 11).then(|| busy(None)));
        assert_eq!(waited, [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]);
        assert_eq!(done, Ok(()));
        // Also where the server says too little.
        let (waited, _) = pauses(|tries| (tries < 5).then(|| busy(Some(3))));
        assert_eq!(waited, [3, 3, 4, 8]);
    }

    #[test]
    fn a_busy_server_is_not_waited_for_for_ever() {
        let (waited, done) = pauses(|_| Some(busy(Some(MAX_BUSY))));
        assert_eq!(waited, [MAX_BUSY]);
        assert!(
            done.unwrap_err()
                .contains("run the command again in 1200 seconds")
        );
        let (waited, _) = pauses(|_| Some(busy(Some(MAX_BUSY + 1))));
        assert!(waited.is_empty());
        let (waited, _) = pauses(|_| Some(busy(Some(u64::MAX))));
        assert!(waited.is_empty());
        let (waited, _) = pauses(|_| Some(busy(None)));
        assert!(waited.iter().sum::<u64>() <= MAX_BUSY);
    }

    #[test]
    fn an_answer_says_what_trouble_it_is() {
        let trouble = |status, retry_after: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = retry_after {
                headers.insert("retry-after", value.parse().unwrap());
            }
            let body = String::new();
            let answer = Answer {
                status,
                headers,
                body,
            };
            match answer.trouble() {
                Trouble::Busy { retry_after, .. } => format!("busy {retry_after:?}"),
                Trouble::Passing(_) => "passing".to_owned(),
                Trouble::Lasting(_) => "lasting".to_owned(),
            }
        };
        assert_eq!(trouble(429, Some("7")), "busy Some(7)");
        assert_eq!(trouble(429, None), "busy None");
        assert_eq!(
            trouble(429, Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            "busy None"
        );
        assert_eq!(trouble(503, Some("7")), "busy Some(7)");
        assert_eq!(trouble(503, None), "passing");
        assert_eq!(trouble(408, None), "passing");
        assert_eq!(trouble(404, Some("7")), "lasting");
    }
}
