//! ztp-edge: ZTPServer's client-server API as one Cloudflare Worker.
//!
//! A switch that boots without a configuration fetches a script from here, says who it is and
//! which neighbours it sees, gets the definition that fits it, and runs the actions in it.
//!
//! The map, in the order of a request:
//!
//! - [`routes`]: the table of paths; under it one file per resource, each handler loads, asks the
//!   domain, stores, answers.
//! - [`domain`]: the rules, pure: what a node is, what matches it, what it is told to do.
//! - [`storage`] and [`key`]: every KV and R2 call, and every key.
//! - [`cache`], [`parsed`]: what an instance remembers from one request to the next.
//! - [`settings`], [`path`], [`assets`]: what the operator set, what the URL names, what ships inside.
//! - [`answer`], [`error`], [`log`]: what goes back, and what is said about it.
//! - [`runtime`]: the Workers runtime, in few steps; `entry.js` is what it loads.
//!
//! Everything that needs the Workers runtime is compiled for wasm only; the rest is also what the
//! host tests and the command line use.

pub mod access;
pub mod assets;
pub mod cache;
pub mod conditions;
pub mod domain;
pub mod key;
pub mod parsed;
pub mod path;
pub mod range;
pub mod settings;

#[cfg(target_family = "wasm")]
mod answer;
#[cfg(target_family = "wasm")]
mod error;
#[cfg(target_family = "wasm")]
mod log;
#[cfg(target_family = "wasm")]
mod pool;
#[cfg(target_family = "wasm")]
mod routes;
#[cfg(target_family = "wasm")]
mod runtime;
#[cfg(target_family = "wasm")]
mod storage;

#[cfg(target_family = "wasm")]
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};

/// Bytes in hexadecimal, in lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Answers a request: with a `Response`, or with the promise of one if storage has to be asked.
/// `entry.js`, which the runtime loads, takes every request here.
#[cfg(target_family = "wasm")]
#[wasm_bindgen]
pub fn answer(
    request: worker::web_sys::Request,
    method: String,
    url: String,
    env: worker::Env,
    context: JsValue,
) -> JsValue {
    let request = runtime::Request::new(request, method, url);
    runtime::task::run(routes::respond(request, env), &context)
}
