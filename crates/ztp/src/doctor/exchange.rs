//! One request and its response, as a switch exchanges them: HTTP/1.1, a new connection, no redirect, no proxy.

use std::io::{Error, ErrorKind, Read};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Method, Request, Response};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body, SendBody, Timeout};

use super::kind::Kind;
use super::network::{Trust, is_timeout, kind_of};

/// The `User-Agent` of the client script.
pub const CLIENT: &str = "ztp-edge";
/// The part of a response that is read, in bytes: a script has less.
const MAX_READ: u64 = 8 << 20;

/// The timeout of an exchange, in timeouts of its parts.
const SLOW: u32 = 12;

/// A request without a body.
pub struct Call<'a> {
    pub method: Method,
    pub url: &'a str,
    pub headers: &'a [(&'static str, &'a str)],
}

/// A response that is read completely.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
    /// Whether the body goes on after the part that was read.
    pub is_cut: bool,
}

impl Seen {
    /// The value of a header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// The reason why there is no response: its kind, and a sentence.
pub type Failed = (Kind, String);

pub struct Client {
    agent: Agent,
    timeout: Duration,
}

impl Client {
    pub fn new(trust: &Trust, timeout: Duration) -> Self {
        let tls = TlsConfig::builder().root_certs(trust.certs.clone());
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .proxy(None)
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .tls_config(tls.build())
            .timeout_connect(Some(timeout))
            .timeout_per_read(Some(timeout))
            .timeout_per_write(Some(timeout))
            .timeout_per_call(Some(timeout * SLOW))
            .build()
            .into();
        Self { agent, timeout }
    }

    /// Sends a request without a body.
    ///
    /// # Errors
    /// There is no complete response.
    pub fn send(&self, call: &Call<'_>) -> Result<Seen, Failed> {
        let request = self.request(call);
        self.finish(request.body(()).map(|request| self.agent.run(request)))
    }

    /// Sends a request with a body at once.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_body(&self, call: &Call<'_>, body: &str) -> Result<Seen, Failed> {
        let request = self.request(call);
        self.finish(request.body(body).map(|request| self.agent.run(request)))
    }

    /// Sends a request with `Expect: 100-continue`, and `bytes` of white space as soon as the server asks for them, at
    /// the latest after a second, as curl does. Also returns the seconds after which the body began; `None` if the
    /// server responded without it.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_expecting(
        &self,
        call: &Call<'_>,
        bytes: u64,
    ) -> Result<(Seen, Option<f64>), Failed> {
        let request = self.request(call);
        let request = request
            .header("Expect", "100-continue")
            .header("Content-Length", bytes);
        let mut body = Blank {
            left: bytes,
            since: Instant::now(),
            began: None,
        };
        let request = request.body(SendBody::from_reader(&mut body));
        let seen = self.finish(request.map(|request| self.agent.run(request)))?;
        Ok((seen, body.began))
    }

    fn request(&self, call: &Call<'_>) -> ureq::http::request::Builder {
        let request = Request::builder().method(call.method.clone()).uri(call.url);
        let request = request.header("Connection", "close");
        call.headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        })
    }

    fn finish(
        &self,
        sent: Result<Result<Response<Body>, ureq::Error>, ureq::http::Error>,
    ) -> Result<Seen, Failed> {
        let response = sent.map_err(|error| (Kind::Unreachable, error.to_string()))?;
        let response = response.map_err(|error| self.failed(error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut bytes = Vec::new();
        let body = response.into_body().into_with_config().limit(u64::MAX);
        let mut reader = body.reader().take(MAX_READ);
        let read = reader.read_to_end(&mut bytes);
        read.map_err(|error| self.failed(ureq::Error::Io(error)))?;
        let is_cut = u64::try_from(bytes.len()).is_ok_and(|read| read >= MAX_READ);
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Seen {
            status,
            headers,
            body,
            is_cut,
        })
    }

    fn failed(&self, error: ureq::Error) -> Failed {
        let slow = || {
            let seconds = self.timeout.as_secs_f64();
            (
                Kind::Timeout,
                format!("the server does not answer within {seconds} seconds"),
            )
        };
        let error = match error {
            // While the body is read, a timeout is inside another error.
            ureq::Error::Io(error) => match error.downcast::<ureq::Error>() {
                Ok(inner) => inner,
                Err(error) => ureq::Error::Io(error),
            },
            error => error,
        };
        match error {
            ureq::Error::Timeout(Timeout::PerCall) => {
                let seconds = (self.timeout * SLOW).as_secs_f64();
                (
                    Kind::Timeout,
                    format!("the exchange takes more than {seconds} seconds"),
                )
            }
            ureq::Error::Timeout(_) => slow(),
            ureq::Error::Io(error) if is_timeout(&error) => slow(),
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => (
                kind_of(&error),
                format!("the server does not accept the connection: {error}"),
            ),
            error => (
                Kind::NoResponse,
                format!("there is no complete response: {error}"),
            ),
        }
    }
}

/// A body of white space, and when its first byte was wanted.
struct Blank {
    left: u64,
    since: Instant,
    /// In seconds since the request began.
    began: Option<f64>,
}

impl Read for Blank {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.began
            .get_or_insert_with(|| self.since.elapsed().as_secs_f64());
        let wanted = u64::try_from(buffer.len())
            .unwrap_or(u64::MAX)
            .min(self.left);
        let wanted = usize::try_from(wanted).unwrap_or_default();
        for (at, byte) in buffer.iter_mut().take(wanted).enumerate() {
            *byte = if at % 80 == 79 { b'\n' } else { b' ' };
        }
        self.left -= wanted as u64;
        Ok(wanted)
    }
}
