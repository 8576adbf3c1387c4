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
