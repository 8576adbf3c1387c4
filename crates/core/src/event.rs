//! The events of a node: requests of the switch, acts of operators, and reports of the client.

mod report;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use report::{
    Arrival, InvalidReport, MAX_REPORT, MAX_REPORT_NAME, MAX_REPORT_REASON, MAX_REPORTS, Reports,
    parse as parse_report,
};

/// Maximum number of events that are kept for a node: the oldest are deleted.
pub const MAX_EVENTS: u64 = 1_000;
/// Maximum length of the reason of an event, in bytes. The reason of a refusal is longer in the response.
pub const MAX_REASON: usize = 4 << 10;
/// Maximum length of the log in a report, in bytes.
pub const MAX_LOG: usize = 4 << 10;

/// An event with its time and its origin. As JSON, the fields of all four are in one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logged {
    /// In milliseconds since 1970.
    pub time: u64,
    /// The site of the request, if sites are configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The operator, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The boot, if the client reported the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    #[serde(flatten)]
    pub event: Event,
}

/// The place of a report in its boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The client's name of this boot: one boot has one, and two boots have different ones.
    pub boot: String,
    /// The reports of a boot are numbered from 1.
    pub seq: u32,
    /// Seconds since the boot began, by the clock of the switch.
    pub at: f64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The client script was sent to a switch that named itself in `X-Arista-*` headers.
    ScriptFetched {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// The version of EOS.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// The node received a definition or a startup-config with POST /nodes.
    Registered {
        /// The pattern that it matched; `None`: its POST had a startup-config.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        definition: Option<String>,
    },
    /// A known node sent the same facts as before.
    FactsPosted,
    /// A known node sent other facts than before.
    FactsChanged,
    /// A known node was seen at a site for the first time: it belongs to this site now.
    Claimed,
    /// A request was refused.
    Refused {
        /// The route: `POST /nodes`.
        request: String,
        status: u16,
        reason: String,
    },
    /// The definition was sent.
    DefinitionFetched {
        /// Its name, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        definition: Option<String>,
    },
    /// The definition that was sent has values from pools.
    PoolValuesGiven { values: Vec<PoolValue> },
    /// The startup-config was sent.
    StartupConfigFetched,
    /// An action or a file was sent to the node's own URL.
    FileFetched {
        path: String,
        bytes: u64,
        seconds: f64,
        /// Whether the client received all of it.
        complete: bool,
    },
    /// The node's startup-config was stored.
    StartupConfigStored {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha1: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// A read found records that were changed in the dashboard.
    Edited { records: Vec<String> },
    /// An operator changed records.
    OperatorChanged,
    /// An operator deleted the definition, the pattern and the config-handler: the next POST is matched anew.
    Reprovisioned,
    /// An operator deleted all records.
    Forgotten,
    /// An operator assigned the node to a site, or to none.
    Moved,
    /// Report: the client received the facts' response, and begins.
    BootStarted,
    /// Report.
    ActionStarted { action: String },
    /// Report.
    ActionSucceeded { action: String, seconds: f64 },
    /// Report.
    ActionFailed { action: String, reason: String },
    /// Report: a file was downloaded.
    Downloaded {
        path: String,
        bytes: u64,
        seconds: f64,
    },
    /// Report: the boot ended, and the switch runs its configuration.
    BootSucceeded { seconds: f64 },
    /// Report: the boot ended without a configuration.
    BootFailed {
        reason: String,
        /// The end of the client's log, without secrets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
    },
}

/// A value from a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolValue {
    pub pool: String,
    pub value: String,
}

impl fmt::Display for PoolValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pool, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_an_event_are_in_one_object_of_json() {
        let refused = Logged {
            time: 7,
            site: Some("oslo".to_owned()),
            by: None,
            report: None,
            event: Event::Refused {
                request: "POST /nodes".to_owned(),
                status: 400,
                reason: "no pattern matches".to_owned(),
            },
        };
        let json = r#"{"time":7,"site":"oslo","event":"refused","request":"POST /nodes","status":400,"reason":"no pattern matches"}"#;
        assert_eq!(serde_json::to_string(&refused).unwrap(), json);
        assert_eq!(serde_json::from_str::<Logged>(json).unwrap(), refused);
    }

    #[test]
    fn events_of_earlier_releases_are_read() {
        for name in [
            "registered",
            "startup-config-stored",
            "facts-changed",
            "moved",
        ] {
            let json = format!(r#"{{"time":7,"event":"{name}"}}"#);
            assert!(serde_json::from_str::<Logged>(&json).is_ok(), "{json}");
        }
    }
}
