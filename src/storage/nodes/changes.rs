//! Changes of a node's records by operators. They go through the node's object, as those of switches do, so that they
//! count in every place at once.

use ztp_core::audit::Summary;
use ztp_core::event::Event;
use ztp_core::history::Version;
use ztp_core::key::Record;
use ztp_core::node::NodeId;

use super::{Outcome, Records, Storage, StoredBody};
use crate::error::Error;
use crate::objects::node::protocol::{Commit, Contents, NewRecord};
use crate::objects::site::protocol::Given;
use crate::storage::content::read_bytes;
use crate::stream::Buffer;

/// Maximum size of a record that an operator stores, in bytes, a startup-config aside: the node's object has it in
/// memory.
pub const MAX_RECORD_BYTES: usize = 512 << 10;
/// How often a change is decided again because another request changed the node meanwhile.
const MAX_DECISIONS: u32 = 5;

/// A new value of a record, from an operator.
#[derive(Debug, Clone)]
pub struct NewValue {
    bytes: Buffer,
    pub summary: Summary,
    /// The program that stores it, if it has a name.
    pub via: Option<String>,
}

impl NewValue {
    /// # Errors
    /// [`Error::Storage`] if the runtime cannot hash it.
    pub async fn new(bytes: Buffer) -> Result<Self, Error> {
        let hashed = bytes.sha1().await;
        let sha1 = hashed.map_err(|cause| Error::storage("hashing the new value", cause))?;
        let size = bytes.len() as u64;
        let summary = Summary { sha1, size };
        Ok(Self {
            bytes,
            summary,
            via: None,
        })
    }

    /// The text of a record, a startup-config aside; `key` names it in messages.
    ///
    /// # Errors
    /// [`Error::TooLarge`] over [`MAX_RECORD_BYTES`]; [`Error::BadRequest`] if it is not UTF-8.
    pub fn text(&self, key: &str) -> Result<String, Error> {
        if self.bytes.len() > MAX_RECORD_BYTES {
            return Err(Error::TooLarge(format!(
                "{key} has {} bytes and exceeds the limit of {MAX_RECORD_BYTES}",
                self.bytes.len()
            )));
        }
        String::from_utf8(self.bytes())
            .map_err(|_| Error::BadRequest(format!("{key} is not UTF-8 text; send it as UTF-8")))
    }

    /// A copy of the bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }
}

/// A record with its new value; `None`: it is deleted.
pub type RecordChange = (Record, Option<NewValue>);

/// Decides the changes of a node by its records.
pub type Plan<'a> = &'a dyn Fn(&Records) -> Result<Vec<RecordChange>, Error>;

/// A record that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedRecord {
    pub record: Record,
    /// The value before; `None`: there was none.
    pub before: Option<Summary>,
    /// The value after; `None`: it is deleted.
    pub after: Option<Summary>,
}

/// Who changes the records of a node, and how the node's history shows it.
#[derive(Debug, Clone)]
pub struct Edit<'a> {
    pub node: &'a NodeId,
    /// The name of the operator.
    pub by: &'a str,
    pub event: Event,
    /// Whether events and versions are deleted, too.
    pub without_history: bool,
    /// With [`Event::PlanGiven`]: all nodes that have the records then.
    pub given: Vec<Given>,
}

impl Records {
    /// Those of some changes that change something. The startup-config must have been hashed
    /// ([`Storage::hashed_records`]).
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn differing(&self, changes: &[RecordChange]) -> Result<Vec<RecordChange>, Error> {
        let mut differing = Vec::new();
        for (record, value) in changes {
            let before = self.summary(*record)?;
            if before.as_ref() != value.as_ref().map(|value| &value.summary) {
                differing.push((*record, value.clone()));
            }
        }
        Ok(differing)
    }
}

impl Storage {
    /// A record of a node, as a new value for another one.
    ///
    /// # Errors
    /// As [`Storage::records`].
    pub async fn new_value_of(
        &self,
        node: &NodeId,
        record: Record,
    ) -> Result<Option<NewValue>, Error> {
        let (_, found) = self.found(node, record, &[]).await?;
        let bytes = match self.body(node, found).await? {
            None => return Ok(None),
            Some(StoredBody::Buffer(bytes)) => bytes,
            Some(StoredBody::Stream(stream)) => read_bytes(&record.key(node), &stream).await?,
        };
        NewValue::new(bytes).await.map(Some)
    }

    /// Changes records of a node, all or none. `records` are from [`Storage::hashed_records`], and `plan` decides the
    /// changes by them: again with new ones if another request changed the node meanwhile, so that a change which
    /// depends on a value cannot overwrite another one. A startup-config is stored in the history in R2 first.
    ///
    /// Returns what was changed. Without a change nothing is written, unless the history is deleted.
    ///
    /// # Errors
    /// Those of `plan`; [`Error::BadRequest`] if a text is not UTF-8; [`Error::TooLarge`] over [`MAX_RECORD_BYTES`];
    /// [`Error::Busy`] if the node changes again and again; [`Error::Storage`].
    pub async fn change_records(
        &self,
        edit: &Edit<'_>,
        mut records: Records,
        plan: Plan<'_>,
    ) -> Result<Vec<ChangedRecord>, Error> {
        let node = edit.node;
        let mut version = None;
        for _ in 0..MAX_DECISIONS {
            let decided = self.decide(edit, &mut records, plan, &mut version).await;
            let discard = match &decided {
                Ok(Some((_, committed))) => !committed,
                Ok(None) => false,
                // It may have been committed if the object failed.
                Err(error) => !matches!(error, Error::Storage { .. }),
            };
            if let (true, Some(version)) = (discard, &version) {
                self.discard_version(node, version).await;
            }
            match decided? {
                Some((changed, _)) => return Ok(changed),
                None => records = self.hashed_records(node).await?,
            }
        }
        if let Some(version) = &version {
            self.discard_version(node, version).await;
        }
        Err(Error::Busy(format!(
            "the records of the node {node} changed {MAX_DECISIONS} times during this request; retry in a few \
             seconds"
        )))
    }

    /// Decides a change and commits it: what was changed, and whether that was committed; `None` on a conflict.
    async fn decide(
        &self,
        edit: &Edit<'_>,
        records: &mut Records,
        plan: Plan<'_>,
        version: &mut Option<Version>,
    ) -> Result<Option<(Vec<ChangedRecord>, bool)>, Error> {
        let base = records.revision()?;
        let mut changed = Vec::new();
        let mut new_records = Vec::new();
        for (record, value) in plan(records)? {
            changed.push(ChangedRecord {
                record,
                before: records.summary(record)?,
                after: value.as_ref().map(|value| value.summary.clone()),
            });
            new_records.push(NewRecord {
                record,
                via: value.as_ref().and_then(|value| value.via.clone()),
                contents: self.contents_of(edit.node, record, value, version).await?,
                seen: records.seen(record),
            });
        }
        if new_records.is_empty() && !edit.without_history {
            return Ok(Some((changed, false)));
        }
        match self.commit_edit(edit, base, new_records, records).await? {
            true => Ok(Some((changed, true))),
            false => Ok(None),
        }
    }

    /// Adds the event of an edit to a node, and changes no record: whether it was added, which it is not if another
    /// request changed the node after `records` were read.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn add_event(&self, edit: &Edit<'_>, mut records: Records) -> Result<bool, Error> {
        let base = records.revision()?;
        self.commit_edit(edit, base, Vec::new(), &mut records).await
    }

    /// Commits an edit; false on a conflict.
    async fn commit_edit(
        &self,
        edit: &Edit<'_>,
        base: u64,
        new_records: Vec<NewRecord>,
        records: &mut Records,
    ) -> Result<bool, Error> {
        let commit = Commit {
            base: Some(base),
            claim: None,
            records: new_records,
            event: edit.event.clone(),
            replaces: None,
            by: Some(edit.by.to_owned()),
            without_history: edit.without_history,
            given: edit.given.clone(),
        };
        match self.commit(edit.node, commit, records).await? {
            Outcome::Committed => Ok(true),
            Outcome::Conflict => Ok(false),
            // It has no claim.
            Outcome::OtherSite => Err(Error::storage(
                format!("changing the node {}", edit.node),
                "unexpected owner",
            )),
        }
    }

    async fn contents_of(
        &self,
        node: &NodeId,
        record: Record,
        value: Option<NewValue>,
        version: &mut Option<Version>,
    ) -> Result<Contents, Error> {
        let Some(value) = value else {
            return Ok(Contents::Deleted);
        };
        if record == Record::StartupConfig {
            let stored = match version.take() {
                Some(stored) => stored,
                None => self.put_version(node, &value.bytes).await?,
            };
            return Ok(Contents::Version(version.insert(stored).clone()));
        }
        value.text(&record.key(node)).map(Contents::Text)
    }
}
