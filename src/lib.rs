//! ztp-edge: ZTPServer's client-server API as one Cloudflare Worker.
pub mod domain;
