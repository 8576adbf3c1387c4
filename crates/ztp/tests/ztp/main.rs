//! The command line as a process.

mod broken;
mod check_list;
mod escapes;
mod explain;
mod field;
mod folders;
mod formats;
mod in_memory;
mod scratch;
mod server;
mod servers;
mod sites;
mod special;
mod store;
