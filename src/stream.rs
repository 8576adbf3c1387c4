//! Bytes that stay in JavaScript's memory: bodies of requests and objects, and responses that many
//! switches receive. Wasm memory never shrinks, so large bodies are never copied into it.

use std::ops::Deref;

use worker::js_sys::{Array, Promise, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{ReadableStream, Request, Response};
use ztp_core::hex;
use ztp_core::kv::digest;

use crate::js;

/// The size in bytes and the SHA-1 of a stream.
///
/// # Errors
/// The stream failed.
pub async fn sha1(stream: &ReadableStream) -> worker::Result<(u64, Vec<u8>)> {
    let found: Array = js::sha1(stream).await?.unchecked_into();
    let size = found.get(0).as_f64().unwrap_or_default() as u64;
    Ok((size, Uint8Array::new(&found.get(1)).to_vec()))
}

/// The bytes of a stream as one of a known length, in bytes. R2 accepts no other.
///
/// # Errors
/// The runtime cannot create it.
pub async fn of_length(stream: &ReadableStream, size: u64) -> worker::Result<ReadableStream> {
    Ok(js::of_length(stream, size as f64).await?.unchecked_into())
}

/// A stream of a known length, in bytes, as another one, and the end of its transfer.
///
/// # Errors
/// The runtime cannot create it.
pub fn observed(stream: &ReadableStream, size: u64) -> worker::Result<(ReadableStream, Transfer)> {
    let pair = js::observed(stream, size as f64)?;
    let transfer = Transfer(pair.get(1).unchecked_into());
    Ok((pair.get(0).unchecked_into(), transfer))
}

/// The transfer of a stream.
pub struct Transfer(Promise);

impl Transfer {
    /// Waits until it ends. Whether the reader received all bytes.
    pub async fn ends(self) -> bool {
        let complete = JsFuture::from(self.0).await;
        complete.is_ok_and(|complete| complete.is_truthy())
    }
}

/// All bytes of a stream; `None` if it has more than `limit`.
///
/// # Errors
/// The stream failed, for example because the client disconnected.
pub async fn read_up_to(stream: &ReadableStream, limit: usize) -> worker::Result<Option<Buffer>> {
    let bytes = js::read_up_to(stream, limit as f64).await?;
    Ok((!bytes.is_null()).then(|| Buffer(bytes.unchecked_into())))
}

/// The most bytes that the bodies of all requests to an instance have in memory together, the first [`SMALL_BODY`] of
/// each aside. An isolate has 128 MB, and a hundred slow uploads would fill it.
pub const MAX_BODIES_BYTES: usize = 24 << 20;
/// Maximum size of a body that is read at once, in bytes: the first read of a larger one (FIRST_STEP in stream.js).
pub const SMALL_BODY: usize = 16 << 10;

thread_local! {
    /// The rest of [`MAX_BODIES_BYTES`].
    static ROOM: JsValue = js::make_room(MAX_BODIES_BYTES as f64).unwrap_or_default();
}

/// The body of a request. It counts against [`MAX_BODIES_BYTES`] until it is dropped, which takes its bytes
/// out of memory: no response has them.
pub struct Body(Buffer);

/// Why a body is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It has more bytes than its limit.
    TooLarge,
    /// The bodies of other requests took all room for several seconds.
    NoRoom,
}

/// All bytes of the body of a request whose Content-Length is at most [`SMALL_BODY`]: the runtime ensures that it has no more.
/// A reader of its stream would take more steps.
///
/// # Errors
/// As [`read_body`].
pub async fn read_small(request: &Request) -> worker::Result<Body> {
    let bytes = JsFuture::from(request.array_buffer()?).await?;
    Ok(Body(Buffer(Uint8Array::new(&bytes))))
}

/// All bytes of the body of a request.
///
/// # Errors
/// The stream failed, for example because the client disconnected.
pub async fn read_body(
    stream: &ReadableStream,
    limit: usize,
) -> worker::Result<Result<Body, Refused>> {
    let room = ROOM.with(JsValue::clone);
    let bytes = js::read_body(stream, limit as f64, &room).await?;
    Ok(if bytes.is_null() {
        Err(Refused::TooLarge)
    } else if bytes.is_undefined() {
        Err(Refused::NoRoom)
    } else {
        Ok(Body(Buffer(bytes.unchecked_into())))
    })
}

impl Body {
    /// The body of a request that has none.
    pub fn empty() -> Self {
        Self(Buffer::new(&[]))
    }
}

impl Deref for Body {
    type Target = Buffer;

    fn deref(&self) -> &Buffer {
        &self.0
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // It cannot fail: the bytes and the room exist.
        let _ = ROOM.with(|room| js::release(&self.0.0, room));
    }
}

/// Maximum number of bytes that are copied into wasm memory to be hashed there, which costs less than a stream.
pub const MAX_COPIED: usize = 64 << 10;

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

    /// The SHA-1 in hexadecimal. Large contents do not enter wasm memory.
    ///
    /// # Errors
    /// The runtime cannot create a stream.
    pub async fn sha1(&self) -> worker::Result<String> {
        if self.len() <= MAX_COPIED {
            return Ok(digest(&self.to_vec()));
        }
        let (_, sha1) = sha1(&self.stream()?).await?;
        Ok(hex(&sha1))
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
