//! What is asked of the object of a pool, what it answers, and how it is asked.

use serde::{Deserialize, Serialize};
use worker::web_sys::{self, AbortSignal, RequestInit};
use worker::{Stub, wasm_bindgen::JsValue};

use crate::error::Error;

/// How long a call may take, in milliseconds. An object that panics answers nothing, and its caller would
/// wait for ever.
const MAX_CALL_MS: u32 = if cfg!(feature = "panics") {
    1_000
} else {
    10_000
};

/// A call of a pool's object.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    /// Its name under `resources/`.
    pub pool: String,
    pub command: Command,
}

/// What a pool can be told.
#[derive(Debug, Serialize, Deserialize)]
pub enum Command {
    /// The value of a node; it gets one if it has none, unless only held values are asked for.
    Allocate { node: String, held_only: bool },
    /// The value that a node holds, whatever the file says and if there is none.
    Held { node: String },
    /// Everything that is taken and reserved.
    List,
    /// A node gets this very value.
    Assign { value: String, node: String },
    /// The value becomes free.
    ReleaseValue { value: String },
    /// The value of the node becomes free.
    ReleaseNode { node: String },
    /// Panics, for the tests of what a panic does.
    #[cfg(feature = "panics")]
    Panic,
}

/// What a pool answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The value that the node holds, or holds from now on.
    Value(String),
    /// The node holds no value, and was not to get one.
    NotHeld,
    /// See [`Listing`].
    Listing(Listing),
    /// What was released, if there was something.
    Released(Option<Allocation>),
    /// It cannot be done: why, in a sentence that names the pool.
    Refused(String),
    /// It could not be done now: storage failed.
    Failed(String),
}

/// A value that a node holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Allocation {
    pub value: String,
    pub node: String,
    /// When it got it, in milliseconds since 1970.
    pub since: f64,
}

/// The state of a pool, for operators.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listing {
    /// How many values the file has for any node.
    pub size: u64,
    pub allocations: Vec<Allocation>,
    /// Value and node of what the file reserves.
    pub reservations: Vec<(String, String)>,
}

impl Call {
    /// Carries the call to the object of its pool.
    ///
    /// # Errors
    /// [`Error::Storage`] if it does not answer; [`Error::BadRequest`] with its reason if it
    /// refuses.
    pub async fn send(&self, stub: &Stub) -> Result<Reply, Error> {
        let failed = |cause| Error::storage(format!("asking the pool '{}'", self.pool), cause);
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
    // A Durable Object is reached through its stub alone: the host means nothing.
    web_sys::Request::new_with_str_and_init("http://pool/", &init)
}
