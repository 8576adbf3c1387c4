//! The command line as a process.

mod broken;
mod escapes;
mod explain;
mod formats;
mod scratch;
mod sites;
mod special;
