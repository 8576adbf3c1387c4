//! The nodes of a site, as their objects report them, and the site's counts, which it sends to the object of all sites.
//!
//! A report is answered first. The counts follow by alarm: after a change, at most once in [`PUSH_EVERY_MS`], and when
//! time makes a boot a stalled one. The alarm compares the counts with those that were sent last, so that it may come
//! too often, and no change is forgotten.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{FutureExt, LocalBoxFuture, Shared};
use worker::{Delay, console_warn};
use ztp_core::settings;

use super::Site;
use super::fleet_database::FleetDatabase;
use super::protocol::{Command, NodeQuery, Reply, SentReport, SiteCounts};
use crate::error::Error;
use crate::objects::pause_until;
use crate::storage::{Storage, now};

/// How long a report waits for others, in milliseconds: one transaction stores all of them. When a room of switches boots,
/// one for each report would be most of the object's work.
const COLLECT_MS: u64 = 100;
/// Maximum size of the reports that wait, in bytes. They are stored at once when another one has no room; a larger one
/// waits alone.
const MAX_COLLECTED_BYTES: usize = 1 << 20;
/// The time between two sendings of the counts, in milliseconds.
const PUSH_EVERY_MS: u64 = 2_000;
/// The pause before a retry, in milliseconds.
const RETRY_MS: u64 = 5_000;
/// An alarm that is later than this, in milliseconds, does not come: it failed too often.
const MAX_LATE_MS: u64 = 60_000;

/// When counts were sent, and will be, in milliseconds since 1970. It is lost with the object's memory, and at worst
/// counts are sent once more.
#[derive(Default)]
pub struct Pushes {
    last: Cell<u64>,
    /// The alarm that is set, if that is known.
    alarm: Cell<Option<u64>>,
    /// The number of reports that were stored.
    reports: Cell<u64>,
}

type Stored = Result<(), String>;
type Storing = Shared<LocalBoxFuture<'static, Stored>>;

/// Reports that are stored together: all or none. If that fails, their objects send them again.
#[derive(Default)]
struct Group {
    waiting: RefCell<Vec<SentReport>>,
    /// The size of those that wait.
    bytes: Cell<usize>,
    /// The result, once they are stored.
    stored: OnceCell<Stored>,
}

impl Group {
    fn has_room(&self, bytes: usize) -> bool {
        let is_empty = self.waiting.borrow().is_empty();
        self.stored.get().is_none() && (is_empty || self.bytes.get() + bytes <= MAX_COLLECTED_BYTES)
    }

    fn add(&self, report: SentReport, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
        self.waiting.borrow_mut().push(report);
    }

    /// Stores those that wait, unless that was done; returns the result.
    fn store(&self, fleet: &FleetDatabase) -> &Stored {
        let store = || {
            let stored = fleet.store(&self.waiting.take(), now());
            stored.map_err(|cause| cause.to_string())
        };
        self.stored.get_or_init(store)
    }
}

/// Collects reports in groups. They are stored in the order in which they arrive.
#[derive(Default)]
pub struct Reports {
    /// The group that takes more reports, and what stores it. Each request that waits for it drives it, so that none
    /// depends on another one.
    open: RefCell<Option<(Rc<Group>, Storing)>>,
}

impl Reports {
    /// Stores a report, with those that arrive within [`COLLECT_MS`].
    async fn store(&self, fleet: &Rc<FleetDatabase>, report: SentReport) -> worker::Result<()> {
        let bytes = report.size();
        let open = self.open.take();
        let (group, storing) = match open {
            Some((group, storing)) if group.has_room(bytes) => (group, storing),
            open => {
                // Before this report, which may be a later one of the same node. Those that wait for it receive the result.
                if let Some((full, _)) = open {
                    full.store(fleet);
                }
                let group = Rc::new(Group::default());
                let storing = collect(Rc::clone(&group), Rc::clone(fleet));
                (group, storing.boxed_local().shared())
            }
        };
        group.add(report, bytes);
        self.open.replace(Some((group, storing.clone())));
        storing.await.map_err(worker::Error::from)
    }
}

/// Stores a group after [`COLLECT_MS`].
async fn collect(group: Rc<Group>, fleet: Rc<FleetDatabase>) -> Stored {
    Delay::from(Duration::from_millis(COLLECT_MS)).await;
    group.store(&fleet).clone()
}

impl Site {
    /// Stores a report.
    pub(super) async fn report(&self, report: SentReport) -> worker::Result<Reply> {
        self.reports.store(&self.fleet, report).await?;
        self.pushes.reports.set(self.pushes.reports.get() + 1);
        // Also after a repeated report: after the first one, the alarm may have failed.
        let next = now().max(self.pushes.last.get() + PUSH_EVERY_MS);
        self.wake(next).await?;
        Ok(Reply::Reported)
    }

    pub(super) fn nodes(&self, query: &NodeQuery) -> worker::Result<Reply> {
        self.fleet.nodes(query, self.stalled_before()?)
    }

    /// The time before which the last event of a stalled boot was.
    fn stalled_before(&self) -> worker::Result<u64> {
        let minutes = self.env.var("STALLED_MINUTES").ok();
        let stalled = settings::stalled_ms(minutes.map(|value| value.to_string()));
        let stalled = stalled.map_err(|error| worker::Error::from(error.to_string()))?;
        Ok(now().saturating_sub(stalled))
    }

    /// Sets the alarm, unless an earlier one is set.
    async fn wake(&self, time: u64) -> worker::Result<()> {
        let is_set = |alarm| alarm <= time && alarm + MAX_LATE_MS > now();
        if self.pushes.alarm.get().is_some_and(is_set) {
            return Ok(());
        }
        self.pushes.alarm.set(Some(time));
        let set = self.object.storage().set_alarm(pause_until(time)).await;
        if set.is_err() {
            self.pushes.alarm.set(None);
        }
        set
    }

    /// Sends the counts if they have changed, and schedules the next alarm. The runtime gives up an alarm that fails
    /// several times, so every failure schedules the next one.
    pub(super) async fn push(&self, site: String) -> worker::Result<()> {
        self.pushes.alarm.set(None);
        let next = match self.push_now(site).await {
            Ok(next) => next,
            Err(error) => {
                console_warn!(
                    "sending the counts of a site: {}; it is retried",
                    error.detail()
                );
                Some(now() + RETRY_MS)
            }
        };
        match next {
            Some(next) => self.wake(next).await,
            None => Ok(()),
        }
    }

    /// Returns the time of the next alarm.
    async fn push_now(&self, site: String) -> Result<Option<u64>, Error> {
        let failed = |cause| Error::storage("counting nodes", cause);
        let reports = self.pushes.reports.get();
        let stalled_before = self.stalled_before().map_err(failed)?;
        self.fleet.trim(now()).map_err(failed)?;
        let (counts, last) = self.fleet.counts(stalled_before).map_err(failed)?;
        let counts = SiteCounts {
            site,
            time: now(),
            counts,
            last,
        };
        if self.fleet.sent().map_err(failed)?.as_ref() != Some(&counts.shown()) {
            let storage = Storage::open(&self.env)?;
            self.pushes.last.set(counts.time);
            storage.call_site(Command::Counts(counts.clone())).await?;
            self.fleet.set_sent(&counts.shown()).map_err(failed)?;
        }
        if self.pushes.reports.get() != reports {
            return Ok(Some(self.pushes.last.get() + PUSH_EVERY_MS));
        }
        let oldest = self.fleet.oldest_boot(stalled_before).map_err(failed)?;
        // When that boot is a stalled one.
        Ok(oldest.map(|last| counts.time + last.saturating_sub(stalled_before)))
    }
}
