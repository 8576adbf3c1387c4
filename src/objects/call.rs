//! Requests to a Durable Object.

use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::Stub;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{AbortSignal, RequestInit, Response};

use crate::error::Error;
use crate::js::Fetcher;

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
    let body = serde_json::to_string(message).map_err(|error| failed(error.into()))?;
    let text = send(stub, &body, timeout)
        .await
        .map_err(|cause| failed(cause.into()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.into()))
}

async fn send(stub: Stub, body: &str, timeout: u32) -> Result<String, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&body.into());
    // Not a timer in Rust: a panic replaces the wasm instance, and its timers never fire.
    init.set_signal(Some(&AbortSignal::timeout_with_u32(timeout)));
    // The stub selects the Durable Object; the host is ignored.
    let response = stub.into_rpc::<Fetcher>().fetch("http://object/", &init)?;
    let response: Response = JsFuture::from(response).await?.unchecked_into();
    let text = JsFuture::from(response.text()?).await?;
    Ok(text.as_string().unwrap_or_default())
}
