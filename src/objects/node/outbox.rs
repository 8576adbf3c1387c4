//! The reports of a node to the object of its site.
//!
//! Invariant: an event that is written reaches the object of the node's site. Until that object has acknowledged
//! it, the alarm sends it again, also after a crash. Copying records to KV never waits for it for more than
//! [`MAX_WAIT_MS`]: a report that takes longer goes on beside it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, FutureExt, join_all, select};
use worker::{Delay, console_warn};

use super::database::Batch;
use super::journal::Journal;
use super::{Inner, PAUSE_MS};
use crate::error::Error;
use crate::objects::call::MAX_CALL_MS;
use crate::objects::site::protocol::Report;
use crate::storage::{Storage, now};

/// The least time between two reports, in milliseconds.
const MIN_BETWEEN_MS: u64 = 500;
/// The longest time for which an alarm waits for a report, in milliseconds.
const MAX_WAIT_MS: u64 = 300;
/// The pause after the first failure, in milliseconds; it doubles with each one.
const RETRY_MS: u64 = 1_000;
/// The longest pause before a retry, in milliseconds.
const MAX_RETRY_MS: u64 = 60_000;
/// Maximum number of events in a report: of more, the first ones are sent first.
const MAX_REPORTED: u32 = 100;

/// When reports are due. It is lost with the object's memory: then they are due at once.
#[derive(Default)]
pub struct Outbox {
    /// The number of the last event that was sent: a site's object may have it.
    pub sent: Cell<u64>,
    /// When the next report is due, in milliseconds since 1970, if one is.
    due: Cell<Option<u64>>,
    /// When the last report was sent.
    last: Cell<u64>,
    failures: Cell<u32>,
    is_sending: Cell<bool>,
}

impl Outbox {
    /// There is an event of this time to report, in milliseconds since 1970.
    pub fn expect(&self, time: u64) {
        let is_due = |due: &u64| *due > time || self.failures.get() > 0;
        let next = (time + PAUSE_MS).max(self.last.get() + MIN_BETWEEN_MS);
        let due = self.due.get().filter(is_due);
        self.due.set(due.or(Some(next)));
    }

    /// When the alarm has to ring for a report, in milliseconds since 1970.
    pub fn due(&self, journal: &Journal, now: u64) -> Option<u64> {
        match (journal.has_news(), self.is_sending.get()) {
            (false, _) => None,
            // In case that it never ends.
            (true, true) => Some(now + u64::from(MAX_CALL_MS) + MAX_RETRY_MS),
            (true, false) => Some(self.due.get().unwrap_or(now)),
        }
    }

    fn failed(&self) {
        let pause = RETRY_MS.saturating_mul(1 << self.failures.get().min(16));
        self.due.set(Some(now() + pause.min(MAX_RETRY_MS)));
        self.failures.set(self.failures.get().saturating_add(1));
    }
}

impl Inner {
    /// Reports what is not reported, if that is due at the time for which the alarm was set. Whether the journal has
    /// changed, which is not written yet.
    pub(super) async fn report(self: &Rc<Self>, node: &str, alarm: u64) -> bool {
        let outbox = &self.outbox;
        let is_early = outbox.due.get().is_some_and(|due| due > alarm.max(now()));
        let has_news = match self.stored() {
            Ok(stored) => stored
                .as_ref()
                .is_some_and(|stored| stored.journal.has_news()),
            Err(_) => false,
        };
        if !has_news || is_early || outbox.is_sending.replace(true) {
            return false;
        }
        let inner = Rc::clone(self);
        let node = node.to_owned();
        let sending = async move {
            let sent = inner.send_reports(&node).await;
            inner.outbox.is_sending.set(false);
            match sent {
                Ok(()) => inner.outbox.failures.set(0),
                Err(error) => {
                    inner.outbox.failed();
                    let warning = format!("{}; the report is retried", error.detail());
                    let line =
                        serde_json::json!({ "object": "node", "node": node, "warning": warning });
                    console_warn!("{line}");
                }
            }
        };
        let wait = Delay::from(Duration::from_millis(MAX_WAIT_MS));
        let sent = select(sending.boxed_local(), wait).await;
        let is_done = matches!(sent, Either::Left(_));
        if let Either::Right((_, sending)) = sent {
            let inner = Rc::clone(self);
            self.object.wait_until(async move {
                sending.await;
                let written = inner.write_journal();
                if let Err(cause) = written.and(inner.arm().await) {
                    console_warn!("after a report of a node: {cause}");
                }
            });
        }
        is_done
    }

    async fn send_reports(&self, node: &str) -> Result<(), Error> {
        let failed = |cause| Error::storage(format!("reporting the events of {node}"), cause);
        let storage = Storage::open(&self.env)?;
        self.outbox.due.set(None);
        self.outbox.last.set(now());
        loop {
            self.save_events().map_err(failed)?;
            let Some(journal) = self.journal().map_err(failed)? else {
                return Ok(());
            };
            let left = journal.left.iter().map(|site| {
                let report = Report {
                    site: site.clone(),
                    node: node.to_owned(),
                    number: journal.last,
                    row: None,
                    events: journal.notice.iter().cloned().collect(),
                    withdrawn: Vec::new(),
                    withdrawn_up_to: journal.withdrawn_up_to(0),
                };
                storage
                    .report(report)
                    .map(move |sent| sent.map(|()| site.clone()))
            });
            let left = join_all(left).await;
            let home = self.report_home(&storage, &journal).await;
            let mut failure = None;
            for site in left {
                match site {
                    Ok(site) => {
                        self.update_journal(|journal| journal.left.retain(|left| *left != site))
                    }
                    Err(error) => failure = Some(error),
                }
            }
            let home = home.map(|number| {
                self.update_journal(|now| {
                    if now.home == journal.home {
                        now.reported = now.reported.max(number);
                        now.withdrawn
                            .retain(|number| !journal.withdrawn.contains(number));
                    } else {
                        // The site before has received them.
                        now.reported = now.reported.max(number.min(now.left_at));
                    }
                });
            });
            home?;
            match failure {
                Some(failure) => return Err(failure),
                None if self
                    .journal()
                    .map_err(failed)?
                    .is_some_and(|now| now.reported >= journal.last) =>
                {
                    return Ok(());
                }
                None => {}
            }
        }
    }

    /// Sends the next events to the site's object; returns the number of the last one.
    async fn report_home(&self, storage: &Storage, journal: &Journal) -> Result<u64, Error> {
        let node = &journal.node;
        let failed = |cause| Error::storage(format!("reading the events of {node}"), cause);
        let Some(home) = journal
            .home
            .clone()
            .filter(|_| journal.reported < journal.last || !journal.withdrawn.is_empty())
        else {
            return Ok(journal.last);
        };
        let mut events = self
            .database
            .events_after(journal.reported, MAX_REPORTED)
            .map_err(failed)?;
        let number = match events.last() {
            Some((number, _)) if events.len() == MAX_REPORTED as usize => *number,
            _ => journal.last,
        };
        let withdrawn_up_to = journal.withdrawn_up_to(journal.reported);
        if let (Some(_), Some(notice)) = (withdrawn_up_to, &journal.notice) {
            events.insert(0, notice.clone());
        }
        self.outbox.sent.set(self.outbox.sent.get().max(number));
        let report = Report {
            site: home,
            node: node.clone(),
            number,
            row: (!journal.is_gone).then(|| journal.row.clone()),
            events,
            withdrawn: journal.withdrawn.clone(),
            withdrawn_up_to,
        };
        storage.report(report).await?;
        Ok(number)
    }

    fn journal(&self) -> worker::Result<Option<Journal>> {
        Ok(self.stored()?.as_ref().map(|stored| stored.journal.clone()))
    }

    /// Writes the journal with nothing else.
    pub(super) fn write_journal(&self) -> worker::Result<()> {
        match self.stored()?.as_ref() {
            Some(stored) => self.database.write(stored, Batch::default()),
            None => Ok(()),
        }
    }

    fn update_journal(&self, update: impl FnOnce(&mut Journal)) {
        if let Ok(mut stored) = self.stored()
            && let Some(stored) = stored.as_mut()
        {
            update(&mut stored.journal);
        }
    }
}
