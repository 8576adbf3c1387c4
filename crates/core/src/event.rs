//! The events of a node: requests of the switch, acts of operators, and reports of the client.

mod report;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::printable::Printable;

pub use report::{
    Arrival, Hour, InvalidReport, MAX_HOURLY, MAX_REPORT, MAX_REPORT_NAME, MAX_REPORT_REASON,
    MAX_REPORTS, Reports, parse as parse_report,
};

/// Maximum number of events that are kept for a node: the oldest are deleted.
pub const MAX_EVENTS: u64 = 1_000;
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

impl Logged {
    /// Whether the switch caused it: a request or a report.
    pub fn is_of_switch(&self) -> bool {
        self.by.is_none() && !matches!(self.event, Event::Edited { .. })
    }
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

/// An event, without its time and its origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", try_from = "Fields")]
pub enum Event {
    /// The client script was sent to a switch that named itself in `X-Arista-*` headers.
    ScriptFetched {
        #[serde(skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// The version of EOS.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// The node received a definition or a startup-config with POST /nodes.
    Registered {
        /// The pattern that it matched; `None`: its POST had a startup-config.
        #[serde(skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
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
        #[serde(skip_serializing_if = "Option::is_none")]
        definition: Option<String>,
    },
    /// The definition that was sent has values from pools, and other ones than the last definition with some.
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
        #[serde(skip_serializing_if = "Option::is_none")]
        sha1: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// A read found records that were changed in the dashboard.
    Edited { records: Vec<String> },
    /// An operator changed records.
    OperatorChanged,
    /// An operator gave the records of this planned node to another one.
    PlanGiven {
        /// The node that received them.
        to: String,
    },
    /// An operator deleted the definition, the pattern and the config-handler: the next POST is matched anew.
    Reprovisioned,
    /// An operator deleted all records.
    Forgotten,
    /// An operator assigned the node to a site, or to none. In the list of a site, without an operator: another site has
    /// the node now.
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
        #[serde(skip_serializing_if = "Option::is_none")]
        log: Option<String>,
    },
}

/// The fields of any event, as they are read: one reader for all events takes a fifth of the code of one for each.
#[derive(Deserialize)]
struct Fields {
    event: String,
    model: Option<String>,
    version: Option<String>,
    pattern: Option<String>,
    definition: Option<String>,
    request: Option<String>,
    status: Option<u16>,
    reason: Option<String>,
    values: Option<Vec<PoolValue>>,
    path: Option<String>,
    bytes: Option<u64>,
    seconds: Option<f64>,
    complete: Option<bool>,
    sha1: Option<String>,
    size: Option<u64>,
    records: Option<Vec<String>>,
    to: Option<String>,
    action: Option<String>,
    log: Option<String>,
}

/// The value of a field that its event must have.
fn required<T>(name: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("missing field `{name}`"))
}

impl TryFrom<Fields> for Event {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let action = || required("action", fields.action.clone());
        let path = || required("path", fields.path.clone());
        let reason = || required("reason", fields.reason.clone());
        let bytes = || required("bytes", fields.bytes);
        let seconds = || required("seconds", fields.seconds);
        Ok(match fields.event.as_str() {
            "script-fetched" => Self::ScriptFetched {
                model: fields.model,
                version: fields.version,
            },
            "registered" => Self::Registered {
                pattern: fields.pattern,
                definition: fields.definition,
            },
            "facts-posted" => Self::FactsPosted,
            "facts-changed" => Self::FactsChanged,
            "claimed" => Self::Claimed,
            "refused" => Self::Refused {
                reason: reason()?,
                request: required("request", fields.request)?,
                status: required("status", fields.status)?,
            },
            "definition-fetched" => Self::DefinitionFetched {
                definition: fields.definition,
            },
            "pool-values-given" => Self::PoolValuesGiven {
                values: required("values", fields.values)?,
            },
            "startup-config-fetched" => Self::StartupConfigFetched,
            "file-fetched" => Self::FileFetched {
                path: path()?,
                bytes: bytes()?,
                seconds: seconds()?,
                complete: required("complete", fields.complete)?,
            },
            "startup-config-stored" => Self::StartupConfigStored {
                sha1: fields.sha1,
                size: fields.size,
            },
            "edited" => Self::Edited {
                records: required("records", fields.records)?,
            },
            "operator-changed" => Self::OperatorChanged,
            "plan-given" => Self::PlanGiven {
                to: required("to", fields.to)?,
            },
            "reprovisioned" => Self::Reprovisioned,
            "forgotten" => Self::Forgotten,
            "moved" => Self::Moved,
            "boot-started" => Self::BootStarted,
            "action-started" => Self::ActionStarted { action: action()? },
            "action-succeeded" => Self::ActionSucceeded {
                action: action()?,
                seconds: seconds()?,
            },
            "action-failed" => Self::ActionFailed {
                action: action()?,
                reason: reason()?,
            },
            "downloaded" => Self::Downloaded {
                path: path()?,
                bytes: bytes()?,
                seconds: seconds()?,
            },
            "boot-succeeded" => Self::BootSucceeded {
                seconds: seconds()?,
            },
            "boot-failed" => Self::BootFailed {
                reason: reason()?,
                log: fields.log,
            },
            other => return Err(format!("unknown event {}", Printable(other))),
        })
    }
}

/// A value from a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolValue {
    pub pool: String,
    /// The name of the value, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub value: String,
}

impl fmt::Display for PoolValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} ({name}): {}", self.pool, self.value),
            None => write!(f, "{}: {}", self.pool, self.value),
        }
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
    fn every_event_is_read_as_it_is_written() {
        let text = || "a".to_owned();
        let events = [
            Event::ScriptFetched {
                model: Some(text()),
                version: None,
            },
            Event::Registered {
                pattern: Some(text()),
                definition: Some(text()),
            },
            Event::FactsPosted,
            Event::FactsChanged,
            Event::Claimed,
            Event::Refused {
                request: text(),
                status: 400,
                reason: text(),
            },
            Event::DefinitionFetched {
                definition: Some(text()),
            },
            Event::PoolValuesGiven {
                values: vec![
                    PoolValue {
                        pool: text(),
                        name: None,
                        value: text(),
                    },
                    PoolValue {
                        pool: text(),
                        name: Some("uplink2".to_owned()),
                        value: text(),
                    },
                ],
            },
            Event::StartupConfigFetched,
            Event::FileFetched {
                path: text(),
                bytes: 7,
                seconds: 0.5,
                complete: true,
            },
            Event::StartupConfigStored {
                sha1: Some(text()),
                size: Some(7),
            },
            Event::Edited {
                records: vec![text()],
            },
            Event::OperatorChanged,
            Event::PlanGiven { to: text() },
            Event::Reprovisioned,
            Event::Forgotten,
            Event::Moved,
            Event::BootStarted,
            Event::ActionStarted { action: text() },
            Event::ActionSucceeded {
                action: text(),
                seconds: 0.5,
            },
            Event::ActionFailed {
                action: text(),
                reason: text(),
            },
            Event::Downloaded {
                path: text(),
                bytes: 7,
                seconds: 0.5,
            },
            Event::BootSucceeded { seconds: 0.5 },
            Event::BootFailed {
                reason: text(),
                log: Some(text()),
            },
        ];
        for event in events {
            let logged = Logged {
                time: 7,
                site: None,
                by: None,
                report: None,
                event: event.clone(),
            };
            let json = serde_json::to_string(&logged).unwrap();
            assert_eq!(serde_json::from_str::<Logged>(&json).unwrap(), logged);
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
            // A field less is another event, or none.
            let mut fields: serde_json::Map<_, _> = serde_json::from_str(&json).unwrap();
            let is_optional = |name: &str| {
                [
                    "model",
                    "version",
                    "pattern",
                    "definition",
                    "sha1",
                    "size",
                    "log",
                ]
                .contains(&name)
            };
            if let Some(name) = fields
                .keys()
                .skip(1)
                .find(|name| !is_optional(name))
                .cloned()
            {
                fields.remove(&name);
                let error = serde_json::from_value::<Event>(fields.into()).unwrap_err();
                assert!(
                    error
                        .to_string()
                        .contains(&format!("missing field `{name}`")),
                    "{error}"
                );
            }
        }
        assert!(serde_json::from_str::<Event>(r#"{"event":"other"}"#).is_err());
    }

    #[test]
    fn edits_and_acts_of_operators_are_not_of_the_switch() {
        let edited = Event::Edited {
            records: Vec::new(),
        };
        for (by, event, is_of_switch) in [
            (None, Event::FactsPosted, true),
            (None, Event::BootStarted, true),
            (None, edited, false),
            (Some("an operator"), Event::OperatorChanged, false),
        ] {
            let logged = Logged {
                time: 7,
                site: None,
                by: by.map(str::to_owned),
                report: None,
                event,
            };
            assert_eq!(logged.is_of_switch(), is_of_switch, "{logged:?}");
        }
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
