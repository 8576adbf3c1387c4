//! The database of a node's object: one table of texts by name.
//!
//! | name | text |
//! |---|---|
//! | `state/<part>` | the [`Stored`] state as JSON, in parts: a row has at most 2 MB |
//! | `event/<revision>` | the event of a commit, of the last [`MAX_EVENTS`] |
//! | `version/<revision>` | a version of the startup-config; its contents are in R2 |
//!
//! A commit is one statement: all of its rows are written, or none.

use std::cell::Cell;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use worker::{SqlStorage, SqlStorageValue};
use ztp_core::event::{Logged, MAX_EVENTS};
use ztp_core::history::Version;

use super::protocol::State;

/// Maximum size of a part of the state, in bytes.
const MAX_PART: usize = 1_000_000;

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS item (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;";

/// The state of an object, as it is stored.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stored {
    pub node: String,
    pub state: State,
    /// The number of versions.
    pub versions: u64,
    /// The commit up to which an operator has deleted the history; 0: none. Contents in R2 may be left to delete.
    #[serde(default)]
    pub forgotten: u64,
}

/// The table of one node.
pub struct Database {
    sql: SqlStorage,
    /// The number of stored parts of the state.
    parts: Cell<u32>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    text: String,
}

impl Database {
    pub fn new(sql: SqlStorage) -> Self {
        Self {
            sql,
            parts: Cell::new(0),
        }
    }

    /// The stored state; `None` if nothing was ever committed. It does not create the table: Cloudflare stores and
    /// bills it, also for unknown nodes.
    pub fn load(&self) -> worker::Result<Option<Stored>> {
        let known = "SELECT name, '' AS text FROM sqlite_master WHERE name = 'item'";
        let known: Vec<Item> = self.sql.exec(known, None)?.to_array()?;
        if known.is_empty() {
            return Ok(None);
        }
        let parts = self.items("state/")?;
        self.parts.set(parts.len() as u32);
        let text: String = parts.into_iter().map(|part| part.text).collect();
        let mut stored: Stored = serde_json::from_str(&text)?;
        for copy in stored.state.copies.values_mut() {
            copy.written.restarted();
        }
        Ok(Some(stored))
    }

    /// Replaces the stored state.
    pub fn save(&self, stored: &Stored) -> worker::Result<()> {
        self.write(stored, Vec::new())
    }

    /// Stores a commit: its state, its event, and its version of the startup-config. If it forgets the history, all events
    /// are deleted, and none is stored.
    pub fn commit(
        &self,
        stored: &Stored,
        event: &Logged,
        version: Option<&Version>,
    ) -> worker::Result<()> {
        let revision = stored.state.revision;
        let mut items = vec![(event_name(revision), serde_json::to_string(event)?)];
        let forgets = stored.forgotten == revision;
        if forgets {
            items.clear();
        }
        if let Some(version) = version {
            let text = serde_json::to_string(version)?;
            items.push((version_name(revision), text));
        }
        self.write(stored, items)?;
        if forgets {
            let events = "DELETE FROM item WHERE name >= 'event/' AND name < 'event0'";
            self.sql.exec(events, None)?;
        }
        match revision.checked_sub(MAX_EVENTS) {
            Some(old) => self.remove(&event_name(old)),
            None => Ok(()),
        }
    }

    fn write(&self, stored: &Stored, mut items: Vec<(String, String)>) -> worker::Result<()> {
        let text = serde_json::to_string(stored)?;
        let mut rest = text.as_str();
        let mut count = 0;
        while !rest.is_empty() {
            let (part, others) = rest.split_at(rest.floor_char_boundary(MAX_PART));
            items.push((part_name(count), part.to_owned()));
            rest = others;
            count += 1;
        }
        let places = vec!["(?, ?)"; items.len()].join(", ");
        let values: Vec<SqlStorageValue> = items
            .into_iter()
            .flat_map(|(name, text)| [name.into(), text.into()])
            .collect();
        // The values belong to the last statement.
        let table = if self.parts.get() == 0 { TABLE } else { "" };
        let statement = format!("{table} INSERT OR REPLACE INTO item (name, text) VALUES {places}");
        self.sql.exec(&statement, values)?;
        if self.parts.replace(count) > count {
            let first = vec![part_name(count).into()];
            let others = "DELETE FROM item WHERE name >= ? AND name < 'state0'";
            self.sql.exec(others, first)?;
        }
        Ok(())
    }

    /// All events, the oldest first.
    pub fn events(&self) -> worker::Result<Vec<Logged>> {
        parse(&self.items("event/")?)
    }

    /// All versions with their names, the oldest first.
    pub fn versions(&self) -> worker::Result<Vec<(String, Version)>> {
        let items = self.items("version/")?;
        let versions: Vec<Version> = parse(&items)?;
        Ok(items
            .into_iter()
            .map(|item| item.name)
            .zip(versions)
            .collect())
    }

    /// Removes an item.
    pub fn remove(&self, name: &str) -> worker::Result<()> {
        let name = vec![name.into()];
        self.sql.exec("DELETE FROM item WHERE name = ?", name)?;
        Ok(())
    }

    /// The items whose names begin with a prefix that ends with a slash, in the order of their names.
    fn items(&self, prefix: &str) -> worker::Result<Vec<Item>> {
        // The character after the slash ends the range.
        let end = prefix.replace('/', "0");
        let select = "SELECT name, text FROM item WHERE name >= ? AND name < ? ORDER BY name";
        self.sql
            .exec(select, vec![prefix.into(), end.as_str().into()])?
            .to_array()
    }
}

/// Names of equal length sort by their number.
fn event_name(revision: u64) -> String {
    format!("event/{revision:020}")
}

/// The name of the version that a commit stored.
pub fn version_name(revision: u64) -> String {
    format!("version/{revision:020}")
}

fn part_name(part: u32) -> String {
    format!("state/{part:03}")
}

fn parse<T: DeserializeOwned>(items: &[Item]) -> worker::Result<Vec<T>> {
    let parsed = items.iter().map(|item| serde_json::from_str(&item.text));
    Ok(parsed.collect::<Result<_, _>>()?)
}
