//! The rules of zero-touch provisioning, pure: no worker, no clock, no I/O.

pub mod bootstrap_conf;
pub mod content_name;
pub mod definition;
pub mod function;
pub mod interface;
pub mod neighbordb;
pub mod node;
pub mod pattern;
pub mod plugin;
pub mod pool;
pub mod printable;
pub mod pyregex;
pub mod template;
pub mod yaml;
