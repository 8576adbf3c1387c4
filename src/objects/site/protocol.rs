//! The requests and replies of a site's object.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use worker::Stub;
use ztp_core::audit::{Ending, Entry, Intent};
use ztp_core::boot::{Boot, State};
use ztp_core::event::Logged;
use ztp_core::fleet::{Counts, Place, Sort};
use ztp_core::node::Written;

use crate::conditions::Preconditions;
use crate::error::Error;
use crate::objects::call::{MAX_CALL_MS, call_within};
use crate::response::iso_time;

/// The timeout of a change of a value, in milliseconds: it may wait for another one of the same key.
const MAX_CHANGE_MS: u32 = 30_000;

/// The operations of a site.
#[derive(Debug, Serialize, Deserialize)]
pub enum Command {
    /// Writes an entry of the audit log before its change begins.
    Begin(Intent),
    /// Completes an entry.
    End { number: u64, ending: Ending },
    /// Returns entries.
    Entries(Query),
    /// Changes a value in KV, with its entry of the audit log.
    Change(Box<ValueChange>),
    /// Returns the value of a key that counts although KV may show another one.
    Written(String),
    /// Where a node stands, and its new events.
    Report(Box<SentReport>),
    /// Returns rows of nodes.
    Nodes(NodeQuery),
    /// Returns events of the site.
    Events(EventQuery),
    /// To the object that concerns all sites: the numbers of a site's nodes.
    Counts(SiteCounts),
    /// Returns what each site sent last as [`Command::Counts`].
    Sites,
    /// Stores an item, which is deleted some days later: its name, and its text.
    SetItem(String, String),
    /// Returns the items with this name, or with names below it.
    Items(String),
    /// Deletes the items with this name, or with names below it.
    RemoveItems(String),
}

/// The report of a node's object to the object of its site, after its events.
#[derive(Debug, Clone)]
pub struct Report {
    /// The name of the site's object: an object does not know its own name. See [`super::name_of`].
    pub site: String,
    pub node: String,
    /// The number of the node's last event. A report with a lower number is late, and changes no row.
    pub number: u64,
    /// `None`: the node does not belong to this site any more.
    pub row: Option<Row>,
    /// Events that the site may not have, each with its number in the node.
    pub events: Vec<(u64, Logged)>,
    /// The numbers of events that the site may have, and that others replace: the request ended differently.
    pub withdrawn: Vec<u64>,
    /// The number of the last event that was deleted with the history of the node, if one was.
    pub withdrawn_up_to: Option<u64>,
}

/// A [`Report`] on its way. Rows and events are JSON: the object stores them and passes them on.
#[derive(Debug, Serialize, Deserialize)]
pub struct SentReport {
    pub site: String,
    pub node: String,
    pub number: u64,
    pub row: Option<SentRow>,
    pub events: Vec<SentEvent>,
    pub withdrawn: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_up_to: Option<u64>,
}

impl SentReport {
    /// About its size in memory, in bytes.
    pub fn size(&self) -> usize {
        let events = self.events.iter();
        let events = events.map(|event| size_of::<SentEvent>() + event.contents.len());
        let row = self.row.as_ref();
        let row = row.map_or(0, |row| row.text.len() + row.contents.len());
        let withdrawn = size_of_val(self.withdrawn.as_slice());
        let names = self.site.len() + self.node.len();
        size_of::<Self>() + events.sum::<usize>() + row + withdrawn + names
    }
}

/// A [`Row`], and what lists of nodes are sorted and searched by.
#[derive(Debug, Serialize, Deserialize)]
pub struct SentRow {
    /// Without regard to time: never [`State::Stalled`].
    pub state: State,
    /// The time of the last event of the switch, in milliseconds since 1970; 0: none.
    pub last: u64,
    /// In lower case.
    pub text: String,
    /// The result of [`Row::display`], as JSON.
    pub contents: String,
    /// Whether the node is known by nothing but its requests for the client script, which any name can make.
    #[serde(default)]
    pub only_script: bool,
}

/// An event of a node.
#[derive(Debug, Serialize, Deserialize)]
pub struct SentEvent {
    /// Its number in the node.
    pub number: u64,
    /// In milliseconds since 1970.
    pub time: u64,
    /// A [`Logged`] as JSON.
    pub contents: String,
}

impl Report {
    /// The form in which it is sent.
    ///
    /// # Errors
    /// An event cannot be written as JSON.
    pub fn sent(self) -> Result<SentReport, serde_json::Error> {
        let row = self.row.map(|row| row.sent(&self.node));
        let events = self.events.into_iter().map(|(number, logged)| {
            Ok(SentEvent {
                number,
                time: logged.time,
                contents: serde_json::to_string(&logged)?,
            })
        });
        Ok(SentReport {
            events: events.collect::<Result<_, serde_json::Error>>()?,
            row,
            site: self.site,
            node: self.node,
            number: self.number,
            withdrawn: self.withdrawn,
            withdrawn_up_to: self.withdrawn_up_to,
        })
    }
}

/// Where a node stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Row {
    pub boot: Boot,
    pub model: Option<String>,
    /// The version of EOS.
    pub version: Option<String>,
    /// The name of its definition; so for its pattern.
    pub definition: Option<String>,
    pub pattern: Option<String>,
    /// The nodes that have received its records as those of a planned node, as far as they may still have them.
    #[serde(default)]
    pub given: Vec<Given>,
}

/// A node that receives the records of a planned one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub to: String,
    /// Its revision before: the records are stored only while it has this one.
    pub revision: u64,
}

impl Row {
    fn sent(&self, node: &str) -> SentRow {
        let fields = [
            Some(node),
            self.model.as_deref(),
            self.version.as_deref(),
            self.definition.as_deref(),
            self.pattern.as_deref(),
            self.boot.reason(),
        ];
        let fields: Vec<&str> = fields.into_iter().flatten().collect();
        SentRow {
            state: self.boot.state(0, u64::MAX),
            last: self.boot.last.unwrap_or(0),
            text: fields.join("\n").to_lowercase(),
            contents: self.display().to_string(),
            only_script: self.is_only_script(),
        }
    }

    /// Whether the last boot is a request for the client script without another one, and there is no definition.
    fn is_only_script(&self) -> bool {
        let mut steps = self.boot.steps.iter();
        self.boot.state(0, u64::MAX) == State::Booting
            && !self.boot.reports()
            && self.definition.is_none()
            && self.pattern.is_none()
            && steps.all(|step| step.step == "script")
    }

    /// The row as the API has it, without the name and the site of the node, and without regard to time.
    pub fn display(&self) -> Value {
        let boot = &self.boot;
        let time = |time: Option<u64>| time.map(iso_time);
        let state = boot.state(0, u64::MAX);
        let client = match state {
            _ if boot.reports() => Some("ztp-edge"),
            // Before, it may report yet.
            State::Served | State::BackedUp => Some("ztpserver"),
            _ => None,
        };
        let steps = boot.steps.iter();
        let steps = steps.map(|step| json!({ "step": step.step, "at": iso_time(step.at) }));
        json!({
            "state": state.name(),
            "step": boot.step(),
            "since": time(boot.since(0, u64::MAX)),
            "last": time(boot.last),
            "started": time(boot.started),
            "ended": time(boot.ended()),
            "steps": steps.collect::<Vec<_>>(),
            "model": self.model,
            "version": self.version,
            "definition": self.definition,
            "pattern": self.pattern,
            "client": client,
            "given_to": self.given.last().map(|given| &given.to),
            "reason": boot.reason(),
        })
    }
}

/// The numbers of a site's nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteCounts {
    pub site: String,
    /// When they were counted, in milliseconds since 1970. Later counts replace these.
    pub time: u64,
    pub counts: Counts,
    /// The last event of a switch, in milliseconds since 1970.
    pub last: Option<u64>,
}

impl SiteCounts {
    /// The part that others see, to compare it.
    pub fn shown(&self) -> String {
        format!("{:?} {:?}", self.counts.0, self.last)
    }
}

/// Which rows of nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeQuery {
    /// Only nodes in one of these states.
    pub states: Vec<State>,
    /// Only nodes with this text in their name, model, version, definition, pattern or reason; in lower case.
    pub text: Option<String>,
    pub sort: Sort,
    /// Only nodes after this place.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: usize,
    /// The maximum size of the rows as JSON, in bytes; one row may be larger.
    pub bytes: usize,
}

/// A row with its place in the list.
#[derive(Debug, Serialize, Deserialize)]
pub struct Placed {
    pub place: Place,
    /// The result of [`Row::display`], as JSON.
    pub row: String,
}

/// Which events of a site.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct EventQuery {
    /// The events after this number, the oldest first; `None`: the last ones.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
    /// The maximum size of the events as JSON, in bytes; one event may be larger.
    pub bytes: usize,
}

/// An event of a site.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SiteEvent {
    /// Its number in the site.
    pub number: u64,
    /// Its number in the node.
    pub of_node: u64,
    pub node: String,
    /// A [`Logged`] as JSON.
    pub contents: String,
}

/// A change of a value in KV. The target of the intent is its key.
#[derive(Debug, Serialize, Deserialize)]
pub struct ValueChange {
    pub intent: Intent,
    /// `None`: it is deleted.
    pub value: Option<StoredValue>,
    pub conditions: Preconditions,
}

/// A value that is stored, or to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredValue {
    /// In hexadecimal.
    pub sha1: String,
    /// In bytes.
    pub size: u64,
    /// When it was stored, in ISO 8601, if that is known; so for the next two.
    pub modified: Option<String>,
    pub by: Option<String>,
    pub via: Option<String>,
    /// The key of its bytes in R2. A stored value has one if this object wrote it lately.
    pub kept: Option<String>,
}

impl StoredValue {
    /// The ETag of a value in KV.
    pub fn etag(&self) -> String {
        etag(&self.sha1)
    }
}

/// The ETag of a value in KV with this SHA-1.
pub fn etag(sha1: &str) -> String {
    format!("\"{sha1}\"")
}

/// A value as this object wrote it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenValue {
    /// `None`: it was deleted.
    pub value: Option<StoredValue>,
    pub written: Written,
}

impl WrittenValue {
    /// The value that counts: the written one, or `in_kv`, which KV shows.
    pub fn or(self, in_kv: Option<StoredValue>, now: u64) -> Option<StoredValue> {
        let sha1 = in_kv.as_ref().map(|value| value.sha1.as_str());
        match self.written.counts_over(sha1, now) {
            true => self.value,
            false => in_kv,
        }
    }
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
    /// The report is stored.
    Reported,
    Nodes {
        /// In the order of the query.
        rows: Vec<Placed>,
        /// Whether there are more after them.
        more: bool,
        /// The number of all nodes that the query selects, before `after` and `limit`.
        total: u64,
    },
    Events {
        /// The oldest first.
        events: Vec<SiteEvent>,
        /// The number of the last one of these or, without any, of the last event of the site.
        last: u64,
        /// Whether there are more after them.
        more: bool,
    },
    /// In the order of the names.
    Sites(Vec<SiteCounts>),
    Entries(Vec<Entry>),
    /// The value is changed: the number of the entry.
    Changed {
        number: u64,
        /// Whether there was no value before.
        created: bool,
    },
    /// The value is the same already. Nothing was written, and there is no entry.
    Unchanged,
    /// A condition does not hold for this value. Nothing was written, and there is no entry.
    Refused(Option<StoredValue>),
    /// There is no value to delete. There is no entry.
    Missing,
    /// Other changes of this key take too long. There is no entry.
    Busy,
    Written(Option<WrittenValue>),
    /// Names and texts, in the order of the names.
    Items(Vec<(String, String)>),
    /// Storage failed: the cause.
    Failed(String),
}

impl Command {
    /// Sends the command to the object of the site `object`.
    ///
    /// # Errors
    /// [`Error::Storage`] if it fails or does not reply in time.
    pub async fn send(&self, stub: Stub, object: &str) -> Result<Reply, Error> {
        let (timeout, doing) = match self {
            Self::Change(change) => (MAX_CHANGE_MS, format!("writing {}", change.intent.target)),
            Self::Report(_) | Self::Nodes(_) | Self::Events(_) => (
                MAX_CALL_MS,
                format!("calling the object of the site {object}"),
            ),
            Self::Counts(_) | Self::Sites => {
                (MAX_CALL_MS, "calling the object of all sites".to_owned())
            }
            _ => (MAX_CALL_MS, "calling the audit log".to_owned()),
        };
        match call_within(timeout, stub, self, &doing).await? {
            Reply::Failed(cause) => Err(Error::storage(doing, cause)),
            reply => Ok(reply),
        }
    }
}
