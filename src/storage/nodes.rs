//! The records of one node: `nodes/<id>/*` in KV, and the copies of its object, which wrote them last.

mod changes;
mod records;

use std::collections::HashMap;

use futures_util::future::join3;
use worker::kv::KvError;
use worker::web_sys::ReadableStream;
use ztp_core::audit::Summary;
use ztp_core::event::{Event, Report};
use ztp_core::key::{Record, folder};
use ztp_core::kv::digest;
use ztp_core::node::NodeId;

use super::{Storage, message, now};
use crate::error::Error;
use crate::objects::node::protocol::{
    Command, Commit, Contents, NodeRequest, Notes, Owner, ReadContext, RecordCopy, Reply, Reported,
    State, Timeline,
};
use crate::stream::{self, Buffer};

pub use changes::{ChangedRecord, Edit, NewValue, Plan, RecordChange};
pub use records::Records;
use records::StartupConfig;

/// Maximum size of a value of KV that is compared in memory with the object's copy, in bytes.
const MAX_COMPARED_BYTES: usize = 256 << 10;

/// Maximum number of keys in one read of KV.
pub const MAX_KEYS_AT_ONCE: usize = 100;

/// The result of a commit.
pub enum Outcome {
    Committed,
    /// Another commit came first: the records must be decided again.
    Conflict,
    /// The node belongs to another site.
    OtherSite,
}

/// The bytes of a value in KV.
pub enum StoredBody {
    Buffer(Buffer),
    Stream(ReadableStream),
}

/// A record that is not read yet.
pub struct FoundRecord {
    record: Record,
    in_kv: Result<Option<ReadableStream>, Error>,
    copy: Result<Option<RecordCopy>, Error>,
}

impl Storage {
    /// The `wanted` records of a node that are stored: one bulk read of KV and one call of the node's object, at
    /// the same time. A startup-config may be large: it is not read, only whether it is stored, by another
    /// read at the same time.
    ///
    /// If the object fails, KV alone counts, with a warning, and nothing can be committed. If KV fails, the copies
    /// of the object count, with a warning; a record that it has no copy of is an error when it is used.
    ///
    /// # Errors
    /// [`Error::Storage`] if both fail; [`Error::BadRequest`] if the records are too large for KV.
    pub async fn records(&self, node: &NodeId, wanted: &[Record]) -> Result<Records, Error> {
        self.noted_records(node, wanted, None).await
    }

    /// As [`Storage::records`], for the request of a switch: the object takes notes.
    ///
    /// # Errors
    /// As [`Storage::records`].
    pub async fn noted_records(
        &self,
        node: &NodeId,
        wanted: &[Record],
        notes: Option<Notes>,
    ) -> Result<Records, Error> {
        let texts: Vec<Record> = wanted
            .iter()
            .copied()
            .filter(|record| *record != Record::StartupConfig)
            .collect();
        let startup_config = async {
            if texts.len() == wanted.len() {
                return Ok(StartupConfig::Unread);
            }
            let stream = self.kv_stream(&Record::StartupConfig.key(node)).await?;
            Ok(stream.map_or(StartupConfig::Missing, |stream| {
                // The promise settles on its own; nothing depends on it.
                let _ = stream.cancel();
                StartupConfig::Stored
            }))
        };
        let (texts, startup_config, state) = join3(
            self.texts(node, &texts),
            startup_config,
            self.node_state(node, wanted, notes),
        )
        .await;
        let mut records = self.merge(texts, startup_config, state)?;
        self.compare_with_deletion(node, &mut records).await;
        Ok(records)
    }

    /// All records of a node, with the hash of its startup-config: three reads at the same time.
    ///
    /// # Errors
    /// As [`Storage::records`].
    pub async fn hashed_records(&self, node: &NodeId) -> Result<Records, Error> {
        let texts: Vec<Record> = Record::ALL
            .into_iter()
            .filter(|record| *record != Record::StartupConfig)
            .collect();
        let key = Record::StartupConfig.key(node);
        let (texts, startup_config, state) = join3(
            self.texts(node, &texts),
            self.summary_of(&key),
            self.node_state(node, &Record::ALL, None),
        )
        .await;
        let startup_config =
            startup_config.map(|found| found.map_or(StartupConfig::Missing, StartupConfig::Hashed));
        self.merge(texts, startup_config, state)
    }

    /// Hashes the startup-config in KV if the object has deleted it: that decides whether it is stale. One more
    /// read, only within the window after a deletion.
    async fn compare_with_deletion(&self, node: &NodeId, records: &mut Records) {
        let copy = records.state.copies.get(&Record::StartupConfig);
        if records.startup_config != StartupConfig::Stored
            || copy.is_none_or(|copy| copy.contents != Contents::Deleted)
        {
            return;
        }
        let found = self.summary_of(&Record::StartupConfig.key(node)).await;
        records.startup_config = match found {
            Ok(found) => found.map_or(StartupConfig::Missing, StartupConfig::Hashed),
            Err(error) => {
                let detail = error.detail();
                self.warn(format!("{detail}; its deletion counts"));
                StartupConfig::Unread
            }
        };
    }

    fn merge(
        &self,
        texts: Result<HashMap<Record, Option<String>>, Error>,
        startup_config: Result<StartupConfig, Error>,
        state: Result<(State, ReadContext), Error>,
    ) -> Result<Records, Error> {
        let mut records = Records::default();
        match state {
            Ok((state, context)) => {
                records.state = state;
                records.context = context;
            }
            Err(failure) => records.object_failure = Some(failure),
        }
        let texts = texts.map(|texts| records.in_kv = texts);
        let startup_config = startup_config.map(|found| records.startup_config = found);
        records.kv_failure = texts.err().or(startup_config.err());
        match (&records.kv_failure, &records.object_failure) {
            (None, None) => {}
            (Some(kv @ Error::Storage { .. }), None) => {
                let detail = kv.detail();
                self.warn(format!(
                    "{detail}; the copies of the node's object were used"
                ));
            }
            (None, Some(object)) => {
                let detail = object.detail();
                self.warn(format!("{detail}; KV alone was read, which may be stale"));
            }
            (Some(kv), _) => return Err(kv.clone()),
        }
        Ok(records)
    }

    /// One record of a node, not yet read, and the `wanted` other ones (not the startup-config): one read of KV for
    /// each of the two and one call of the node's object, all at the same time.
    ///
    /// # Errors
    /// As [`Storage::records`].
    pub async fn found(
        &self,
        node: &NodeId,
        record: Record,
        wanted: &[Record],
    ) -> Result<(Records, FoundRecord), Error> {
        self.noted_found(node, record, wanted, None).await
    }

    /// As [`Storage::found`], for the request of a switch: the object takes notes.
    ///
    /// # Errors
    /// As [`Storage::records`].
    pub async fn noted_found(
        &self,
        node: &NodeId,
        record: Record,
        wanted: &[Record],
        notes: Option<Notes>,
    ) -> Result<(Records, FoundRecord), Error> {
        let key = record.key(node);
        let copies: Vec<Record> = [record].into_iter().chain(wanted.iter().copied()).collect();
        let (in_kv, texts, mut state) = join3(
            self.kv_stream(&key),
            self.texts(node, wanted),
            self.node_state(node, &copies, notes),
        )
        .await;
        let copy = state
            .as_mut()
            .map(|(state, _)| state.copies.remove(&record));
        let copy = copy.map_err(|failure| failure.clone());
        Ok((
            self.merge(texts, Ok(StartupConfig::Unread), state)?,
            FoundRecord {
                record,
                in_kv,
                copy,
            },
        ))
    }

    /// The bytes of a record, if it is stored. While the object has a copy, the value in KV is compared with it: if it
    /// exceeds [`MAX_COMPARED_BYTES`], by up to two more reads.
    ///
    /// # Errors
    /// As [`Storage::records`].
    pub async fn body(
        &self,
        node: &NodeId,
        found: FoundRecord,
    ) -> Result<Option<StoredBody>, Error> {
        let FoundRecord {
            record,
            in_kv,
            copy,
        } = found;
        let key = record.key(node);
        // If the object failed, the log has a warning already.
        let Ok(copy) = copy else {
            return Ok(in_kv?.map(StoredBody::Stream));
        };
        let Some(copy) = copy else {
            return Ok(in_kv?.map(StoredBody::Stream));
        };
        let in_kv = match in_kv {
            Ok(Some(stream)) => stream,
            Ok(None) => return self.contents(node, copy).await,
            Err(error) => {
                let contents = self.contents(node, copy).await?;
                self.warn(format!(
                    "{}; the copy of the node's object was served",
                    error.detail()
                ));
                return Ok(contents);
            }
        };
        let reading = |cause| Error::storage(format!("reading {key}"), cause);
        let small = stream::read_up_to(&in_kv, MAX_COMPARED_BYTES).await;
        let small = small.map_err(reading)?;
        let sha1 = match &small {
            Some(bytes) => Some(digest(&bytes.to_vec())),
            None => self.digest_of(&key).await?,
        };
        if copy.written.counts_over(sha1.as_deref(), now()) {
            return self.contents(node, copy).await;
        }
        match small {
            Some(bytes) => Ok(Some(StoredBody::Buffer(bytes))),
            None => Ok(self.kv_stream(&key).await?.map(StoredBody::Stream)),
        }
    }

    /// The contents of an object's copy; `None` if it has deleted the record.
    async fn contents(&self, node: &NodeId, copy: RecordCopy) -> Result<Option<StoredBody>, Error> {
        match copy.contents {
            Contents::Text(text) => Ok(Some(StoredBody::Buffer(Buffer::new(text.as_bytes())))),
            Contents::Version(version) => {
                let stream = self.version(node, &version).await?;
                let gone = || Error::storage(format!("reading {}", version.key(node)), "deleted");
                Ok(Some(StoredBody::Stream(stream.ok_or_else(gone)?)))
            }
            Contents::Deleted => Ok(None),
        }
    }

    /// Writes records of a node through its object, all or none. On a conflict, `records` has the new state.
    ///
    /// # Errors
    /// [`Error::Storage`] if the object fails.
    pub async fn commit(
        &self,
        node: &NodeId,
        commit: Commit,
        records: &mut Records,
    ) -> Result<Outcome, Error> {
        match self.call_node(node, Command::Commit(commit)).await? {
            Reply::Committed => Ok(Outcome::Committed),
            Reply::OtherSite => Ok(Outcome::OtherSite),
            Reply::Conflict(state) => {
                records.state = state;
                self.compare_with_deletion(node, records).await;
                Ok(Outcome::Conflict)
            }
            _ => Err(unexpected(node)),
        }
    }

    /// The events and startup-config versions of a node.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn timeline(&self, node: &NodeId) -> Result<Timeline, Error> {
        match self.call_node(node, Command::Timeline).await? {
            Reply::Timeline(timeline) => Ok(*timeline),
            _ => Err(unexpected(node)),
        }
    }

    /// Tells the object of a node about the request of a switch, after its response.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn note(&self, node: &NodeId, notes: Notes) -> Result<(), Error> {
        match self.call_node(node, Command::Note(Box::new(notes))).await? {
            Reply::Noted => Ok(()),
            _ => Err(unexpected(node)),
        }
    }

    /// Sends a report of the client to the object of its node. `owner`: the record `site`, if it was read.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn report_of(
        &self,
        node: &NodeId,
        site: Option<&str>,
        owner: Option<Owner>,
        report: Report,
        event: Event,
    ) -> Result<Reported, Error> {
        let report = Command::Report {
            site: site.map(str::to_owned),
            owner,
            report,
            event,
        };
        match self.call_node(node, report).await? {
            Reply::Reported(reported) => Ok(reported),
            _ => Err(unexpected(node)),
        }
    }

    async fn node_state(
        &self,
        node: &NodeId,
        wanted: &[Record],
        notes: Option<Notes>,
    ) -> Result<(State, ReadContext), Error> {
        let read = Command::Read {
            records: wanted.to_vec(),
            notes: notes.map(Box::new),
        };
        match self.call_node(node, read).await? {
            Reply::State(state, context) => Ok((state, context)),
            _ => Err(unexpected(node)),
        }
    }

    /// Calls the object of a node.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if the binding is missing; [`Error::Storage`].
    pub async fn call_node(&self, node: &NodeId, command: Command) -> Result<Reply, Error> {
        let nodes = self.bindings.nodes.as_ref().ok_or_else(|| {
            Error::Misconfigured(
                "the binding ZTP_NODES is missing: nodes need the Durable Object class Node, bound and \
                 migrated as in the repository's wrangler.toml"
                    .to_owned(),
            )
        })?;
        self.count(|n| n.object_calls += 1);
        let failed = |cause| Error::storage(format!("finding the object of {node}"), cause);
        let stub = nodes.get_by_name(node.as_str()).map_err(failed)?;
        NodeRequest::new(node, command).send(stub).await
    }

    /// The sites of nodes, as KV shows them: one operation for each hundred.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn sites_of(&self, nodes: &[&NodeId]) -> Result<Vec<Option<String>>, Error> {
        let failed = |cause: KvError| Error::storage("reading the sites of nodes", message(&cause));
        let mut sites = Vec::with_capacity(nodes.len());
        for nodes in nodes.chunks(MAX_KEYS_AT_ONCE) {
            self.count(|n| n.kv_reads += 1);
            let keys: Vec<String> = nodes.iter().map(|node| Record::Site.key(node)).collect();
            let found = self.bindings.data.get_bulk(&keys).text().await;
            let mut found = found.map_err(failed)?;
            sites.extend(keys.iter().map(|key| found.remove(key).flatten()));
        }
        Ok(sites)
    }

    /// The first thousand keys with a prefix, and whether the list is complete.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn first_keys(&self, prefix: String) -> Result<(Vec<String>, bool), Error> {
        let (keys, next) = self.list_keys(&prefix, None).await?;
        Ok((keys, next.is_none()))
    }

    /// A thousand keys with a prefix, in order, from a cursor on; and the cursor of the next ones.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn list_keys(
        &self,
        prefix: &str,
        cursor: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), Error> {
        self.count(|n| n.kv_reads += 1);
        let mut list = self.bindings.data.list().prefix(prefix.to_owned());
        if let Some(cursor) = cursor {
            list = list.cursor(cursor);
        }
        let page = list.execute().await;
        let page =
            page.map_err(|cause| Error::storage(format!("listing {prefix}"), message(&cause)))?;
        let names = page.keys.into_iter().map(|key| key.name);
        Ok((names.collect(), page.cursor.filter(|_| !page.list_complete)))
    }

    async fn texts(
        &self,
        node: &NodeId,
        records: &[Record],
    ) -> Result<HashMap<Record, Option<String>>, Error> {
        if records.is_empty() {
            return Ok(HashMap::new());
        }
        self.count(|n| n.kv_reads += 1);
        let keys: Vec<String> = records.iter().map(|record| record.key(node)).collect();
        let read = self.bindings.data.get_bulk(&keys).text().await;
        let mut found = read.map_err(|cause| match message(&cause) {
            cause if is_too_large(&cause) => too_large(node, records),
            cause => Error::storage(format!("reading {}", folder(node)), cause),
        })?;
        let texts = records.iter().zip(&keys);
        Ok(texts
            .map(|(record, key)| (*record, found.remove(key).flatten()))
            .collect())
    }

    pub(super) async fn kv_stream(&self, key: &str) -> Result<Option<ReadableStream>, Error> {
        self.count(|n| n.kv_reads += 1);
        let read = self.bindings.data.get(key).stream().await;
        read.map_err(|cause| Error::storage(format!("reading {key}"), message(&cause)))
    }

    /// The SHA-1 of a value in KV, if it is stored. The value does not enter wasm memory.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn digest_of(&self, key: &str) -> Result<Option<String>, Error> {
        let found = self.summary_of(key).await?;
        Ok(found.map(|summary| summary.sha1))
    }

    /// SHA-1 and size of a value in KV, as [`Storage::digest_of`].
    async fn summary_of(&self, key: &str) -> Result<Option<Summary>, Error> {
        let Some(stream) = self.kv_stream(key).await? else {
            return Ok(None);
        };
        let hashed = stream::sha1(&stream).await;
        let (size, sha1) =
            hashed.map_err(|cause| Error::storage(format!("reading {key}"), cause))?;
        let sha1 = ztp_core::hex(&sha1);
        Ok(Some(Summary { sha1, size }))
    }
}

fn too_large(node: &NodeId, records: &[Record]) -> Error {
    let names: Vec<&str> = records.iter().map(|record| record.name()).collect();
    Error::BadRequest(format!(
        "the records {} under {} together exceed the 25 MB that KV reads at once: store smaller records",
        names.join(", "),
        folder(node)
    ))
}

fn is_too_large(cause: &str) -> bool {
    cause.contains("413") || cause.contains("exceeds the limit")
}

fn unexpected(node: &NodeId) -> Error {
    Error::unexpected_reply(format!("calling the object of the node {node}"))
}
