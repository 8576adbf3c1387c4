//! The functions of JavaScript that the Worker calls itself: those of `src/*.js`, and methods of the runtime that
//! the `worker` crate does not have, or whose wrappers cost too much.
//!
//! Functions of modules catch, also those that cannot fail: wasm-bindgen imports those that catch from another module
//! object, and a bundler would warn of two of the same name.

use worker::js_sys::{self, Array, Promise, Uint8Array};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::web_sys::{ReadableStream, RequestInit};

#[wasm_bindgen]
extern "C" {
    /// The binding of static assets. `worker::Fetcher` wraps each request and response, which is much code.
    #[derive(Clone)]
    pub type Fetcher;

    #[wasm_bindgen(method, catch)]
    pub fn fetch(this: &Fetcher, url: &str, init: &RequestInit) -> Result<Promise, JsValue>;

    /// The stub of a Durable Object.
    pub type ObjectStub;

    /// The storage of a Durable Object. `worker` has no transaction without an await, which other requests would come between.
    #[derive(Clone)]
    pub type SyncStorage;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    pub fn transaction_sync(
        this: &SyncStorage,
        run: &mut dyn FnMut() -> Result<(), JsValue>,
    ) -> Result<(), JsValue>;
}

#[wasm_bindgen(module = "/src/stream.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    pub async fn sha1(stream: &ReadableStream) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = ofLength)]
    pub async fn of_length(stream: &ReadableStream, size: f64) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    pub fn observed(stream: &ReadableStream, size: f64) -> Result<Array, JsValue>;

    #[wasm_bindgen(catch, js_name = readUpTo)]
    pub async fn read_up_to(stream: &ReadableStream, limit: f64) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = readBody)]
    pub async fn read_body(
        stream: &ReadableStream,
        limit: f64,
        room: &JsValue,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    pub fn release(bytes: &Uint8Array, room: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = makeRoom)]
    pub fn make_room(max: f64) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen(module = "/src/objects/call.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    pub async fn call(stub: ObjectStub, message: &str, timeout: u32) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen(module = "/src/access/keys.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetchText)]
    pub async fn fetch_text(url: &str, limit: u32, timeout: u32) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    pub async fn verify(
        key: &str,
        signature: &Uint8Array,
        signed: &str,
    ) -> Result<JsValue, JsValue>;
}

/// The message of a JavaScript error, without its stack trace.
pub fn message(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => format!("{error:?}"),
    }
}
