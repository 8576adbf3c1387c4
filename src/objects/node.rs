//! The Durable Object of a node: one for each node, worldwide.
//!
//! Invariant: the object is the only writer of `nodes/<id>/*` on behalf of switches, and of operators who use the /admin
//! API. A commit writes or deletes all of its records, its event and the owner, or nothing; and a record that was
//! committed reaches KV, unless a later commit or an operator's edit in KV replaces it first.
//!
//! KV cannot ensure that: it has no transactions, its reads may be stale, and it rejects a second write of
//! a key within a second. A Durable Object is one thread with its own database: nothing awaits between the
//! check of a commit and its write, and the runtime holds the reply until the write is durable.
//!
//! After a commit, an alarm copies the records to KV ([`Written::next_step`]). Until reads of KV cannot be stale any
//! more, requests read both ([`Written::counts_over`]); then the copies are dropped, and KV alone has the records.

mod database;
pub mod protocol;

use std::cell::{RefCell, RefMut};
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use worker::js_sys::{self, Function, Reflect};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::WorkerGlobalScope;
use worker::{
    Delay, DurableObject, Env, Request, Response, State as ObjectState, console_error, console_log,
    console_warn, durable_object, wasm_bindgen,
};
use ztp_core::content::Metadata;
use ztp_core::event::Logged;
use ztp_core::history::{MAX_VERSIONS, Version};
use ztp_core::key::{HISTORY, Record};
use ztp_core::kv::{Seen, digest};
use ztp_core::node::{Comparison, NodeId, Step, Written};

use crate::error::Error;
use crate::response::iso_time;
use crate::storage::{Payload, Storage, now};
use database::{Database, Stored, version_name};
use protocol::{
    Claim, Command, Commit, Contents, NewRecord, NodeRequest, RecordCopy, Reply, State, Timeline,
};

/// The pause before a retry of an alarm that could not read its own state, in milliseconds.
const ALARM_RETRY_MS: u64 = 5_000;
/// The timeout of an alarm's use of KV and R2, in milliseconds. No alarm begins before the last
/// one ends: without a timeout, one response that never arrives would keep all later records from KV.
const MAX_COPY_MS: u64 = 30_000;
/// The time after which an alarm that has not ended is aborted, in milliseconds: a panic in another request ends the
/// wasm instance, and this alarm would never end. It is longer than [`MAX_COPY_MS`].
const MAX_ALARM_MS: i32 = if cfg!(feature = "panics") {
    1_000
} else {
    60_000
};

/// One node.
#[durable_object]
pub struct Node {
    object: ObjectState,
    env: Env,
    database: Database,
    /// The contents of the database, once read: `None` if nothing was ever committed.
    stored: RefCell<Option<Option<Stored>>>,
}

impl DurableObject for Node {
    fn new(object: ObjectState, env: Env) -> Self {
        Self {
            database: Database::new(object.storage().sql()),
            object,
            env,
            stored: RefCell::default(),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let request: NodeRequest = serde_json::from_str(&request.text().await?)?;
        let reply = self.answer(request).await.unwrap_or_else(|cause| {
            // Memory may differ from the database now: read the database again.
            self.stored.take();
            Reply::Failed(cause.to_string())
        });
        Response::ok(serde_json::to_string(&reply)?)
    }

    /// Copies pending records to KV, and drops copies that are not needed any more. The runtime gives up an
    /// alarm that fails several times, so every failure schedules the next one.
    async fn alarm(&self) -> worker::Result<Response> {
        let _watchdog = Watchdog::start(&self.object)?;
        let next = match self.maintain().await {
            Ok(next) => next,
            Err(cause) => {
                self.stored.take();
                console_error!("the alarm of a node failed: {cause}");
                Some(now() + ALARM_RETRY_MS)
            }
        };
        if let Some(next) = next {
            self.wake(next).await?;
        }
        Response::empty()
    }
}

impl Node {
    async fn answer(&self, request: NodeRequest) -> worker::Result<Reply> {
        match request.command {
            Command::Read(wanted) => {
                let mut state = self.fresh()?;
                state.copies.retain(|record, _| wanted.contains(record));
                Ok(Reply::State(state))
            }
            Command::Commit(commit) => {
                let reply = self.commit(&request.node, commit)?;
                if matches!(reply, Reply::Committed) {
                    self.wake(now()).await?;
                }
                Ok(reply)
            }
            Command::Timeline => Ok(Reply::Timeline(Timeline {
                events: self.events()?,
                versions: self.versions()?,
            })),
            #[cfg(feature = "panics")]
            Command::Panic => panic!("in a node"),
        }
    }

    /// The state without copies that are not needed any more.
    fn fresh(&self) -> worker::Result<State> {
        let now = now();
        let stored = self.stored()?;
        let mut state = stored.as_ref().map(|stored| stored.state.clone());
        if let Some(state) = &mut state {
            state.copies.retain(|_, copy| copy.written.is_fresh(now));
        }
        Ok(state.unwrap_or_default())
    }

    /// Writes a commit, unless it depends on another revision or comes from another site.
    fn commit(&self, node: &str, commit: Commit) -> worker::Result<Reply> {
        let now = now();
        let Commit {
            base,
            claim,
            mut records,
            event,
            by,
            without_history,
        } = commit;
        let mut state = self.fresh()?;
        if base.is_some_and(|base| base != state.revision) {
            return Ok(Reply::Conflict(state));
        }
        let site = claim.as_ref().map(|claim| claim.site.clone());
        if let Some(claim) = claim {
            match owner(&state, &claim, now) {
                Some(owner) if owner.trim() != claim.site => return Ok(Reply::OtherSite),
                Some(_) => {}
                None => records.push(NewRecord {
                    record: Record::Site,
                    contents: Contents::Text(claim.site),
                    // A value that does not count is stale.
                    seen: claim
                        .in_kv
                        .map_or(Seen::Missing, |site| Seen::Value(digest(site.as_bytes()))),
                }),
            }
        }
        state.revision += 1;
        let mut new_version = None;
        for NewRecord {
            record,
            contents,
            seen,
        } in records
        {
            let sha1 = match &contents {
                Contents::Text(text) => Some(digest(text.as_bytes())),
                Contents::Version(version) => {
                    new_version = Some(version.clone());
                    Some(version.sha1.clone())
                }
                Contents::Deleted => None,
            };
            let earlier = state.copies.get(&record).map(|copy| &copy.written);
            let copy = RecordCopy {
                revision: state.revision,
                contents,
                written: Written::new(sha1, seen, earlier, now),
                by: by.clone(),
            };
            state.copies.insert(record, copy);
        }
        let event = Logged {
            time: now,
            site,
            by,
            report: None,
            event,
        };
        let (versions, forgotten) = self
            .stored()?
            .as_ref()
            .map_or((0, 0), |stored| (stored.versions, stored.forgotten));
        let stored = Stored {
            node: node.to_owned(),
            versions: versions + u64::from(new_version.is_some()),
            forgotten: match without_history {
                true => state.revision,
                false => forgotten,
            },
            state,
        };
        self.database
            .commit(&stored, &event, new_version.as_ref())?;
        *self.stored.borrow_mut() = Some(Some(stored));
        Ok(Reply::Committed)
    }

    fn events(&self) -> worker::Result<Vec<Logged>> {
        match self.stored()?.is_some() {
            true => self.database.events(),
            false => Ok(Vec::new()),
        }
    }

    fn versions(&self) -> worker::Result<Vec<Version>> {
        let Some(forgotten) = self.stored()?.as_ref().map(|stored| stored.forgotten) else {
            return Ok(Vec::new());
        };
        let last = version_name(forgotten);
        let versions = self.database.versions()?.into_iter();
        let kept = versions.filter(|(name, _)| *name > last);
        Ok(kept.map(|(_, version)| version).collect())
    }

    /// Copies what is due, and drops what has expired. Returns the time of the next alarm.
    async fn maintain(&self) -> worker::Result<Option<u64>> {
        let Some(node) = self.stored()?.as_ref().map(|stored| stored.node.clone()) else {
            return Ok(None);
        };
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
        log(&node, &storage, &problems);
        let state = self.fresh()?;
        let now = now();
        let next = state
            .copies
            .values()
            .map(|copy| match copy.written.next_step(now) {
                Step::None => copy.written.expires_at().unwrap_or(now),
                Step::At(time) => time,
                Step::Read | Step::Send => now,
            });
        let mut next = next.min();
        if let Some(stored) = self.stored()?.as_mut() {
            if stored.forgotten > 0 {
                // R2 failed.
                let retry = now + ALARM_RETRY_MS;
                next = Some(next.map_or(retry, |next| next.min(retry)));
            }
            stored.state = state;
            self.database.save(stored)?;
        }
        Ok(next)
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
        let describe = |sha1, size| Metadata::new(sha1, size, iso_time(now()), by, None);
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

    /// The contents of the database; the first call reads them.
    fn stored(&self) -> worker::Result<RefMut<'_, Option<Stored>>> {
        let mut known = self.stored.borrow_mut();
        if known.is_none() {
            *known = Some(self.database.load()?);
        }
        Ok(RefMut::map(known, |known| known.get_or_insert_default()))
    }

    /// Schedules the alarm.
    async fn wake(&self, at: u64) -> worker::Result<()> {
        let pause = Duration::from_millis(at.saturating_sub(now()));
        self.object.storage().set_alarm(pause).await
    }
}

/// Aborts the object after [`MAX_ALARM_MS`], unless it is dropped before. The runtime retries the alarm then, with a
/// new instance of the object. The timer calls JavaScript only, so that it outlives the wasm instance.
struct Watchdog {
    scope: WorkerGlobalScope,
    timer: i32,
}

impl Watchdog {
    fn start(object: &ObjectState) -> Result<Self, JsValue> {
        let object = object.as_raw();
        let abort: Function = Reflect::get(object, &"abort".into())?.dyn_into()?;
        let reason = "an alarm of a node did not end";
        let abort: Function = abort.bind1(object, &reason.into()).unchecked_into();
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let timer =
            scope.set_timeout_with_callback_and_timeout_and_arguments_0(&abort, MAX_ALARM_MS)?;
        Ok(Self { scope, timer })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.scope.clear_timeout_with_handle(self.timer);
    }
}

/// The owner of a node, by the object's copy of the record or by KV.
fn owner(state: &State, claim: &Claim, now: u64) -> Option<String> {
    let in_kv = claim.in_kv.as_ref();
    let sha1 = in_kv.map(|site| digest(site.as_bytes()));
    match state.copies.get(&Record::Site) {
        Some(copy) if copy.written.counts_over(sha1.as_deref(), now) => match &copy.contents {
            Contents::Text(site) => Some(site.clone()),
            Contents::Version(_) | Contents::Deleted => None,
        },
        _ => in_kv.cloned(),
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
