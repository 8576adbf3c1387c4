//! The Workers runtime, as this Worker uses it.
//!
//! A request is answered in one step if everything it needs is in memory, and else goes on where its
//! promise is settled: see [`task`]. All JavaScript is in `runtime/glue.js`, one function for each
//! thing that is wanted of it. The bindings of the `worker` crate make a step of each property and
//! each header, and several objects of each promise; those serve where a request does not pass.

mod glue;
mod promise;
mod request;
pub mod task;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;

use serde::Deserialize;
use worker::js_sys;
use worker::wasm_bindgen::{JsCast, JsValue};

pub use promise::settled;
pub use request::Request;

/// What the runtime says when something fails.
#[derive(Debug)]
pub struct Failure(JsValue);

impl From<JsValue> for Failure {
    fn from(reason: JsValue) -> Self {
        Self(reason)
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
/// `own` is one more header.
pub fn respond(head: String, own: Option<&str>, content: Content<'_>) -> Result<JsValue, Failure> {
    let head = number_of(head);
    Ok(match content {
        Content::Bytes(bytes) => glue::respond(head, own, bytes)?,
        Content::Held(held) => glue::respond_with(head, own, &held.bytes)?,
        Content::Stream(stream) => glue::respond_with(head, own, &stream.0)?,
        Content::Nothing => glue::respond_with(head, own, &JsValue::NULL)?,
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

/// Milliseconds since 1970. In a Worker time stands still but for storage and the network.
pub fn now() -> u64 {
    js_sys::Date::now() as u64
}

/// A KV namespace.
pub struct Namespace(JsValue);

impl Namespace {
    pub fn of(binding: JsValue) -> Self {
        Self(binding)
    }

    /// Begins to read the bytes under a key; what comes back waits for them, if it is stored.
    pub fn get(
        &self,
        key: &str,
    ) -> Result<impl Future<Output = Result<Option<Held>, Failure>> + use<>, Failure> {
        let read = settled(glue::kv_get(&self.0, key)?);
        Ok(async move {
            let found = read.await?;
            Ok((!found.is_null()).then(|| Held::of(found)))
        })
    }

    /// The texts under several names in a folder, in one operation. KV refuses to answer more than
    /// 25 MB at once.
    pub async fn get_all(
        &self,
        folder: &str,
        names: impl Iterator<Item = &'static str>,
    ) -> Result<Texts, Failure> {
        let mut keys = String::new();
        for name in names {
            if !keys.is_empty() {
                keys.push('\n');
            }
            keys.push_str(folder);
            keys.push_str(name);
        }
        Ok(Texts(settled(glue::kv_get_all(&self.0, &keys)?).await?))
    }

    /// The names of keys that begin with `prefix`, a page of them at a time.
    pub async fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<Page, Failure> {
        let page = settled(glue::kv_list(&self.0, prefix, cursor)?).await?;
        let page = serde_json::from_str(&page.as_string().unwrap_or_default());
        page.map_err(|error| JsValue::from(error.to_string()).into())
    }

    /// Begins to store bytes under a key; what comes back waits until that is done.
    pub fn put(
        &self,
        key: &str,
        value: &[u8],
    ) -> Result<impl Future<Output = Result<(), Failure>> + use<>, Failure> {
        let stored = settled(glue::kv_put(&self.0, key, value)?);
        Ok(async move { Ok(stored.await.map(drop)?) })
    }
}

/// Names of keys, and where the next page of them begins, if there is one.
#[derive(Debug, Deserialize)]
pub struct Page {
    pub names: Vec<String>,
    pub cursor: Option<String>,
}

/// What several keys held, by their index. Texts stay with JavaScript until they are asked for.
pub struct Texts(JsValue);

impl Texts {
    pub fn get(&self, index: usize) -> Option<String> {
        glue::text_at(&self.0, index)
    }

    pub fn has(&self, index: usize) -> bool {
        glue::has_at(&self.0, index)
    }
}

/// An R2 bucket.
pub struct Bucket(JsValue);

impl Bucket {
    pub fn of(binding: JsValue) -> Self {
        Self(binding)
    }

    /// An object with its body, if it is stored.
    pub async fn get(&self, key: &str) -> Result<Option<Object>, Failure> {
        Object::found(settled(glue::r2_get(&self.0, key)?).await?)
    }

    /// An object without its body, if it is stored.
    pub async fn head(&self, key: &str) -> Result<Option<Object>, Failure> {
        Object::found(settled(glue::r2_head(&self.0, key)?).await?)
    }

    /// `length` bytes from `offset` on of the object of that ETag; without a body if it is another
    /// one by now.
    pub async fn get_part(
        &self,
        key: &str,
        etag: &str,
        (offset, length): (u64, u64),
    ) -> Result<Option<Object>, Failure> {
        let (offset, length) = (offset as f64, length as f64);
        let asked = glue::r2_get_part(&self.0, key, etag, offset, length)?;
        Object::found(settled(asked).await?)
    }
}

/// An R2 object.
pub struct Object(JsValue);

impl Object {
    fn found(object: JsValue) -> Result<Option<Self>, Failure> {
        Ok((!object.is_null()).then_some(Self(object)))
    }

    /// Size, version, ETag and Last-Modified, a line each.
    pub fn description(&self) -> String {
        glue::r2_describe(&self.0)
    }

    /// What its uploader said of its content, if anything, as JSON: `checksums` in hexadecimal by
    /// algorithm, custom `metadata` by name.
    pub fn digests(&self) -> Option<String> {
        glue::r2_digests(&self.0)
    }

    /// Its body, to be passed through; `None` if it came without one.
    pub fn stream(&self) -> Option<Stream> {
        glue::body_of(&self.0).map(Stream)
    }

    /// All of its body.
    pub async fn bytes(&self) -> Result<Held, Failure> {
        Ok(Held::of(settled(glue::bytes_of(&self.0)?).await?))
    }
}

impl Stream {
    /// The SHA-1 of everything that it has.
    pub async fn sha1(&self) -> Result<Vec<u8>, Failure> {
        let digest = settled(glue::sha1(&self.0)?).await?;
        Ok(js_sys::Uint8Array::new(&digest).to_vec())
    }
}
