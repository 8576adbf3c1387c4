//! ztp-edge: ZTPServer's client-server API as one Cloudflare Worker.
//!
//! A switch that boots without a configuration fetches a script from this Worker, sends its identity and
//! its LLDP neighbors, receives the definition of the pattern that it matches, and runs the actions in it.
//!
//! In the order of a request:
//!
//! - [`routes`]: the table of paths. Each resource is a file: load, apply a rule of `ztp_core`, store, respond.
//! - [`access`]: who asks.
//! - [`storage`]: every KV, R2 and object call, and the cache.
//! - [`objects`]: the Durable Objects.
//! - [`request`], [`response`], [`error`], [`log`]: HTTP, and one log line per request.
//! - [`stream`]: bytes that stay outside wasm memory; [`js`]: the functions of JavaScript.
//!
//! The rules are in the crate `ztp_core`.

mod access;
mod byte_range;
mod conditions;
mod error;
mod js;
mod log;
mod objects;
mod request;
mod response;
mod routes;
mod storage;
mod stream;

use std::panic;

use worker::js_sys::{self, Reflect};
use worker::wasm_bindgen::JsValue;
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event, web_sys};

/// Logs the stack trace of a panic. The hook of `worker` marks the instance for replacement, so that
/// the next request gets a new one: it has to run as well.
///
/// And hides the runtime's `queueMicrotask`, which wraps each call in an object of its own: without it, js_sys runs futures by a
/// resolved promise, which takes a tenth less CPU time in a boot.
#[event(start)]
fn start() {
    // A failure would cost that time, and nothing else.
    let _ = Reflect::set(
        &js_sys::global(),
        &"queueMicrotask".into(),
        &JsValue::UNDEFINED,
    );
    let replace_instance = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        console_error_panic_hook::hook(panic);
        replace_instance(panic);
    }));
}

/// Runs only if wrangler.toml has a cron trigger.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    routes::check(env).await;
}

#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> worker::Result<web_sys::Response> {
    routes::respond(request::Request::new(request), env, context).await
}
