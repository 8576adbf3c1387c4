//! Request bodies, read no further than a limit.

use futures_util::TryStreamExt;
use worker::Request;
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::WritableStream;

use crate::error::Error;

/// The largest startup-config: what one KV value holds.
pub const MAX_STARTUP_CONFIG_BYTES: usize = 25 << 20;

/// Reads the body of a request, `what` naming it in messages.
///
/// A body that is too large is taken off the wire and dropped: a client that is still sending
/// would see a broken connection instead of the answer.
///
/// # Errors
/// [`Error::TooLarge`] if more than `limit` bytes are announced or arrive; [`Error::BadRequest`] if
/// the client stops in the middle.
pub async fn read(request: &mut Request, what: &str, limit: usize) -> Result<Vec<u8>, Error> {
    let broken = |cause| Error::BadRequest(format!("{what} did not arrive whole: {cause}"));
    let announced = request.headers().get("Content-Length").ok().flatten();
    let body = match announced.and_then(|text| text.parse::<usize>().ok()) {
        Some(announced) if announced > limit => {
            drop_body(request).await.map_err(broken)?;
            None
        }
        Some(_) => Some(request.bytes().await.map_err(broken)?),
        None => read_chunks(request, limit).await.map_err(broken)?,
    };
    body.ok_or_else(|| {
        Error::TooLarge(format!(
            "{what} is larger than the {limit} bytes that are taken"
        ))
    })
}

/// Lets the runtime swallow the body, without a byte of it entering wasm.
async fn drop_body(request: &Request) -> worker::Result<()> {
    if let Some(body) = request.inner().body() {
        JsFuture::from(body.pipe_to(&WritableStream::new()?)).await?;
    }
    Ok(())
}

/// The body of a request that does not announce its length; `None` if it is over the limit.
async fn read_chunks(request: &mut Request, limit: usize) -> worker::Result<Option<Vec<u8>>> {
    if request.inner().body().is_none() {
        return Ok(Some(Vec::new()));
    }
    let mut bytes = Some(Vec::new());
    let mut chunks = request.stream()?;
    while let Some(chunk) = chunks.try_next().await? {
        bytes = bytes.filter(|read: &Vec<u8>| read.len() + chunk.len() <= limit);
        if let Some(read) = &mut bytes {
            read.extend_from_slice(&chunk);
        }
    }
    Ok(bytes)
}
