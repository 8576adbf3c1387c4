//! The command line as a process.

mod broken;
mod explain;
mod formats;
mod scratch;
