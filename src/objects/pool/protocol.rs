//! The requests and replies of a pool's object, and the client that sends them.

use serde::{Deserialize, Serialize};
use worker::Stub;

use crate::error::Error;
use crate::objects::call::call;

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
    /// Returns the value of a node. Allocates one if it has none, unless `held_only`.
    Allocate { node: String, held_only: bool },
    /// Returns the value that a node holds. The file is not read, and may be missing.
    Held { node: String },
    /// Returns the allocation of a node. As [`Command::Held`], with its time.
    Holding { node: String },
    /// Returns the allocations and reservations.
    List,
    /// Allocates this value to a node.
    Assign { value: String, node: String },
    /// Returns the allocations. The file is not read.
    Allocations,
    /// Allocates values to nodes, each as [`Command::Assign`].
    Import(Vec<(String, String)>),
    /// Releases a value.
    ReleaseValue { value: String },
    /// Releases the value of a node.
    ReleaseNode { node: String },
    /// Panics, for the tests of panics.
    #[cfg(feature = "panics")]
    Panic,
}

/// The reply of a pool.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The value that the node holds now.
    Value(String),
    /// The node holds no value, and none was allocated.
    NotHeld,
    /// The allocation of the node, if it holds a value.
    Holding(Option<Allocation>),
    /// All of them, the oldest first.
    Allocations(Vec<Allocation>),
    /// Of each imported allocation, why it is refused; `None`: it is not.
    Imported(Vec<Option<String>>),
    /// See [`Listing`].
    Listing(Listing),
    /// The released allocation, if it existed.
    Released(Option<Allocation>),
    /// The command was rejected: the reason, as a sentence that names the pool.
    Refused(String),
    /// Storage failed: the cause.
    Failed(String),
}

/// A value that a node holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Allocation {
    pub value: String,
    pub node: String,
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
    pub reservations: Vec<(String, String)>,
}

impl PoolRequest {
    /// Sends the request to the object of its pool.
    ///
    /// # Errors
    /// [`Error::Storage`] if it fails or does not reply in time; [`Error::BadRequest`] with its reason if
    /// it rejects the command.
    pub async fn send(&self, stub: Stub) -> Result<Reply, Error> {
        let doing = format!("calling the pool '{}'", self.pool);
        match call(stub, self, &doing).await? {
            Reply::Refused(reason) => Err(Error::BadRequest(reason)),
            Reply::Failed(cause) => Err(Error::storage(doing, cause)),
            reply => Ok(reply),
        }
    }
}
