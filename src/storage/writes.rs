//! Writes to KV, which accepts one write per second for each key, and rejects others with 429.

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

/// How long a write waits for earlier writes of its key and is retried, in milliseconds: less than a client's
/// timeout.
pub const MAX_WRITE_MS: u64 = 8_000;
/// The pause before a retry, in milliseconds.
const RETRY_PAUSE_MS: u64 = 1_000;
/// The random part of the pause, in milliseconds: instances that write the same key must not retry at the
/// same time.
const JITTER_MS: f64 = 200.0;
/// The interval at which a waiting write checks its turn, in milliseconds.
const TURN_MS: u64 = 20;

/// A value to write.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    Text(&'a str),
    Buffer(&'a Buffer),
}

thread_local! {
    /// The running and waiting writes of each key, in the order of their requests: number and deadline, in
    /// milliseconds since 1970.
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

    /// Whether every earlier write of the key has ended or passed its deadline: the runtime may cancel a
    /// request without running its destructors.
    fn is_first(&self) -> bool {
        WRITES.with_borrow(|writes| {
            let writes = writes.get(&self.key).map(Vec::as_slice).unwrap_or_default();
            let mut earlier = writes.iter().filter(|(number, _)| *number < self.number);
            earlier.all(|(_, deadline)| now() > *deadline)
        })
    }

    /// Whether a pause of this length, in milliseconds, ends before the deadline.
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
    /// Stores a value, with retries. Writes of one key in one instance run in the order of their requests: the
    /// last one remains.
    ///
    /// # Errors
    /// [`Error::Storage`] if KV fails, or rejects writes of this key for [`MAX_WRITE_MS`].
    pub(super) async fn put(&self, key: String, value: Payload<'_>) -> Result<(), Error> {
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
    pub(super) async fn put_once(&self, key: &str, value: Payload<'_>) -> Result<(), Error> {
        let put = self.try_put(key, value).await;
        put.map_err(|cause| Error::storage(format!("writing {key}"), message(&cause)))
    }

    fn try_put(
        &self,
        key: &str,
        value: Payload<'_>,
    ) -> impl Future<Output = Result<(), KvError>> + use<> {
        self.count(|n| n.kv_writes += 1);
        let data = &self.bindings.data;
        let put = match value {
            Payload::Text(text) => data.put(key, text),
            Payload::Buffer(buffer) => match buffer.stream() {
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
