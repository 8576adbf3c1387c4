//! Request bodies, read no further than a limit.

use crate::error::Error;
use crate::runtime::{Held, Request};

/// The largest startup-config: what one KV value holds.
pub const MAX_STARTUP_CONFIG_BYTES: usize = 25 << 20;

/// Reads the body of a request, `what` naming it in messages.
///
/// # Errors
/// [`Error::TooLarge`] if it has more than `limit` bytes; [`Error::BadRequest`] if the client stops in
/// the middle.
pub async fn read(request: &Request, what: &str, limit: usize) -> Result<Held, Error> {
    let body = request.body(limit).await;
    let body =
        body.map_err(|cause| Error::BadRequest(format!("{what} did not arrive whole: {cause}")))?;
    body.ok_or_else(|| {
        Error::TooLarge(format!(
            "{what} is larger than the {limit} bytes that are taken"
        ))
    })
}

/// The refusal of a request whose body nobody has read. It is taken off the wire first, and nothing of it
/// is kept: a client that is still sending would see a broken connection instead of the refusal.
pub async fn refuse(request: &Request, refusal: Error) -> Error {
    // A client that stops sending does not wait for the refusal either.
    let _ = request.discard_body().await;
    refusal
}
