//! The requests and replies of a site's object.

use serde::{Deserialize, Serialize};
use worker::Stub;
use ztp_core::audit::{Ending, Entry, Intent};

use crate::error::Error;
use crate::objects::call::call;

/// The operations of a site.
#[derive(Debug, Serialize, Deserialize)]
pub enum Command {
    /// Writes an entry of the audit log before its change begins.
    Begin(Intent),
    /// Completes an entry.
    End { number: u64, ending: Ending },
    /// Returns entries.
    Entries(Query),
}

/// Which entries, the newest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Query {
    /// Only those with a lower number.
    pub before: Option<u64>,
    /// Only those with a higher number.
    pub after: Option<u64>,
    pub target: Option<String>,
    pub who: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// The reply of a site.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The number of the entry.
    Begun(u64),
    Ended,
    Entries(Vec<Entry>),
    /// Storage failed: the cause.
    Failed(String),
}

impl Command {
    /// Sends the command to the object of a site.
    ///
    /// # Errors
    /// [`Error::Storage`] if it fails or does not reply in time.
    pub async fn send(&self, stub: Stub) -> Result<Reply, Error> {
        let doing = "calling the audit log";
        match call(stub, self, doing).await? {
            Reply::Failed(cause) => Err(Error::storage(doing, cause)),
            reply => Ok(reply),
        }
    }
}
