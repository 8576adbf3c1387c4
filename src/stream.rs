//! Bytes that stay in JavaScript's memory: bodies of requests and objects, and responses that many
//! switches receive. Wasm memory never shrinks, so large bodies are never copied into it.

use worker::js_sys::{self, Array, Uint8Array};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::web_sys::{ReadableStream, Response};

#[wasm_bindgen(module = "/src/stream.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = sha1)]
    async fn js_sha1(stream: &ReadableStream) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = readUpTo)]
    async fn js_read_up_to(stream: &ReadableStream, limit: f64) -> Result<JsValue, JsValue>;
}

/// The size in bytes and the SHA-1 of a stream.
///
/// # Errors
/// The stream failed.
pub async fn sha1(stream: &ReadableStream) -> worker::Result<(u64, Vec<u8>)> {
    let found: Array = js_sha1(stream).await?.unchecked_into();
    let size = found.get(0).as_f64().unwrap_or_default() as u64;
    Ok((size, Uint8Array::new(&found.get(1)).to_vec()))
}

/// All bytes of a stream; `None` if it has more than `limit`.
///
/// # Errors
/// The stream failed, for example because the client disconnected.
pub async fn read_up_to(stream: &ReadableStream, limit: usize) -> worker::Result<Option<Buffer>> {
    let bytes = js_read_up_to(stream, limit as f64).await?;
    Ok((!bytes.is_null()).then(|| Buffer(bytes.unchecked_into())))
}

/// Immutable bytes in JavaScript's memory. A clone shares them.
#[derive(Debug, Clone)]
pub struct Buffer(Uint8Array);

impl Buffer {
    /// Copies bytes out of wasm memory.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Uint8Array::from(bytes))
    }

    /// The array itself, for a response.
    pub fn as_js(&self) -> &Uint8Array {
        &self.0
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        self.0.length() as usize
    }

    /// Whether all bytes are white space as Python's `bytes.isspace` defines it; true for no bytes.
    pub fn is_blank(&self) -> bool {
        const STEP: u32 = 4096;
        let length = self.0.length();
        (0..length).step_by(STEP as usize).all(|start| {
            let part = self.0.subarray(start, length.min(start + STEP));
            part.to_vec()
                .iter()
                .all(|b| matches!(b, b' ' | b'\t'..=b'\r'))
        })
    }

    /// A copy in wasm memory.
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// A stream of the bytes.
    ///
    /// # Errors
    /// The runtime cannot create one.
    pub fn stream(&self) -> worker::Result<ReadableStream> {
        let response = Response::new_with_opt_js_u8_array(Some(&self.0))?;
        response
            .body()
            .ok_or_else(|| worker::Error::from("a response without a body"))
    }
}
