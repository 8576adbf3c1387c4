//! R2 buckets.

use worker::js_sys;
use worker::wasm_bindgen::JsValue;

use super::{Failure, Held, Stream, glue, settled};

/// An R2 bucket.
pub struct Bucket(JsValue);

impl Bucket {
    pub fn of(binding: JsValue) -> Self {
        Self(binding)
    }

    /// An object with its body, if it is stored.
    pub async fn get(&self, key: &str) -> Result<Option<Object>, Failure> {
        Object::found(settled(glue::r2_get(&self.0, key)?).await?)
    }

    /// An object without its body, if it is stored.
    pub async fn head(&self, key: &str) -> Result<Option<Object>, Failure> {
        Object::found(settled(glue::r2_head(&self.0, key)?).await?)
    }

    /// `length` bytes from `offset` on of the object of that ETag; without a body if it is another
    /// one by now.
    pub async fn get_part(
        &self,
        key: &str,
        etag: &str,
        (offset, length): (u64, u64),
    ) -> Result<Option<Object>, Failure> {
        let (offset, length) = (offset as f64, length as f64);
        let asked = glue::r2_get_part(&self.0, key, etag, offset, length)?;
        Object::found(settled(asked).await?)
    }
}

/// An R2 object.
pub struct Object(JsValue);

impl Object {
    fn found(object: JsValue) -> Result<Option<Self>, Failure> {
        Ok((!object.is_null()).then_some(Self(object)))
    }

    /// Size, version, ETag and Last-Modified, a line each.
    pub fn description(&self) -> String {
        glue::r2_describe(&self.0)
    }

    /// What its uploader said of its content, if anything, as JSON: `checksums` in hexadecimal by
    /// algorithm, custom `metadata` by name.
    pub fn digests(&self) -> Option<String> {
        glue::r2_digests(&self.0)
    }

    /// Its body, to be passed through; `None` if it came without one.
    pub fn stream(&self) -> Option<Stream> {
        glue::body_of(&self.0).map(Stream)
    }

    /// All of its body.
    pub async fn bytes(&self) -> Result<Held, Failure> {
        Ok(Held::of(settled(glue::bytes_of(&self.0)?).await?))
    }
}

impl Stream {
    /// The SHA-1 of everything that it has.
    pub async fn sha1(&self) -> Result<Vec<u8>, Failure> {
        let digest = settled(glue::sha1(&self.0)?).await?;
        Ok(js_sys::Uint8Array::new(&digest).to_vec())
    }
}
