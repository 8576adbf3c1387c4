//! Requests to a Durable Object.

use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::{Response, ResponseBody, Stub};

use crate::error::Error;
use crate::js;

/// The timeout of a request, in milliseconds. An object that panics never replies, and its caller would wait
/// for ever.
pub const MAX_CALL_MS: u32 = if cfg!(feature = "panics") {
    1_000
} else {
    10_000
};

/// The reply of an object to a message, both as JSON; `doing` names the call in errors.
///
/// # Errors
/// [`Error::Storage`] if it fails or does not reply in time.
pub async fn call<T: DeserializeOwned>(
    stub: Stub,
    message: &impl Serialize,
    doing: &str,
) -> Result<T, Error> {
    call_within(MAX_CALL_MS, stub, message, doing).await
}

/// As [`call`], with another timeout, in milliseconds.
///
/// # Errors
/// As [`call`].
pub async fn call_within<T: DeserializeOwned>(
    timeout: u32,
    stub: Stub,
    message: &impl Serialize,
    doing: &str,
) -> Result<T, Error> {
    let failed = |cause: worker::Error| Error::storage(doing, cause);
    let message = serde_json::to_string(message).map_err(|error| failed(error.into()))?;
    let reply = js::call(stub.into_rpc(), &message, timeout).await;
    let reply = reply.map_err(|cause| failed(cause.into()))?;
    let text = reply.as_string().unwrap_or_default();
    serde_json::from_str(&text).map_err(|error| failed(error.into()))
}

/// The response of an object with its reply.
///
/// # Errors
/// The reply cannot be written as JSON.
pub fn respond(reply: &impl Serialize) -> worker::Result<Response> {
    // Without the headers of `Response::ok`, which nobody reads.
    Response::from_body(ResponseBody::Body(serde_json::to_vec(reply)?))
}
