//! The rules of zero-touch provisioning, pure: no Worker, no clock, no I/O.
//!
//! - [`node`], [`neighbordb`], [`pattern`]: the facts of a node, and the pattern that it matches.
//! - [`definition`], [`plugin`], [`pool`], [`template`], [`bootstrap_conf`]: the content that a switch receives.
//! - [`event`], [`boot`], [`history`]: what happened to a node, the state that follows from it, and the versions of its
//!   startup-config; [`fleet`]: the nodes of a site by their states.
//! - [`key`], [`path`]: storage keys and URL paths; [`record`]: the size of what is stored for a node; [`kv`]:
//!   how long KV may be stale.
//! - [`settings`], [`credentials`]: the operator's settings, and the callers that tokens identify.
//! - [`operators`], [`access_token`], [`session`], [`audit`], [`secrets`]: who may use the /admin API, how they prove it,
//!   what they did, and what they may not see.
//! - [`content`], [`check`]: the kinds of content, and everything that is wrong with it.
//! - [`assets`]: the content that ships with the Worker.

pub mod access_token;
pub mod assets;
pub mod audit;
pub mod boot;
pub mod bootstrap_conf;
pub mod check;
pub mod content;
pub mod content_name;
pub mod credentials;
pub mod definition;
pub mod event;
pub mod fleet;
pub mod function;
pub mod history;
pub mod interface;
pub mod key;
pub mod kv;
pub mod neighbordb;
pub mod node;
pub mod operators;
pub mod path;
pub mod pattern;
pub mod plugin;
pub mod pool;
pub mod record;
pub mod script;
pub mod secrets;
pub mod session;
pub mod settings;
pub mod stock;
pub mod template;

pub use pyregex;
pub use pyyaml as yaml;
pub use pyyaml::printable;

/// Bytes in hexadecimal, in lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
