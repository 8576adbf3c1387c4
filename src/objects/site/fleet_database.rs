//! The tables of a site's nodes and events and, in the object of all sites, of their counts.
//!
//! A boot becomes a stalled one by time alone, so the table has the state without regard to time, and queries compare
//! the time of the last event: the index `node_state` has both states as ranges.
//!
//! `events` has the events, `nodes` the lists of nodes.

mod events;
mod nodes;

use std::cell::Cell;
use std::collections::HashSet;

use serde::Deserialize;
use worker::{SqlStorage, SqlStorageValue};
use ztp_core::boot::State;
use ztp_core::fleet::{Counts, by_turns, rank};

use super::protocol::{SentReport, SiteCounts};
use crate::objects::transaction::Transactions;

/// Maximum number of nodes of a site. Of more, those that have only fetched the client script lose their rows first,
/// as a request with any name makes one; then those that have waited for the longest time, and then those whose last
/// event is the oldest. A row returns with the next event of its node.
pub const MAX_SITE_NODES: u64 = if cfg!(feature = "panics") { 20 } else { 20_000 };
/// Maximum number of sites with counts. Of more, those whose counts are the oldest are deleted.
pub const MAX_SITES: u64 = if cfg!(feature = "panics") { 20 } else { 2_000 };
/// Maximum number of values in a statement, by Cloudflare's limits.
const MAX_STATEMENT_VALUES: usize = 100;
/// How long the number of the last report of a removed node is kept, in milliseconds: a late report does not add the
/// row again.
const REMOVED_MS: u64 = 24 * 60 * 60 * 1000;

/// `state` is a place in [`State::ALL`], or null after the row was removed. `last` is 0 without an event. The columns
/// of lists are in a table of their own: a search reads all of the index, which is small.
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
    transactions: Transactions,
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
    pub fn new(storage: &worker::Storage) -> Self {
        Self {
            sql: storage.sql(),
            transactions: Transactions::new(storage),
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

    /// Stores reports, all or none, those of a node in their order: of each one its events that are not stored, and its
    /// row if no later report of the node is stored.
    pub fn store(&self, reports: &[SentReport], now: u64) -> worker::Result<()> {
        let Some(first) = reports.first() else {
            return Ok(());
        };
        if !self.is_complete.get() {
            // The values belong to the last statement.
            let create =
                format!("{TABLES} INSERT OR IGNORE INTO fleet (name, text) VALUES ('site', ?)");
            self.sql.exec(&create, vec![first.site.as_str().into()])?;
            self.is_complete.set(true);
        }
        self.transactions.run(|| {
            for group in by_turns(reports, |report| report.node.as_str()) {
                self.store_events(group)?;
                self.store_rows(group, now)?;
            }
            Ok(())
        })
    }

    /// Stores the rows of reports of different nodes.
    fn store_rows(&self, reports: &[SentReport], now: u64) -> worker::Result<()> {
        let mut only_script = HashSet::new();
        for report in reports {
            if self.is_only_script(report)? {
                only_script.insert(report.node.as_str());
            }
        }
        let rows = reports.iter().map(|report| {
            let (state, last, text) = match &report.row {
                Some(row) => ((rank(row.state) as f64).into(), row.last, row.text.as_str()),
                None => (SqlStorageValue::Null, now, ""),
            };
            vec![
                report.node.as_str().into(),
                (report.number as f64).into(),
                state,
                (last as f64).into(),
                text.into(),
            ]
        });
        let insert = "INSERT INTO node (node, number, state, last, text) VALUES";
        let update =
            "ON CONFLICT (node) DO UPDATE SET number = excluded.number, state = excluded.state,
                last = excluded.last, text = excluded.text
            WHERE excluded.number > node.number RETURNING node AS name";
        let stored = self.insert(insert, rows.collect(), update)?;
        let stored: HashSet<String> = stored.into_iter().map(|row| row.name).collect();
        let reports = reports
            .iter()
            .filter(|report| stored.contains(&report.node));
        let (scripts, others): (Vec<&SentReport>, Vec<&SentReport>) =
            reports.partition(|report| only_script.contains(report.node.as_str()));
        let insert = "INSERT OR IGNORE INTO only_script (node) VALUES";
        let rows = scripts
            .iter()
            .map(|report| vec![report.node.as_str().into()]);
        self.insert(insert, rows.collect(), "")?;
        self.delete("only_script", &others)?;
        let (shown, removed): (Vec<&SentReport>, Vec<&SentReport>) = scripts
            .into_iter()
            .chain(others)
            .partition(|report| report.row.is_some());
        let rows = shown.iter().filter_map(|report| {
            let row = report.row.as_ref()?;
            Some(vec![
                report.node.as_str().into(),
                row.contents.as_str().into(),
            ])
        });
        let insert = "INSERT OR REPLACE INTO shown (node, contents) VALUES";
        self.insert(insert, rows.collect(), "")?;
        self.delete("shown", &removed)
    }

    /// Inserts rows of the same length, as many at once as a statement has values for; returns what its end returns.
    fn insert(
        &self,
        insert: &str,
        mut rows: Vec<Vec<SqlStorageValue>>,
        end: &str,
    ) -> worker::Result<Vec<Found>> {
        let mut found = Vec::new();
        while let Some(first) = rows.first() {
            let length = first.len();
            let later = rows.split_off(rows.len().min(MAX_STATEMENT_VALUES / length));
            let row = format!("({})", vec!["?"; length].join(", "));
            let places = vec![row.as_str(); rows.len()].join(", ");
            let values = rows.into_iter().flatten().collect();
            found.extend(self.rows(&format!("{insert} {places} {end}"), values)?);
            rows = later;
        }
        Ok(found)
    }

    /// Deletes the rows of the nodes of reports.
    fn delete(&self, table: &str, reports: &[&SentReport]) -> worker::Result<()> {
        for reports in reports.chunks(MAX_STATEMENT_VALUES) {
            let places = vec!["?"; reports.len()].join(", ");
            let delete = format!("DELETE FROM {table} WHERE node IN ({places})");
            let nodes = reports.iter().map(|report| report.node.as_str().into());
            self.sql.exec(&delete, nodes.collect::<Vec<_>>())?;
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
        if !self.is_complete.get() {
            self.sql.exec(TABLES, None)?;
            self.is_complete.set(true);
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

/// SQL of the state, where `time` is SQL of the time before which the last event of a stalled boot was.
fn state_at(time: &str) -> String {
    let (booting, stalled) = (rank(State::Booting), rank(State::Stalled));
    format!("CASE WHEN state = {booting} AND last <= {time} THEN {stalled} ELSE state END")
}

fn state_of(rank: f64) -> State {
    let state = State::ALL.get(rank as usize).copied();
    state.unwrap_or(State::Planned)
}
