//! The requests and replies of a pool's object, and the client that sends them.

use serde::{Deserialize, Serialize};
use worker::Stub;

use crate::error::Error;
use crate::objects::call::call;
use ztp_core::pool::Holder;

/// A request to a pool's object.
#[derive(Debug, Serialize, Deserialize)]
pub struct PoolRequest {
    /// The pool's name under `resources/`.
    pub pool: String,
    pub command: Command,
}

/// The operations of a pool.
#[derive(Debug, Serialize, Deserialize)]
pub enum Command {
    /// Returns the value of a node, and those of its `others`, which differ in the name. Allocates those that it does not
    /// have, unless `held_only` or `preview`: then it returns [`Reply::NotHeld`] or [`Reply::Next`] for them. If one of them
    /// is refused, none is allocated.
    Allocate {
        node: Holder,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<Holder>,
        held_only: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        preview: bool,
    },
    /// Returns the values that a node holds. As [`Command::Allocate`], but the file is not read, and may be missing.
    Held {
        node: Holder,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<Holder>,
    },
    /// Returns the allocations of a node. The file is not read.
    Holding { node: String },
    /// Returns the allocations and reservations.
    List,
    /// Allocates this value to a node.
    Assign { value: String, node: Holder },
    /// Returns the allocations. The file is not read.
    Allocations,
    /// Allocates values to nodes, each as [`Command::Assign`].
    Import(Vec<(String, Holder)>),
    /// Releases a value; with a `holder` only if this one holds it.
    ReleaseValue {
        value: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<Holder>,
    },
    /// Releases the value of a node with a name, or without one.
    ReleaseNode { node: Holder },
    /// Releases all values of a node.
    ReleaseAll(String),
    /// Reads the file, which an operator has changed through the API: it counts at once.
    Refresh,
    /// Panics, for the tests of panics.
    #[cfg(feature = "panics")]
    Panic,
}

/// The reply of a pool.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// Of each of several names, in the order of the request.
    Each(Vec<Reply>),
    /// The value that the node holds now.
    Value(String),
    /// The node holds no value, and none was allocated.
    NotHeld,
    /// The node holds no value, and would receive this one.
    Next(String),
    /// All of them, the oldest first.
    Allocations(Vec<Allocation>),
    /// Of each imported allocation, why it is refused; `None`: it is not.
    Imported(Vec<Option<String>>),
    /// See [`Listing`].
    Listing(Listing),
    /// The released allocation, if it existed.
    Released(Option<Allocation>),
    Refreshed,
    /// The command was rejected: the reason, as a sentence that names the pool.
    Refused(String),
    /// Storage failed: the cause.
    Failed(String),
}

/// A value that a node holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Allocation {
    pub value: String,
    pub node: Holder,
    /// The time of the allocation, in milliseconds since 1970.
    pub since: f64,
}

/// The state of a pool, for operators.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listing {
    /// The number of values in the file that are not reserved.
    pub size: u64,
    pub allocations: Vec<Allocation>,
    /// Value and node of each reservation in the file.
    pub reservations: Vec<(String, Holder)>,
}

/// A pool's object in messages.
fn called(pool: &str) -> String {
    format!("calling the pool '{pool}'")
}

/// The error of a pool's object that sent the reply to another command.
pub fn unexpected_reply(pool: &str) -> Error {
    Error::unexpected_reply(called(pool))
}

impl Reply {
    /// The reply to a request for several names: of a single one, its own.
    pub fn each(mut replies: Vec<Self>) -> Self {
        match replies.len() {
            1 => replies.remove(0),
            _ => Self::Each(replies),
        }
    }

    /// The replies for `count` names; `None` if it is not one for each.
    pub fn replies(self, count: usize) -> Option<Vec<Self>> {
        let replies = match self {
            Self::Each(replies) => replies,
            reply => vec![reply],
        };
        (replies.len() == count).then_some(replies)
    }
}

impl PoolRequest {
    /// Sends the request to the object of its pool.
    ///
    /// # Errors
    /// [`Error::Storage`] if it fails or does not reply in time; [`Error::BadRequest`] with its reason if
    /// it rejects the command.
    pub async fn send(&self, stub: Stub) -> Result<Reply, Error> {
        let doing = called(&self.pool);
        match call(stub, self, &doing).await? {
            Reply::Refused(reason) => Err(Error::BadRequest(reason)),
            Reply::Failed(cause) => Err(Error::storage(doing, cause)),
            reply => Ok(reply),
        }
    }
}
