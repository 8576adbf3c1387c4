//! The newest contents of a pool's file that its object has seen, in memory and in its database: one text, in the
//! table `file`. It is written only when the file changes.

use std::rc::Rc;

use serde::Deserialize;
use worker::SqlStorage;
use ztp_core::kv::digest;
use ztp_core::pool::{Pool, Reading, SeenFile};

/// Maximum size of a part of the text, in bytes: a row has at most 2 MB.
const MAX_PART: usize = 1_000_000;

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS file (part INTEGER PRIMARY KEY, text TEXT NOT NULL)";

/// The newest state of a pool's file.
#[derive(Default)]
pub struct File {
    pub seen: SeenFile,
    /// The contents; `None` if no file is stored, or it is not UTF-8.
    pub text: Option<String>,
    /// The contents, once parsed.
    pub parsed: Option<Rc<Pool>>,
}

#[derive(Deserialize)]
struct Part {
    text: String,
}

impl File {
    /// The stored state. The text has the [`SeenFile`], an empty line, and the contents, if they are UTF-8.
    pub fn load(sql: &SqlStorage) -> worker::Result<Self> {
        sql.exec(TABLE, None)?;
        let parts = sql.exec("SELECT text FROM file ORDER BY part", None)?;
        let parts: Vec<Part> = parts.to_array()?;
        if parts.is_empty() {
            return Ok(Self::default());
        }
        let mut stored: String = parts.into_iter().map(|part| part.text).collect();
        let invalid = || worker::Error::from("the stored state of the pool's file is not valid");
        let (seen, _) = stored.split_once("\n\n").ok_or_else(invalid)?;
        let start = seen.len() + 2;
        let seen: SeenFile = seen.parse().map_err(|_| invalid())?;
        stored.drain(..start);
        let is_newest = seen.newest() == Some(digest(stored.as_bytes()).as_str());
        Ok(Self {
            seen,
            text: is_newest.then_some(stored),
            parsed: None,
        })
    }

    /// Records a read of KV. If the file has changed, stores it.
    pub fn see(
        &mut self,
        sql: &SqlStorage,
        shown: Option<Vec<u8>>,
        now: u64,
    ) -> worker::Result<Reading> {
        // Most reads, without a digest.
        if let (Some(text), Some(shown)) = (&self.text, &shown)
            && text.as_bytes() == shown
        {
            return Ok(Reading::Unchanged);
        }
        let reading = self.seen.see(shown.as_deref().map(digest), now);
        if reading == Reading::Newer {
            self.replace(sql, shown)?;
        }
        Ok(reading)
    }

    /// Records the contents that an operator has stored through the API; `None`: the file is deleted.
    pub fn put(
        &mut self,
        sql: &SqlStorage,
        stored: Option<Vec<u8>>,
        now: u64,
    ) -> worker::Result<()> {
        match self.seen.put(stored.as_deref().map(digest), now) {
            true => self.replace(sql, stored),
            false => Ok(()),
        }
    }

    fn replace(&mut self, sql: &SqlStorage, contents: Option<Vec<u8>>) -> worker::Result<()> {
        self.text = contents.and_then(|bytes| String::from_utf8(bytes).ok());
        self.parsed = None;
        self.save(sql)
    }

    fn save(&self, sql: &SqlStorage) -> worker::Result<()> {
        let text = self.text.as_deref().unwrap_or_default();
        let stored = format!("{}\n\n{text}", self.seen);
        sql.exec("DELETE FROM file", None)?;
        let mut rest = stored.as_str();
        for number in 0_i32.. {
            let (part, others) = rest.split_at(rest.floor_char_boundary(MAX_PART));
            let insert = "INSERT INTO file (part, text) VALUES (?, ?)";
            sql.exec(insert, vec![number.into(), part.into()])?;
            if others.is_empty() {
                break;
            }
            rest = others;
        }
        Ok(())
    }
}
