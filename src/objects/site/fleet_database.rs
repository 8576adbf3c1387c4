//! The tables of a site's nodes and events and, in the object of all sites, of their counts.
//!
//! A boot becomes a stalled one by time alone, so the table has the state without regard to time, and queries compare
//! the time of the last event: the index `node_state` has both states as ranges.

use std::cell::Cell;

use serde::Deserialize;
use worker::{SqlStorage, SqlStorageValue};
use ztp_core::boot::State;
use ztp_core::fleet::{Counts, Place, Sort, rank};

use super::protocol::{
    EventQuery, NodeQuery, Placed, Reply, SentEvent, SentReport, SiteCounts, SiteEvent,
};

/// Maximum number of nodes of a site. Of more, those that have only fetched the client script lose their rows first,
/// as a request with any name makes one; then those that have waited for the longest time, and then those whose last
/// event is the oldest. A row returns with the next event of its node.
pub const MAX_SITE_NODES: u64 = if cfg!(feature = "panics") { 20 } else { 20_000 };
/// Maximum number of events of a site: the oldest are deleted. The object of a node keeps those of the node.
pub const MAX_SITE_EVENTS: u64 = 50_000;
/// Maximum number of sites with counts. Of more, those whose counts are the oldest are deleted.
pub const MAX_SITES: u64 = if cfg!(feature = "panics") { 20 } else { 2_000 };
/// Maximum number of events in a statement, which has at most 100 values.
const EVENTS_AT_ONCE: usize = 25;
/// How long the number of the last report of a removed node is kept, in milliseconds: a late report does not add the
/// row again.
const REMOVED_MS: u64 = 24 * 60 * 60 * 1000;

/// The item with the time up to which events were deleted by age.
const DELETED_TO: &str = "events-deleted-to";

/// `state` is a place in [`State::ALL`], or null after the row was removed. `last` is 0 without an event. What lists show
/// is in a table of its own: a search reads all of the index, which is small.
const TABLES: &str = "CREATE TABLE IF NOT EXISTS node (
    node TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    state INTEGER,
    last INTEGER NOT NULL,
    text TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS node_state ON node (state, last DESC, node, text);
CREATE TABLE IF NOT EXISTS shown (node TEXT PRIMARY KEY, contents TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    node TEXT NOT NULL,
    of_node INTEGER NOT NULL,
    time INTEGER NOT NULL,
    contents TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS event_once ON event (node, of_node);
CREATE TABLE IF NOT EXISTS only_script (node TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fleet (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;";
const SITES_TABLE: &str = "CREATE TABLE IF NOT EXISTS site (
    site TEXT PRIMARY KEY,
    time INTEGER NOT NULL,
    counts TEXT NOT NULL
) WITHOUT ROWID;";

/// The tables of one object.
pub struct FleetDatabase {
    sql: SqlStorage,
    /// Whether the tables of a site exist.
    exists: Cell<bool>,
    /// Whether this instance has created the tables that were missing.
    is_complete: Cell<bool>,
    /// [`FleetDatabase::deleted_to`], once read.
    deleted_to: Cell<Option<Option<u64>>>,
}

/// A row of a result: the columns that a statement selects.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Found {
    name: String,
    text: String,
    number: f64,
    time: f64,
    place: f64,
}

/// The room of a page, in bytes. The first row always has some.
struct Room {
    bytes: usize,
    is_empty: bool,
    /// Whether a row had none.
    is_full: bool,
}

impl Room {
    fn new(bytes: usize) -> Self {
        Self {
            bytes,
            is_empty: true,
            is_full: false,
        }
    }

    fn takes(&mut self, bytes: usize) -> bool {
        self.is_full = bytes > self.bytes && !self.is_empty;
        self.is_empty = false;
        self.bytes = self.bytes.saturating_sub(bytes);
        !self.is_full
    }
}

impl FleetDatabase {
    pub fn new(sql: SqlStorage) -> Self {
        Self {
            sql,
            exists: Cell::new(false),
            is_complete: Cell::new(false),
            deleted_to: Cell::new(None),
        }
    }

    fn rows(&self, statement: &str, values: Vec<SqlStorageValue>) -> worker::Result<Vec<Found>> {
        self.sql.exec(statement, values)?.to_array()
    }

    /// Rows until their texts have no room.
    fn rows_within(
        &self,
        statement: &str,
        values: Vec<SqlStorageValue>,
        room: &mut Room,
    ) -> worker::Result<Vec<Found>> {
        let mut rows: Vec<Found> = Vec::new();
        for row in self.sql.exec(statement, values)?.next() {
            let row: Found = row?;
            if !room.takes(row.text.len()) {
                break;
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// Whether a table exists. A read does not create it: the object may be that of any name.
    fn has(&self, table: &str) -> worker::Result<bool> {
        let select = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?";
        Ok(!self.rows(select, vec![table.into()])?.is_empty())
    }

    fn is_used(&self) -> worker::Result<bool> {
        if !self.exists.get() {
            self.exists.set(self.has("fleet")?);
        }
        Ok(self.exists.get())
    }

    /// The name of the site, if this is the object of one that has received a report.
    pub fn site(&self) -> worker::Result<Option<String>> {
        self.item("site")
    }

    fn item(&self, name: &str) -> worker::Result<Option<String>> {
        if !self.is_used()? {
            return Ok(None);
        }
        let select = "SELECT text FROM fleet WHERE name = ?";
        let items = self.rows(select, vec![name.into()])?;
        Ok(items.into_iter().next().map(|item| item.text))
    }

    fn set_item(&self, name: &str, text: &str) -> worker::Result<()> {
        let insert = "INSERT OR REPLACE INTO fleet (name, text) VALUES (?, ?)";
        self.sql.exec(insert, vec![name.into(), text.into()])?;
        Ok(())
    }

    /// The counts that were sent last, as JSON.
    pub fn sent(&self) -> worker::Result<Option<String>> {
        self.item("sent")
    }

    pub fn set_sent(&self, counts: &str) -> worker::Result<()> {
        self.set_item("sent", counts)
    }

    /// Stores a report: its events that are not stored, and its row if no later report is stored.
    pub fn store(&self, report: &SentReport, now: u64) -> worker::Result<()> {
        if !self.is_complete.get() {
            // The values belong to the last statement.
            let create =
                format!("{TABLES} INSERT OR IGNORE INTO fleet (name, text) VALUES ('site', ?)");
            self.sql.exec(&create, vec![report.site.as_str().into()])?;
            self.is_complete.set(true);
        }
        self.store_events(report)?;
        let (state, last, text) = match &report.row {
            Some(row) => ((rank(row.state) as f64).into(), row.last, row.text.as_str()),
            None => (SqlStorageValue::Null, now, ""),
        };
        let only_script = self.is_only_script(report)?;
        let insert = "INSERT INTO node (node, number, state, last, text) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (node) DO UPDATE SET number = excluded.number, state = excluded.state,
                last = excluded.last, text = excluded.text
            WHERE excluded.number > node.number RETURNING number";
        let values = vec![
            report.node.as_str().into(),
            (report.number as f64).into(),
            state,
            (last as f64).into(),
            text.into(),
        ];
        if self.rows(insert, values)?.is_empty() {
            return Ok(());
        }
        let statement = match only_script {
            true => "INSERT OR IGNORE INTO only_script (node) VALUES (?)",
            false => "DELETE FROM only_script WHERE node = ?",
        };
        let node: SqlStorageValue = report.node.as_str().into();
        self.sql.exec(statement, vec![node.clone()])?;
        let (statement, values) = match &report.row {
            Some(row) => (
                "INSERT OR REPLACE INTO shown (node, contents) VALUES (?, ?)",
                vec![node, row.contents.as_str().into()],
            ),
            None => ("DELETE FROM shown WHERE node = ?", vec![node]),
        };
        self.sql.exec(statement, values)?;
        Ok(())
    }

    fn store_events(&self, report: &SentReport) -> worker::Result<()> {
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
        // Of the events up to this time, some were deleted by age: a late one may be one of them.
        let deleted_to = self.deleted_to()?;
        let is_kept = |event: &&SentEvent| deleted_to.is_none_or(|time| event.time > time);
        let events: Vec<&SentEvent> = report.events.iter().filter(is_kept).collect();
        for events in events.chunks(EVENTS_AT_ONCE) {
            let places = vec!["(?, ?, ?, ?)"; events.len()].join(", ");
            let insert = format!(
                "INSERT OR IGNORE INTO event (node, of_node, time, contents) VALUES {places}"
            );
            let values = events.iter().flat_map(|event| {
                [
                    report.node.as_str().into(),
                    (event.number as f64).into(),
                    (event.time as f64).into(),
                    event.contents.as_str().into(),
                ]
            });
            self.sql.exec(&insert, values.collect::<Vec<_>>())?;
        }
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
    fn trim_events(&self) -> worker::Result<()> {
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

    /// Whether a report is of a node that is known by nothing but requests for the client script, also by its row
    /// before.
    fn is_only_script(&self, report: &SentReport) -> worker::Result<bool> {
        if !report.row.as_ref().is_some_and(|row| row.only_script) {
            return Ok(false);
        }
        let known = "SELECT node AS name FROM node WHERE node = ? AND state IS NOT NULL
            AND node NOT IN (SELECT node FROM only_script)";
        Ok(self
            .rows(known, vec![report.node.as_str().into()])?
            .is_empty())
    }

    /// Deletes rows and events that are too many, and the numbers of nodes that were removed long ago.
    pub fn trim(&self, now: u64) -> worker::Result<()> {
        if !self.is_complete.replace(true) {
            self.sql.exec(TABLES, None)?;
        }
        self.trim_events()?;
        let removed = "DELETE FROM node WHERE state IS NULL AND last < ?";
        let before = now.saturating_sub(REMOVED_MS) as f64;
        self.sql.exec(removed, vec![before.into()])?;
        let count = self.rows("SELECT count(*) AS number FROM node", Vec::new())?;
        let excess = count.first().map_or(0.0, |count| count.number) - MAX_SITE_NODES as f64;
        if excess > 0.0 {
            let delete = "DELETE FROM node WHERE node IN (SELECT node FROM node
                ORDER BY node IN (SELECT node FROM only_script) DESC, state IS NULL DESC, state = ? DESC, last LIMIT ?)";
            let waiting = rank(State::Waiting) as f64;
            self.sql.exec(delete, vec![waiting.into(), excess.into()])?;
            for table in ["shown", "only_script"] {
                let others =
                    format!("DELETE FROM {table} WHERE node NOT IN (SELECT node FROM node)");
                self.sql.exec(&others, None)?;
            }
        }
        Ok(())
    }

    /// The number of nodes in each state, and the time of the last event. A boot whose last event was not after
    /// `stalled_before` is stalled; so below.
    pub fn counts(&self, stalled_before: u64) -> worker::Result<(Counts, Option<u64>)> {
        let select = format!(
            "SELECT {} AS place, count(*) AS number, max(last) AS time FROM node WHERE state IS NOT NULL GROUP BY 1",
            state_at("?1")
        );
        let groups = self.rows(&select, vec![(stalled_before as f64).into()])?;
        let mut counts = Counts::default();
        let mut last = 0.0_f64;
        for group in groups {
            counts.add(state_of(group.place), group.number as u64);
            last = last.max(group.time);
        }
        Ok((counts, Some(last as u64).filter(|last| *last > 0)))
    }

    /// The last event of the boot that will be stalled next.
    pub fn oldest_boot(&self, stalled_before: u64) -> worker::Result<Option<u64>> {
        let select =
            "SELECT last AS time FROM node WHERE state = ? AND last > ? ORDER BY last LIMIT 1";
        let booting = rank(State::Booting) as f64;
        let values = vec![booting.into(), (stalled_before as f64).into()];
        let found = self.rows(select, values)?;
        Ok(found.first().map(|found| found.time as u64))
    }

    /// The rows that a query selects.
    pub fn nodes(&self, query: &NodeQuery, stalled_before: u64) -> worker::Result<Reply> {
        if !self.is_used()? {
            return Ok(Reply::Nodes {
                rows: Vec::new(),
                more: false,
                total: 0,
            });
        }
        let mut rows: Vec<Placed> = Vec::new();
        // One more than wanted shows whether there are more.
        let wanted = query.limit + 1;
        let mut room = Room::new(query.bytes);
        match query.sort {
            Sort::State => {
                let first = query.after.as_ref().map_or(0, |after| rank(after.state));
                let states = State::ALL.into_iter().skip(first);
                for state in states.filter(|state| query.states.contains(state)) {
                    let after = query.after.as_ref().filter(|after| after.state == state);
                    let mut select = Select::new(stalled_before, query);
                    select.in_state(state);
                    select.after_last(after);
                    let order = "last DESC, node";
                    rows.extend(select.rows(self, order, wanted - rows.len(), &mut room)?);
                    if rows.len() == wanted || room.is_full {
                        break;
                    }
                }
            }
            Sort::Node => {
                let mut select = Select::new(stalled_before, query);
                select.in_states(&query.states);
                if let Some(after) = &query.after {
                    select.and("node > ?", vec![after.node.as_str().into()]);
                }
                rows = select.rows(self, "node", wanted, &mut room)?;
            }
            Sort::Last => {
                let mut select = Select::new(stalled_before, query);
                select.in_states(&query.states);
                select.after_last(query.after.as_ref());
                rows = select.rows(self, "last DESC, node", wanted, &mut room)?;
            }
        }
        let more = rows.len() == wanted || room.is_full;
        rows.truncate(query.limit);
        let mut all = Select::new(stalled_before, query);
        all.in_states(&query.states);
        let total = all.count(self)?;
        Ok(Reply::Nodes { rows, more, total })
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

    /// Replaces the counts of a site by later ones. A site without nodes has none.
    pub fn set_counts(&self, counts: &SiteCounts) -> worker::Result<()> {
        self.sql.exec(SITES_TABLE, None)?;
        let insert = "INSERT INTO site (site, time, counts) VALUES (?, ?, ?)
            ON CONFLICT (site) DO UPDATE SET time = excluded.time, counts = excluded.counts
            WHERE excluded.time >= site.time";
        let values = vec![
            counts.site.as_str().into(),
            (counts.time as f64).into(),
            serde_json::to_string(counts)?.into(),
        ];
        self.sql.exec(insert, values)?;
        let delete = "DELETE FROM site WHERE site IN (SELECT site FROM site ORDER BY time DESC LIMIT -1 OFFSET ?)";
        self.sql.exec(delete, vec![(MAX_SITES as f64).into()])?;
        Ok(())
    }

    /// The counts of all sites, in the order of the names.
    pub fn sites(&self) -> worker::Result<Vec<SiteCounts>> {
        if !self.has("site")? {
            return Ok(Vec::new());
        }
        let rows = self.rows("SELECT counts AS text FROM site ORDER BY site", Vec::new())?;
        let parsed = rows.iter().map(|row| serde_json::from_str(&row.text));
        Ok(parsed.collect::<Result<_, _>>()?)
    }
}

/// The condition of a query, and its values.
struct Select {
    stalled_before: f64,
    condition: String,
    values: Vec<SqlStorageValue>,
}

impl Select {
    /// The nodes with the text of a query.
    fn new(stalled_before: u64, query: &NodeQuery) -> Self {
        let mut select = Self {
            stalled_before: stalled_before as f64,
            condition: "state IS NOT NULL".to_owned(),
            values: Vec::new(),
        };
        if let Some(text) = &query.text {
            select.and("instr(text, ?) > 0", vec![text.as_str().into()]);
        }
        select
    }

    fn and(&mut self, condition: &str, values: Vec<SqlStorageValue>) {
        self.condition.push_str(" AND ");
        self.condition.push_str(condition);
        self.values.extend(values);
    }

    /// Only one state: a range of the index.
    fn in_state(&mut self, state: State) {
        let stalled_before = self.stalled_before;
        match state {
            State::Stalled | State::Booting => {
                let condition = match state {
                    State::Stalled => "state = ? AND last <= ?",
                    _ => "state = ? AND last > ?",
                };
                let booting = rank(State::Booting) as f64;
                self.and(condition, vec![booting.into(), stalled_before.into()]);
            }
            state => self.and("state = ?", vec![(rank(state) as f64).into()]),
        }
    }

    fn in_states(&mut self, states: &[State]) {
        if states.len() == State::ALL.len() {
            return;
        }
        let ranks: Vec<String> = states
            .iter()
            .map(|state| rank(*state).to_string())
            .collect();
        let condition = format!("{} IN ({})", state_at("?"), ranks.join(", "));
        self.and(&condition, vec![self.stalled_before.into()]);
    }

    /// Only what comes after a place, by the last event and the name.
    fn after_last(&mut self, after: Option<&Place>) {
        if let Some(after) = after {
            let last = after.last as f64;
            let values = vec![last.into(), last.into(), after.node.as_str().into()];
            self.and("last <= ? AND (last < ? OR node > ?)", values);
        }
    }

    fn rows(
        self,
        database: &FleetDatabase,
        order: &str,
        limit: usize,
        room: &mut Room,
    ) -> worker::Result<Vec<Placed>> {
        let statement = format!(
            "SELECT node AS name, state AS place, last AS time, contents AS text FROM (
                SELECT node, state, last FROM node WHERE {} ORDER BY {order} LIMIT ?
            ) CROSS JOIN shown USING (node) ORDER BY {order}",
            self.condition
        );
        let mut values = self.values;
        values.push((limit as f64).into());
        let found = database.rows_within(&statement, values, room)?;
        let placed = found.into_iter().map(|found| {
            let is_stalled = found.time <= self.stalled_before;
            let state = match state_of(found.place) {
                State::Booting if is_stalled => State::Stalled,
                state => state,
            };
            Placed {
                place: Place {
                    state,
                    last: found.time as u64,
                    node: found.name,
                },
                row: found.text,
            }
        });
        Ok(placed.collect())
    }

    fn count(self, database: &FleetDatabase) -> worker::Result<u64> {
        let statement = format!(
            "SELECT count(*) AS number FROM node WHERE {}",
            self.condition
        );
        let counted = database.rows(&statement, self.values)?;
        Ok(counted.first().map_or(0, |counted| counted.number as u64))
    }
}

/// SQL of the state, where `time` is SQL of the time before which the last event of a stalled boot was.
fn state_at(time: &str) -> String {
    let (booting, stalled) = (rank(State::Booting), rank(State::Stalled));
    format!("CASE WHEN state = {booting} AND last <= {time} THEN {stalled} ELSE state END")
}

fn state_of(rank: f64) -> State {
    let state = State::ALL.get(rank as usize).copied();
    state.unwrap_or(State::Planned)
}
