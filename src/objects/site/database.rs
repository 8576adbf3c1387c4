//! The database of a site's object: the audit log, and the keys that it wrote lately.

use std::cell::Cell;

use serde::Deserialize;
use worker::{SqlStorage, SqlStorageValue};
use ztp_core::audit::{Ending, Entry, Intent};
use ztp_core::kv::STALE_WINDOW_MS;

use super::content::KeyState;
use super::protocol::Query;

/// How many expired entries one change deletes at most, so that none waits for long.
const MAX_FORGOTTEN: u32 = 100;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    who TEXT NOT NULL,
    target TEXT NOT NULL,
    intent TEXT NOT NULL,
    ending TEXT,
    former TEXT
);
CREATE INDEX IF NOT EXISTS audit_target ON audit (target, number);
CREATE INDEX IF NOT EXISTS audit_former ON audit (former) WHERE former IS NOT NULL;
CREATE TABLE IF NOT EXISTS written (
    key TEXT PRIMARY KEY,
    expires INTEGER NOT NULL,
    state TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS item (
    name TEXT PRIMARY KEY,
    time INTEGER NOT NULL,
    text TEXT NOT NULL
) WITHOUT ROWID;";

/// The tables of one site.
pub struct Database {
    sql: SqlStorage,
    /// Whether the table exists.
    exists: Cell<bool>,
}

#[derive(Deserialize)]
struct Row {
    number: f64,
    time: f64,
    intent: String,
    ending: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    text: String,
}

#[derive(Deserialize)]
struct State {
    state: String,
}

#[derive(Deserialize)]
struct Number {
    number: f64,
}

impl Database {
    pub fn new(sql: SqlStorage) -> Self {
        Self {
            sql,
            exists: Cell::new(false),
        }
    }

    fn exec(
        &self,
        statement: &str,
        values: Vec<SqlStorageValue>,
    ) -> worker::Result<worker::SqlCursor> {
        if !self.exists.replace(true) {
            self.sql.exec(TABLE, None)?;
        }
        self.sql.exec(statement, values)
    }

    /// Writes an entry; returns its number.
    pub fn begin(&self, time: u64, intent: &Intent) -> worker::Result<u64> {
        let insert =
            "INSERT INTO audit (time, who, target, intent) VALUES (?, ?, ?, ?) RETURNING number";
        let values = vec![
            (time as f64).into(),
            intent.who.as_str().into(),
            intent.target.as_str().into(),
            serde_json::to_string(intent)?.into(),
        ];
        let rows: Vec<Number> = self.exec(insert, values)?.to_array()?;
        Ok(rows.first().map_or(0, |row| row.number as u64))
    }

    /// Completes an entry.
    pub fn end(&self, number: u64, ending: &Ending) -> worker::Result<()> {
        let values = vec![
            serde_json::to_string(ending)?.into(),
            match &ending.former {
                Some(former) => former.as_str().into(),
                None => SqlStorageValue::Null,
            },
            (number as f64).into(),
        ];
        let update = "UPDATE audit SET ending = ?, former = ? WHERE number = ?";
        self.exec(update, values)?;
        Ok(())
    }

    /// Whether a change after a time replaced the value with this key in R2.
    pub fn is_former(&self, kept: &str, after: u64) -> worker::Result<bool> {
        let select = "SELECT number FROM audit WHERE former = ? AND time > ? LIMIT 1";
        let values = vec![kept.into(), (after as f64).into()];
        let rows: Vec<Number> = self.exec(select, values)?.to_array()?;
        Ok(!rows.is_empty())
    }

    /// The state of a key; empty if it was not written lately.
    pub fn key_state(&self, key: &str, now: u64) -> worker::Result<KeyState> {
        let select = "SELECT state FROM written WHERE key = ? AND expires > ?";
        let values = vec![key.into(), (now as f64).into()];
        let rows: Vec<State> = self.exec(select, values)?.to_array()?;
        match rows.first() {
            Some(row) => Ok(serde_json::from_str(&row.state)?),
            None => Ok(KeyState::default()),
        }
    }

    /// Replaces the state of a key.
    pub fn save_key_state(&self, key: &str, state: &KeyState, now: u64) -> worker::Result<()> {
        let insert = "INSERT OR REPLACE INTO written (key, expires, state) VALUES (?, ?, ?)";
        let values = vec![
            key.into(),
            ((now + STALE_WINDOW_MS) as f64).into(),
            serde_json::to_string(state)?.into(),
        ];
        self.exec(insert, values)?;
        Ok(())
    }

    /// Deletes the states of keys of which reads of KV are not stale any more.
    pub fn forget_key_states(&self, now: u64) -> worker::Result<()> {
        self.exec(
            "DELETE FROM written WHERE expires <= ?",
            vec![(now as f64).into()],
        )?;
        Ok(())
    }

    /// Stores an item.
    pub fn set_item(&self, name: &str, text: &str, now: u64) -> worker::Result<()> {
        let insert = "INSERT OR REPLACE INTO item (name, time, text) VALUES (?, ?, ?)";
        self.exec(insert, vec![name.into(), (now as f64).into(), text.into()])?;
        Ok(())
    }

    /// The items with a name, or with names below it, in the order of the names.
    pub fn items(&self, name: &str) -> worker::Result<Vec<(String, String)>> {
        let select = "SELECT name, text FROM item WHERE name = ?1 OR (name > ?1 || '/' AND name < ?1 || '0') ORDER BY name";
        let rows: Vec<Item> = self.exec(select, vec![name.into()])?.to_array()?;
        Ok(rows.into_iter().map(|row| (row.name, row.text)).collect())
    }

    /// The items that were stored before a time, a few at once.
    pub fn old_items(&self, time: u64) -> worker::Result<Vec<(String, String)>> {
        let select = "SELECT name, text FROM item WHERE time < ? ORDER BY name LIMIT ?";
        let values = vec![(time as f64).into(), f64::from(MAX_FORGOTTEN).into()];
        let rows: Vec<Item> = self.exec(select, values)?.to_array()?;
        Ok(rows.into_iter().map(|row| (row.name, row.text)).collect())
    }

    /// Deletes the items with a name, or with names below it.
    pub fn remove_items(&self, name: &str) -> worker::Result<()> {
        let delete = "DELETE FROM item WHERE name = ?1 OR (name > ?1 || '/' AND name < ?1 || '0')";
        self.exec(delete, vec![name.into()])?;
        Ok(())
    }

    /// The entries that a query selects.
    pub fn entries(&self, query: &Query) -> worker::Result<Vec<Entry>> {
        let mut conditions = vec!["1"];
        let mut values: Vec<SqlStorageValue> = Vec::new();
        let numbers = [("number < ?", query.before), ("number > ?", query.after)];
        for (condition, number) in numbers {
            if let Some(number) = number {
                conditions.push(condition);
                values.push((number as f64).into());
            }
        }
        let texts = [("target = ?", &query.target), ("who = ?", &query.who)];
        for (condition, text) in texts {
            if let Some(text) = text {
                conditions.push(condition);
                values.push(text.as_str().into());
            }
        }
        values.push(f64::from(query.limit).into());
        let select = format!(
            "SELECT number, time, intent, ending FROM audit WHERE {} ORDER BY number DESC LIMIT ?",
            conditions.join(" AND ")
        );
        let rows: Vec<Row> = self.exec(&select, values)?.to_array()?;
        rows.into_iter().map(Row::entry).collect()
    }

    /// Deletes entries that are older than a time, a few at once.
    pub fn forget_before(&self, time: u64) -> worker::Result<()> {
        let delete = "DELETE FROM audit WHERE time < ?1 AND number IN (SELECT number FROM audit ORDER BY number LIMIT ?2)";
        self.exec(
            delete,
            vec![(time as f64).into(), f64::from(MAX_FORGOTTEN).into()],
        )?;
        Ok(())
    }
}

impl Row {
    fn entry(self) -> worker::Result<Entry> {
        let ending: Option<Ending> = match self.ending {
            Some(ending) => serde_json::from_str(&ending)?,
            None => None,
        };
        Ok(Entry {
            number: self.number as u64,
            time: self.time as u64,
            intent: serde_json::from_str(&self.intent)?,
            ending,
        })
    }
}
