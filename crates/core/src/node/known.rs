//! The value of a record in KV that a node's object knows, and the rule that tells an edit in the dashboard from a stale
//! read.

use serde::{Deserialize, Serialize};

use crate::kv::{STALE_WINDOW_MS, Seen};

/// How long after the first read of a record its value may become known, in milliseconds.
const LEARNING_MS: u64 = 60_000;
/// Maximum number of replaced values that are remembered.
const MAX_EARLIER: usize = 8;
/// The digest of a value that was not hashed.
pub const UNHASHED: &str = "";

/// A value of a record, by its SHA-1. `None`: the record is missing.
pub type Value = Option<String>;

/// The value of a record that counts as known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    value: Value,
    /// When it replaced another one, in milliseconds since 1970.
    since: u64,
    /// The values before it: a stale read shows one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Value>,
    /// Whether the value was assumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    assumed: bool,
}

impl Known {
    /// The value of a record that is read for the first time: it is missing, unless the read soon shows another one.
    pub fn assumed(now: u64) -> Self {
        Self {
            value: None,
            since: now,
            earlier: Vec::new(),
            assumed: true,
        }
    }

    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The object wrote a value.
    pub fn write(known: Option<Self>, value: Value, seen: &Seen, now: u64) -> Self {
        let mut written = known.unwrap_or_else(|| Self::assumed(now));
        match seen {
            Seen::Unknown => {}
            Seen::Missing => written.replaces(None),
            Seen::Value(sha1) => written.replaces(Some(sha1.clone())),
        }
        written.replace(value, now);
        written
    }

    /// A read of KV showed a value. Whether somebody else has edited the record.
    pub fn show(&mut self, shown: Value, now: u64) -> bool {
        if self.is(&shown) {
            return false;
        }
        if self.assumed && now < self.since + LEARNING_MS {
            self.assumed = false;
            self.value = shown;
            return false;
        }
        if now < self.since + STALE_WINDOW_MS && self.earlier.contains(&shown) {
            return false;
        }
        self.replace(shown, now);
        true
    }

    /// Whether a value is the known one; one that was not hashed is any value.
    fn is(&mut self, shown: &Value) -> bool {
        match (&self.value, shown) {
            (Some(known), Some(_)) if known == UNHASHED => {
                self.value.clone_from(shown);
                true
            }
            (Some(_), Some(shown)) if shown == UNHASHED => true,
            (known, shown) => known == shown,
        }
    }

    fn replace(&mut self, value: Value, now: u64) {
        if now >= self.since + STALE_WINDOW_MS {
            self.earlier.clear();
        }
        let before = std::mem::replace(&mut self.value, value);
        self.replaces(before);
        let value = &self.value;
        self.earlier.retain(|earlier| earlier != value);
        self.since = now;
        self.assumed = false;
    }

    fn replaces(&mut self, value: Value) {
        self.earlier.retain(|earlier| *earlier != value);
        self.earlier.push(value);
        let extra = self.earlier.len().saturating_sub(MAX_EARLIER);
        self.earlier.drain(..extra);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const LATER: u64 = NOW + STALE_WINDOW_MS;

    fn value(text: &str) -> Value {
        (text != "-").then(|| text.to_owned())
    }

    /// Whether each of some reads is an edit: `VALUE@MILLISECONDS`, `-` is missing.
    fn edits(mut known: Known, reads: &str) -> Vec<bool> {
        let reads = reads
            .split_whitespace()
            .map(|read| read.split_once('@').unwrap());
        reads
            .map(|(shown, at)| known.show(value(shown), NOW + at.parse::<u64>().unwrap()))
            .collect()
    }

    #[test]
    fn the_first_value_of_a_record_is_no_edit() {
        let known = Known::assumed(NOW);
        assert_eq!(edits(known.clone(), "a@10 a@700000"), [false, false]);
        assert_eq!(edits(known.clone(), "-@10 -@700000"), [false, false]);
        assert_eq!(edits(known, "a@10 b@20"), [false, true]);
    }

    #[test]
    fn a_record_that_appears_or_disappears_is_an_edit() {
        assert_eq!(edits(Known::assumed(NOW), "-@10 a@60000"), [false, true]);
        assert_eq!(edits(Known::assumed(NOW), "a@10 -@20"), [false, true]);
    }

    #[test]
    fn one_edit_is_noticed_once_although_places_show_both_values_for_a_while() {
        assert_eq!(
            edits(Known::assumed(NOW), "a@0 b@10 a@20 b@30 a@40 b@700000"),
            [false, true, false, false, false, false]
        );
    }

    #[test]
    fn a_former_value_is_an_edit_once_no_read_can_be_stale() {
        assert_eq!(
            edits(Known::assumed(NOW), "a@0 b@10 a@600009 a@600010"),
            [false, true, false, true]
        );
    }

    #[test]
    fn what_the_object_wrote_and_what_that_replaced_is_no_edit() {
        let seen = Seen::Value("before".to_owned());
        let written = Known::write(None, value("own"), &seen, NOW);
        assert_eq!(
            edits(written.clone(), "before@0 own@1 -@2 before@3"),
            [false; 4]
        );
        assert_eq!(
            edits(written.clone(), "edit@0 own@1 edit@2"),
            [true, false, false]
        );
        let again = Known::write(Some(written), value("next"), &Seen::Unknown, NOW + 5);
        assert_eq!(edits(again, "before@6 own@7 next@8"), [false; 3]);
        let deleted = Known::write(None, None, &seen, NOW);
        assert_eq!(
            edits(deleted, "before@0 -@1 before@600000"),
            [false, false, true]
        );
    }

    #[test]
    fn a_value_that_was_not_hashed_is_equal_to_any() {
        assert_eq!(edits(Known::assumed(NOW), "a@0"), [false]);
        let written = Known::write(None, value("a"), &Seen::Missing, NOW);
        let mut unhashed = written.clone();
        assert!(!unhashed.show(Some(UNHASHED.to_owned()), LATER));
        assert!(unhashed.show(None, LATER));
        assert!(unhashed.show(Some(UNHASHED.to_owned()), LATER + STALE_WINDOW_MS));
        assert!(!unhashed.show(value("b"), LATER + STALE_WINDOW_MS));
        assert!(unhashed.show(value("c"), LATER + STALE_WINDOW_MS));
    }

    #[test]
    fn few_replaced_values_are_remembered() {
        let mut known = Known::assumed(NOW);
        for at in 0..100_u64 {
            known.show(Some(at.to_string()), NOW + at);
        }
        assert_eq!(known.earlier.len(), MAX_EARLIER);
    }
}
