//! The rules of zero-touch provisioning, pure: no worker, no clock, no I/O.

pub mod bootstrap_conf;
pub mod definition;
pub mod node;
pub mod plugin;
pub mod pyregex;
pub mod template;
pub mod yaml;
