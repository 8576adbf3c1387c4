//! The facts about KV that rules depend on: it is eventually consistent, so a read may be stale.

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::hex;

/// How long reads of KV may be stale after a write, in milliseconds: they may show the value before it, or no
/// value. Cloudflare's documentation says "60 seconds or more"; this is a safe multiple.
pub const STALE_WINDOW_MS: u64 = 10 * 60 * 1000;

/// The SHA-1 of a value, in hexadecimal.
pub fn digest(value: &[u8]) -> String {
    hex(&Sha1::digest(value))
}

/// The value that KV showed when its replacement was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// KV was not read.
    Unknown,
    Missing,
    /// By its SHA-1.
    Value(String),
}
