//! Writes to KV, which takes one write of a key in a second and refuses the next ones with 429.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use worker::js_sys;

use super::Storage;
use crate::error::Error;
use crate::runtime::{Failure, Held, Value, now, sleep, task};

/// How long a write is tried, in milliseconds, the wait for earlier ones included. It is less than a
/// client waits for an answer.
pub const MAX_WRITE_MILLISECONDS: u64 = 8_000;
/// The wait before the next try, in milliseconds: KV takes one write of a key in a second.
const PAUSE_MILLISECONDS: u32 = 1_000;
/// What is added to it at random, in milliseconds at most: two instances that write the same key must
/// not meet again.
const JITTER_MILLISECONDS: f64 = 200.0;
/// How often a write looks whether it is its turn, in milliseconds.
const TURN_MILLISECONDS: u32 = 20;

thread_local! {
    /// The writes that are under way or wait, by key, in the order of their requests: number, and when
    /// it is given up, in milliseconds.
    static WRITES: RefCell<HashMap<String, Vec<(u64, u64)>>> = RefCell::default();
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// The place of a write among those of its key. It is left when this is dropped.
struct Place {
    key: String,
    number: u64,
    deadline: u64,
}

impl Place {
    fn take(key: &str) -> Self {
        let number = LAST.get() + 1;
        LAST.set(number);
        let deadline = now() + MAX_WRITE_MILLISECONDS;
        WRITES.with_borrow_mut(|writes| {
            let writes = writes.entry(key.to_owned()).or_default();
            writes.push((number, deadline));
        });
        Self {
            key: key.to_owned(),
            number,
            deadline,
        }
    }

    /// Whether all earlier writes of the key are done, or given up: the runtime may have ended a
    /// request in the middle of one.
    fn is_first(&self) -> bool {
        WRITES.with_borrow(|writes| {
            let writes = writes.get(&self.key).map(Vec::as_slice).unwrap_or_default();
            let mut earlier = writes.iter().filter(|(number, _)| *number < self.number);
            earlier.all(|(_, deadline)| now() > *deadline)
        })
    }

    /// Whether there is time for another try after a pause.
    fn has_time(&self, pause: u32) -> bool {
        now() + u64::from(pause) <= self.deadline
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        WRITES.with_borrow_mut(|writes| {
            let Some(others) = writes.get_mut(&self.key) else {
                return;
            };
            others.retain(|(number, _)| *number != self.number);
            if others.is_empty() {
                writes.remove(&self.key);
            }
        });
    }
}

impl Storage {
    /// Stores a value, which is then done even if the client hangs up. Writes of one key that come to
    /// one instance are done in the order of their requests: the last one stays.
    ///
    /// # Errors
    /// [`Error::Storage`] if KV fails, or takes no write of this key for [`MAX_WRITE_MILLISECONDS`].
    pub(super) async fn put_value(&self, key: String, value: Value<'_>) -> Result<(), Error> {
        task::keep_on();
        let failed = |cause| Error::storage(format!("writing {key}"), cause);
        let place = Place::take(&key);
        while !place.is_first() {
            if !place.has_time(TURN_MILLISECONDS) {
                let doing = format!("writing {key}");
                return Err(Error::storage(doing, "earlier writes of it took too long"));
            }
            sleep(TURN_MILLISECONDS).await;
        }
        let value = match value {
            Value::Bytes(bytes) => Held::copy(bytes),
            Value::Held(held) => held.clone(),
        };
        loop {
            let Err(cause) = self.put_once(&key, &value).await else {
                return Ok(());
            };
            let pause = pause();
            if !cause.is_too_many() || !place.has_time(pause) {
                return Err(failed(cause));
            }
            sleep(pause).await;
        }
    }

    /// One try to store a value.
    pub(super) async fn put_once(&self, key: &str, value: &Held) -> Result<(), Failure> {
        self.count(|n| n.kv_writes += 1);
        self.bindings.data.put(key, Value::Held(value))?.await
    }
}

fn pause() -> u32 {
    PAUSE_MILLISECONDS + (js_sys::Math::random() * JITTER_MILLISECONDS) as u32
}
