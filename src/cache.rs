//! What an instance remembers between requests: shared content, for a moment.
//!
//! A site that powers on asks for the same script, actions and neighbordb hundreds of times in a
//! minute. Nothing here is a node's own: those records are read anew for every request.

use std::collections::HashMap;

/// How long something is remembered, in milliseconds: how late an edit can show.
pub const MAX_AGE_MILLISECONDS: u64 = 10_000;
/// How much is remembered at most, in bytes, keys included. With what [`parsed`](crate::parsed) keeps
/// it is 16 MiB.
pub const MAX_BYTES: usize = 10 << 20;
/// What an entry costs beside its key and its content, in bytes.
const OVERHEAD_BYTES: usize = 128;

/// Values by key, forgotten after [`MAX_AGE_MILLISECONDS`] or when [`MAX_BYTES`] are exceeded, the
/// oldest first.
#[derive(Debug)]
pub struct Cache<V> {
    entries: HashMap<String, Entry<V>>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    /// When it was put in, in milliseconds.
    since: u64,
}

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            bytes: 0,
        }
    }
}

/// What was remembered, and whether it still counts.
#[derive(Debug, PartialEq, Eq)]
pub struct Recalled<V> {
    pub what: V,
    /// `false`: it is too old to be answered, and good only to be compared with what there is now.
    pub fresh: bool,
}

impl<V: Clone> Cache<V> {
    /// What is remembered under a key, at the time `now` in milliseconds.
    pub fn recall(&self, key: &str, now: u64) -> Option<Recalled<V>> {
        let entry = self.entries.get(key)?;
        Some(Recalled {
            what: entry.value.clone(),
            fresh: is_fresh(entry.since, now),
        })
    }

    /// Remembers a value of that many bytes. One that would take more than half of all is not worth
    /// the others.
    pub fn put(&mut self, key: &str, value: V, bytes: usize, now: u64) {
        self.remove(key);
        let bytes = bytes + key.len() + OVERHEAD_BYTES;
        if bytes > MAX_BYTES / 2 {
            return;
        }
        if self.bytes + bytes > MAX_BYTES {
            self.make_room(bytes, now);
        }
        self.bytes += bytes;
        let entry = Entry {
            value,
            bytes,
            since: now,
        };
        self.entries.insert(key.to_owned(), entry);
    }

    fn make_room(&mut self, wanted: usize, now: u64) {
        self.entries.retain(|_, entry| is_fresh(entry.since, now));
        self.bytes = self.entries.values().map(|entry| entry.bytes).sum();
        if self.bytes + wanted <= MAX_BYTES {
            return;
        }
        let mut ages: Vec<(u64, String)> = self
            .entries
            .iter()
            .map(|(key, entry)| (entry.since, key.clone()))
            .collect();
        ages.sort_unstable();
        // Half at once: a full cache is then not sorted at every put.
        for (_, key) in ages {
            if self.bytes + wanted <= MAX_BYTES / 2 {
                break;
            }
            self.remove(&key);
        }
    }

    /// Forgets what is under a key.
    pub fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }
}

fn is_fresh(since: u64, now: u64) -> bool {
    now.saturating_sub(since) < MAX_AGE_MILLISECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<V: Clone> Cache<V> {
        fn get(&self, key: &str, now: u64) -> Option<V> {
            let recalled = self.recall(key, now)?;
            recalled.fresh.then_some(recalled.what)
        }
    }

    #[test]
    fn remembers_for_ten_seconds() {
        let mut cache = Cache::default();
        cache.put("a", 1, 10, 1_000);
        assert_eq!(cache.get("a", 1_000), Some(1));
        assert_eq!(cache.get("a", 10_999), Some(1));
        assert_eq!(cache.get("a", 11_000), None);
        assert_eq!(cache.get("b", 1_000), None);
        let recalled = cache.recall("a", 11_000).map(|recalled| recalled.what);
        assert_eq!(recalled, Some(1), "what is too old can be compared with");
    }

    #[test]
    fn a_newer_value_replaces_the_older_and_its_age() {
        let mut cache = Cache::default();
        cache.put("a", 1, 10, 0);
        cache.put("a", 2, 10, 9_000);
        assert_eq!(cache.get("a", 18_000), Some(2));
        assert_eq!(cache.entries.len(), 1);
    }

    #[test]
    fn never_holds_more_than_its_bytes_and_forgets_the_oldest_first() {
        let mut cache = Cache::default();
        for at in 0..100_u64 {
            cache.put(&format!("k{at}"), at, 500_000, at);
            assert!(cache.bytes <= MAX_BYTES);
            assert_eq!(cache.get(&format!("k{at}"), at), Some(at));
        }
        assert_eq!(cache.get("k0", 99), None);
        let sum: usize = cache.entries.values().map(|entry| entry.bytes).sum();
        assert_eq!(cache.bytes, sum);
    }

    #[test]
    fn many_small_entries_are_bounded_by_their_overhead() {
        let mut cache = Cache::default();
        for at in 0..200_000_u64 {
            cache.put(&format!("k{at}"), (), 0, 0);
        }
        assert!(cache.bytes <= MAX_BYTES && cache.entries.len() <= MAX_BYTES / OVERHEAD_BYTES);
    }

    #[test]
    fn the_largest_document_is_remembered_like_any_other() {
        let largest = crate::domain::yaml::MAX_TEXT * crate::parsed::FACTOR;
        let mut cache = Cache::default();
        cache.put("small", 1, 10, 0);
        cache.put("definitions/a-name-of-some-length", 2, largest, 0);
        cache.put("neighbordb", 3, largest, 0);
        let found = ["small", "definitions/a-name-of-some-length", "neighbordb"];
        assert_eq!(
            found.map(|key| cache.get(key, 0)),
            [Some(1), Some(2), Some(3)]
        );
    }

    #[test]
    fn a_huge_value_does_not_push_out_the_rest() {
        let mut cache = Cache::default();
        cache.put("small", 1, 10, 0);
        cache.put("huge", 2, MAX_BYTES / 2, 0);
        assert_eq!(
            (cache.get("small", 0), cache.get("huge", 0)),
            (Some(1), None)
        );
    }
}
