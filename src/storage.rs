//! Every KV and R2 call, and nothing that decides. Here: the bindings, what is remembered between
//! requests, shared documents and the records of nodes.

mod objects;
mod pools;
mod records;
mod writes;

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::Future;
use std::rc::{Rc, Weak};

use worker::wasm_bindgen::JsValue;
use worker::{Env, RateLimiter, js_sys};

use crate::cache::{Cache, Recalled};
use crate::domain::node::NodeId;
use crate::error::Error;
use crate::key::{Document, Record};
use crate::parsed::{self, Parsed};
use crate::runtime::{self, Bucket, Held, Namespace, Value, now};

pub use objects::{Description, Found, ObjectDigest, SmallObject};
pub use records::Records;

/// Storage operations of one request, for its log line.
#[derive(Debug, Clone, Copy, Default)]
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
    /// A document, and what was made of it.
    Document(Held, Rc<dyn Any>),
    /// A document that cannot be used, and why.
    Broken(Held, Rc<str>),
    /// What was made of a document for everyone who asks in the same way. It does not keep the document,
    /// which may be large and long replaced.
    Rendered(Weak<dyn Any>, Held),
    Object(Rc<SmallObject>),
    Digest(Rc<ObjectDigest>),
}

thread_local! {
    static MEMORY: RefCell<Cache<Remembered>> = RefCell::default();
    static PARSED: RefCell<Parsed> = RefCell::default();
    static BINDINGS: OnceCell<Rc<Bindings>> = const { OnceCell::new() };
}

/// The stores, opened for one request.
pub struct Storage {
    bindings: Rc<Bindings>,
    operations: Cell<Operations>,
    warnings: RefCell<Vec<String>>,
}

/// What wrangler.toml binds. It cannot change while an instance lives, and taking a binding out of
/// the environment costs as much as a small answer.
struct Bindings {
    data: Namespace,
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
            data: binding(env, "ZTP_DATA")
                .map(Namespace::of)
                .ok_or_else(|| missing("ZTP_DATA", "kv_namespaces", "KV namespace"))?,
            files: binding(env, "ZTP_FILES")
                .map(Bucket::of)
                .ok_or_else(|| missing("ZTP_FILES", "r2_buckets", "R2 bucket"))?,
            rate_limiter: rate_limiter(env)?,
            env: env.clone(),
        })
    }
}

/// A binding, if there is one of that name.
fn binding(env: &Env, name: &str) -> Option<JsValue> {
    let binding = js_sys::Reflect::get(env, &name.into()).ok()?;
    binding.is_object().then_some(binding)
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
            warnings: RefCell::default(),
        })
    }

    /// What this request has cost so far.
    pub fn operations(&self) -> Operations {
        self.operations.get()
    }

    /// The failures that this request was answered in spite of.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    /// The same of a failure for which what this instance has in memory makes up.
    fn warn_of_copy(&self, failure: &Error) {
        self.warn(format!(
            "{}; an older copy in memory was used",
            failure.detail()
        ));
    }

    /// The rate-limiting binding, if it is configured.
    pub fn rate_limiter(&self) -> Option<&RateLimiter> {
        self.bindings.rate_limiter.as_ref()
    }

    /// A shared document as `parse` makes it of its bytes, if it is stored. Reading is spared while the
    /// result is fresh, parsing while the document is the same, also if it is broken. If KV fails, what is
    /// in memory counts, however old it is.
    ///
    /// # Errors
    /// [`Error::Storage`]; what `parse` says.
    pub async fn document<T: 'static>(
        &self,
        document: Document<'_>,
        parse: impl FnOnce(&Held) -> Result<T, Error>,
    ) -> Result<Option<Rc<T>>, Error> {
        let key = document.to_string();
        let recalled = self.recall(&key);
        let fresh = recalled.as_ref().is_some_and(|recalled| recalled.fresh);
        let before = recalled.map(|recalled| recalled.what);
        if let Some(known) = before.clone().and_then(outcome_of)
            && fresh
        {
            return known;
        }
        let bytes = match self.value(key.clone()).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                if document.has_fallback() {
                    self.remember(&key, Remembered::Nothing, 0);
                } else {
                    self.forget(&key);
                }
                return Ok(None);
            }
            Err(failure) => {
                let Some(known) = before.and_then(outcome_of) else {
                    return Err(failure);
                };
                self.warn_of_copy(&failure);
                return known;
            }
        };
        let unchanged = before.filter(|before| before.is_of(&bytes));
        let outcome = unchanged
            .and_then(outcome_of)
            .unwrap_or_else(|| parse(&bytes).map(|parsed| Some(Rc::new(parsed))));
        let size = bytes.len() * parsed::FACTOR;
        match &outcome {
            Ok(Some(parsed)) => {
                let remembered = Remembered::Document(bytes, Rc::<T>::clone(parsed));
                self.remember(&key, remembered, size);
            }
            Err(Error::BadRequest(reason)) => {
                let remembered = Remembered::Broken(bytes, reason.as_str().into());
                self.remember(&key, remembered, size);
            }
            _ => {}
        }
        outcome
    }

    /// What `render` makes of a shared document for everyone who asks in the same `way`, made once
    /// while both are remembered.
    pub fn rendered<T: 'static>(
        &self,
        way: &str,
        document: &Rc<T>,
        render: impl FnOnce(&T) -> Vec<u8>,
    ) -> Held {
        let source: Rc<dyn Any> = Rc::<T>::clone(document);
        let source = Rc::downgrade(&source);
        // However old it is: it is of the document that is at hand.
        let known = self.recall(way).map(|recalled| recalled.what);
        if let Some(Remembered::Rendered(of, held)) = known
            && Weak::ptr_eq(&of, &source)
        {
            return held;
        }
        let held = Held::copy(&render(document));
        let remembered = Remembered::Rendered(source, held.clone());
        self.remember(way, remembered, held.len());
        held
    }

    /// The text of a shared document as it is stored now.
    ///
    /// # Errors
    /// [`Error::Storage`], or [`Error::BadRequest`] if it is not UTF-8.
    pub async fn text(&self, document: Document<'_>) -> Result<Option<String>, Error> {
        let bytes = self.value(document.to_string()).await?;
        bytes.map(|bytes| text_of(document, &bytes)).transpose()
    }

    /// The bytes of one record of a node, if it is stored. Reading begins at once, not when it is waited
    /// for.
    pub fn record(
        &self,
        node: &NodeId,
        record: Record,
    ) -> impl Future<Output = Result<Option<Held>, Error>> + use<> {
        self.value(record.key(node))
    }

    /// Stores records of a node, byte for byte, all at once: nothing can be said of the order. Each
    /// write is waited for, also if another one fails: none is cut off when the request is answered.
    ///
    /// # Errors
    /// The first that fails; the others may be stored.
    pub async fn put_records(
        &self,
        node: &NodeId,
        records: &[(Record, Value<'_>)],
    ) -> Result<(), Error> {
        let put = |(record, value): &(Record, _)| self.put_value(record.key(node), *value);
        let begun: Vec<_> = records.iter().map(put).collect();
        runtime::all(begun).await.into_iter().collect()
    }

    /// Begins to read a value.
    fn value(&self, key: String) -> impl Future<Output = Result<Option<Held>, Error>> + use<> {
        self.count(|n| n.kv_reads += 1);
        let read = self.bindings.data.get(&key);
        async move {
            let failed = |cause| Error::storage(format!("reading {key}"), cause);
            read.map_err(failed)?.await.map_err(failed)
        }
    }

    fn remembered(&self, key: &str) -> Option<Remembered> {
        let recalled = self.recall(key)?;
        recalled.fresh.then_some(recalled.what)
    }

    fn recall(&self, key: &str) -> Option<Recalled<Remembered>> {
        MEMORY.with_borrow(|memory| memory.recall(key, now()))
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

impl Remembered {
    /// Whether it was made of a document of these bytes.
    fn is_of(&self, bytes: &Held) -> bool {
        match self {
            Self::Document(known, _) | Self::Broken(known, _) => known.is_same(bytes),
            _ => false,
        }
    }
}

/// What reading a document came to, if that is what is remembered.
fn outcome_of<T: 'static>(known: Remembered) -> Option<Result<Option<Rc<T>>, Error>> {
    match known {
        Remembered::Nothing => Some(Ok(None)),
        Remembered::Document(_, parsed) => Some(Ok(Some(parsed.downcast().ok()?))),
        Remembered::Broken(_, reason) => Some(Err(Error::BadRequest(reason.to_string()))),
        _ => None,
    }
}

/// A document as text.
///
/// # Errors
/// [`Error::BadRequest`] if it is not UTF-8.
pub fn text_of(document: Document<'_>, bytes: &Held) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec()).map_err(|_| {
        Error::BadRequest(format!(
            "{document} is not UTF-8 text; store it again as UTF-8"
        ))
    })
}

/// What `parse` makes of a text. Parsing is spared while the result is kept, also if that is an error.
///
/// # Errors
/// What `parse` says, as text.
pub fn parse_once<T: 'static, E: fmt::Display>(
    text: String,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Rc<T>, Rc<str>> {
    if let Some(known) = PARSED.with_borrow(|parsed| parsed.get(&text)) {
        return known;
    }
    let form = match parse(&text) {
        Ok(form) => Ok(Rc::new(form)),
        Err(error) => Err(error.to_string().into()),
    };
    PARSED.with_borrow_mut(|parsed| parsed.put(text, form.clone()));
    form
}
