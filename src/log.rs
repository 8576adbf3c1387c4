//! One JSON line per request, in a shape that Workers Logs indexes field by field.

use serde::Serialize;
use worker::{console_error, console_log, console_warn, js_sys};

use crate::storage::Operations;

/// What is said about a request.
#[derive(Debug, Default, Serialize)]
pub struct Entry {
    pub method: String,
    /// The route's shape (`/nodes/{id}`), never the path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'static str>,
    /// The site whose token the URL has; never the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The node that the request was about, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    pub status: u16,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What pools gave the node for this answer: "pool: value".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allocated: Vec<String>,
    /// What an operator released: "pool: value".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<String>,
    /// What the operator should know although it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    pub milliseconds: u64,
    #[serde(flatten)]
    pub operations: Operations,
}

impl Entry {
    /// Writes the line at the level of its status.
    pub fn write(&self) {
        let line = serde_json::to_string(self).unwrap_or_else(|error| error.to_string());
        match self.status {
            500.. => console_error!("{line}"),
            400.. => console_warn!("{line}"),
            _ if self.warning.is_some() => console_warn!("{line}"),
            _ => console_log!("{line}"),
        }
    }
}

/// Milliseconds since 1970. In a Worker time stands still but for storage and the network.
pub fn now() -> u64 {
    js_sys::Date::now() as u64
}
