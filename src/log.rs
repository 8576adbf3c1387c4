//! One JSON line per request, in a shape that Workers Logs indexes field by field.

use serde::Serialize;

use crate::runtime::{self, Level};

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
    /// That its status is no fault, whatever it is.
    #[serde(skip)]
    pub expected: bool,
    pub milliseconds: u64,
    pub kv_reads: u32,
    pub kv_writes: u32,
    pub r2_reads: u32,
    pub pool_calls: u32,
}

impl Entry {
    /// Adds to what the operator should know.
    pub fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        self.warning = Some(match self.warning.take() {
            Some(earlier) => format!("{earlier}; {warning}"),
            None => warning,
        });
    }

    /// Writes the line, as grave as it is.
    pub fn write(&self) {
        let line = serde_json::to_string(self).unwrap_or_else(|error| error.to_string());
        // 409 tells a node that it is known: as good an answer as 201.
        let level = match self.status {
            500.. if !self.expected => Level::Error,
            _ if self.reason.is_some() || self.warning.is_some() => Level::Warn,
            _ => Level::Log,
        };
        runtime::log(level, &line);
    }
}
