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
//! Each request of a switch leaves an event. That of a read is written after the reply, so that no switch waits for it
//! (`notes`), and the object of the node's site receives all of them later (`outbox`).
//!
//! After a commit, an alarm copies the records to KV (`copies`). Until reads of KV cannot be stale any
//! more, requests read both ([`Written::counts_over`]); then the copies are dropped, and KV alone has the records.

mod copies;
mod database;
mod journal;
mod notes;
mod outbox;
pub mod protocol;

use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::future::join;
use worker::js_sys::{self, Function, Reflect};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::WorkerGlobalScope;
use worker::{
    DurableObject, Env, Request, Response, State as ObjectState, console_error, durable_object,
    wasm_bindgen,
};
use ztp_core::event::{Event, Logged};
use ztp_core::history::Version;
use ztp_core::key::Record;
use ztp_core::kv::{Seen, digest};
use ztp_core::node::{Known, Step, Written};

use crate::objects::call::respond;
use crate::objects::pause_until;
use crate::storage::now;
use database::{Batch, Database, Numbered, Stored, version_name};
use journal::Before;
use notes::{MAX_AT_ONCE, Pending, is_post};
use outbox::Outbox;
use protocol::{
    Claim, Command, Commit, Contents, NewRecord, NodeRequest, RecordCopy, Reply, SeenPost, State,
    Timeline,
};

/// The pause between a commit, or the first event that is not reported, and the alarm, in milliseconds: one alarm copies
/// and reports all that a boot leaves in this time.
const PAUSE_MS: u64 = 200;
/// The pause before a retry of an alarm that could not read its own state, in milliseconds.
const ALARM_RETRY_MS: u64 = 5_000;
/// The time after which an alarm that has not ended is aborted, in milliseconds: a panic in another request ends the
/// wasm instance, and this alarm would never end. It is longer than that of copying.
const MAX_ALARM_MS: i32 = if cfg!(feature = "panics") {
    1_000
} else {
    60_000
};

/// One node.
#[durable_object(alarm)]
pub struct Node {
    inner: Rc<Inner>,
}

/// Shared with what runs after a reply.
struct Inner {
    object: ObjectState,
    env: Env,
    database: Database,
    /// The contents of the database, once read: `None` if nothing is known of the node.
    stored: RefCell<Option<Option<Stored>>>,
    /// The notes of reads that are not events yet.
    pending: RefCell<Vec<Pending>>,
    /// Events that are not written yet.
    unsaved: RefCell<Numbered>,
    /// Facts that are not written yet.
    unsaved_seen: RefCell<Option<String>>,
    /// Whether they will be.
    is_saving: Cell<bool>,
    /// The journal before the event with this number, which its request may replace.
    before: RefCell<Option<(u64, Before)>>,
    outbox: Outbox,
    /// When the alarm rings, in milliseconds since 1970, if that is known.
    alarm: Cell<Option<u64>>,
    is_in_alarm: Cell<bool>,
    /// The time of the last event.
    ticked: Cell<u64>,
}

impl DurableObject for Node {
    fn new(object: ObjectState, env: Env) -> Self {
        let inner = Inner {
            database: Database::new(&object.storage()),
            object,
            env,
            stored: RefCell::default(),
            pending: RefCell::default(),
            unsaved: RefCell::default(),
            unsaved_seen: RefCell::default(),
            is_saving: Cell::new(false),
            before: RefCell::default(),
            outbox: Outbox::default(),
            alarm: Cell::new(None),
            is_in_alarm: Cell::new(false),
            ticked: Cell::new(0),
        };
        Self {
            inner: Rc::new(inner),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let request: NodeRequest = serde_json::from_str(&request.text().await?)?;
        let reply = self.inner.answer(request).await.unwrap_or_else(|cause| {
            self.inner.forget();
            Reply::Failed(cause.to_string())
        });
        respond(&reply)
    }

    /// Copies pending records to KV, drops copies that are not needed any more, and reports to the site's object. The
    /// runtime gives up an alarm that fails several times, so every failure schedules the next one.
    async fn alarm(&self) -> worker::Result<Response> {
        let inner = &self.inner;
        let _watchdog = Watchdog::start(&inner.object)?;
        let time = inner.alarm.take().unwrap_or_else(now);
        inner.is_in_alarm.set(true);
        let next = match inner.maintain(time).await {
            Ok(next) => next,
            Err(cause) => {
                inner.forget();
                console_error!("the alarm of a node failed: {cause}");
                Some(now() + ALARM_RETRY_MS)
            }
        };
        inner.is_in_alarm.set(false);
        if let Some(next) = next {
            inner.wake(next).await?;
        }
        Response::empty()
    }
}

impl Inner {
    async fn answer(self: &Rc<Self>, request: NodeRequest) -> worker::Result<Reply> {
        match request.command {
            Command::Read { records, notes } => {
                let context = match notes {
                    Some(notes) => self.read(&request.node, &records, *notes)?,
                    None => Default::default(),
                };
                Ok(Reply::State(self.fresh_of(&records)?, context))
            }
            Command::Commit(commit) => {
                let reply = self.commit(&request.node, commit)?;
                if matches!(reply, Reply::Committed) {
                    self.wake_within(PAUSE_MS).await?;
                }
                Ok(reply)
            }
            Command::Note(notes) => {
                self.note(&request.node, *notes)?;
                self.save_later();
                Ok(Reply::Noted)
            }
            Command::Report {
                site,
                owner,
                report,
                event,
            } => {
                let reported = self.take_report(site, owner, report, event)?;
                self.save_events()?;
                self.arm().await?;
                Ok(Reply::Reported(reported))
            }
            Command::Timeline => self
                .timeline()
                .map(|found| Reply::Timeline(Box::new(found))),
            #[cfg(feature = "panics")]
            Command::Panic => panic!("in a node"),
        }
    }

    /// Forgets what is in memory after a failure: it may differ from the database now.
    fn forget(&self) {
        self.stored.take();
        self.pending.take();
        self.unsaved.take();
        self.unsaved_seen.take();
        self.before.take();
    }

    /// The time of the next event, in milliseconds since 1970. No two events have the same one: a [`protocol::Ticket`] names its
    /// event by it.
    fn tick(&self) -> u64 {
        let time = now().max(self.ticked.get() + 1);
        self.ticked.set(time);
        time
    }

    fn timeline(&self) -> worker::Result<Timeline> {
        self.save_events()?;
        if self.stored()?.is_none() {
            return Ok(Timeline::default());
        }
        let events = self.database.events()?;
        let versions = self.versions()?;
        let stored = self.stored()?;
        let journal = stored.as_ref().map(|stored| &stored.journal);
        let facts = match journal {
            Some(journal) if journal.has_seen => self.database.seen()?,
            _ => None,
        };
        Ok(Timeline {
            events,
            versions,
            row: journal
                .filter(|journal| !journal.is_gone)
                .map(|journal| journal.row.clone()),
            seen: journal
                .and_then(|journal| journal.posted)
                .map(|time| SeenPost { time, facts }),
        })
    }

    /// The state without copies that are not needed any more.
    fn fresh(&self) -> worker::Result<State> {
        self.fresh_of(&Record::ALL)
    }

    /// As [`Inner::fresh`], with the copies of these records only.
    fn fresh_of(&self, records: &[Record]) -> worker::Result<State> {
        let now = now();
        let stored = self.stored()?;
        let Some(Stored { state, .. }) = stored.as_ref() else {
            return Ok(State::default());
        };
        let wanted = state
            .copies
            .iter()
            .filter(|(record, copy)| records.contains(record) && copy.written.is_fresh(now))
            .map(|(record, copy)| (*record, copy.clone()));
        // `collect` would take more code.
        let mut copies = BTreeMap::new();
        copies.extend(wanted);
        Ok(State {
            revision: state.revision,
            copies,
        })
    }

    /// Writes a commit, unless it depends on another revision or comes from another site.
    fn commit(&self, node: &str, commit: Commit) -> worker::Result<Reply> {
        let now = now();
        let Commit {
            base,
            claim,
            mut records,
            event,
            replaces,
            by,
            without_history,
            given,
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
                    via: None,
                }),
            }
        }
        let mut stored = self.stored()?;
        let stored = stored.get_or_insert_with(|| Stored::of(node));
        if let Some(ticket) = replaces {
            let (model, version) = self.retract(&mut stored.journal, ticket)?.facts;
            let row = &mut stored.journal.row;
            row.model = model.or(row.model.take());
            row.version = version.or(row.version.take());
        }
        self.take_pending(&mut stored.journal);
        if let Some(site) = &site {
            stored.journal.own(Some(site.clone()));
        }
        state.revision += 1;
        let mut new_version = None;
        let mut edited = Vec::new();
        for NewRecord {
            record,
            contents,
            seen,
            via,
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
            let journal = &mut stored.journal;
            let mut known = journal.known.remove(&record);
            let shown = match &seen {
                Seen::Unknown => None,
                Seen::Missing => Some(None),
                Seen::Value(sha1) => Some(Some(sha1.clone())),
            };
            if let (Some(known), Some(shown)) = (&mut known, shown)
                && !earlier.is_some_and(|copy| copy.counts_over(shown.as_deref(), now))
                && known.show(shown, now)
            {
                edited.push(record.name().to_owned());
            }
            let known = Known::write(known, sha1.clone(), &seen, now);
            journal.known.insert(record, known);
            journal.changed(record);
            if record == Record::Site {
                journal.own(match &contents {
                    Contents::Text(site) => Some(site.clone()),
                    Contents::Version(_) | Contents::Deleted => None,
                });
            }
            let copy = RecordCopy {
                revision: state.revision,
                contents,
                written: Written::new(sha1, seen, earlier, now),
                by: by.clone(),
                via,
            };
            state.copies.insert(record, copy);
        }
        let time = self.tick();
        let logged = |event| Logged {
            time,
            site: site.clone(),
            by: by.clone(),
            report: None,
            event,
        };
        if !edited.is_empty() {
            self.add(
                &mut stored.journal,
                Logged {
                    by: None,
                    ..logged(Event::Edited { records: edited })
                },
            );
        }
        if is_post(&event) {
            stored.journal.posted = Some(now);
            stored.journal.has_seen = false;
        }
        if !given.is_empty() {
            stored.journal.row.given = given;
        }
        let last = without_history.then(|| logged(event.clone()));
        self.add(&mut stored.journal, logged(event));
        stored.state = state;
        stored.versions += u64::from(new_version.is_some());
        if let Some(last) = last {
            stored.journal.wipe(last);
            stored.forgotten = stored.state.revision;
            self.unsaved.take();
        }
        self.write_events(stored, MAX_AT_ONCE)?;
        let events = self.unsaved.take();
        self.database.write(
            stored,
            Batch {
                state: true,
                events: &events,
                without_history,
                seen: self.unsaved_seen.take(),
                version: new_version.as_ref(),
            },
        )?;
        Ok(Reply::Committed)
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

    /// Copies and reports what is due, and drops what has expired. `alarm`: the time for which the alarm was set. Returns
    /// the time of the next one.
    async fn maintain(self: &Rc<Self>, alarm: u64) -> worker::Result<Option<u64>> {
        self.save_events()?;
        let node = match self.stored()?.as_ref() {
            Some(stored) => stored.journal.node.clone(),
            None => return Ok(None),
        };
        let (state, is_reported) = join(self.copy_all(&node), self.report(&node, alarm)).await;
        let state = state?;
        if (state || is_reported)
            && let Some(stored) = self.stored()?.as_ref()
        {
            let batch = Batch {
                state,
                ..Batch::default()
            };
            self.database.write(stored, batch)?;
        }
        self.next_alarm()
    }

    /// The time at which something is due.
    fn next_alarm(&self) -> worker::Result<Option<u64>> {
        let now = now();
        let stored = self.stored()?;
        let Some(stored) = stored.as_ref() else {
            return Ok(None);
        };
        let copies = stored.state.copies.values();
        let copies = copies.map(|copy| match copy.written.next_step(now) {
            Step::None => copy.written.expires_at().unwrap_or(now),
            Step::At(time) => time,
            Step::Read | Step::Send => now,
        });
        // R2 failed.
        let retry = (stored.forgotten > 0).then(|| now + ALARM_RETRY_MS);
        let report = self.outbox.due(&stored.journal, now);
        Ok(copies.chain(retry).chain(report).min())
    }

    /// The contents of the database; the first call reads them.
    fn stored(&self) -> worker::Result<RefMut<'_, Option<Stored>>> {
        let mut known = self.stored.borrow_mut();
        if known.is_none() {
            let stored = self.database.load()?;
            let last = stored.as_ref().map_or(0, |stored| stored.journal.last);
            self.outbox.sent.set(last);
            *known = Some(stored);
        }
        Ok(RefMut::map(known, |known| known.get_or_insert_default()))
    }

    /// Schedules the alarm, unless an earlier one is scheduled or one that rings soon, or its handler runs, which
    /// schedules the next one.
    async fn arm(&self) -> worker::Result<()> {
        let next = self.next_alarm()?;
        let Some(next) = next.filter(|_| !self.is_in_alarm.get()) else {
            return Ok(());
        };
        match self.alarm.get() {
            Some(alarm) if alarm <= next => Ok(()),
            _ if self.rings_within(PAUSE_MS) => Ok(()),
            _ => self.wake(next).await,
        }
    }

    /// Whether the alarm rings within a time in milliseconds.
    fn rings_within(&self, pause: u64) -> bool {
        let now = now();
        self.alarm
            .get()
            .is_some_and(|alarm| (now..=now + pause).contains(&alarm))
    }

    /// Schedules the alarm, unless it rings within this time in milliseconds, or its handler runs, which schedules the
    /// next one.
    async fn wake_within(&self, pause: u64) -> worker::Result<()> {
        match self.is_in_alarm.get() || self.rings_within(pause) {
            true => Ok(()),
            false => self.wake(now() + pause).await,
        }
    }

    /// Schedules the alarm.
    async fn wake(&self, at: u64) -> worker::Result<()> {
        self.alarm.set(Some(at));
        let set = self.object.storage().set_alarm(pause_until(at)).await;
        if set.is_err() {
            self.alarm.set(None);
        }
        set
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
