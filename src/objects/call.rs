//! Requests to a Durable Object.

use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::Stub;
use worker::wasm_bindgen::JsValue;
use worker::web_sys::{self, AbortSignal, RequestInit};

use crate::error::Error;

/// The timeout of a request, in milliseconds. An object that panics never replies, and its caller would wait
/// for ever.
const MAX_CALL_MS: u32 = if cfg!(feature = "panics") {
    1_000
} else {
    10_000
};

/// The reply of an object to a message, both as JSON; `doing` names the call in errors.
///
/// # Errors
/// [`Error::Storage`] if it fails or does not reply in time.
pub async fn call<T: DeserializeOwned>(
    stub: &Stub,
    message: &impl Serialize,
    doing: &str,
) -> Result<T, Error> {
    let failed = |cause: worker::Error| Error::storage(doing, cause);
    let body = serde_json::to_string(message).map_err(|error| failed(error.into()))?;
    let request = request(&body).map_err(|cause| failed(cause.into()))?;
    let response = stub.fetch_with_request(request.into()).await;
    let text = response.map_err(failed)?.text().await.map_err(failed)?;
    serde_json::from_str(&text).map_err(|error| failed(error.into()))
}

fn request(body: &str) -> Result<web_sys::Request, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&body.into());
    // Not a timer in Rust: a panic replaces the wasm instance, and its timers never fire.
    init.set_signal(Some(&AbortSignal::timeout_with_u32(MAX_CALL_MS)));
    // The stub selects the Durable Object; the host is ignored.
    web_sys::Request::new_with_str_and_init("http://object/", &init)
}
