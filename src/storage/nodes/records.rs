//! The records of a node as a request sees them.

use std::collections::HashMap;

use ztp_core::key::Record;
use ztp_core::kv::{Seen, digest};

use crate::error::Error;
use crate::objects::node::protocol::{Claim, Contents, RecordCopy, State};
use crate::storage::now;

/// The records of a node: of each the object's copy or the value in KV, whichever counts
/// ([`Written::counts_over`](ztp_core::node::Written::counts_over)).
#[derive(Debug, Default)]
pub struct Records {
    /// The records that were read from KV; `None`: it has no value.
    pub(super) in_kv: HashMap<Record, Option<String>>,
    pub(super) startup_config_in_kv: Option<bool>,
    pub(super) kv_failure: Option<Error>,
    pub(super) object_failure: Option<Error>,
    pub(super) state: State,
}

impl Records {
    /// The text of a record that was wanted; for a startup-config see [`Records::has_startup_config`].
    ///
    /// # Errors
    /// [`Error::Storage`] if KV failed and the object has no copy.
    pub fn get(&self, record: Record) -> Result<Option<&str>, Error> {
        let in_kv = self.in_kv.get(&record).map(Option::as_deref);
        let copy = self.state.copies.get(&record);
        match (copy, in_kv) {
            (
                Some(RecordCopy {
                    contents: Contents::Text(text),
                    written,
                    ..
                }),
                _,
            ) => {
                let stored = in_kv.flatten();
                let sha1 = || stored.map(|stored| digest(stored.as_bytes()));
                // Equal in most requests: both count.
                let counts = stored != Some(text) && written.counts_over(sha1().as_deref(), now());
                Ok(if counts { Some(text) } else { stored })
            }
            (_, Some(stored)) => Ok(stored),
            (_, None) => Err(self.unread(record)),
        }
    }

    /// Whether a startup-config is stored, possibly empty.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn has_startup_config(&self) -> Result<bool, Error> {
        if self.state.copies.contains_key(&Record::StartupConfig) {
            return Ok(true);
        }
        let in_kv = self.startup_config_in_kv;
        in_kv.ok_or_else(|| self.unread(Record::StartupConfig))
    }

    /// Whether any of the wanted records is stored.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn any(&self) -> Result<bool, Error> {
        let found = !self.state.copies.is_empty()
            || self.startup_config_in_kv == Some(true)
            || self.in_kv.values().any(Option::is_some);
        match &self.kv_failure {
            Some(failure) if !found => Err(failure.clone()),
            _ => Ok(found),
        }
    }

    /// The value of a record that KV showed.
    pub fn seen(&self, record: Record) -> Seen {
        if record == Record::StartupConfig {
            return match self.startup_config_in_kv {
                Some(false) => Seen::Missing,
                _ => Seen::Unknown,
            };
        }
        match self.in_kv.get(&record) {
            None => Seen::Unknown,
            Some(None) => Seen::Missing,
            Some(Some(text)) => Seen::Value(digest(text.as_bytes())),
        }
    }

    /// The claim of a site that writes.
    ///
    /// # Errors
    /// As [`Records::get`]: without the record `site`, the owner is unknown.
    pub fn claim(&self, site: &str) -> Result<Claim, Error> {
        self.get(Record::Site)?;
        Ok(Claim {
            site: site.to_owned(),
            in_kv: self.in_kv.get(&Record::Site).cloned().flatten(),
        })
    }

    /// The revision for a commit that depends on these records.
    ///
    /// # Errors
    /// [`Error::Storage`] if the object failed.
    pub fn revision(&self) -> Result<u64, Error> {
        match &self.object_failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(self.state.revision),
        }
    }

    fn unread(&self, record: Record) -> Error {
        let missing =
            || Error::storage("reading a node", format!("{} was not read", record.name()));
        self.kv_failure.clone().unwrap_or_else(missing)
    }
}
