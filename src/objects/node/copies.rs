//! Copying the records of a node to KV, and trimming its history in R2.
//!
//! Invariant: KV receives the newest value of a record, at most one write per key and second, until it accepts it. An edit
//! that an operator made in KV since stays.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use worker::{Delay, console_log, console_warn};
use ztp_core::content::Metadata;
use ztp_core::history::MAX_VERSIONS;
use ztp_core::key::{HISTORY, Record};
use ztp_core::kv::digest;
use ztp_core::node::{Comparison, NodeId, Step, Written};

use super::Inner;
use super::database::{Stored, version_name};
use super::protocol::{Contents, RecordCopy};
use crate::error::Error;
use crate::response::iso_time;
use crate::storage::{Payload, Storage, now};

/// The timeout of an alarm's use of KV and R2, in milliseconds. No alarm begins before the last
/// one ends: without a timeout, one response that never arrives would keep all later records from KV.
const MAX_COPY_MS: u64 = 30_000;

impl Inner {
    /// Copies what is due to KV, and drops what has expired. Whether that has changed the state, which is not written
    /// yet.
    pub(super) async fn copy_all(&self, node: &str) -> worker::Result<bool> {
        let now_ms = now();
        let is_due =
            |copy: &RecordCopy| copy.written.is_pending() || !copy.written.is_fresh(now_ms);
        let has_work = |stored: &Stored| {
            stored.state.copies.values().any(is_due)
                || stored.versions > MAX_VERSIONS
                || stored.forgotten > 0
        };
        if !self.stored()?.as_ref().is_some_and(has_work) {
            return Ok(false);
        }
        let id: NodeId = node
            .parse()
            .map_err(|error| worker::Error::from(format!("{error}")))?;
        let storage = Storage::open(&self.env).map_err(as_worker_error)?;
        let pending: Vec<Record> = self.fresh()?.copies.keys().copied().collect();
        let copying = pin!(async {
            let copies = pending
                .iter()
                .map(|record| self.copy(&storage, &id, *record));
            let results = join_all(copies).await;
            let trimmed = self.trim_history(&storage, &id).await;
            let problem = trimmed.err().map(|error| error.detail());
            results.into_iter().flatten().chain(problem).collect()
        });
        let timeout = Delay::from(Duration::from_millis(MAX_COPY_MS));
        let problems: Vec<String> = match select(copying, timeout).await {
            Either::Left((problems, _)) => problems,
            Either::Right(_) => {
                let mut stored = self.stored()?;
                let copies = stored
                    .iter_mut()
                    .flat_map(|stored| stored.state.copies.values_mut());
                for copy in copies.filter(|copy| copy.written.is_pending()) {
                    copy.written.failed(now());
                }
                vec![format!(
                    "KV or R2 did not respond within {MAX_COPY_MS} ms; what is not stored is retried"
                )]
            }
        };
        log(node, &storage, &problems);
        let state = self.fresh()?;
        if let Some(stored) = self.stored()?.as_mut() {
            stored.state = state;
        }
        Ok(true)
    }

    /// Takes the steps of one record until it is stored or must wait. Returns a problem, if there is one. A
    /// commit may replace the record at each await.
    async fn copy(&self, storage: &Storage, node: &NodeId, record: Record) -> Option<String> {
        let key = record.key(node);
        loop {
            let now_ms = now();
            let (copy, step) = {
                let stored = self.stored().ok()?;
                let copy = stored.as_ref()?.state.copies.get(&record)?;
                (copy.clone(), copy.written.next_step(now_ms))
            };
            let revision = copy.revision;
            let result = match step {
                Step::None | Step::At(_) => return None,
                Step::Read => match storage.digest_of(&key).await {
                    Ok(found) => {
                        let edited = self.update(record, revision, |written| {
                            match written.compare(found.as_deref()) {
                                Comparison::Replaces => false,
                                Comparison::Stored => {
                                    written.stored(now());
                                    false
                                }
                                Comparison::Edited => true,
                            }
                        });
                        if edited == Some(true) {
                            self.drop_copy(record, revision);
                            return Some(format!(
                                "{key} was edited after a switch wrote it and before KV accepted that: the \
                                 edit counts"
                            ));
                        }
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                Step::Send => {
                    self.update(record, revision, |written| written.sending(now_ms));
                    let sent = self.send(storage, node, &key, &copy).await;
                    // Also if another commit replaced the record meanwhile: one write per key and second.
                    if let Some(stored) = self.stored().ok()?.as_mut()
                        && let Some(copy) = stored.state.copies.get_mut(&record)
                    {
                        copy.written.responded(now());
                    }
                    if matches!(sent, Ok(false)) {
                        self.drop_copy(record, revision);
                        return Some(format!(
                            "{key} cannot be copied to KV: its contents under {} were deleted",
                            HISTORY
                        ));
                    }
                    sent.map(|_| {
                        self.update(record, revision, |written| written.stored(now()));
                    })
                }
            };
            if let Err(error) = result {
                self.update(record, revision, |written| written.failed(now()));
                return Some(format!("{}; it is retried", error.detail()));
            }
        }
    }

    /// Sends a value or a deletion to KV; false if the contents of the value are gone.
    async fn send(
        &self,
        storage: &Storage,
        node: &NodeId,
        key: &str,
        copy: &RecordCopy,
    ) -> Result<bool, Error> {
        let by = copy.by.as_deref().unwrap_or("switch");
        let via = copy.via.as_deref();
        let describe = |sha1, size| Metadata::new(sha1, size, iso_time(now()), by, via);
        match &copy.contents {
            Contents::Text(text) => {
                let metadata = describe(digest(text.as_bytes()), text.len() as u64);
                let value = Payload::Text(text);
                storage.put_described(key, value, &metadata).await?;
            }
            Contents::Version(version) => {
                let Some(stream) = storage.version(node, version).await? else {
                    return Ok(false);
                };
                let metadata = describe(version.sha1.clone(), version.size);
                let value = Payload::Stream(stream);
                storage.put_described(key, value, &metadata).await?;
            }
            Contents::Deleted => storage.delete(key).await?,
        }
        Ok(true)
    }

    /// Changes the state of a copy, unless another commit has replaced it.
    fn update<T>(
        &self,
        record: Record,
        revision: u64,
        change: impl FnOnce(&mut Written) -> T,
    ) -> Option<T> {
        let mut stored = self.stored().ok()?;
        let copy = stored.as_mut()?.state.copies.get_mut(&record)?;
        (copy.revision == revision).then(|| change(&mut copy.written))
    }

    fn drop_copy(&self, record: Record, revision: u64) {
        if let Ok(mut stored) = self.stored()
            && let Some(stored) = stored.as_mut()
        {
            let copies = &mut stored.state.copies;
            copies.retain(|known, copy| *known != record || copy.revision != revision);
        }
    }

    /// Deletes the versions that an operator has forgotten, and the oldest beyond [`MAX_VERSIONS`], in R2 first.
    async fn trim_history(&self, storage: &Storage, node: &NodeId) -> Result<(), Error> {
        let failed = |cause| Error::storage(format!("trimming the history of {node}"), cause);
        let (count, forgotten) = self
            .stored()
            .map_err(failed)?
            .as_ref()
            .map_or((0, 0), |stored| (stored.versions, stored.forgotten));
        if count <= MAX_VERSIONS && forgotten == 0 {
            return Ok(());
        }
        let versions = self.database.versions().map_err(failed)?;
        let last = version_name(forgotten);
        let first_kept = versions.partition_point(|(name, _)| *name <= last);
        let extra = versions.len().saturating_sub(MAX_VERSIONS as usize);
        let (old, kept) = versions.split_at(extra.max(first_kept));
        for (name, version) in old {
            // Equal contents within a millisecond have one key.
            if !kept.iter().any(|(_, other)| other == version) {
                storage.delete_version(node, version).await?;
            }
            self.database.remove(name).map_err(failed)?;
            if let Some(stored) = self.stored().map_err(failed)?.as_mut() {
                stored.versions = stored.versions.saturating_sub(1);
            }
        }
        if let Some(stored) = self.stored().map_err(failed)?.as_mut()
            && stored.forgotten == forgotten
        {
            stored.forgotten = 0;
        }
        Ok(())
    }
}

fn as_worker_error(error: Error) -> worker::Error {
    worker::Error::from(error.detail())
}

/// One line for each alarm that used KV or met a problem.
fn log(node: &str, storage: &Storage, problems: &[String]) {
    let operations = storage.operations();
    if operations.kv_writes + operations.kv_reads == 0 && problems.is_empty() {
        return;
    }
    let mut line = serde_json::json!({
        "object": "node",
        "node": node,
        "kv_reads": operations.kv_reads,
        "kv_writes": operations.kv_writes,
        "r2_reads": operations.r2_reads,
    });
    if !problems.is_empty() {
        line["warning"] = problems.join("; ").into();
    }
    match problems {
        [] => console_log!("{line}"),
        _ => console_warn!("{line}"),
    }
}
