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
//! - [`settings`], [`path`], [`assets`]: what the operator set, what the URL names, what ships inside.
//! - [`answer`], [`error`], [`log`]: what goes back, and what is said about it.
//!
//! Everything that needs the Workers runtime is compiled for wasm only; the rest is also what the
//! host tests and the command line use.

pub mod access;
pub mod assets;
pub mod cache;
pub mod conditions;
pub mod domain;
pub mod key;
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
mod storage;

/// Bytes in hexadecimal, in lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(target_family = "wasm")]
#[worker::event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[cfg(target_family = "wasm")]
#[worker::event(fetch)]
async fn fetch(
    request: worker::Request,
    env: worker::Env,
    _context: worker::Context,
) -> worker::Result<worker::Response> {
    routes::respond(request, &env).await
}
