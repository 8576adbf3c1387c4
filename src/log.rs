//! One JSON line per request. Workers Logs indexes each of its fields.

use serde::Serialize;

use worker::{console_error, console_log, console_warn};

/// The fields of a request's log line.
#[derive(Debug, Default, Serialize)]
pub struct RequestLog {
    pub method: String,
    /// The path of the route (`/nodes/{id}`), never the requested path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The site of the credential in the URL; never the credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The operator who sent the request, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The node that the request concerns, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    pub status: u16,
    /// The reason of a rejected or failed request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The values from pools in the response: "pool: value".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allocated: Vec<String>,
    /// The value that an operator released: "pool: value".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<String>,
    /// A problem that did not fail the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Whether a status of 500 or more is not a fault of the server.
    #[serde(skip)]
    pub expected: bool,
    pub duration_ms: u64,
    pub kv_reads: u32,
    pub kv_writes: u32,
    pub r2_reads: u32,
    pub r2_writes: u32,
    pub object_calls: u32,
}

impl RequestLog {
    /// Adds a warning.
    pub fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        self.warning = Some(match self.warning.take() {
            Some(earlier) => format!("{earlier}; {warning}"),
            None => warning,
        });
    }

    /// Writes the line, at the level of its status.
    pub fn write(&self) {
        let line = serde_json::to_string(self).unwrap_or_else(|error| error.to_string());
        match self.status {
            500.. if !self.expected => console_error!("{line}"),
            // 409 has no reason: for a known node it is a success, as 201 is.
            _ if self.reason.is_some() || self.warning.is_some() => console_warn!("{line}"),
            _ => console_log!("{line}"),
        }
    }
}
