//! Changes of values in KV that are not records of a node.
//!
//! KV compares nothing before a write, and its reads may be stale. So this object is the only writer of these values
//! on behalf of the /admin API: it makes the changes of a key one after the other, and remembers of each key that it
//! wrote lately which values KV may still show ([`Written`]). A value that it did not write is an edit in the
//! dashboard, and counts.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde::{Deserialize, Serialize};
use worker::Delay;
use ztp_core::audit::{Ending, Outcome, Summary};
use ztp_core::kv::Seen;
use ztp_core::node::{Step, Written};

use super::Site;
use super::protocol::{Reply, StoredValue, ValueChange, WrittenValue};
use crate::error::Error;
use crate::storage::{Storage, now};

/// How long a change waits for others of the same key, in milliseconds.
const MAX_WAIT_MS: u64 = 5_000;
/// How often it looks whether they have ended, in milliseconds.
const WAIT_STEP_MS: u64 = 20;
/// The timeout of one change, in milliseconds.
const MAX_WRITE_MS: u64 = 20_000;
/// After this time a change has ended, in milliseconds: the runtime may cancel one without running its destructors.
const MAX_LOCK_MS: u64 = 2 * MAX_WRITE_MS;

/// The keys that are being changed, each with the time of its start.
#[derive(Default)]
pub struct Locks(Rc<RefCell<Vec<(String, u64)>>>);

/// The right to change a key, until it is dropped.
struct Lock {
    locks: Rc<RefCell<Vec<(String, u64)>>>,
    key: String,
    since: u64,
}

impl Locks {
    /// `None` if other changes of the key take too long.
    async fn lock(&self, key: &str) -> Option<Lock> {
        let started = now();
        loop {
            let since = now();
            let held = self
                .0
                .borrow()
                .iter()
                .find(|(held, _)| held == key)
                .map(|(_, since)| *since);
            if held.is_none_or(|held| since.saturating_sub(held) > MAX_LOCK_MS) {
                let mut locks = self.0.borrow_mut();
                locks.retain(|(held, _)| held != key);
                locks.push((key.to_owned(), since));
                drop(locks);
                return Some(Lock {
                    locks: Rc::clone(&self.0),
                    key: key.to_owned(),
                    since,
                });
            }
            if since.saturating_sub(started) > MAX_WAIT_MS {
                return None;
            }
            Delay::from(Duration::from_millis(WAIT_STEP_MS)).await;
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut locks = self.locks.borrow_mut();
        locks.retain(|(key, since)| *key != self.key || *since != self.since);
    }
}

/// Of a key that this object wrote lately: the last value that KV accepted, and a later one that it may have accepted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct KeyState {
    pub accepted: Option<WrittenValue>,
    pub sent: Option<Written>,
}

impl KeyState {
    fn current(&self, in_kv: Option<StoredValue>) -> Option<StoredValue> {
        match self.accepted.clone() {
            Some(accepted) => accepted.or(in_kv, now()),
            None => in_kv,
        }
    }
}

/// Why a change did not end well.
struct Failure {
    error: Error,
    /// Whether KV may have accepted it.
    outcome: Outcome,
    former: Option<String>,
}

impl Site {
    /// Makes a change, after the others of the same key.
    pub(super) async fn change(&self, change: ValueChange) -> worker::Result<Reply> {
        let Some(_lock) = self.locks.lock(&change.intent.target).await else {
            return Ok(Reply::Busy);
        };
        let storage = Storage::open(&self.env).map_err(|error| error.detail())?;
        let work = pin!(self.change_alone(&storage, &change));
        let timeout = Delay::from(Duration::from_millis(MAX_WRITE_MS));
        match select(work, timeout).await {
            Either::Left((reply, _)) => reply,
            Either::Right(_) => Ok(Reply::Failed(format!(
                "KV or R2 did not respond within {MAX_WRITE_MS} ms"
            ))),
        }
    }

    async fn change_alone(&self, storage: &Storage, change: &ValueChange) -> worker::Result<Reply> {
        let key = &change.intent.target;
        let in_kv = match storage.value_in_kv(key).await {
            Ok(found) => found,
            Err(error) => return Ok(Reply::Failed(error.detail())),
        };
        let state = self.database.key_state(key, now())?;
        let seen = match &in_kv {
            Some(value) => Seen::Value(value.sha1.clone()),
            None => Seen::Missing,
        };
        let current = state.current(in_kv);
        let current_etag = current.as_ref().map(StoredValue::etag);
        if !change.conditions.hold(current_etag.as_deref()) {
            return Ok(Reply::Refused(current));
        }
        match (&change.value, &current) {
            (None, None) => return Ok(Reply::Missing),
            (Some(new), Some(current)) if new.sha1 == current.sha1 => return Ok(Reply::Unchanged),
            _ => {}
        }
        let number = self.begin(&change.intent)?;
        let written = self
            .replace(
                storage,
                key,
                change.value.as_ref(),
                current.as_ref(),
                seen,
                state,
            )
            .await;
        let summary = |sha1: &String, size| Summary {
            sha1: sha1.clone(),
            size,
        };
        let before = current
            .as_ref()
            .map(|value| summary(&value.sha1, value.size));
        let after = change
            .value
            .as_ref()
            .map(|new| summary(&new.sha1, new.size));
        let (ending, reply) = match written {
            Ok(former) => {
                let ending = Ending {
                    outcome: Outcome::Done,
                    before,
                    after,
                    former,
                    detail: None,
                };
                let created = current.is_none();
                (ending, Reply::Changed { number, created })
            }
            Err(failure) => {
                let ending = Ending {
                    outcome: failure.outcome,
                    before,
                    after,
                    former: failure.former,
                    detail: Some(failure.error.detail()),
                };
                (ending, Reply::Failed(failure.error.detail()))
            }
        };
        self.database.end(number, &ending)?;
        self.arm().await?;
        Ok(reply)
    }

    /// Keeps the former value and writes the new one. Returns the key in R2 of the former value.
    async fn replace(
        &self,
        storage: &Storage,
        key: &str,
        value: Option<&StoredValue>,
        current: Option<&StoredValue>,
        seen: Seen,
        mut state: KeyState,
    ) -> Result<Option<String>, Failure> {
        let unwritten = |error| Failure {
            error,
            outcome: Outcome::Failed,
            former: None,
        };
        let former = match current {
            None => None,
            Some(current) => Some(match &current.kept {
                // KV may not show it yet.
                Some(kept) => kept.clone(),
                None => {
                    let kept = storage.keep_value(key, &current.sha1, current.size);
                    kept.await.map_err(unwritten)?
                }
            }),
        };
        let save = |state: &KeyState| {
            let saved = self.database.save_key_state(key, state, now());
            saved.map_err(|cause| Error::storage(format!("writing {key}"), cause))
        };
        let sha1 = value.map(|new| new.sha1.clone());
        let accepted = state.accepted.as_ref().map(|accepted| &accepted.written);
        let earlier = state.sent.as_ref().or(accepted);
        let mut written = Written::new(sha1, seen, earlier, now());
        if let Step::At(time) = written.next_step(now()) {
            Delay::from(Duration::from_millis(time.saturating_sub(now()))).await;
        }
        written.sending(now());
        state.sent = Some(written.clone());
        // Before KV is sent the value: whatever happens next, a later change knows that KV may have it.
        save(&state).map_err(unwritten)?;
        let sent = match value {
            Some(new) => storage.send_value(key, new).await,
            None => storage.delete(key).await,
        };
        if let Err(error) = sent {
            if let Some(sent) = &mut state.sent {
                sent.failed(now());
            }
            save(&state).map_err(unwritten)?;
            let outcome = match is_rejected(&error) {
                true => Outcome::Failed,
                false => Outcome::Unknown,
            };
            return Err(Failure {
                error,
                outcome,
                former,
            });
        }
        written.stored(now());
        let value = value.cloned();
        state = KeyState {
            accepted: Some(WrittenValue { value, written }),
            sent: None,
        };
        // KV has the value: a failure here would be reported wrongly.
        if let Err(error) = save(&state) {
            worker::console_error!("{}", error.detail());
        }
        Ok(former)
    }
}

/// Whether KV rejected the operation: then it has not written it.
fn is_rejected(error: &Error) -> bool {
    let Error::Storage { cause, .. } = error else {
        return true;
    };
    cause.contains("failed: 4")
}
