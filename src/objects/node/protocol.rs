//! The requests and replies of a node's object.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use worker::Stub;
use ztp_core::event::{Event, Logged};
use ztp_core::history::Version;
use ztp_core::key::Record;
use ztp_core::kv::Seen;
use ztp_core::node::{NodeId, Written};

use crate::error::Error;
use crate::objects::call::call;

/// A request to a node's object.
#[derive(Debug, Serialize, Deserialize)]
pub struct NodeRequest {
    pub node: String,
    pub command: Command,
}

/// The operations of a node.
#[derive(Debug, Serialize, Deserialize)]
pub enum Command {
    /// Returns the [`State`] with the copies of these records.
    Read(Vec<Record>),
    /// Writes records: all of them or none.
    Commit(Commit),
    /// Returns the events and the versions.
    Timeline,
    /// Panics, for the tests of panics.
    #[cfg(feature = "panics")]
    Panic,
}

/// Records to write, and what they depend on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Commit {
    /// The revision that the decision depends on: the commit is rejected if another one came first. `None`: it
    /// depends on none.
    pub base: Option<u64>,
    pub claim: Option<Claim>,
    pub records: Vec<NewRecord>,
    pub event: Event,
    /// The operator who writes; `None`: a switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whether events and versions up to this commit are deleted, also its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_history: bool,
}

/// The site that writes. It must be the owner of the node; without an owner, it becomes the owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claim {
    pub site: String,
    /// The record `site` in KV.
    pub in_kv: Option<String>,
}

/// A new value of a record.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewRecord {
    pub record: Record,
    pub contents: Contents,
    /// The value that KV showed.
    pub seen: Seen,
}

/// The contents of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contents {
    Text(String),
    /// A startup-config, which is in R2.
    Version(Version),
    /// The record is deleted.
    Deleted,
}

/// The reply of a node.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    State(State),
    /// The records are written. KV receives them next.
    Committed,
    /// Another commit came first: the state after it. Nothing was written.
    Conflict(State),
    /// The node belongs to another site. Nothing was written.
    OtherSite,
    Timeline(Timeline),
    /// Storage failed: the cause.
    Failed(String),
}

/// The records that the object has written lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The number of commits so far.
    pub revision: u64,
    /// Those of which KV may be stale.
    pub copies: BTreeMap<Record, RecordCopy>,
}

/// The object's copy of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCopy {
    /// The commit that wrote it.
    pub revision: u64,
    pub contents: Contents,
    pub written: Written,
    /// The operator who wrote it; `None`: a switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The history of a node, the oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Timeline {
    pub events: Vec<Logged>,
    pub versions: Vec<Version>,
}

impl Timeline {
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.versions.is_empty()
    }
}

impl NodeRequest {
    pub fn new(node: &NodeId, command: Command) -> Self {
        Self {
            node: node.to_string(),
            command,
        }
    }

    /// Sends the request to the object of its node.
    ///
    /// # Errors
    /// [`Error::Storage`] if it fails or does not reply in time.
    pub async fn send(&self, stub: Stub) -> Result<Reply, Error> {
        let doing = format!("calling the object of the node {}", self.node);
        match call(stub, self, &doing).await? {
            Reply::Failed(cause) => Err(Error::storage(doing, cause)),
            reply => Ok(reply),
        }
    }
}
