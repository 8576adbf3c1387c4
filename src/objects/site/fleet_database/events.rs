//! The events of a site.

use super::{FleetDatabase, Room};
use crate::objects::site::protocol::{EventQuery, Reply, SentReport, SiteEvent};

/// Maximum number of events of a site: the oldest are deleted. The object of a node keeps those of the node.
pub const MAX_SITE_EVENTS: u64 = 50_000;
/// The item with the time up to which events were deleted by age.
const DELETED_TO: &str = "events-deleted-to";

impl FleetDatabase {
    /// Stores the events of reports of different nodes that are not stored, and deletes those that were taken back.
    pub(super) fn store_events(&self, reports: &[SentReport]) -> worker::Result<()> {
        for report in reports {
            for number in &report.withdrawn {
                let delete = "DELETE FROM event WHERE node = ? AND of_node = ?";
                let values = vec![report.node.as_str().into(), (*number as f64).into()];
                self.sql.exec(delete, values)?;
            }
            if let Some(number) = report.withdrawn_up_to {
                let delete = "DELETE FROM event WHERE node = ? AND of_node <= ?";
                let values = vec![report.node.as_str().into(), (number as f64).into()];
                self.sql.exec(delete, values)?;
            }
        }
        // Of the events up to this time, some were deleted by age: a late one may be one of them.
        let deleted_to = self.deleted_to()?;
        let events = reports.iter().flat_map(|report| {
            let events = report.events.iter();
            let events = events.filter(|event| deleted_to.is_none_or(|time| event.time > time));
            events.map(|event| {
                vec![
                    report.node.as_str().into(),
                    (event.number as f64).into(),
                    (event.time as f64).into(),
                    event.contents.as_str().into(),
                ]
            })
        });
        let insert = "INSERT OR IGNORE INTO event (node, of_node, time, contents) VALUES";
        self.insert(insert, events.collect(), "")?;
        Ok(())
    }

    /// The time up to which events were deleted by age, in milliseconds since 1970, if some were.
    fn deleted_to(&self) -> worker::Result<Option<u64>> {
        if self.deleted_to.get().is_none() {
            let deleted_to = self.item(DELETED_TO)?;
            let deleted_to = deleted_to.and_then(|time| time.parse().ok());
            self.deleted_to.set(Some(deleted_to));
        }
        Ok(self.deleted_to.get().flatten())
    }

    /// Deletes events that are too many.
    pub(super) fn trim_events(&self) -> worker::Result<()> {
        let old = "WHERE number <= (SELECT max(number) FROM event) - ?";
        let kept = || vec![(MAX_SITE_EVENTS as f64).into()];
        let select =
            format!("SELECT count(*) AS number, coalesce(max(time), 0) AS time FROM event {old}");
        let found = self.rows(&select, kept())?;
        if let Some(found) = found.first().filter(|found| found.number > 0.0) {
            let deleted_to = self.deleted_to()?;
            let time = (found.time as u64).max(deleted_to.unwrap_or(0));
            if deleted_to != Some(time) {
                self.set_item(DELETED_TO, &time.to_string())?;
                self.deleted_to.set(Some(Some(time)));
            }
            self.sql.exec(&format!("DELETE FROM event {old}"), kept())?;
        }
        Ok(())
    }

    /// The events that a query selects.
    pub fn events(&self, query: EventQuery) -> worker::Result<Reply> {
        let is_used = self.is_used()?;
        let columns = "SELECT number, node AS name, of_node AS place, contents AS text FROM event";
        let mut room = Room::new(query.bytes);
        let limit = query.limit as f64;
        let mut found = match query.after {
            _ if !is_used => Vec::new(),
            Some(after) => {
                let select = format!("{columns} WHERE number > ? ORDER BY number LIMIT ?");
                self.rows_within(
                    &select,
                    vec![(after as f64).into(), (limit + 1.0).into()],
                    &mut room,
                )?
            }
            None => {
                let select = format!("{columns} ORDER BY number DESC LIMIT ?");
                self.rows_within(&select, vec![limit.into()], &mut room)?
            }
        };
        if query.after.is_none() {
            found.reverse();
        }
        // Without `after`, those that have no room are the oldest.
        let more = query.after.is_some() && (found.len() > query.limit || room.is_full);
        found.truncate(query.limit);
        let events = found.into_iter().map(|event| SiteEvent {
            number: event.number as u64,
            of_node: event.place as u64,
            node: event.name,
            contents: event.text,
        });
        let events: Vec<SiteEvent> = events.collect();
        let last = match events.last() {
            Some(event) => event.number,
            None if is_used => {
                let last = "SELECT coalesce(max(number), 0) AS number FROM event";
                let last = self.rows(last, Vec::new())?;
                last.first().map_or(0, |last| last.number as u64)
            }
            None => 0,
        };
        Ok(Reply::Events { events, last, more })
    }
}
