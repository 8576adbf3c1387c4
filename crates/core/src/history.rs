//! The versions of a node's startup-config.

use serde::{Deserialize, Serialize};

use crate::key::HISTORY;
use crate::node::NodeId;

/// Maximum number of versions that are kept for a node: the oldest are deleted.
pub const MAX_VERSIONS: u64 = 100;

/// A startup-config that was stored once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// When it was stored, in milliseconds since 1970.
    pub time: u64,
    /// Of the startup-config, in hexadecimal.
    pub sha1: String,
    /// In bytes.
    pub size: u64,
}

impl Version {
    /// The key of its contents in R2: `history/<id>/<time>-<sha1>`. Keys sort by time until the year 2286.
    pub fn key(&self, node: &NodeId) -> String {
        format!("{HISTORY}{node}/{}-{}", self.time, self.sha1)
    }
}
