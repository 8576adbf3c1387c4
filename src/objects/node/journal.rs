//! The state of a node's object apart from the records: the last boot, and what KV, its site and its client have shown or
//! received.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ztp_core::credentials::is_site_name;
use ztp_core::event::{Event, Hour, Logged, MAX_EVENTS, PoolValue, Reports};
use ztp_core::key::Record;
use ztp_core::node::Known;

use crate::objects::site::name_of;
use crate::objects::site::protocol::Row;

/// Maximum number of sites that are kept of those that a node has left.
const MAX_FORMER: usize = 16;

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
    /// The site of the last request for the node's records.
    pub asked: Option<String>,
    /// The site's object that receives reports.
    pub home: Option<String>,
    /// The number of the last event that it has received.
    pub reported: u64,
    /// Events that were sent to it and then taken back.
    pub withdrawn: Vec<u64>,
    /// The objects of sites that the node has left, which do not know it yet.
    pub left: Vec<String>,
    /// Those that it has ever left: they may have events of it.
    pub former: Vec<String>,
    /// The highest number of an event of the site before [`Journal::home`].
    pub left_at: u64,
    /// Whether the next event is the reason for which the node has left a site.
    pub is_leaving: bool,
    /// The event that the sites in [`Journal::left`] receive, with its number: the node may not have it.
    pub notice: Option<(u64, Logged)>,
    /// The number of the last event that was deleted with the history; 0: none. The sites' objects delete them, too.
    pub wiped: u64,
    /// The records as KV should show them.
    pub known: BTreeMap<Record, Known>,
    /// The client's reports of the last boots.
    pub reports: Reports,
    /// The number of reports in this hour.
    pub hour: Hour,
    /// The values of pools that the node received last.
    pub values: Vec<PoolValue>,
    /// The time of the last POST, in milliseconds since 1970.
    pub posted: Option<u64>,
    /// Whether its facts are in the item `seen`: they are not the record `.node`.
    pub has_seen: bool,
}

/// The fields of a journal that the event of a read changes.
#[derive(Default)]
pub struct Before {
    pub row: Row,
    site: Option<String>,
    asked: Option<String>,
    posted: Option<u64>,
    has_seen: bool,
}

impl Journal {
    /// The fields that the next event may change.
    pub fn before(&self) -> Before {
        Before {
            row: self.row.clone(),
            site: self.site.clone(),
            asked: self.asked.clone(),
            posted: self.posted,
            has_seen: self.has_seen,
        }
    }

    /// Restores what the event of a read has changed, which was of another site.
    pub fn restore(&mut self, before: Before) {
        self.row = before.row;
        self.site = before.site;
        self.asked = before.asked;
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
            return is_refused.then(|| {
                let number = self.next_number();
                self.notify(number, logged);
                number
            });
        }
        if logged.by.is_none() && logged.site.is_some() {
            let is_request = logged.report.is_none();
            let asks = is_request && asks(&logged.event);
            // Only a request for its records shows that a node without an owner has another site.
            if is_request && !asks && !self.is_gone && self.is_elsewhere(&logged.site) {
                return None;
            }
            if asks {
                self.asked.clone_from(&logged.site);
            }
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
                *row = Row {
                    boot: std::mem::take(&mut row.boot),
                    ..Row::default()
                };
                self.is_gone = true;
                self.asked = None;
                self.posted = None;
                self.has_seen = false;
            }
            _ => {}
        }
        let number = self.next_number();
        // This event is of the new site.
        self.settle(number - 1);
        self.notify(number, logged);
        Some(number)
    }

    /// Whether a node without an owner has another site.
    fn is_elsewhere(&self, site: &Option<String>) -> bool {
        self.owner.is_none() && self.site.is_some() && self.site != *site
    }

    /// The sites that the node has left receive an event. Only the acts of operators are passed on as they are: other
    /// events are of the new site.
    fn notify(&mut self, number: u64, reason: &Logged) {
        if !std::mem::take(&mut self.is_leaving) {
            return;
        }
        let is_passed_on = matches!(reason.event, Event::Forgotten | Event::Moved);
        let notice = match is_passed_on {
            true => reason.clone(),
            false => Logged {
                time: reason.time,
                site: None,
                by: None,
                report: None,
                event: Event::Moved,
            },
        };
        self.notice = Some((number, notice));
    }

    /// All events are deleted, here and at each site that has some. `last`: the last one, which only the sites receive.
    pub fn wipe(&mut self, last: Logged) {
        self.wiped = self.last.saturating_sub(1);
        self.notice = Some((self.last, last));
        self.withdrawn.clear();
        let (left, home) = (&self.left, &self.home);
        let is_new = |site: &String| !left.contains(site) && home.as_ref() != Some(site);
        let former = std::mem::take(&mut self.former);
        let former: Vec<String> = former.into_iter().filter(is_new).collect();
        self.left.extend(former);
    }

    /// The number up to which a site's object that has received the events up to `reported` has to delete them.
    pub fn withdrawn_up_to(&self, reported: u64) -> Option<u64> {
        (self.wiped > 0 && reported <= self.wiped).then_some(self.wiped)
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
        if self.settle(self.last) {
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

    /// Finds the object that receives reports. `left_at`: the number of the last event that is not one of a new site.
    /// Whether the node has left another one.
    fn settle(&mut self, left_at: u64) -> bool {
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
        self.reported = self.reported.min(left_at);
        let Some(before) = before else {
            return false;
        };
        self.left_at = left_at;
        self.is_leaving = true;
        self.former.retain(|former| *former != before);
        self.former.push(before.clone());
        let extra = self.former.len().saturating_sub(MAX_FORMER);
        self.former.drain(..extra);
        self.left.push(before);
        true
    }

    /// Whether an object of a site has to receive a report.
    pub fn has_news(&self) -> bool {
        self.reported < self.last || !self.withdrawn.is_empty() || !self.left.is_empty()
    }
}

/// Whether an event is of a request for the records of the node.
fn asks(event: &Event) -> bool {
    match event {
        Event::FactsPosted
        | Event::FactsChanged
        | Event::Claimed
        | Event::Registered { .. }
        | Event::DefinitionFetched { .. }
        | Event::PoolValuesGiven { .. }
        | Event::StartupConfigFetched
        | Event::StartupConfigStored { .. } => true,
        Event::Refused { request, .. } => request.contains(" /nodes"),
        _ => false,
    }
}
