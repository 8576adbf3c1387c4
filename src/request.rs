//! The request that handlers read.

use worker::web_sys;

use crate::error::Error;
use crate::stream::{self, Buffer};

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
    /// disconnects before its end.
    pub async fn body(&self, name: &str, limit: usize) -> Result<Buffer, Error> {
        let Some(body) = self.inner.body() else {
            return Ok(Buffer::new(&[]));
        };
        stream::read_up_to(&body, limit)
            .await
            .map_err(|cause| Error::BadRequest(format!("{name} was cut off: {cause}")))?
            .ok_or_else(|| Error::TooLarge(format!("{name} exceeds the limit of {limit} bytes")))
    }

    /// The refusal of a request whose body nobody has read. The body is read first, and dropped: a client that
    /// is still sending would see a broken connection instead of the refusal.
    pub async fn refuse(&self, refusal: Error) -> Error {
        if let Some(body) = self.inner.body() {
            // A client that stops sending does not wait for the refusal, either.
            let _ = stream::read_up_to(&body, 0).await;
        }
        refusal
    }
}
