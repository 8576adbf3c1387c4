//! The records of a node as a request sees them.

use std::collections::{BTreeMap, HashMap};

use ztp_core::audit::Summary;
use ztp_core::key::Record;
use ztp_core::kv::{Seen, digest};
use ztp_core::node::{KnownValue, UNHASHED};

use crate::error::Error;
use crate::objects::node::protocol::{Claim, Contents, ReadContext, State};
use crate::storage::now;

/// The records of a node: of each the object's copy or the value in KV, whichever counts
/// ([`Written::counts_over`](ztp_core::node::Written::counts_over)).
#[derive(Debug, Default)]
pub struct Records {
    /// The records that were read from KV; `None`: it has no value.
    pub(super) in_kv: HashMap<Record, Option<String>>,
    pub(super) startup_config: StartupConfig,
    pub(super) kv_failure: Option<Error>,
    pub(super) object_failure: Option<Error>,
    pub(super) state: State,
    /// For the request of a switch.
    pub context: ReadContext,
}

/// The startup-config in KV, which may be large: it is not read into memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum StartupConfig {
    #[default]
    Unread,
    Missing,
    /// KV has a value.
    Stored,
    /// KV has this value.
    Hashed(Summary),
}

/// The summary of a text.
pub(super) fn summary(text: &str) -> Summary {
    Summary {
        sha1: digest(text.as_bytes()),
        size: text.len() as u64,
    }
}

impl Records {
    /// The text of a record that was wanted; for a startup-config see [`Records::has_startup_config`].
    ///
    /// # Errors
    /// [`Error::Storage`] if KV failed and the object has no copy.
    pub fn get(&self, record: Record) -> Result<Option<&str>, Error> {
        let in_kv = self.in_kv.get(&record).map(Option::as_deref);
        let stored = in_kv.flatten();
        let copied = self.state.copies.get(&record).and_then(|copy| {
            let contents = match &copy.contents {
                Contents::Text(text) => Some(text.as_str()),
                Contents::Deleted => None,
                Contents::Version(_) => return None,
            };
            Some((contents, &copy.written))
        });
        match (copied, in_kv) {
            (Some((contents, written)), _) => {
                let sha1 = || stored.map(|stored| digest(stored.as_bytes()));
                // Equal in most requests: both count.
                let counts = stored != contents && written.counts_over(sha1().as_deref(), now());
                Ok(if counts { contents } else { stored })
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
        let in_kv = &self.startup_config;
        match self.state.copies.get(&Record::StartupConfig) {
            Some(copy) if copy.contents == Contents::Deleted => Ok(match in_kv {
                StartupConfig::Hashed(value) => !copy.written.counts_over(Some(&value.sha1), now()),
                StartupConfig::Stored => true,
                StartupConfig::Missing | StartupConfig::Unread => false,
            }),
            Some(_) => Ok(true),
            None if *in_kv == StartupConfig::Unread => Err(self.unread(Record::StartupConfig)),
            None => Ok(*in_kv != StartupConfig::Missing),
        }
    }

    /// SHA-1 and size of a record that was wanted, if it is stored. The startup-config must have been hashed
    /// ([`Storage::hashed_records`](crate::storage::Storage::hashed_records)).
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn summary(&self, record: Record) -> Result<Option<Summary>, Error> {
        if record != Record::StartupConfig {
            return Ok(self.get(record)?.map(summary));
        }
        let in_kv = match &self.startup_config {
            StartupConfig::Hashed(value) => Some(value),
            _ => None,
        };
        let Some(copy) = self.state.copies.get(&record) else {
            return match self.startup_config {
                StartupConfig::Hashed(_) | StartupConfig::Missing => Ok(in_kv.cloned()),
                _ => Err(self.unread(record)),
            };
        };
        let sha1 = in_kv.map(|value| value.sha1.as_str());
        if !copy.written.counts_over(sha1, now()) {
            return Ok(in_kv.cloned());
        }
        Ok(match &copy.contents {
            Contents::Version(version) => Some(Summary {
                sha1: version.sha1.clone(),
                size: version.size,
            }),
            Contents::Text(text) => Some(summary(text)),
            Contents::Deleted => None,
        })
    }

    /// Whether any of the wanted records is stored.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn any(&self) -> Result<bool, Error> {
        let mut texts = self.in_kv.keys().chain(self.state.copies.keys());
        let found = texts.any(|record| matches!(self.get(*record), Ok(Some(_))))
            || matches!(self.has_startup_config(), Ok(true));
        match &self.kv_failure {
            Some(failure) if !found => Err(failure.clone()),
            _ => Ok(found),
        }
    }

    /// Assumes another value of a record, which is not stored. `None`: some startup-config.
    pub fn assume(&mut self, record: Record, text: Option<String>) {
        self.state.copies.remove(&record);
        match text {
            Some(text) => drop(self.in_kv.insert(record, Some(text))),
            None => self.startup_config = StartupConfig::Stored,
        }
    }

    /// The value of a record that KV showed.
    pub fn seen(&self, record: Record) -> Seen {
        if record == Record::StartupConfig {
            return match &self.startup_config {
                StartupConfig::Missing => Seen::Missing,
                StartupConfig::Hashed(value) => Seen::Value(value.sha1.clone()),
                StartupConfig::Stored | StartupConfig::Unread => Seen::Unknown,
            };
        }
        match self.in_kv.get(&record) {
            None => Seen::Unknown,
            Some(None) => Seen::Missing,
            Some(Some(text)) => Seen::Value(digest(text.as_bytes())),
        }
    }

    /// The values in KV that differ from those that the object knows and from its copies. Another value may be an edit.
    pub fn unknown_values(&self) -> BTreeMap<Record, KnownValue> {
        let mut unknown = BTreeMap::new();
        if self.object_failure.is_some() {
            return unknown;
        }
        // A record that is not there has the value of the object's copy.
        let known = |record: &Record| match self.context.known.get(record) {
            Some(known) => known.as_deref(),
            None => self.state.copies.get(record)?.written.sha1(),
        };
        let mut compare = |record: Record, value: KnownValue| {
            let copy = self.state.copies.get(&record);
            let is_stale =
                || copy.is_some_and(|copy| copy.written.counts_over(value.as_deref(), now()));
            if known(&record) != value.as_deref() && !is_stale() {
                unknown.insert(record, value);
            }
        };
        for (record, text) in &self.in_kv {
            let copy = self.state.copies.get(record);
            let is_copy =
                |copy: &Contents, text| matches!(copy, Contents::Text(copy) if copy == text);
            match text {
                // Without a hash.
                Some(text) if copy.is_some_and(|copy| is_copy(&copy.contents, text)) => {}
                Some(text) => compare(*record, Some(digest(text.as_bytes()))),
                None => compare(*record, None),
            }
        }
        match &self.startup_config {
            StartupConfig::Missing => compare(Record::StartupConfig, None),
            StartupConfig::Stored if known(&Record::StartupConfig).is_none() => {
                compare(Record::StartupConfig, Some(UNHASHED.to_owned()));
            }
            StartupConfig::Hashed(value) => {
                compare(Record::StartupConfig, Some(value.sha1.clone()));
            }
            StartupConfig::Stored | StartupConfig::Unread => {}
        }
        unknown
    }

    /// The record `site` in KV.
    pub fn site_in_kv(&self) -> Option<String> {
        self.in_kv.get(&Record::Site).cloned().flatten()
    }

    /// The claim of a site that writes.
    ///
    /// # Errors
    /// As [`Records::get`]: without the record `site`, the owner is unknown.
    pub fn claim(&self, site: &str) -> Result<Claim, Error> {
        self.get(Record::Site)?;
        Ok(Claim {
            site: site.to_owned(),
            in_kv: self.site_in_kv(),
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
