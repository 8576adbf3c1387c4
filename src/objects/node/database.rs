//! The database of a node's object.
//!
//! | table | contents |
//! |---|---|
//! | `state` | the [`State`] and the node's id as JSON, in parts: a row has at most 2 MB |
//! | `event` | the last [`MAX_EVENTS`] events |
//! | `version` | the versions of the startup-config; their contents are in R2 |

use std::cell::Cell;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use worker::{SqlStorage, SqlStorageValue};
use ztp_core::event::MAX_EVENTS;
use ztp_core::history::Version;

use super::protocol::{LoggedEvent, State};

/// Maximum size of a part of the state, in bytes.
const MAX_PART: usize = 1_000_000;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS state (part INTEGER PRIMARY KEY, text TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS event (number INTEGER PRIMARY KEY AUTOINCREMENT, json TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS version
        (number INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, sha1 TEXT NOT NULL, size REAL NOT NULL);
";

/// The tables of one node.
pub struct Database {
    sql: SqlStorage,
    /// Whether the tables exist.
    ready: Cell<bool>,
}

#[derive(Serialize, Deserialize)]
struct Stored<N, S> {
    node: N,
    state: S,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
struct VersionRow {
    time: f64,
    sha1: String,
    size: f64,
}

impl Database {
    pub fn new(sql: SqlStorage) -> Self {
        Self {
            sql,
            ready: Cell::new(false),
        }
    }

    /// The stored state; the default if there is none.
    pub fn load(&self) -> worker::Result<State> {
        Ok(self
            .stored()?
            .map(|stored| stored.state)
            .unwrap_or_default())
    }

    /// The id of the node, if a state is stored.
    pub fn node(&self) -> worker::Result<Option<String>> {
        Ok(self.stored()?.map(|stored| stored.node))
    }

    fn stored(&self) -> worker::Result<Option<Stored<String, State>>> {
        let parts: Vec<Text> = self.rows("SELECT text FROM state ORDER BY part")?;
        if parts.is_empty() {
            return Ok(None);
        }
        let text: String = parts.into_iter().map(|part| part.text).collect();
        Ok(Some(serde_json::from_str(&text)?))
    }

    /// Replaces the stored state.
    pub fn save(&self, node: &str, state: &State) -> worker::Result<()> {
        let text = serde_json::to_string(&Stored { node, state })?;
        let sql = self.tables()?;
        let mut count = 0_i32;
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (part, others) = rest.split_at(rest.floor_char_boundary(MAX_PART));
            sql.exec(
                "INSERT INTO state (part, text) VALUES (?, ?) \
                 ON CONFLICT (part) DO UPDATE SET text = excluded.text",
                vec![count.into(), part.into()],
            )?;
            rest = others;
            count += 1;
        }
        sql.exec("DELETE FROM state WHERE part >= ?", vec![count.into()])?;
        Ok(())
    }

    pub fn add_event(&self, event: &LoggedEvent) -> worker::Result<()> {
        let json = serde_json::to_string(event)?;
        let sql = self.tables()?;
        sql.exec("INSERT INTO event (json) VALUES (?)", vec![json.into()])?;
        sql.exec(
            "DELETE FROM event WHERE number <= (SELECT MAX(number) FROM event) - ?",
            vec![number(MAX_EVENTS)],
        )?;
        Ok(())
    }

    /// All events, the oldest first.
    pub fn events(&self) -> worker::Result<Vec<LoggedEvent>> {
        let rows: Vec<Text> = self.rows("SELECT json AS text FROM event ORDER BY number")?;
        let events = rows.iter().map(|row| serde_json::from_str(&row.text));
        Ok(events.collect::<Result<_, _>>()?)
    }

    pub fn add_version(&self, version: &Version) -> worker::Result<()> {
        let values = vec![
            number(version.time),
            version.sha1.as_str().into(),
            number(version.size),
        ];
        self.tables()?.exec(
            "INSERT INTO version (time, sha1, size) VALUES (?, ?, ?)",
            values,
        )?;
        Ok(())
    }

    pub fn remove_version(&self, version: &Version) -> worker::Result<()> {
        let values = vec![number(version.time), version.sha1.as_str().into()];
        self.tables()?
            .exec("DELETE FROM version WHERE time = ? AND sha1 = ?", values)?;
        Ok(())
    }

    /// All versions, the oldest first.
    pub fn versions(&self) -> worker::Result<Vec<Version>> {
        let rows: Vec<VersionRow> =
            self.rows("SELECT time, sha1, size FROM version ORDER BY number")?;
        let versions = rows.into_iter().map(|row| Version {
            time: row.time as u64,
            sha1: row.sha1,
            size: row.size as u64,
        });
        Ok(versions.collect())
    }

    /// The rows that a query selects; none if nothing was ever written: reads of unknown nodes must not create
    /// tables, which Cloudflare stores and bills.
    fn rows<T: DeserializeOwned>(&self, query: &str) -> worker::Result<Vec<T>> {
        if !self.ready.get() {
            let known = "SELECT name AS text FROM sqlite_master WHERE name = 'state'";
            let known: Vec<Text> = self.sql.exec(known, None)?.to_array()?;
            if known.is_empty() {
                return Ok(Vec::new());
            }
        }
        self.sql.exec(query, None)?.to_array()
    }

    /// The database with its tables, for writes.
    fn tables(&self) -> worker::Result<&SqlStorage> {
        if !self.ready.get() {
            self.sql.exec(TABLES, None)?;
            self.ready.set(true);
        }
        Ok(&self.sql)
    }
}

/// Numbers are REAL: a Durable Object's database rejects 64-bit integers.
fn number(value: u64) -> SqlStorageValue {
    SqlStorageValue::from(value as f64)
}
