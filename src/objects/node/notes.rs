//! The events of requests that write nothing else, and the reports of the client.
//!
//! Invariant: the reply to a read does not wait for its event. The runtime holds each reply until all writes before it
//! are durable, so the event is written in a task of its own, some time after the reply, with those that came meanwhile.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use worker::{Delay, console_error};
use ztp_core::event::{Arrival, Event, Logged, Report};
use ztp_core::key::Record;
use ztp_core::node::Known;

use super::database::{Batch, Stored};
use super::journal::{Before, Journal};
use super::protocol::{Notes, Owner, ReadContext, Reported, State, Ticket};
use super::{Inner, PAUSE_MS};

/// The time for which the event of a read is in memory only, in milliseconds: others are written with it.
const SAVE_AFTER_MS: u64 = 100;
/// Maximum number of events that are written at once: a statement of the database has at most 100 values.
pub const MAX_AT_ONCE: usize = 32;

/// The notes of a read that are not events yet.
pub struct Pending {
    /// The number that its event will have.
    number: u64,
    time: u64,
    notes: Notes,
}

/// An event that was taken back.
#[derive(Default)]
pub struct Retracted {
    /// The fields before it, if it counted already and nothing came after it.
    before: Option<Before>,
    /// The model and the version of EOS in its notes, if it did not count yet.
    pub facts: (Option<String>, Option<String>),
}

impl Inner {
    /// Takes the notes of a read. Its request may replace its event later, so it counts only when it is written.
    pub(super) fn read(
        self: &Rc<Self>,
        node: &str,
        records: &[Record],
        notes: Notes,
    ) -> worker::Result<ReadContext> {
        let time = self.tick();
        let mut stored = self.stored()?;
        let stored = stored.get_or_insert_with(|| Stored::of(node));
        let mut pending = self.pending.borrow_mut();
        let last = pending
            .last()
            .map_or(stored.journal.last, |last| last.number);
        let ticket = Ticket {
            number: last + 1,
            time,
        };
        pending.push(Pending {
            number: ticket.number,
            time,
            notes,
        });
        self.save_later();
        let State { copies, .. } = &stored.state;
        let journal = &mut stored.journal;
        let mut known = BTreeMap::new();
        for record in records {
            let value = journal.known.entry(*record);
            let value = value.or_insert_with(|| Known::assumed(time)).value();
            let copy = copies
                .get(record)
                .filter(|copy| copy.written.is_fresh(time));
            let copied = copy.map(|copy| copy.written.sha1());
            // The caller receives the copy.
            if copied != Some(value.as_deref()) {
                known.insert(*record, value.clone());
            }
        }
        Ok(ReadContext {
            ticket: Some(ticket),
            known,
            has_name: journal.row.definition.is_some(),
            values: journal.values.clone(),
        })
    }

    /// Makes events of the notes of reads. Those of another site than the node's leave none.
    pub(super) fn take_pending(&self, journal: &mut Journal) {
        let mut pending = self.pending.take().into_iter();
        while let Some(Pending {
            number,
            time,
            notes,
        }) = pending.next()
        {
            let before = (pending.len() == 0).then(|| journal.before());
            let last = journal.last;
            journal.last = last.max(number - 1);
            match self.take_events(journal, notes, time) {
                Some(number) => drop(self.before.replace(before.map(|before| (number, before)))),
                None => journal.last = last,
            }
        }
    }

    /// Takes the events and the facts of notes; returns the number of the last event.
    fn take_events(&self, journal: &mut Journal, notes: Notes, time: u64) -> Option<u64> {
        let is_foreign = journal.is_foreign(notes.site.as_deref());
        let mut last = None;
        for event in notes.events {
            let is_post = is_post(&event);
            // An edit concerns the node, also if another site's request noticed it.
            let is_edit = is_foreign && matches!(event, Event::Edited { .. });
            let logged = Logged {
                time,
                site: notes.site.clone().filter(|_| !is_edit),
                by: None,
                report: None,
                event,
            };
            last = self.add_taken(journal, logged).or(last);
            if is_post && !is_foreign {
                journal.posted = Some(time);
                journal.has_seen = false;
            }
        }
        if !is_foreign {
            let row = &mut journal.row;
            row.model = notes.model.or(row.model.take());
            row.version = notes.version.or(row.version.take());
            if let Some(facts) = notes.facts {
                journal.has_seen = true;
                self.unsaved_seen.replace(Some(facts));
            }
        }
        last
    }

    /// Takes notes. They are not written yet.
    pub(super) fn note(&self, node: &str, mut notes: Notes) -> worker::Result<()> {
        let time = self.tick();
        let mut stored = self.stored()?;
        let stored = stored.get_or_insert_with(|| Stored::of(node));
        let journal = &mut stored.journal;
        let Retracted { before, facts } = match notes.replaces {
            Some(ticket) => self.retract(journal, ticket)?,
            None => Retracted::default(),
        };
        self.take_pending(journal);
        let (model, version) = facts;
        notes.model = notes.model.or(model);
        notes.version = notes.version.or(version);
        let mut edited = Vec::new();
        for (record, value) in std::mem::take(&mut notes.shown) {
            let copy = stored.state.copies.get(&record);
            if copy.is_some_and(|copy| copy.written.counts_over(value.as_deref(), time)) {
                continue;
            }
            let known = journal.known.entry(record);
            let known = known.or_insert_with(|| Known::assumed(time));
            if known.show(value.clone(), time) {
                edited.push(record.name().to_owned());
                journal.changed(record);
            }
            let known = journal.known.get(&record);
            let counts = known.is_some_and(|known| *known.value() == value);
            if record == Record::Site && counts {
                journal.own(notes.owner.clone());
            }
        }
        if let Some(before) = before.filter(|_| journal.is_foreign(notes.site.as_deref())) {
            journal.restore(before);
        }
        if !edited.is_empty() {
            notes.events.push(Event::Edited { records: edited });
        }
        self.take_events(journal, notes, time);
        Ok(())
    }

    /// Takes a report of the client: of the site that owns the node, or of the site of its last request if nobody owns it.
    /// `owner`: the record `site`, if it was read.
    pub(super) fn take_report(
        &self,
        site: Option<String>,
        owner: Option<Owner>,
        report: Report,
        event: Event,
    ) -> worker::Result<Reported> {
        let mut stored = self.stored()?;
        let Some(journal) = stored.as_mut().map(|stored| &mut stored.journal) else {
            return Ok(Reported::Unknown);
        };
        self.take_pending(journal);
        if journal.is_gone || journal.last == 0 {
            return Ok(Reported::Unknown);
        }
        if let Some(site) = &site {
            if journal.is_foreign(Some(site)) {
                return Ok(Reported::Unknown);
            }
            match owner {
                _ if journal.owner.is_some() => {}
                None => return Ok(Reported::OwnerUnknown),
                Some(Owner::Site(owner)) if owner.trim() == site => journal.own(Some(owner)),
                Some(Owner::Nobody) if journal.asked.as_ref() == Some(site) => {}
                Some(_) => return Ok(Reported::Unknown),
            }
        }
        let time = self.tick();
        if !journal.hour.has_room(time) {
            return Ok(Reported::TooManyInHour);
        }
        match journal.reports.arrive(&report, &event) {
            Arrival::First => journal.hour.count(time),
            Arrival::Again => return Ok(Reported::Stored),
            Arrival::TooMany => return Ok(Reported::TooMany),
        }
        let logged = Logged {
            time,
            site,
            by: None,
            report: Some(report),
            event,
        };
        self.add(journal, logged);
        Ok(Reported::Stored)
    }

    /// Adds an event, which is not written yet, after those of reads.
    pub(super) fn add(&self, journal: &mut Journal, logged: Logged) {
        self.take_pending(journal);
        self.add_taken(journal, logged);
    }

    fn add_taken(&self, journal: &mut Journal, mut logged: Logged) -> Option<u64> {
        if let Event::DefinitionFetched { definition } = &mut logged.event
            && definition.is_none()
        {
            definition.clone_from(&journal.row.definition);
        }
        let number = journal.add(&logged)?;
        self.before.take();
        self.outbox.expect(logged.time);
        self.unsaved.borrow_mut().push((number, logged));
        Some(number)
    }

    /// Takes an event back whose request ended differently, also from the site's object that may have it. If it was the
    /// last one and no site's object has it, the next event has its number.
    pub(super) fn retract(
        &self,
        journal: &mut Journal,
        ticket: Ticket,
    ) -> worker::Result<Retracted> {
        let Ticket { number, time } = ticket;
        {
            let mut pending = self.pending.borrow_mut();
            let is_it = |one: &Pending| one.number == number && one.time == time;
            if let Some(at) = pending.iter().position(is_it) {
                let notes = pending.remove(at).notes;
                return Ok(Retracted {
                    before: None,
                    facts: (notes.model, notes.version),
                });
            }
        }
        let is_it = |(known, logged): &(u64, Logged)| *known == number && logged.time == time;
        let unsaved = self.unsaved.borrow().iter().position(is_it);
        let is_there = match unsaved {
            Some(at) => {
                self.unsaved.borrow_mut().remove(at);
                true
            }
            None => self.database.remove_event(ticket)?,
        };
        // It was dropped, and its number may be that of another event.
        if !is_there {
            return Ok(Retracted::default());
        }
        let is_sent = self.outbox.sent.get() >= number;
        if is_sent {
            journal.withdraw(number);
        }
        if journal.last != number {
            return Ok(Retracted::default());
        }
        if !is_sent {
            journal.last -= 1;
        }
        let before = self.before.take().filter(|(before, _)| *before == number);
        let before = before.map(|(_, before)| {
            journal.row.boot.clone_from(&before.row.boot);
            before
        });
        Ok(Retracted {
            before,
            ..Retracted::default()
        })
    }

    /// Writes the events that are not written.
    pub(super) fn save_events(&self) -> worker::Result<()> {
        let mut stored = self.stored()?;
        let Some(stored) = stored.as_mut() else {
            return Ok(());
        };
        self.take_pending(&mut stored.journal);
        self.write_events(stored, 0)
    }

    /// Writes the events that are not written but the last `kept` ones.
    pub(super) fn write_events(&self, stored: &Stored, kept: usize) -> worker::Result<()> {
        let mut events = self.unsaved.take();
        self.unsaved
            .replace(events.split_off(events.len().saturating_sub(kept)));
        for events in events.chunks(MAX_AT_ONCE) {
            let batch = Batch {
                events,
                seen: self.unsaved_seen.take(),
                ..Batch::default()
            };
            self.database.write(stored, batch)?;
        }
        // Facts without an event.
        if kept == 0 && self.unsaved_seen.borrow().is_some() {
            let batch = Batch {
                seen: self.unsaved_seen.take(),
                ..Batch::default()
            };
            self.database.write(stored, batch)?;
        }
        Ok(())
    }

    /// Writes the events after the reply, and schedules the alarm that reports them.
    pub(super) fn save_later(self: &Rc<Self>) {
        // The alarm writes them, too.
        if self.rings_within(PAUSE_MS) || self.is_saving.replace(true) {
            return;
        }
        let inner = Rc::clone(self);
        self.object.wait_until(async move {
            Delay::from(Duration::from_millis(SAVE_AFTER_MS)).await;
            inner.is_saving.set(false);
            // A commit has scheduled it meanwhile.
            if inner.rings_within(PAUSE_MS) {
                return;
            }
            let saved = async {
                inner.save_events()?;
                inner.arm().await
            };
            if let Err(cause) = saved.await {
                inner.forget();
                console_error!("the events of a node were not stored: {cause}");
            }
        });
    }
}

/// Whether an event is of a POST of facts.
pub fn is_post(event: &Event) -> bool {
    match event {
        Event::FactsPosted | Event::FactsChanged | Event::Claimed | Event::Registered { .. } => {
            true
        }
        Event::Refused { request, .. } => request == ztp_core::boot::POST_NODES,
        _ => false,
    }
}
