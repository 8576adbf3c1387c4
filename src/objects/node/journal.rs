//! What a node's object knows beside the records: the last boot, and what KV, its site and its client have shown or
//! received.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ztp_core::credentials::is_site_name;
use ztp_core::event::{Event, Logged, MAX_EVENTS, PoolValue, Reports};
use ztp_core::key::Record;
use ztp_core::node::Known;

use crate::objects::site::name_of;
use crate::objects::site::protocol::Row;

/// The journal of a node. It is stored with each event.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Journal {
    /// The id of the node: an object does not know its own name.
    pub node: String,
    /// The number of the last event. A number may have no event.
    pub last: u64,
    pub row: Row,
    /// Whether an operator has deleted all records, and nothing happened since.
    pub is_gone: bool,
    /// The record `site`, as far as it is known.
    pub owner: Option<String>,
    /// The site of the last request.
    pub site: Option<String>,
    /// The site's object that receives reports.
    pub home: Option<String>,
    /// The number of the last event that it has received.
    pub reported: u64,
    /// Events that were sent to it and then taken back.
    pub withdrawn: Vec<u64>,
    /// The objects of sites that the node has left, which do not know it yet.
    pub left: Vec<String>,
    /// The records as KV should show them.
    pub known: BTreeMap<Record, Known>,
    /// The client's reports of the last boots.
    pub reports: Reports,
    /// The values of pools that the node received last.
    pub values: Vec<PoolValue>,
    /// The time of the last POST, in milliseconds since 1970.
    pub posted: Option<u64>,
    /// Whether its facts are in the item `seen`: they are not the record `.node`.
    pub has_seen: bool,
}

/// What an event of a read changes in a journal.
#[derive(Default)]
pub struct Before {
    pub row: Row,
    site: Option<String>,
    posted: Option<u64>,
    has_seen: bool,
}

impl Journal {
    /// What the next event may change.
    pub fn before(&self) -> Before {
        Before {
            row: self.row.clone(),
            site: self.site.clone(),
            posted: self.posted,
            has_seen: self.has_seen,
        }
    }

    /// Restores what the event of a read has changed, which was of another site.
    pub fn restore(&mut self, before: Before) {
        self.row = before.row;
        self.site = before.site;
        self.posted = before.posted;
        self.has_seen = before.has_seen;
    }

    /// The journal of a node of which nothing is known.
    pub fn of(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            ..Self::default()
        }
    }

    /// Whether a request comes from a site that does not own the node.
    pub fn is_foreign(&self, site: Option<&str>) -> bool {
        let owner = self.owner.as_deref().map(str::trim);
        matches!((owner, site), (Some(owner), Some(site)) if owner != site)
    }

    /// Takes an event; returns its number. `None`: the event of another site, which concerns this node only if it was
    /// refused.
    pub fn add(&mut self, logged: &Logged) -> Option<u64> {
        if logged.by.is_none() && self.is_foreign(logged.site.as_deref()) {
            let is_refused = matches!(logged.event, Event::Refused { .. });
            return is_refused.then(|| self.next_number());
        }
        if logged.by.is_none() && logged.site.is_some() {
            self.site.clone_from(&logged.site);
        }
        self.is_gone = false;
        let row = &mut self.row;
        row.boot.apply(logged);
        match &logged.event {
            Event::ScriptFetched { model, version } => {
                row.model = model.clone().or(row.model.take());
                row.version = version.clone().or(row.version.take());
            }
            Event::Registered {
                pattern,
                definition,
            } => {
                row.pattern.clone_from(pattern);
                row.definition.clone_from(definition);
            }
            Event::DefinitionFetched {
                definition: Some(name),
            } => row.definition = Some(name.clone()),
            Event::PoolValuesGiven { values } => self.values.clone_from(values),
            Event::Forgotten => {
                self.values = Vec::new();
                *row = Row::default();
                self.is_gone = true;
                self.posted = None;
                self.has_seen = false;
            }
            _ => {}
        }
        let number = self.next_number();
        self.settle();
        Some(number)
    }

    /// A record has another value.
    pub fn changed(&mut self, record: Record) {
        match record {
            Record::Definition => self.row.definition = None,
            Record::Pattern => self.row.pattern = None,
            _ => {}
        }
    }

    /// Sets the record `site`.
    pub fn own(&mut self, owner: Option<String>) {
        self.owner = owner;
        if self.settle() {
            // A site's object ignores a report without a higher number.
            self.next_number();
        }
    }

    /// An event that the site's object may have was taken back.
    pub fn withdraw(&mut self, number: u64) {
        self.withdrawn.push(number);
        // While that object does not answer for long.
        let oldest = self.last.saturating_sub(MAX_EVENTS);
        self.withdrawn.retain(|number| *number > oldest);
    }

    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Finds the object that receives reports. Whether the node has left another one.
    fn settle(&mut self) -> bool {
        // An operator may have written anything.
        let owner = self.owner.as_deref().map(str::trim);
        let owner = owner.filter(|owner| is_site_name(owner));
        let home = name_of(owner.or(self.site.as_deref()));
        if self.last == 0 || self.home.as_deref() == Some(home) {
            return false;
        }
        let home = home.to_owned();
        self.left.retain(|left| *left != home);
        let before = self.home.replace(home);
        // The last event is the reason.
        self.reported = self.reported.min(self.last.saturating_sub(1));
        let has_left = before.is_some();
        self.left.extend(before);
        has_left
    }

    /// Whether an object of a site has to receive a report.
    pub fn has_news(&self) -> bool {
        self.reported < self.last || !self.withdrawn.is_empty() || !self.left.is_empty()
    }
}
