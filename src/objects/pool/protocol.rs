//! The requests and replies of a pool's object, and the client that sends them.

use serde::{Deserialize, Serialize};
use worker::web_sys::{self, AbortSignal, RequestInit};
use worker::{Stub, wasm_bindgen::JsValue};

use crate::error::Error;

/// The timeout of a request, in milliseconds. An object that panics never replies, and its caller would wait
/// for ever.
const MAX_CALL_MS: u32 = if cfg!(feature = "panics") {
    1_000
} else {
    10_000
};

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
    /// Returns the allocations and reservations.
    List,
    /// Allocates this value to a node.
    Assign { value: String, node: String },
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
    pub async fn send(&self, stub: &Stub) -> Result<Reply, Error> {
        let failed = |cause| Error::storage(format!("calling the pool '{}'", self.pool), cause);
        let body = serde_json::to_string(self).map_err(|error| failed(error.into()))?;
        let request = request(&body).map_err(|cause| failed(cause.into()))?;
        let mut response = stub
            .fetch_with_request(request.into())
            .await
            .map_err(failed)?;
        let text = response.text().await.map_err(failed)?;
        match serde_json::from_str(&text).map_err(|error| failed(error.into()))? {
            Reply::Refused(reason) => Err(Error::BadRequest(reason)),
            Reply::Failed(cause) => Err(failed(cause.into())),
            reply => Ok(reply),
        }
    }
}

fn request(body: &str) -> Result<web_sys::Request, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&body.into());
    init.set_signal(Some(&AbortSignal::timeout_with_u32(MAX_CALL_MS)));
    // The stub selects the Durable Object; the host is ignored.
    web_sys::Request::new_with_str_and_init("http://pool/", &init)
}
