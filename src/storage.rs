//! Every KV and R2 call, and nothing that decides. Here: the bindings, what is remembered between
//! requests, shared documents and the records of nodes.

mod hashing;
mod objects;
mod pools;

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use serde::Serialize;
use worker::kv::KvStore;
use worker::{Bucket, Env, RateLimiter, js_sys};

use crate::cache::Cache;
use crate::domain::node::NodeId;
use crate::error::Error;
use crate::key::{Document, Record};
use crate::log::now;

pub use objects::{Description, Found, ObjectDigest, SmallObject};

/// How much larger than its text a parsed document is taken to be.
const PARSED_FACTOR: usize = 3;

/// Storage operations of one request, for its log line.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Operations {
    pub kv_reads: u32,
    pub kv_writes: u32,
    pub r2_reads: u32,
    pub pool_calls: u32,
}

/// Shared content that this instance has in memory.
#[derive(Clone)]
enum Remembered {
    /// It is not stored.
    Nothing,
    /// A document as read, or as parsed.
    Document(Rc<dyn Any>),
    Object(Rc<SmallObject>),
    Digest(Rc<ObjectDigest>),
}

thread_local! {
    static MEMORY: RefCell<Cache<Remembered>> = RefCell::default();
    static BINDINGS: OnceCell<Rc<Bindings>> = const { OnceCell::new() };
}

/// The stores, opened for one request.
pub struct Storage {
    bindings: Rc<Bindings>,
    operations: Cell<Operations>,
}

/// What wrangler.toml binds. It cannot change while an instance lives, and taking a binding out of
/// the environment costs as much as a small answer.
struct Bindings {
    data: KvStore,
    files: Bucket,
    rate_limiter: Option<RateLimiter>,
    env: Env,
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
            rate_limiter: rate_limiter(env)?,
            env: env.clone(),
        })
    }
}

/// The rate-limiting binding, if it is configured. That something else has its name is an error:
/// no limit at all would go unnoticed.
fn rate_limiter(env: &Env) -> Result<Option<RateLimiter>, Error> {
    const NAME: &str = "ZTP_RATE_LIMIT";
    if !js_sys::Reflect::has(env, &NAME.into()).unwrap_or(false) {
        return Ok(None);
    }
    env.rate_limiter(NAME).map(Some).map_err(|_| {
        Error::Misconfigured(format!(
            "{NAME} is not a rate-limiting binding: define it as [[ratelimits]] in wrangler.toml"
        ))
    })
}

impl Storage {
    /// Takes the bindings.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if one is missing or another thing than it should be, with how to
    /// mend it.
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
        })
    }

    /// What this request has cost so far.
    pub fn operations(&self) -> Operations {
        self.operations.get()
    }

    /// The rate-limiting binding, if it is configured.
    pub fn rate_limiter(&self) -> Option<&RateLimiter> {
        self.bindings.rate_limiter.as_ref()
    }

    /// A shared document as `parse` makes it, if it is stored. Both the reading and the parsing are
    /// spared while the result is remembered.
    ///
    /// # Errors
    /// [`Error::Storage`]; [`Error::BadRequest`] if what is stored is not UTF-8; what `parse` says.
    pub async fn document<T: 'static>(
        &self,
        document: Document<'_>,
        parse: impl FnOnce(String) -> Result<T, Error>,
    ) -> Result<Option<Rc<T>>, Error> {
        let key = document.to_string();
        match self.remembered(&key) {
            Some(Remembered::Nothing) => return Ok(None),
            Some(Remembered::Document(known)) => {
                if let Ok(known) = known.downcast() {
                    return Ok(Some(known));
                }
            }
            _ => {}
        }
        let Some(text) = self.text(document).await? else {
            if document.has_fallback() {
                self.remember(&key, Remembered::Nothing, 0);
            }
            return Ok(None);
        };
        let size = text.len() * PARSED_FACTOR;
        let parsed = Rc::new(parse(text)?);
        self.remember(&key, Remembered::Document(Rc::<T>::clone(&parsed)), size);
        Ok(Some(parsed))
    }

    /// The text of a shared document as it is stored now.
    ///
    /// # Errors
    /// [`Error::Storage`], or [`Error::BadRequest`] if it is not UTF-8.
    pub async fn text(&self, document: Document<'_>) -> Result<Option<String>, Error> {
        let bytes = self.value(&document.to_string()).await?;
        bytes.map(String::from_utf8).transpose().map_err(|_| {
            Error::BadRequest(format!(
                "{document} is not UTF-8 text; store it again as UTF-8"
            ))
        })
    }

    /// The bytes of one record of a node, if it is stored.
    pub async fn record(&self, node: &NodeId, record: Record) -> Result<Option<Vec<u8>>, Error> {
        self.value(&record.key(node)).await
    }

    /// Those of `records` that are stored of a node, in one operation.
    pub async fn records(&self, node: &NodeId, records: &[Record]) -> Result<Records, Error> {
        self.count(|n| n.kv_reads += 1);
        let keys: Vec<String> = records.iter().map(|record| record.key(node)).collect();
        // KV refuses to answer more than 25 MB at once, and a startup-config may have that much.
        let Ok(mut values) = self.bindings.data.get_bulk(&keys).text().await else {
            return self.records_one_by_one(node, records).await;
        };
        let found = records.iter().zip(&keys).filter_map(|(record, key)| {
            let text = values.remove(key).flatten()?;
            Some((*record, text))
        });
        Ok(Records(found.collect()))
    }

    async fn records_one_by_one(
        &self,
        node: &NodeId,
        records: &[Record],
    ) -> Result<Records, Error> {
        let mut found = HashMap::new();
        for record in records {
            if let Some(bytes) = self.record(node, *record).await? {
                found.insert(*record, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(Records(found))
    }

    /// Stores a record of a node, byte for byte.
    pub async fn put_record(
        &self,
        node: &NodeId,
        record: Record,
        value: &[u8],
    ) -> Result<(), Error> {
        self.put_value(&record.key(node), value).await
    }

    async fn value(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.count(|n| n.kv_reads += 1);
        let answer = self.bindings.data.get(key).bytes().await;
        answer.map_err(|cause| Error::kv(format!("reading {key}"), cause))
    }

    async fn put_value(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.count(|n| n.kv_writes += 1);
        let failed = |cause| Error::kv(format!("writing {key}"), cause);
        let put = self.bindings.data.put_bytes(key, value).map_err(failed)?;
        put.execute().await.map_err(failed)
    }

    fn remembered(&self, key: &str) -> Option<Remembered> {
        MEMORY.with_borrow(|memory| memory.get(key, now()))
    }

    fn remember(&self, key: &str, value: Remembered, bytes: usize) {
        let now = now();
        MEMORY.with_borrow_mut(|memory| memory.put(key, value, bytes, now));
    }

    fn forget(&self, key: &str) {
        MEMORY.with_borrow_mut(|memory| memory.remove(key));
    }

    fn count(&self, add: impl FnOnce(&mut Operations)) {
        let mut operations = self.operations.get();
        add(&mut operations);
        self.operations.set(operations);
    }
}

/// The records of a node that are stored, as text.
pub struct Records(HashMap<Record, String>);

impl Records {
    /// The text of a record.
    pub fn get(&self, record: Record) -> Option<&str> {
        self.0.get(&record).map(String::as_str)
    }

    /// Whether a record is stored, empty or not.
    pub fn has(&self, record: Record) -> bool {
        self.0.contains_key(&record)
    }

    /// Whether any record is stored.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }
}
