//! The requests and replies of a node's object.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use worker::Stub;
use ztp_core::event::{Event, Logged, PoolValue, Report};
use ztp_core::history::Version;
use ztp_core::key::Record;
use ztp_core::kv::Seen;
use ztp_core::node::{KnownValue, NodeId, Written};

use crate::error::Error;
use crate::objects::call::call;
use crate::objects::site::protocol::{Given, Row};

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
    Read {
        records: Vec<Record>,
        /// For the request of a switch: its event.
        notes: Option<Box<Notes>>,
    },
    /// Writes records: all of them or none.
    Commit(Commit),
    /// Takes notes of the request of a switch, after its response.
    Note(Box<Notes>),
    /// Takes a report of the client.
    Report {
        /// The site of the request.
        site: Option<String>,
        /// The record `site`, if it was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<Owner>,
        report: Report,
        event: Event,
    },
    /// Returns the events, the versions, and where the node stands.
    Timeline,
    /// Panics, for the tests of panics.
    #[cfg(feature = "panics")]
    Panic,
}

/// Notes of the request of a switch for the object.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// The site of the request, if sites are configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// An event of the same request that ended differently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Ticket>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// Of its facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The version of EOS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The facts as JSON, if they are not stored as a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<String>,
    /// The values that KV showed, where they differ from those that the object knows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shown: BTreeMap<Record, KnownValue>,
    /// The record `site` that KV showed, if it is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// An event that its request may replace. A number is used again after its event was dropped or taken back, but no two
/// events of an object have the same time: see [`super::Inner::tick`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The number of the event.
    pub number: u64,
    /// Its time, in milliseconds since 1970.
    pub time: u64,
}

/// The part of the reply to a read that only the requests of switches need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadContext {
    /// The event that the object has noted for the request.
    pub ticket: Option<Ticket>,
    /// The values of the records that it knows: KV should show them.
    pub known: BTreeMap<Record, KnownValue>,
    /// Whether it knows the name of the node's definition.
    pub has_name: bool,
    /// The values of pools that the node received last.
    pub values: Vec<PoolValue>,
}

/// The record `site` of a node, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    Nobody,
    Site(String),
}

/// The result of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reported {
    Stored,
    /// The node has made no request for its records at this site, or belongs to another site.
    Unknown,
    /// The object does not know the record `site`: the report has to be sent again with it. Nothing was stored.
    OwnerUnknown,
    /// Its boot has too many.
    TooMany,
    /// The node has too many in this hour.
    TooManyInHour,
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
    /// The event of the same request that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Ticket>,
    /// The operator who writes; `None`: a switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whether events and versions up to this commit are deleted, also its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_history: bool,
    /// With [`Event::PlanGiven`]: all nodes that have these records then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Given>,
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
    /// The program that stores it; `None`: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
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
    State(State, ReadContext),
    /// The records are written. KV receives them next.
    Committed,
    /// Another commit came first: the state after it. Nothing was written.
    Conflict(State),
    /// The node belongs to another site. Nothing was written.
    OtherSite,
    Noted,
    Reported(Reported),
    Timeline(Box<Timeline>),
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
    /// The program that stores it; `None`: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
}

/// The history of a node, the oldest first, and where it stands.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// With their numbers.
    pub events: Vec<(u64, Logged)>,
    pub versions: Vec<Version>,
    /// `None`: it has made no request since an operator deleted its records.
    pub row: Option<Row>,
    pub seen: Option<SeenPost>,
}

/// The last POST of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenPost {
    /// In milliseconds since 1970.
    pub time: u64,
    /// Its facts as JSON; `None`: they are the record `.node`.
    pub facts: Option<String>,
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
