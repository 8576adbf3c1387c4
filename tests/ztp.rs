//! The command line as a process.

#[path = "ztp/broken.rs"]
mod broken;
#[path = "ztp/escapes.rs"]
mod escapes;
#[path = "ztp/explain.rs"]
mod explain;
#[path = "ztp/formats.rs"]
mod formats;
#[path = "ztp/scratch.rs"]
mod scratch;
#[path = "ztp/sites.rs"]
mod sites;
#[path = "ztp/special.rs"]
mod special;
