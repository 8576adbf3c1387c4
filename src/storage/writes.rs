//! Writes to KV, which accepts one write per second and key, and rejects the next ones with 429.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use worker::Delay;
use worker::js_sys::Math;
use worker::kv::KvError;

use super::{Storage, message, now};
use crate::error::Error;
use crate::stream::Buffer;

/// How long a write is retried, in milliseconds, with the wait for earlier writes of the key. It is less
/// than a client's timeout.
pub const MAX_WRITE_MS: u64 = 8_000;
/// The pause before a retry, in milliseconds.
const RETRY_PAUSE_MS: u64 = 1_000;
/// The random part of it, in milliseconds: two instances that write the same key must not meet again.
const JITTER_MS: f64 = 200.0;
/// How often a write checks whether it is its turn, in milliseconds.
const TURN_MS: u64 = 20;

/// A value to write.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Text(&'a str),
    Buffer(&'a Buffer),
}

thread_local! {
    /// The writes of each key that run or wait, in the order of their requests: number and deadline, in
    /// milliseconds.
    static WRITES: RefCell<HashMap<String, Vec<(u64, u64)>>> = RefCell::default();
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// A write's place in the queue of its key. Dropping it leaves the queue.
struct Turn {
    key: String,
    number: u64,
    deadline: u64,
}

impl Turn {
    fn take(key: &str) -> Self {
        let number = LAST.get() + 1;
        LAST.set(number);
        let deadline = now() + MAX_WRITE_MS;
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

    /// Whether all earlier writes of the key have ended, or passed their deadline: the runtime may have
    /// canceled the request of one.
    fn is_first(&self) -> bool {
        WRITES.with_borrow(|writes| {
            let writes = writes.get(&self.key).map(Vec::as_slice).unwrap_or_default();
            let mut earlier = writes.iter().filter(|(number, _)| *number < self.number);
            earlier.all(|(_, deadline)| now() > *deadline)
        })
    }

    /// Whether the deadline is later than the end of a pause, in milliseconds.
    fn has_time(&self, pause: u64) -> bool {
        now() + pause <= self.deadline
    }
}

impl Drop for Turn {
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
    /// Stores a value. Writes of one key that arrive at one instance happen in the order of their requests:
    /// the last one stays.
    ///
    /// # Errors
    /// [`Error::Storage`] if KV fails, or accepts no write of this key for [`MAX_WRITE_MS`].
    pub(super) async fn put(&self, key: String, value: Value<'_>) -> Result<(), Error> {
        let turn = Turn::take(&key);
        while !turn.is_first() {
            if !turn.has_time(TURN_MS) {
                let doing = format!("writing {key}");
                return Err(Error::storage(doing, "earlier writes of it took too long"));
            }
            pause(TURN_MS).await;
        }
        loop {
            let Err(cause) = self.try_put(&key, value).await else {
                return Ok(());
            };
            let retry_pause = RETRY_PAUSE_MS + (Math::random() * JITTER_MS) as u64;
            if !is_rate_limited(&cause) || !turn.has_time(retry_pause) {
                return Err(Error::storage(format!("writing {key}"), message(&cause)));
            }
            pause(retry_pause).await;
        }
    }

    /// Stores a value, without retries.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(super) async fn put_once(&self, key: &str, value: Value<'_>) -> Result<(), Error> {
        let put = self.try_put(key, value).await;
        put.map_err(|cause| Error::storage(format!("writing {key}"), message(&cause)))
    }

    fn try_put(
        &self,
        key: &str,
        value: Value<'_>,
    ) -> impl Future<Output = Result<(), KvError>> + use<> {
        self.count(|n| n.kv_writes += 1);
        let data = &self.bindings.data;
        let put = match value {
            Value::Text(text) => data.put(key, text),
            Value::Buffer(buffer) => match buffer.stream() {
                Ok(stream) => data.put_stream(key, stream),
                Err(cause) => Err(KvError::InvalidKvStore(cause.to_string())),
            },
        };
        async { put?.execute().await }
    }
}

async fn pause(milliseconds: u64) {
    Delay::from(Duration::from_millis(milliseconds)).await;
}

fn is_rate_limited(error: &KvError) -> bool {
    message(error).contains("429")
}
