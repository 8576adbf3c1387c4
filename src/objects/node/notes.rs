//! The events of requests that write nothing else, and the reports of the client.
//!
//! Invariant: the reply to a read does not wait for its event. The runtime holds each reply until all writes before it
//! are durable, so the event is written in a task of its own, after the reply.

use std::rc::Rc;
use std::time::Duration;

use worker::{Delay, console_error};
use ztp_core::event::{Arrival, Event, Logged, Report};
use ztp_core::key::Record;
use ztp_core::node::Known;

use super::Inner;
use super::database::{Batch, Stored};
use super::journal::{Before, Journal};
use super::protocol::{Notes, Reported, Ticket, Told};
use crate::storage::now;

/// Maximum number of events that are written at once: a statement of the database has at most 100 values.
const MAX_AT_ONCE: usize = 32;

impl Inner {
    /// Takes the notes of a read. Its request may replace its event later.
    pub(super) fn read(
        self: &Rc<Self>,
        node: &str,
        records: &[Record],
        notes: Notes,
    ) -> worker::Result<Told> {
        let before = self
            .stored()?
            .as_ref()
            .map(|stored| stored.journal.before());
        let ticket = self.note(node, notes)?;
        if let Some(ticket) = ticket {
            self.before
                .replace(Some((ticket.number, before.unwrap_or_default())));
        }
        self.save_later();
        let mut stored = self.stored()?;
        let Some(stored) = stored.as_mut() else {
            return Ok(Told::default());
        };
        let journal = &mut stored.journal;
        let known = records.iter().map(|record| {
            let known = journal.known.entry(*record);
            let known = known.or_insert_with(|| Known::assumed(now()));
            (*record, known.value().clone())
        });
        Ok(Told {
            ticket,
            known: known.collect(),
            has_name: journal.row.definition.is_some(),
        })
    }

    /// Takes notes; returns the last event of them. They are not written yet.
    pub(super) fn note(&self, node: &str, notes: Notes) -> worker::Result<Option<Ticket>> {
        let time = now();
        let mut stored = self.stored()?;
        let stored = stored.get_or_insert_with(|| Stored::of(node));
        let journal = &mut stored.journal;
        let before = match notes.replaces {
            Some(ticket) => self.retract(journal, ticket)?,
            None => None,
        };
        let mut edited = Vec::new();
        for (record, value) in notes.shown {
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
            let counts = journal
                .known
                .get(&record)
                .is_some_and(|known| *known.value() == value);
            if record == Record::Site && counts {
                journal.own(notes.owner.clone());
            }
        }
        let is_foreign = journal.is_foreign(notes.site.as_deref());
        if let Some(before) = before.filter(|_| is_foreign) {
            journal.restore(before);
        }
        let mut ticket = None;
        let edited = (!edited.is_empty()).then_some(Event::Edited { records: edited });
        for event in notes.events.into_iter().chain(edited) {
            let is_post = is_post(&event);
            // An edit concerns the node, whoever noticed it.
            let is_edit = is_foreign && matches!(event, Event::Edited { .. });
            let logged = Logged {
                time,
                site: notes.site.clone().filter(|_| !is_edit),
                by: None,
                report: None,
                event,
            };
            let number = self.add(journal, logged);
            ticket = number.map(|number| Ticket { number, time }).or(ticket);
            if is_post && !is_foreign {
                journal.posted = Some(time);
                journal.has_seen = false;
            }
        }
        if is_foreign {
            return Ok(ticket);
        }
        let row = &mut journal.row;
        row.model = notes.model.or(row.model.take());
        row.version = notes.version.or(row.version.take());
        if let Some(facts) = notes.facts {
            journal.has_seen = true;
            self.unsaved_seen.replace(Some(facts));
        }
        Ok(ticket)
    }

    /// Takes a report of the client.
    pub(super) fn take_report(
        &self,
        site: Option<String>,
        report: Report,
        event: Event,
    ) -> worker::Result<Reported> {
        let mut stored = self.stored()?;
        let Some(journal) = stored.as_mut().map(|stored| &mut stored.journal) else {
            return Ok(Reported::Unknown);
        };
        if journal.is_gone || journal.last == 0 {
            return Ok(Reported::Unknown);
        }
        if journal.is_foreign(site.as_deref()) {
            return Ok(Reported::OtherSite);
        }
        match journal.reports.arrive(&report) {
            Arrival::First => {}
            Arrival::Again => return Ok(Reported::Stored),
            Arrival::TooMany => return Ok(Reported::TooMany),
        }
        let logged = Logged {
            time: now(),
            site,
            by: None,
            report: Some(report),
            event,
        };
        self.add(journal, logged);
        Ok(Reported::Stored)
    }

    /// Adds an event, which is not written yet; returns its number.
    pub(super) fn add(&self, journal: &mut Journal, mut logged: Logged) -> Option<u64> {
        if let Event::DefinitionFetched { definition } = &mut logged.event
            && definition.is_none()
        {
            definition.clone_from(&journal.row.definition);
        }
        let number = journal.add(&logged)?;
        self.before.take();
        self.unsaved.borrow_mut().push((number, logged));
        self.outbox.expect(now());
        Some(number)
    }

    /// Takes an event back whose request ended differently, also from the site's object that may have it. If it was the
    /// last one and no site's object has it, the next event has its number. Returns what was before it, if nothing came after it.
    pub(super) fn retract(
        &self,
        journal: &mut Journal,
        ticket: Ticket,
    ) -> worker::Result<Option<Before>> {
        let Ticket { number, time } = ticket;
        let is_it = |(known, logged): &(u64, Logged)| *known == number && logged.time == time;
        let unsaved = self.unsaved.borrow().iter().position(is_it);
        match unsaved {
            Some(at) => drop(self.unsaved.borrow_mut().remove(at)),
            None => self.database.remove_event(ticket)?,
        }
        let is_sent = self.outbox.sent.get() >= number;
        if is_sent {
            journal.withdraw(number);
        }
        if journal.last != number {
            return Ok(None);
        }
        if !is_sent {
            journal.last -= 1;
        }
        let before = self.before.take().filter(|(before, _)| *before == number);
        Ok(before.map(|(_, before)| {
            journal.row.boot.clone_from(&before.row.boot);
            before
        }))
    }

    /// Writes the events that are not written.
    pub(super) fn save_events(&self) -> worker::Result<()> {
        let events = self.unsaved.take();
        let mut seen = self.unsaved_seen.take();
        let stored = self.stored()?;
        let Some(stored) = stored.as_ref() else {
            return Ok(());
        };
        for events in events.chunks(MAX_AT_ONCE) {
            let batch = Batch {
                events,
                seen: seen.take(),
                ..Batch::default()
            };
            self.database.write(stored, batch)?;
        }
        if seen.is_some() {
            let batch = Batch {
                seen,
                ..Batch::default()
            };
            self.database.write(stored, batch)?;
        }
        Ok(())
    }

    /// Writes the events after the reply, and schedules the alarm that reports them.
    pub(super) fn save_later(self: &Rc<Self>) {
        if self.is_saving.replace(true) {
            return;
        }
        let inner = Rc::clone(self);
        self.object.wait_until(async move {
            Delay::from(Duration::ZERO).await;
            inner.is_saving.set(false);
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
fn is_post(event: &Event) -> bool {
    match event {
        Event::FactsPosted | Event::FactsChanged | Event::Claimed | Event::Registered { .. } => {
            true
        }
        Event::Refused { request, .. } => request == ztp_core::boot::POST_NODES,
        _ => false,
    }
}
