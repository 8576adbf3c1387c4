//! The content that an instance caches between requests. A site that powers on requests the same script,
//! actions and neighbordb hundreds of times in a minute. Records of one node are never cached: each
//! request reads them.
//!
//! | cached | key | bound |
//! |---|---|---|
//! | parsed documents; their errors; their absence if a default is served | storage key | [`MAX_DOCUMENT_BYTES`] for each kind |
//! | parsed definitions and patterns of nodes | their text | [`MAX_PARSED_BYTES`] for each kind |
//! | small objects, digests | storage key | [`MAX_OBJECT_BYTES`] for each |
//!
//! An entry is fresh for [`MAX_AGE_MS`]. A stale entry is served only if the store fails; it also avoids
//! parsing unchanged bytes again. Concurrent requests that miss wait for the first of them ([`Flights`]).

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{self, Either};
use worker::js_sys::{Function, Promise};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen_futures::JsFuture;

/// How long an entry is fresh, in milliseconds: the longest delay that the cache adds to an edit.
pub const MAX_AGE_MS: u64 = 10_000;
/// The bound of each kind of parsed document, in bytes estimated with [`PARSED_SIZE_FACTOR`]: the largest
/// document fits.
pub const MAX_DOCUMENT_BYTES: usize = 6 << 20;
/// The bound of each kind of parsed record, in bytes.
pub const MAX_PARSED_BYTES: usize = 2 << 20;
/// The bound of small objects, and of digests, in bytes.
pub const MAX_OBJECT_BYTES: usize = 6 << 20;
/// The estimated size of a document with its parsed form, as a multiple of the document's size.
pub const PARSED_SIZE_FACTOR: usize = 4;
/// The size of an entry without its key and value, in bytes.
const OVERHEAD_BYTES: usize = 128;
/// How long a request waits for another that reads the same key, in milliseconds, before it reads the key
/// itself: the runtime may cancel a request without running its destructors.
pub const MAX_READ_MS: u64 = 10_000;
/// How long a request waits for another that hashes the same object, in milliseconds.
pub const MAX_HASH_MS: u64 = 60_000;

/// Values by key, with a bound in bytes. A full cache drops its oldest entries.
#[derive(Debug)]
pub struct Cache<V> {
    entries: HashMap<String, CacheEntry<V>>,
    bytes: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct CacheEntry<V> {
    value: V,
    bytes: usize,
    /// When it was inserted, in milliseconds.
    since: u64,
}

/// A cached value.
#[derive(Debug, PartialEq, Eq)]
pub struct Cached<V> {
    pub value: V,
    /// Its age in milliseconds.
    pub age: u64,
}

impl<V> Cached<V> {
    pub fn is_fresh(&self) -> bool {
        self.age < MAX_AGE_MS
    }
}

impl<V: Clone> Cache<V> {
    pub fn new(max_bytes: usize) -> Self {
        Self {
            entries: HashMap::new(),
            bytes: 0,
            max_bytes,
        }
    }

    /// The value under a key, at the time `now` in milliseconds.
    pub fn get(&self, key: &str, now: u64) -> Option<Cached<V>> {
        let entry = self.entries.get(key)?;
        Some(Cached {
            value: entry.value.clone(),
            age: now.saturating_sub(entry.since),
        })
    }

    /// Inserts a value of `bytes` bytes. A value that alone exceeds the bound is not cached.
    pub fn insert(&mut self, key: &str, value: V, bytes: usize, now: u64) {
        self.remove(key);
        let bytes = bytes + key.len() + OVERHEAD_BYTES;
        if bytes > self.max_bytes {
            return;
        }
        if self.bytes + bytes > self.max_bytes {
            self.make_room(bytes);
        }
        self.bytes += bytes;
        let entry = CacheEntry {
            value,
            bytes,
            since: now,
        };
        self.entries.insert(key.to_owned(), entry);
    }

    /// Removes the value under a key.
    pub fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }

    /// Removes the oldest entries until `wanted` bytes and half of the bound are free: a full cache must not
    /// be sorted at every insertion.
    fn make_room(&mut self, wanted: usize) {
        let mut ages: Vec<(u64, String)> = self
            .entries
            .iter()
            .map(|(key, entry)| (entry.since, key.clone()))
            .collect();
        ages.sort_unstable();
        let keep = (self.max_bytes / 2).min(self.max_bytes - wanted);
        for (_, key) in ages {
            if self.bytes <= keep {
                break;
            }
            self.remove(&key);
        }
    }
}

/// Loads in progress, by key (single flight).
#[derive(Clone, Default)]
pub struct Flights {
    waiting: Rc<RefCell<HashMap<String, Vec<Function>>>>,
}

/// The right to load a key: other requests for the key wait until it is dropped.
pub struct Flight {
    waiting: Rc<RefCell<HashMap<String, Vec<Function>>>>,
    key: String,
}

impl Flights {
    /// Returns the right to load a key; or `None`, after another request has loaded it or failed, or after
    /// `max_ms` milliseconds.
    pub async fn join(self, key: &str, max_ms: u64) -> Option<Flight> {
        // The promise belongs to the request that waits: the runtime resumes it there, whichever
        // request resolves it.
        let landed = {
            let mut waiting = self.waiting.borrow_mut();
            match waiting.get_mut(key) {
                None => {
                    waiting.insert(key.to_owned(), Vec::new());
                    return Some(Flight {
                        waiting: Rc::clone(&self.waiting),
                        key: key.to_owned(),
                    });
                }
                Some(functions) => Promise::new(&mut |resolve, _| functions.push(resolve)),
            }
        };
        let timeout = worker::Delay::from(Duration::from_millis(max_ms));
        match future::select(JsFuture::from(landed), timeout).await {
            Either::Left(_) => None,
            Either::Right(_) => {
                self.waiting.borrow_mut().remove(key);
                None
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let functions = self.waiting.borrow_mut().remove(&self.key);
        for resolve in functions.unwrap_or_default() {
            // A resolving function never throws.
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 6 << 20;

    fn fresh<V: Clone>(cache: &Cache<V>, key: &str, now: u64) -> Option<V> {
        let cached = cache.get(key, now)?;
        cached.is_fresh().then_some(cached.value)
    }

    #[test]
    fn an_entry_is_fresh_for_ten_seconds() {
        let mut cache = Cache::new(MAX);
        cache.insert("a", 1, 10, 1_000);
        assert_eq!(fresh(&cache, "a", 1_000), Some(1));
        assert_eq!(fresh(&cache, "a", 10_999), Some(1));
        assert_eq!(fresh(&cache, "a", 11_000), None);
        assert_eq!(fresh(&cache, "b", 1_000), None);
        let stale = cache.get("a", 11_000).map(|cached| cached.value);
        assert_eq!(stale, Some(1), "a stale entry is still returned");
    }

    #[test]
    fn inserting_a_key_again_replaces_its_value_and_age() {
        let mut cache = Cache::new(MAX);
        cache.insert("a", 1, 10, 0);
        cache.insert("a", 2, 10, 9_000);
        assert_eq!(fresh(&cache, "a", 18_000), Some(2));
        assert_eq!(cache.entries.len(), 1);
    }

    #[test]
    fn a_full_cache_drops_its_oldest_entries() {
        let mut cache = Cache::new(MAX);
        for at in 0..100_u64 {
            cache.insert(&format!("k{at}"), at, 500_000, at);
            assert!(cache.bytes <= MAX);
            assert_eq!(fresh(&cache, &format!("k{at}"), at), Some(at));
        }
        assert_eq!(fresh(&cache, "k0", 99), None);
        let sum: usize = cache.entries.values().map(|entry| entry.bytes).sum();
        assert_eq!(cache.bytes, sum);
    }

    #[test]
    fn many_small_entries_are_bounded_by_their_overhead() {
        let mut cache = Cache::new(MAX);
        for at in 0..200_000_u64 {
            cache.insert(&format!("k{at}"), (), 0, 0);
        }
        assert!(cache.bytes <= MAX && cache.entries.len() <= MAX / OVERHEAD_BYTES);
    }

    #[test]
    fn the_largest_document_fits_and_a_value_over_the_bound_drops_nothing() {
        let mut cache = Cache::new(MAX_DOCUMENT_BYTES);
        let largest = ztp_core::yaml::MAX_TEXT * PARSED_SIZE_FACTOR;
        cache.insert("neighbordb", 1, largest, 0);
        cache.insert("huge", 2, MAX_DOCUMENT_BYTES, 0);
        assert_eq!(fresh(&cache, "neighbordb", 0), Some(1));
        assert_eq!(fresh(&cache, "huge", 0), None);
    }
}
