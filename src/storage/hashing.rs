//! Hashing a stream natively: the bytes go from the store to the digest without entering wasm.
//!
//! `pipeTo` would do it in one call, but makes a JavaScript object of every 4 KiB, which is most of
//! the CPU that hashing takes and fills the heap faster than it is collected. Here one buffer of a
//! megabyte goes back and forth.

use worker::crypto::{DigestStream, DigestStreamAlgorithm};
use worker::js_sys::{Object, Promise, Reflect, Uint8Array};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::ReadableStream;

/// How much is hashed at once, in bytes.
const BUFFER_BYTES: u32 = 1 << 20;

#[wasm_bindgen]
extern "C" {
    /// A `ReadableStreamBYOBReader`, with the runtime's own `readAtLeast`.
    type ByobReader;
    #[wasm_bindgen(method, catch, js_name = readAtLeast)]
    fn read_at_least(this: &ByobReader, bytes: u32, into: &Uint8Array) -> Result<Promise, JsValue>;

    type ByobStream;
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn get_reader(this: &ByobStream, options: &Object) -> Result<ByobReader, JsValue>;

    /// What a read answers.
    type Chunk;
    #[wasm_bindgen(method, getter)]
    fn value(this: &Chunk) -> Option<Uint8Array>;
    #[wasm_bindgen(method, getter)]
    fn done(this: &Chunk) -> bool;
}

/// The SHA-1 of everything that a stream has.
///
/// # Errors
/// What the stream says when it breaks off.
pub async fn sha1(stream: &ReadableStream) -> worker::Result<Vec<u8>> {
    let digest = DigestStream::new(DigestStreamAlgorithm::Sha1);
    let writer = digest.raw().get_writer()?;
    let options = Object::new();
    Reflect::set(&options, &"mode".into(), &"byob".into())?;
    let reader = stream.unchecked_ref::<ByobStream>().get_reader(&options)?;
    let mut buffer = Uint8Array::new_with_length(BUFFER_BYTES);
    loop {
        let read = reader.read_at_least(BUFFER_BYTES, &buffer)?;
        let chunk: Chunk = JsFuture::from(read).await?.unchecked_into();
        if let Some(bytes) = chunk.value().filter(|bytes| bytes.length() > 0) {
            JsFuture::from(writer.write_with_chunk(&bytes)).await?;
            // The buffer was handed over with the read, and comes back with its bytes.
            buffer = Uint8Array::new(&bytes.buffer());
        }
        if chunk.done() {
            break;
        }
    }
    JsFuture::from(writer.close()).await?;
    Ok(digest.digest().await?.to_vec())
}
