//! The Workers runtime, as this Worker uses it.
//!
//! A request is answered in one step if everything it needs is in memory, and else goes on where its
//! promise is settled: see [`task`]. All JavaScript is in `runtime/glue.js`, one function for each
//! thing that is wanted of it. The bindings of the `worker` crate make a step of each property and
//! each header, and several objects of each promise; those serve where a request does not pass.

mod glue;
mod kv;
mod promise;
mod r2;
mod request;
pub mod task;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::task::Poll;

use worker::js_sys;
use worker::wasm_bindgen::{JsCast, JsValue};

pub use kv::{Namespace, Texts, Value};
pub use r2::{Bucket, Object};
pub use request::Request;

use promise::settled;

/// What the runtime says when something fails.
#[derive(Debug)]
pub struct Failure(JsValue);

impl From<JsValue> for Failure {
    fn from(reason: JsValue) -> Self {
        Self(reason)
    }
}

impl Failure {
    /// Whether KV says that a key takes no write now: it takes one in a second.
    pub fn is_too_many(&self) -> bool {
        self.to_string().contains("429")
    }

    /// Whether KV says that an answer would be larger than it gives at once.
    pub fn is_too_large(&self) -> bool {
        let text = self.to_string();
        text.contains("413") || text.contains("exceeds the limit")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.dyn_ref::<js_sys::Error>() {
            Some(error) => f.write_str(&String::from(error.message())),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// Bytes in JavaScript's memory, where an answer can take them as often as it likes.
#[derive(Debug, Clone)]
pub struct Held {
    bytes: JsValue,
    length: usize,
}

impl Held {
    /// Copies bytes out of wasm's memory.
    pub fn copy(bytes: &[u8]) -> Self {
        Self {
            bytes: glue::hold(bytes),
            length: bytes.len(),
        }
    }

    /// Takes an `ArrayBuffer` that the runtime gave.
    fn of(buffer: JsValue) -> Self {
        let length = buffer.unchecked_ref::<js_sys::ArrayBuffer>().byte_length();
        Self {
            bytes: buffer,
            length: length as usize,
        }
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is nothing but ASCII white space.
    pub fn is_blank(&self) -> Result<bool, Failure> {
        Ok(glue::is_blank(&self.bytes)?)
    }

    /// Whether two hold the same bytes.
    pub fn is_same(&self, other: &Held) -> bool {
        glue::is_same(&self.bytes, &other.bytes)
    }

    /// SHA-1 of the bytes, which stay in JavaScript's memory.
    pub async fn sha1(&self) -> Result<Vec<u8>, Failure> {
        let digest = settled(glue::sha1_of(&self.bytes)?).await?;
        Ok(js_sys::Uint8Array::new(&digest).to_vec())
    }

    /// The bytes themselves, in wasm's memory.
    pub fn to_vec(&self) -> Vec<u8> {
        js_sys::Uint8Array::new(&self.bytes).to_vec()
    }
}

/// A body that passes through without being looked at.
#[derive(Debug)]
pub struct Stream(JsValue);

/// What a response carries.
pub enum Content<'a> {
    Bytes(&'a [u8]),
    Held(&'a Held),
    Stream(&'a Stream),
    Nothing,
}

/// How many heads are kept at most: there are as many as kinds of answers, and files.
const MAX_HEADS: usize = 256;

thread_local! {
    /// The numbers under which JavaScript keeps heads.
    static HEADS: RefCell<HashMap<String, u32>> = RefCell::default();
}

/// A response; `head` is its status and, a line each, the headers that it has in common with others;
/// `location` is its own.
pub fn respond(
    mut head: String,
    location: Option<&str>,
    content: Content<'_>,
) -> Result<JsValue, Failure> {
    if location.is_some() {
        // The place that it is put in: no answer without a location may share that head.
        head.push_str("\nLocation: ");
    }
    let head = number_of(head);
    Ok(match content {
        Content::Bytes(bytes) => glue::respond(head, location, bytes)?,
        Content::Held(held) => glue::respond_with(head, location, &held.bytes)?,
        Content::Stream(stream) => glue::respond_with(head, location, &stream.0)?,
        Content::Nothing => glue::respond_with(head, location, &JsValue::NULL)?,
    })
}

fn number_of(head: String) -> u32 {
    HEADS.with_borrow_mut(|heads| {
        if let Some(number) = heads.get(&head) {
            return *number;
        }
        if heads.len() >= MAX_HEADS {
            heads.clear();
        }
        let number = heads.len() as u32;
        glue::prepare_head(number, &head);
        heads.insert(head, number);
        number
    })
}

/// How grave a line of the log is.
#[derive(Debug, Clone, Copy)]
pub enum Level {
    Log,
    Warn,
    Error,
}

/// Writes a line of the log.
pub fn log(level: Level, line: &str) {
    match level {
        Level::Log => glue::log(line),
        Level::Warn => glue::warn(line),
        Level::Error => glue::error(line),
    }
}

/// Waits for so many milliseconds.
pub async fn sleep(milliseconds: u32) {
    // A timer has nothing to fail with.
    let _ = settled(glue::sleep(milliseconds)).await;
}

/// Waits for all of them at once, and gives what each of them gave, in their order.
pub async fn all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outcomes: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, outcome) in futures.iter_mut().zip(&mut outcomes) {
            if outcome.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *outcome = Some(value);
            }
        }
        if outcomes.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outcomes.into_iter().flatten().collect()
}

/// Milliseconds since 1970. In a Worker time stands still but for storage and the network.
pub fn now() -> u64 {
    js_sys::Date::now() as u64
}
