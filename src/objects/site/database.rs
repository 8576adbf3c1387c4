//! The database of a site's object: the table of the audit log.

use std::cell::Cell;

use serde::Deserialize;
use worker::{SqlStorage, SqlStorageValue};
use ztp_core::audit::{Ending, Entry, Intent};

use super::protocol::Query;

/// How many expired entries one change deletes at most, so that none waits for long.
const MAX_FORGOTTEN: u32 = 100;

/// Maximum size of a part of a result, in bytes: a row has at most 2 MB.
const MAX_PART: usize = 1_000_000;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    who TEXT NOT NULL,
    target TEXT NOT NULL,
    intent TEXT NOT NULL,
    ending TEXT
);
CREATE TABLE IF NOT EXISTS checked (part INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS audit_target ON audit (target, number);";

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
struct Part {
    text: String,
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
            (number as f64).into(),
        ];
        self.exec("UPDATE audit SET ending = ? WHERE number = ?", values)?;
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

    /// Keeps the result of a check.
    pub fn keep_check(&self, result: &str) -> worker::Result<()> {
        self.exec("DELETE FROM checked", Vec::new())?;
        let mut rest = result;
        for part in 0_u32.. {
            let (text, others) = rest.split_at(rest.floor_char_boundary(MAX_PART));
            let insert = "INSERT INTO checked (part, text) VALUES (?, ?)";
            self.exec(insert, vec![f64::from(part).into(), text.into()])?;
            rest = others;
            if rest.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// The result of the last check.
    pub fn last_check(&self) -> worker::Result<Option<String>> {
        let select = "SELECT text FROM checked ORDER BY part";
        let parts: Vec<Part> = self.exec(select, Vec::new())?.to_array()?;
        let text: String = parts.into_iter().map(|part| part.text).collect();
        Ok(Some(text).filter(|text| !text.is_empty()))
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
