//! The request that handlers read.

use worker::web_sys::{self, ReadableStream};

use crate::error::Error;
use crate::stream::{self, Body, MAX_BODIES_BYTES, Refused, SMALL_BODY};

/// A request. `worker::Request` would parse the `cf` object of each, and rejects unknown methods.
pub struct Request {
    inner: web_sys::Request,
    /// As sent, also if unknown.
    pub method: String,
    /// Absolute.
    pub url: String,
}

impl Request {
    pub fn new(inner: web_sys::Request) -> Self {
        Self {
            method: inner.method(),
            url: inner.url(),
            inner,
        }
    }

    /// The value of a header; `None` if it is missing.
    pub fn header(&self, name: &str) -> Option<String> {
        self.inner.headers().get(name).ok().flatten()
    }

    /// The body; `name` names it in messages.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if it has more than `limit` bytes; [`Error::BadRequest`] if the client
    /// disconnects before its end; [`Error::Busy`] if other bodies have all the memory that there is for
    /// them.
    pub async fn body(&self, name: &str, limit: usize) -> Result<Body, Error> {
        let length = self.header("Content-Length");
        let length = length.and_then(|length| length.parse::<usize>().ok());
        let read = match self.inner.body() {
            None => return Ok(Body::empty()),
            Some(_) if length.is_some_and(|length| length <= limit.min(SMALL_BODY)) => {
                stream::read_small(&self.inner).await.map(Ok)
            }
            Some(body) => stream::read_body(&body, limit).await,
        };
        read.map_err(|cause| Error::BadRequest(format!("{name} was cut off: {cause}")))?
            .map_err(|refused| match refused {
                Refused::TooLarge => {
                    Error::TooLarge(format!("{name} exceeds the limit of {limit} bytes"))
                }
                Refused::NoRoom => Error::Busy(format!(
                    "{name} was not read: the bodies of other requests take the {MAX_BODIES_BYTES} bytes \
                     that there are for all; retry in a few seconds"
                )),
            })
    }

    /// The unread body as a stream; empty if the request has none.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if the runtime cannot create it.
    pub fn stream(&self) -> Result<ReadableStream, Error> {
        match self.inner.body() {
            Some(body) => Ok(body),
            None => {
                let empty = stream::Buffer::new(&[]).stream();
                empty.map_err(|cause| Error::BadRequest(format!("there is no body: {cause}")))
            }
        }
    }

    /// Reads the body, and drops it.
    pub async fn drain(&self) {
        if let Some(body) = self.inner.body() {
            // A client that stops sending does not wait for the response, either.
            let _ = stream::read_up_to(&body, 0).await;
        }
    }

    /// The refusal of a request with an unread body. The body is read first, and dropped: otherwise a client that
    /// is still sending would see a broken connection instead of the refusal.
    pub async fn refuse(&self, refusal: Error) -> Error {
        self.drain().await;
        refusal
    }
}
