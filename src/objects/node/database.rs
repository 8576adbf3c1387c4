//! The database of a node's object: one table of texts by name.
//!
//! | name | text |
//! |---|---|
//! | `state/<part>` | the [`Stored`] state as JSON, in parts: a row has at most 2 MB |
//! | `journal` | the [`Journal`] as JSON |
//! | `seen` | the facts of the last POST as JSON, if they are not the record `.node` |
//! | `event/<number>` | an event, of the last [`MAX_EVENTS`] |
//! | `version/<revision>` | a version of the startup-config; its contents are in R2 |
//!
//! A commit is one statement or one transaction: all of its rows are written, or none.

use std::cell::Cell;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use worker::{SqlStorage, SqlStorageValue, Storage};
use ztp_core::event::{Logged, MAX_EVENTS};
use ztp_core::history::Version;

use super::journal::Journal;
use super::protocol::{State, Ticket};
use crate::objects::transaction::Transactions;

/// Maximum size of a part of the state, in bytes.
const MAX_PART: usize = 1_000_000;

const JOURNAL: &str = "journal";
const SEEN: &str = "seen";
const EVENT: &str = "event/";

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS item (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;";

/// The state of an object, as it is stored.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stored {
    node: String,
    pub state: State,
    /// The number of versions.
    pub versions: u64,
    /// The commit up to which an operator has deleted the history; 0: none. Contents in R2 may be left to delete.
    #[serde(default)]
    pub forgotten: u64,
    /// Stored by itself: it changes more often.
    #[serde(skip)]
    pub journal: Journal,
}

impl Stored {
    /// The state of a node of which nothing is stored.
    pub fn of(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            journal: Journal::of(node),
            ..Self::default()
        }
    }
}

/// Events with their numbers.
pub type Numbered = Vec<(u64, Logged)>;

/// The items that are written with the journal.
#[derive(Default)]
pub struct Batch<'a> {
    /// Whether the state has changed.
    pub state: bool,
    pub events: &'a [(u64, Logged)],
    /// Whether all earlier events are deleted.
    pub without_history: bool,
    pub seen: Option<String>,
    pub version: Option<&'a Version>,
}

/// The table of one node.
pub struct Database {
    sql: SqlStorage,
    transactions: Transactions,
    /// Whether the table exists.
    exists: Cell<bool>,
    /// The number of stored parts of the state.
    parts: Cell<u32>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    text: String,
}

impl Database {
    pub fn new(storage: &Storage) -> Self {
        Self {
            sql: storage.sql(),
            transactions: Transactions::new(storage),
            exists: Cell::new(false),
            parts: Cell::new(0),
        }
    }

    /// The stored state; `None` if nothing is known of the node. It does not create the table: Cloudflare stores and
    /// bills it, also for unknown nodes.
    pub fn load(&self) -> worker::Result<Option<Stored>> {
        let known = "SELECT name, '' AS text FROM sqlite_master WHERE name = 'item'";
        let known: Vec<Item> = self.sql.exec(known, None)?.to_array()?;
        self.exists.set(!known.is_empty());
        if known.is_empty() {
            return Ok(None);
        }
        let select = "SELECT name, text FROM item
            WHERE name = 'journal' OR (name >= 'state/' AND name < 'state0') ORDER BY name";
        let mut parts: Vec<Item> = self.sql.exec(select, None)?.to_array()?;
        let journal = match parts.first() {
            Some(first) if first.name == JOURNAL => Some(parts.remove(0).text),
            _ => None,
        };
        self.parts.set(parts.len() as u32);
        let text: String = parts.into_iter().map(|part| part.text).collect();
        let mut stored = match text.as_str() {
            "" => Stored::default(),
            text => serde_json::from_str(text)?,
        };
        stored.journal = match journal {
            Some(text) => serde_json::from_str(&text)?,
            None => self.first_journal(&stored)?,
        };
        for copy in stored.state.copies.values_mut() {
            copy.written.restarted();
        }
        Ok(Some(stored))
    }

    /// The journal of a node that was last used by a release without one: its events have the numbers of commits.
    fn first_journal(&self, stored: &Stored) -> worker::Result<Journal> {
        let mut journal = Journal::of(&stored.node);
        for (_, logged) in self.events()? {
            journal.add(&logged);
        }
        journal.last = stored.state.revision;
        // They are not news.
        journal.reported = journal.last;
        Ok(journal)
    }

    /// Writes the journal with a batch, all or nothing. Events beyond [`MAX_EVENTS`] are deleted.
    pub fn write(&self, stored: &Stored, batch: Batch<'_>) -> worker::Result<()> {
        let mut items = Vec::new();
        for (number, logged) in batch.events {
            items.push((event_name(*number), serde_json::to_string(logged)?));
        }
        items.push((JOURNAL.to_owned(), serde_json::to_string(&stored.journal)?));
        items.extend(batch.seen.map(|seen| (SEEN.to_owned(), seen)));
        if let Some(version) = batch.version {
            let text = serde_json::to_string(version)?;
            items.push((version_name(stored.state.revision), text));
        }
        let before = self.parts.get();
        let mut parts = before;
        if batch.state {
            let text = serde_json::to_string(stored)?;
            let mut rest = text.as_str();
            parts = 0;
            while !rest.is_empty() {
                let (part, others) = rest.split_at(rest.floor_char_boundary(MAX_PART));
                items.push((part_name(parts), part.to_owned()));
                rest = others;
                parts += 1;
            }
        }
        let mut deletes: Vec<(&str, String)> = Vec::new();
        if parts < before {
            let others = "DELETE FROM item WHERE name >= ? AND name < 'state0'";
            deletes.push((others, part_name(parts)));
        }
        if let (false, Some(old)) = (
            batch.events.is_empty(),
            stored.journal.last.checked_sub(MAX_EVENTS),
        ) {
            let events = "DELETE FROM item WHERE name >= 'event/' AND name <= ?";
            deletes.push((events, event_name(old)));
        }
        let is_alone = deletes.is_empty() && !batch.without_history;
        let write = || {
            if batch.without_history && self.exists.get() {
                let events = "DELETE FROM item WHERE name >= 'event/' AND name < 'event0'";
                self.sql.exec(events, None)?;
            }
            self.insert(items)?;
            for (delete, name) in deletes {
                self.sql.exec(delete, vec![name.into()])?;
            }
            Ok(())
        };
        // Most writes are one statement.
        match is_alone {
            true => write(),
            false => self.transactions.run(write),
        }?;
        self.exists.set(true);
        self.parts.set(parts);
        Ok(())
    }

    fn insert(&self, items: Vec<(String, String)>) -> worker::Result<()> {
        let places = vec!["(?, ?)"; items.len()].join(", ");
        let values: Vec<SqlStorageValue> = items
            .into_iter()
            .flat_map(|(name, text)| [name.into(), text.into()])
            .collect();
        // The values belong to the last statement.
        let table = if self.exists.get() { "" } else { TABLE };
        let statement = format!("{table} INSERT OR REPLACE INTO item (name, text) VALUES {places}");
        self.sql.exec(&statement, values)?;
        Ok(())
    }

    /// Deletes the event of a ticket. Whether it was stored.
    pub fn remove_event(&self, ticket: Ticket) -> worker::Result<bool> {
        if !self.exists.get() {
            return Ok(false);
        }
        let name = event_name(ticket.number);
        let found = self.items_between(&name, &format!("{name}0"), 1)?;
        let found: Numbered = numbered(&found)?;
        match found.first() {
            Some((_, logged)) if logged.time == ticket.time => {
                self.remove(&name)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The facts of the last POST, if they are stored.
    pub fn seen(&self) -> worker::Result<Option<String>> {
        let found = self.items_between(SEEN, "seen0", 1)?;
        Ok(found.into_iter().next().map(|item| item.text))
    }

    /// Events after a number, the oldest first, at most `limit`.
    pub fn events_after(&self, number: u64, limit: u32) -> worker::Result<Numbered> {
        numbered(&self.items_between(&event_name(number + 1), "event0", limit)?)
    }

    /// All events, the oldest first.
    pub fn events(&self) -> worker::Result<Numbered> {
        numbered(&self.items("event/")?)
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
        self.items_between(prefix, &prefix.replace('/', "0"), u32::MAX)
    }

    fn items_between(&self, first: &str, end: &str, limit: u32) -> worker::Result<Vec<Item>> {
        let select =
            "SELECT name, text FROM item WHERE name >= ? AND name < ? ORDER BY name LIMIT ?";
        let values = vec![first.into(), end.into(), f64::from(limit).into()];
        self.sql.exec(select, values)?.to_array()
    }
}

/// Names of equal length sort by their number.
fn event_name(number: u64) -> String {
    format!("{EVENT}{number:020}")
}

/// Events with the numbers in their names.
fn numbered(items: &[Item]) -> worker::Result<Numbered> {
    let numbers = items.iter().map(|item| {
        let number = item
            .name
            .strip_prefix(EVENT)
            .and_then(|number| number.parse().ok());
        number.unwrap_or_default()
    });
    Ok(numbers.zip(parse::<Logged>(items)?).collect())
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
