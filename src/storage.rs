//! Every KV, R2 and object call, without rules. This file: the bindings, and shared documents.

mod assets;
mod audit;
mod cache;
mod check;
mod content;
mod history;
mod kept;
mod nodes;
mod objects;
mod pools;
mod sites;
mod uploads;

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt::Display;
use std::rc::Rc;
use std::thread::LocalKey;

use worker::js_sys;
use worker::kv::{KvError, KvStore};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::ReadableStream;
use worker::{Bucket, Env, ObjectNamespace, RateLimiter};
use ztp_core::content::Metadata;
use ztp_core::key::Document;

use crate::error::Error;
use crate::js::{self, Fetcher};
use cache::{Cache, Cached, MAX_DOCUMENT_BYTES, MAX_PARSED_BYTES, MAX_READ_MS, PARSED_SIZE_FACTOR};

pub use assets::Asset;
pub use audit::Change;
pub use cache::Flights;
pub use check::StoredContents;
pub use content::{FoundValue, MAX_PAGE};
pub use nodes::{
    ChangedRecord, Edit, MAX_KEYS_AT_ONCE, NewValue, Outcome, Plan, RecordChange, Records,
    StoredBody,
};
pub use objects::changes::{ObjectChange, ObjectState};
pub use objects::{Description, FoundObject, is_hex};
pub use uploads::{Part, Upload, expired};

/// Storage operations of one request, for its log line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Operations {
    pub kv_reads: u32,
    pub kv_writes: u32,
    pub r2_reads: u32,
    pub r2_writes: u32,
    /// Calls of Durable Objects.
    pub object_calls: u32,
}

impl Operations {
    /// All of them.
    pub fn total(self) -> u32 {
        self.kv_reads + self.kv_writes + self.r2_reads + self.r2_writes + self.object_calls
    }
}

thread_local! {
    static BINDINGS: OnceCell<Rc<Bindings>> = const { OnceCell::new() };
    static FLIGHTS: Flights = Flights::default();
}

/// The stores, opened for one request.
pub struct Storage {
    bindings: Rc<Bindings>,
    operations: Cell<Operations>,
    warnings: RefCell<Vec<String>>,
}

/// The bindings of wrangler.toml. They do not change while an instance lives, and getting each costs several
/// property reads.
struct Bindings {
    data: KvStore,
    files: Bucket,
    nodes: Option<ObjectNamespace>,
    pools: Option<ObjectNamespace>,
    sites: Option<ObjectNamespace>,
    rate_limiter: Option<RateLimiter>,
    /// The files of the console.
    assets: Option<Fetcher>,
}

impl Bindings {
    fn take(env: &Env) -> Result<Self, Error> {
        let missing = |binding: &str, table: &str, make: &str| {
            Error::Misconfigured(format!(
                "the binding {binding} is missing: add [[{table}]] with binding = \"{binding}\" to \
                 wrangler.toml and deploy again with `npm run deploy`, which creates the {make}"
            ))
        };
        Ok(Self {
            data: env
                .kv("ZTP_DATA")
                .map_err(|_| missing("ZTP_DATA", "kv_namespaces", "KV namespace"))?,
            files: env
                .bucket("ZTP_FILES")
                .map_err(|_| missing("ZTP_FILES", "r2_buckets", "R2 bucket"))?,
            nodes: env.durable_object("ZTP_NODES").ok(),
            pools: env.durable_object("ZTP_POOLS").ok(),
            sites: env.durable_object("ZTP_SITES").ok(),
            rate_limiter: rate_limiter(env)?,
            assets: env
                .assets("ZTP_CONSOLE")
                .ok()
                .map(|assets| JsValue::from(assets).unchecked_into()),
        })
    }
}

/// The rate-limiting binding, if it is configured. A binding of another type is an error: an operator would
/// not notice a missing limit.
fn rate_limiter(env: &Env) -> Result<Option<RateLimiter>, Error> {
    const NAME: &str = "ZTP_RATE_LIMIT";
    if !worker::js_sys::Reflect::has(env, &NAME.into()).unwrap_or(false) {
        return Ok(None);
    }
    env.rate_limiter(NAME).map(Some).map_err(|_| {
        Error::Misconfigured(format!(
            "{NAME} is not a rate-limiting binding: define it as [[ratelimits]] in wrangler.toml"
        ))
    })
}

/// A value to write.
pub enum Payload<'a> {
    Text(&'a str),
    Stream(ReadableStream),
}

/// A shared document in the cache.
#[derive(Debug)]
pub enum Loaded<T> {
    Missing,
    Found {
        /// The stored bytes.
        source: Rc<[u8]>,
        /// The parsed form, or the reason why there is none.
        parsed: Result<Rc<T>, Rc<str>>,
    },
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Missing => Self::Missing,
            Self::Found { source, parsed } => Self::Found {
                source: Rc::clone(source),
                parsed: parsed.clone(),
            },
        }
    }
}

impl<T> Loaded<T> {
    fn outcome(self) -> Result<Option<Rc<T>>, Error> {
        match self {
            Self::Missing => Ok(None),
            Self::Found { parsed, .. } => match parsed {
                Ok(parsed) => Ok(Some(parsed)),
                Err(reason) => Err(Error::BadRequest(reason.as_ref().to_owned())),
            },
        }
    }
}

/// The cache of one kind of document.
pub type Documents<T> = RefCell<Cache<Loaded<T>>>;
/// The cache of one kind of parsed record, by its text.
pub type ParsedTexts<T> = RefCell<Cache<Result<Rc<T>, Rc<str>>>>;

/// An empty [`Documents`].
pub fn documents<T>() -> Documents<T> {
    RefCell::new(Cache::new(MAX_DOCUMENT_BYTES))
}

/// An empty [`ParsedTexts`].
pub fn parsed_texts<T>() -> ParsedTexts<T> {
    RefCell::new(Cache::new(MAX_PARSED_BYTES))
}

impl Storage {
    /// Gets the bindings, once per instance.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if one is missing or of another type; the message says how to fix it.
    pub fn open(env: &Env) -> Result<Self, Error> {
        let known = BINDINGS.with(|known| known.get().cloned());
        let bindings = match known {
            Some(bindings) => bindings,
            None => {
                let bindings = Rc::new(Bindings::take(env)?);
                BINDINGS.with(|known| Rc::clone(known.get_or_init(|| bindings)))
            }
        };
        Ok(Self {
            bindings,
            operations: Cell::default(),
            warnings: RefCell::default(),
        })
    }

    /// The operations of this request so far.
    pub fn operations(&self) -> Operations {
        self.operations.get()
    }

    /// Problems that did not fail the request, for its log line.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// The rate-limiting binding, if it is configured.
    pub fn rate_limiter(&self) -> Option<&RateLimiter> {
        self.bindings.rate_limiter.as_ref()
    }

    /// A shared document, parsed by `parse`; `None` if it is not stored. It is read at most once in
    /// [`cache::MAX_AGE_MS`], and parsed only after a change. If KV fails, a stale copy is served.
    ///
    /// `cache_missing`: a default is served while the document is not stored, so its absence is cached.
    ///
    /// # Errors
    /// [`Error::Storage`]; [`Error::BadRequest`] with the reason if the document is not UTF-8 or `parse`
    /// fails.
    pub async fn document<T: 'static>(
        &self,
        documents: &'static LocalKey<Documents<T>>,
        document: Document<'_>,
        cache_missing: bool,
        parse: impl FnOnce(String) -> Result<T, String>,
    ) -> Result<Option<Rc<T>>, Error> {
        let key = document.to_string();
        let cached = || documents.with_borrow(|documents| documents.get(&key, now()));
        let flight = match cached() {
            Some(cached) if cached.is_fresh() => return cached.value.outcome(),
            _ => FLIGHTS.with(Flights::clone).join(&key, MAX_READ_MS).await,
        };
        let before = match cached() {
            Some(cached) if cached.is_fresh() => return cached.value.outcome(),
            before => before,
        };
        let bytes = match self.value(&key).await {
            Ok(bytes) => bytes,
            Err(error) => return self.serve_stale(&key, before, error)?.outcome(),
        };
        let loaded = match (bytes, before) {
            (None, _) if !cache_missing => {
                documents.with_borrow_mut(|documents| documents.remove(&key));
                return Ok(None);
            }
            (None, _) => Loaded::Missing,
            (
                Some(bytes),
                Some(Cached {
                    value: Loaded::Found { source, parsed },
                    ..
                }),
            ) if *source == *bytes => Loaded::Found { source, parsed },
            (Some(bytes), _) => {
                let source = Rc::from(bytes.as_slice());
                let parsed = match text_of(document, bytes) {
                    Ok(text) => parse(text),
                    Err(reason) => Err(reason),
                };
                let parsed = parsed.map(Rc::new).map_err(Rc::from);
                Loaded::Found { source, parsed }
            }
        };
        let size = match &loaded {
            Loaded::Missing => 0,
            Loaded::Found { source, .. } => source.len() * PARSED_SIZE_FACTOR,
        };
        documents.with_borrow_mut(|documents| documents.insert(&key, loaded.clone(), size, now()));
        drop(flight);
        loaded.outcome()
    }

    /// The cached copy, with a warning, after the store failed with `error`.
    ///
    /// # Errors
    /// `error`, if nothing is cached.
    fn serve_stale<V>(
        &self,
        key: &str,
        before: Option<Cached<V>>,
        error: Error,
    ) -> Result<V, Error> {
        let Some(Cached { value, age }) = before else {
            return Err(error);
        };
        let seconds = age / 1000;
        self.warn(format!(
            "{}; the copy of {key} that was read {seconds} s ago was served",
            error.detail()
        ));
        Ok(value)
    }

    /// The bytes of a shared document, not cached.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn bytes(&self, document: Document<'_>) -> Result<Option<Vec<u8>>, Error> {
        self.value(&document.to_string()).await
    }

    async fn value(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.count(|n| n.kv_reads += 1);
        let read = self.bindings.data.get(key).bytes().await;
        read.map_err(|cause| Error::storage(format!("reading {key}"), message(&cause)))
    }

    /// Stores a value in KV.
    ///
    /// # Errors
    /// [`Error::Storage`], also if KV rejects a second write of a key within a second.
    pub async fn put(&self, key: &str, value: Payload<'_>) -> Result<(), Error> {
        self.put_described(key, value, &Metadata::default()).await
    }

    /// Stores a value in KV, with its description.
    ///
    /// # Errors
    /// As [`Storage::put`].
    pub async fn put_described(
        &self,
        key: &str,
        value: Payload<'_>,
        metadata: &Metadata,
    ) -> Result<(), Error> {
        self.count(|n| n.kv_writes += 1);
        let data = &self.bindings.data;
        let put = match value {
            Payload::Text(text) => data.put(key, text),
            Payload::Stream(stream) => data.put_stream(key, stream),
        };
        let put = async {
            match metadata.sha1 {
                Some(_) => put?.metadata(metadata)?.execute().await,
                None => put?.execute().await,
            }
        };
        let put = put.await;
        put.map_err(|cause| Error::storage(format!("writing {key}"), message(&cause)))
    }

    /// Deletes a value in KV, if it is stored.
    ///
    /// # Errors
    /// As [`Storage::put`].
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        self.count(|n| n.kv_writes += 1);
        let deleted = self.bindings.data.delete(key).await;
        deleted.map_err(|cause| Error::storage(format!("deleting {key}"), message(&cause)))
    }

    /// Adds a problem that did not fail the request.
    pub fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    fn count(&self, add: impl FnOnce(&mut Operations)) {
        let mut operations = self.operations.get();
        add(&mut operations);
        self.operations.set(operations);
    }
}

/// The parsed form of a text, cached by the text: many nodes store the same definition and pattern, each
/// under its own key.
///
/// # Errors
/// The error of `parse`, which is cached, too.
pub fn parse_once<T: 'static, E: Display>(
    texts: &'static LocalKey<ParsedTexts<T>>,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Rc<T>, Rc<str>> {
    // At any age: the same text always parses alike.
    if let Some(cached) = texts.with_borrow(|texts| texts.get(text, now())) {
        return cached.value;
    }
    let parsed = parse(text).map(Rc::new);
    let parsed = parsed.map_err(|error| Rc::from(error.to_string()));
    let bytes = text.len() * (PARSED_SIZE_FACTOR - 1);
    texts.with_borrow_mut(|texts| texts.insert(text, parsed.clone(), bytes, now()));
    parsed
}

/// Milliseconds since 1970. A Worker's clock advances only while it waits for storage or the network.
pub fn now() -> u64 {
    // `worker::Date` makes an object.
    js_sys::Date::now() as u64
}

/// The runtime's message of a KV error. `KvError` would add the stack trace.
fn message(error: &KvError) -> String {
    match error {
        KvError::JavaScript(value) => js::message(value),
        other => other.to_string(),
    }
}

fn text_of(document: Document<'_>, bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| not_utf8(document))
}

/// The message about a document that is not UTF-8.
pub fn not_utf8(document: Document<'_>) -> String {
    format!("{document} is not UTF-8 text; store it again as UTF-8")
}
