//! Requests, as handlers ask them.

use worker::wasm_bindgen::JsValue;
use worker::web_sys;

use super::{Failure, Held, glue, settled};

/// A request. Its method and URL are at hand, the rest is asked of the runtime when it is needed.
pub struct Request {
    /// As it was sent: also a verb that nobody knows.
    pub method: String,
    /// Absolute.
    pub url: String,
    inner: web_sys::Request,
}

impl Request {
    pub fn new(inner: web_sys::Request, method: String, url: String) -> Self {
        Self { method, url, inner }
    }

    /// The value of a header, if there is one that is text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.inner.headers().get(name).ok().flatten()
    }

    /// `If-None-Match`, `Range` and `If-Range`; `None` if the request is neither conditional nor
    /// partial.
    pub fn conditions(&self) -> Option<[Option<String>; 3]> {
        let found = glue::conditions(&self.inner)?;
        let mut values = found.iter().map(JsValue::as_string);
        Some(std::array::from_fn(|_| values.next().flatten()))
    }

    /// Takes the body off the wire without keeping anything of it: a client that is still sending would
    /// see a broken connection instead of a refusal.
    pub async fn discard_body(&self) -> Result<(), Failure> {
        Ok(settled(glue::discard(self.inner.body())?).await.map(drop)?)
    }

    /// All of the body; `None` if it has more than `limit` bytes. Those are taken off the wire all
    /// the same: a client that is still sending would see a broken connection instead of the answer.
    pub async fn body(&self, limit: usize) -> Result<Option<Held>, Failure> {
        let bytes = settled(glue::body_up_to(&self.inner, limit)?).await?;
        Ok((!bytes.is_null()).then(|| Held::of(bytes)))
    }
}
