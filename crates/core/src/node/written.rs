//! A record that a node's object has written, and the rules that decide between this copy and KV.
//!
//! KV is where operators read and edit, but a read of it may be stale: it may show the value before the write,
//! or no value. A value that the write did not replace is the edit of an operator. A deletion is a write, too: a
//! value that it replaced is stale, and the record counts as missing.

use serde::{Deserialize, Serialize};

use crate::kv::{STALE_WINDOW_MS, Seen};

/// Maximum number of replaced values that a copy remembers: the oldest are forgotten. A place may cache a value for a
/// minute, and KV accepts one write per second.
pub const MAX_SUPERSEDED: usize = 64;
/// The minimum time between two writes of one key, in milliseconds: KV accepts one write per second.
pub const WRITE_INTERVAL_MS: u64 = 1_100;
/// The maximum pause before a retry, in milliseconds.
pub const MAX_RETRY_PAUSE_MS: u64 = 60_000;

/// A written value, without its contents, or a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Of the value; `None`: the record is deleted.
    sha1: Option<String>,
    /// The SHA-1 of values that this write and earlier ones replaced, the oldest first.
    superseded: Vec<String>,
    /// Whether the value that KV had at the time of the write is in `superseded`, if it had one.
    complete: bool,
    /// When KV accepted the value, in milliseconds since 1970; `None` until then.
    stored_at: Option<u64>,
    /// Whether KV was sent this value or deletion: it may have it although no response arrived.
    sent: bool,
    /// The last attempt to copy a value of this record, or the response of KV to it, in milliseconds since 1970; 0:
    /// none yet.
    attempted_at: u64,
    /// The number of failed attempts to copy this value.
    failures: u32,
}

/// The next step of copying a value to KV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// KV has accepted the value.
    None,
    /// At this time, in milliseconds since 1970.
    At(u64),
    /// Read KV, and call [`Written::compare`].
    Read,
    /// Send the value.
    Send,
}

/// The comparison of a pending value with KV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// KV shows a value that this one replaces.
    Replaces,
    /// KV has the value: an earlier attempt succeeded although its response was lost.
    Stored,
    /// An operator has edited the record since: KV counts, and the copy is dropped.
    Edited,
}

impl Written {
    /// A value (`None`: a deletion) that replaces the one that KV showed (`seen`), and an earlier written one.
    pub fn new(
        sha1: impl Into<Option<String>>,
        seen: Seen,
        earlier: Option<&Self>,
        now: u64,
    ) -> Self {
        let mut written = Self {
            sha1: sha1.into(),
            superseded: Vec::new(),
            complete: seen != Seen::Unknown,
            stored_at: None,
            sent: false,
            attempted_at: 0,
            failures: 0,
        };
        if let Some(earlier) = earlier.filter(|earlier| earlier.is_fresh(now)) {
            written.superseded.clone_from(&earlier.superseded);
            if let Some(sha1) = &earlier.sha1 {
                written.supersede(sha1);
            }
            written.complete &= earlier.complete;
            written.attempted_at = earlier.attempted_at;
        }
        if let Seen::Value(sha1) = seen {
            written.supersede(&sha1);
        }
        written
    }

    fn supersede(&mut self, sha1: &str) {
        self.superseded.retain(|known| known != sha1);
        self.superseded.push(sha1.to_owned());
        if self.superseded.len() > MAX_SUPERSEDED {
            self.superseded.remove(0);
        }
    }

    /// The SHA-1 of the value; `None`: the record is deleted.
    pub fn sha1(&self) -> Option<&str> {
        self.sha1.as_deref()
    }

    /// Whether KV has not accepted the value yet.
    pub fn is_pending(&self) -> bool {
        self.stored_at.is_none()
    }

    /// Whether reads of KV may be stale: KV has not accepted the value, or within [`STALE_WINDOW_MS`].
    pub fn is_fresh(&self, now: u64) -> bool {
        self.expires_at().is_none_or(|expires| now < expires)
    }

    /// When the copy can be dropped, in milliseconds since 1970; `None` while KV has not accepted the value.
    pub fn expires_at(&self) -> Option<u64> {
        self.stored_at.map(|stored| stored + STALE_WINDOW_MS)
    }

    /// Whether this copy counts, and not the value in KV (`None`: KV shows none): it is fresh, and KV shows no
    /// value or one that this write replaced.
    pub fn counts_over(&self, kv: Option<&str>, now: u64) -> bool {
        self.is_fresh(now) && kv.is_none_or(|sha1| !self.has(sha1) && self.replaces(sha1))
    }

    fn has(&self, sha1: &str) -> bool {
        self.sha1.as_deref() == Some(sha1)
    }

    fn replaces(&self, sha1: &str) -> bool {
        !self.complete || self.is_superseded(sha1)
    }

    fn is_superseded(&self, sha1: &str) -> bool {
        self.superseded.iter().any(|known| known == sha1)
    }

    /// The next step of copying the value to KV.
    ///
    /// KV is read before the first attempt if the value that it has is unknown; and before a retry, since
    /// an operator may have edited the record meanwhile.
    pub fn next_step(&self, now: u64) -> Step {
        if self.stored_at.is_some() {
            return Step::None;
        }
        let at = self.attempted_at + self.pause();
        if self.attempted_at > 0 && now < at {
            return Step::At(at);
        }
        if self.sent || !self.complete {
            return Step::Read;
        }
        Step::Send
    }

    /// The time from the last attempt of this record to the next, in milliseconds.
    fn pause(&self) -> u64 {
        let doubled =
            WRITE_INTERVAL_MS.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        doubled.min(MAX_RETRY_PAUSE_MS)
    }

    /// Compares the value with KV, which shows `kv`. If it replaces that value, it can be sent.
    pub fn compare(&mut self, kv: Option<&str>) -> Comparison {
        match kv {
            // It proves nothing before the first attempt, or if KV may have had the same value before the one that
            // was replaced last: the read may be stale.
            Some(sha1) if self.has(sha1) && self.sent && !self.is_superseded(sha1) => {
                return Comparison::Stored;
            }
            Some(sha1) if self.has(sha1) => {}
            Some(sha1) if !self.complete => self.supersede(sha1),
            Some(sha1) if !self.replaces(sha1) => return Comparison::Edited,
            // Also for a deletion: KV may have cached that there was no value before there was one.
            _ => {}
        }
        self.complete = true;
        self.sent = false;
        Comparison::Replaces
    }

    /// Records that KV is sent the value.
    pub fn sending(&mut self, now: u64) {
        self.sent = true;
        self.attempted_at = now;
    }

    /// Records that the object has started again: KV may have been sent a pending value.
    pub fn restarted(&mut self) {
        self.sent = self.is_pending();
    }

    /// Records that KV responded to a write of this record, also to one of an earlier value: it may have accepted the
    /// write just now.
    pub fn responded(&mut self, now: u64) {
        self.attempted_at = now;
    }

    /// Records that KV accepted the value.
    pub fn stored(&mut self, now: u64) {
        self.stored_at = Some(now);
        self.failures = 0;
    }

    /// Records that KV failed.
    pub fn failed(&mut self, now: u64) {
        self.attempted_at = now;
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn seen(value: &str) -> Seen {
        Seen::Value(value.to_owned())
    }

    fn written(value: &str, seen: Seen) -> Written {
        Written::new(value.to_owned(), seen, None, NOW)
    }

    fn stored(value: &str, seen: Seen) -> Written {
        let mut written = written(value, seen);
        written.sending(NOW);
        written.stored(NOW);
        written
    }

    #[test]
    fn the_copy_counts_while_kv_may_be_stale_and_shows_nothing_new() {
        let end = NOW + STALE_WINDOW_MS;
        let fresh = stored("own", seen("before"));
        let pending = written("own", seen("before"));
        // A copy, the time, what KV shows, and whether the copy counts.
        for (copy, now, kv, counts) in [
            (&fresh, NOW, None, true),
            (&fresh, NOW, Some("before"), true),
            // The values are equal: both count.
            (&fresh, NOW, Some("own"), false),
            (&fresh, NOW, Some("edited by an operator"), false),
            (&fresh, end - 1, None, true),
            (&fresh, end - 1, Some("before"), true),
            (&fresh, end, None, false),
            (&fresh, end, Some("before"), false),
            (&fresh, end, Some("own"), false),
            (&fresh, end, Some("edited by an operator"), false),
            // However old: KV has not accepted it.
            (&pending, end * 2, None, true),
            (&pending, end * 2, Some("before"), true),
            (&pending, end * 2, Some("edited by an operator"), false),
        ] {
            let name = format!("{copy:?} at {now}, KV shows {kv:?}");
            assert_eq!(copy.counts_over(kv, now), counts, "{name}");
        }
    }

    #[test]
    fn an_edit_before_the_write_is_replaced_and_one_after_it_counts() {
        // The operator's edit came before the write, and KV showed it then.
        let after_edit = stored("own", seen("edit"));
        assert!(after_edit.counts_over(Some("edit"), NOW));
        // It came later.
        let before_edit = stored("own", seen("before"));
        assert!(!before_edit.counts_over(Some("edit"), NOW));
        // Nothing was stored before: a value in KV is an edit.
        let first = stored("own", Seen::Missing);
        assert!(!first.counts_over(Some("edit"), NOW));
        assert!(first.counts_over(None, NOW));
    }

    #[test]
    fn until_kv_was_read_every_other_value_is_replaced() {
        let mut unread = written("own", Seen::Unknown);
        assert!(unread.counts_over(Some("anything"), NOW));
        assert_eq!(unread.next_step(NOW), Step::Read);
        assert_eq!(unread.compare(Some("before")), Comparison::Replaces);
        assert_eq!(unread.next_step(NOW), Step::Send);
        assert!(unread.counts_over(Some("before"), NOW));
        assert!(!unread.counts_over(Some("anything"), NOW));
    }

    #[test]
    fn all_values_of_a_sequence_of_writes_are_replaced_by_the_last() {
        let first = stored("1", seen("0"));
        let mut second = Written::new("2".to_owned(), Seen::Unknown, Some(&first), NOW);
        second.compare(Some("1"));
        let third = Written::new("1".to_owned(), seen("2"), Some(&second), NOW);
        for kv in [None, Some("0"), Some("2")] {
            assert!(third.counts_over(kv, NOW), "{kv:?}");
        }
        assert!(!third.counts_over(Some("edit"), NOW));
        // After the window the earlier write is history: such a value is an edit.
        let late = NOW + STALE_WINDOW_MS;
        let later = Written::new("3".to_owned(), seen("1"), Some(&third), late);
        assert!(later.counts_over(Some("2"), late), "third is still pending");
        let later = Written::new("3".to_owned(), seen("1"), Some(&first), late);
        assert!(!later.counts_over(Some("0"), late));
    }

    #[test]
    fn a_value_that_was_replaced_a_minute_and_sixty_writes_ago_is_not_an_edit() {
        let mut last = stored("0", Seen::Missing);
        for second in 1..=60 {
            let now = NOW + second * 1_000;
            let seen = seen(&(second - 1).to_string());
            last = Written::new(second.to_string(), seen, Some(&last), now);
            last.sending(now);
            last.stored(now);
        }
        assert!(last.counts_over(Some("0"), NOW + 60_000));
    }

    #[test]
    fn the_oldest_replaced_values_are_forgotten() {
        let mut last = written("0", Seen::Missing);
        for value in 1..=MAX_SUPERSEDED + 1 {
            last = Written::new(value.to_string(), Seen::Missing, Some(&last), NOW);
        }
        assert!(!last.counts_over(Some("0"), NOW));
        assert!(last.counts_over(Some("1"), NOW));
        assert_eq!(last.superseded.len(), MAX_SUPERSEDED);
    }

    #[test]
    fn a_record_is_written_once_a_second_and_retried_ever_more_slowly() {
        let first = stored("1", Seen::Missing);
        assert_eq!(first.next_step(NOW), Step::None);
        let mut second = Written::new("2".to_owned(), seen("1"), Some(&first), NOW + 100);
        assert_eq!(
            second.next_step(NOW + 100),
            Step::At(NOW + WRITE_INTERVAL_MS)
        );
        let mut now = NOW + WRITE_INTERVAL_MS;
        assert_eq!(second.next_step(now), Step::Send);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            second.sending(now);
            second.failed(now);
            let Step::At(at) = second.next_step(now) else {
                panic!("{:?}", second.next_step(now));
            };
            assert_eq!(second.next_step(at), Step::Read);
            assert_eq!(second.compare(Some("1")), Comparison::Replaces);
            assert_eq!(second.next_step(at), Step::Send);
            pauses.push(at - now);
            now = at;
        }
        assert_eq!(pauses[..3], [1_100, 2_200, 4_400]);
        assert_eq!(pauses[6..], [MAX_RETRY_PAUSE_MS; 2]);
    }

    #[test]
    fn the_second_between_two_writes_begins_with_the_response_of_kv() {
        let mut first = written("1", Seen::Missing);
        first.sending(NOW);
        // The second value is committed while KV accepts the first one.
        let mut second = Written::new("2".to_owned(), Seen::Missing, Some(&first), NOW);
        second.responded(NOW + 700);
        let at = NOW + 700 + WRITE_INTERVAL_MS;
        assert_eq!(second.next_step(NOW + WRITE_INTERVAL_MS), Step::At(at));
        assert_eq!(second.next_step(at), Step::Send);
    }

    #[test]
    fn a_retry_gives_way_to_an_edit_and_notices_a_lost_response() {
        let mut copy = written("own", seen("before"));
        copy.sending(NOW);
        copy.failed(NOW);
        for (kv, expected) in [
            (None, Comparison::Replaces),
            (Some("before"), Comparison::Replaces),
            (Some("own"), Comparison::Stored),
            (Some("edited by an operator"), Comparison::Edited),
        ] {
            assert_eq!(copy.clone().compare(kv), expected, "{kv:?}");
        }
    }

    #[test]
    fn a_retry_of_a_value_that_kv_had_earlier_is_sent_whatever_a_read_shows() {
        let first = stored("a", Seen::Missing);
        let second = Written::new("b".to_owned(), seen("a"), Some(&first), NOW);
        let mut third = Written::new("a".to_owned(), seen("b"), Some(&second), NOW);
        third.sending(NOW);
        third.failed(NOW);
        assert_eq!(third.compare(Some("a")), Comparison::Replaces);
        assert_eq!(third.next_step(NOW + WRITE_INTERVAL_MS), Step::Send);
    }

    #[test]
    fn after_a_restart_a_pending_value_is_compared_before_it_is_sent() {
        let mut pending = written("own", seen("before"));
        pending.restarted();
        assert_eq!(pending.next_step(NOW), Step::Read);
        assert_eq!(pending.clone().compare(Some("own")), Comparison::Stored);
        assert_eq!(pending.clone().compare(Some("edit")), Comparison::Edited);
        assert_eq!(pending.compare(Some("before")), Comparison::Replaces);
        assert_eq!(pending.next_step(NOW), Step::Send);
        let mut accepted = stored("own", seen("before"));
        accepted.restarted();
        assert_eq!(accepted.next_step(NOW), Step::None);
    }

    fn deleted(seen: Seen, earlier: Option<&Written>) -> Written {
        Written::new(None, seen, earlier, NOW)
    }

    fn accepted(mut written: Written) -> Written {
        written.sending(NOW);
        written.stored(NOW);
        written
    }

    #[test]
    fn a_deleted_record_is_missing_while_kv_may_be_stale_unless_an_operator_has_put_another_value()
    {
        let end = NOW + STALE_WINDOW_MS;
        let own = stored("own", seen("before"));
        let unread = deleted(Seen::Unknown, Some(&own));
        let pending = deleted(seen("own"), Some(&own));
        let accepted = accepted(pending.clone());
        // A copy, the time, what KV shows, and whether the deletion counts.
        for (copy, now, kv, counts) in [
            (&accepted, NOW, None, true),
            (&accepted, NOW, Some("own"), true),
            (&accepted, NOW, Some("before"), true),
            (&accepted, NOW, Some("edited by an operator"), false),
            (&accepted, end - 1, Some("own"), true),
            (&accepted, end, Some("own"), false),
            (&accepted, end, None, false),
            // However old: KV has not accepted it.
            (&pending, end * 2, Some("own"), true),
            (&pending, end * 2, Some("edited by an operator"), false),
            // KV was not read: no value is an edit.
            (&unread, NOW, Some("anything"), true),
        ] {
            let name = format!("{copy:?} at {now}, KV shows {kv:?}");
            assert_eq!(copy.counts_over(kv, now), counts, "{name}");
        }
    }

    #[test]
    fn a_deletion_is_sent_and_a_retry_gives_way_to_an_edit() {
        let mut deletion = deleted(seen("own"), None);
        assert_eq!(deletion.next_step(NOW), Step::Send);
        deletion.sending(NOW);
        deletion.failed(NOW);
        assert_eq!(deletion.next_step(NOW + WRITE_INTERVAL_MS), Step::Read);
        for (kv, expected) in [
            // It proves nothing: KV may have cached it before there was a value.
            (None, Comparison::Replaces),
            (Some("own"), Comparison::Replaces),
            (Some("edited by an operator"), Comparison::Edited),
        ] {
            assert_eq!(deletion.clone().compare(kv), expected, "{kv:?}");
        }
        let mut unread = deleted(Seen::Unknown, None);
        assert_eq!(unread.next_step(NOW), Step::Read);
        assert_eq!(unread.compare(Some("anything")), Comparison::Replaces);
        assert!(unread.counts_over(Some("anything"), NOW));
        assert!(!unread.counts_over(Some("edit"), NOW));
    }

    #[test]
    fn a_value_after_a_deletion_replaces_those_before_it_and_no_edit() {
        let first = stored("1", seen("0"));
        let deletion = accepted(deleted(seen("1"), Some(&first)));
        for value in ["2", "1"] {
            let next = Written::new(value.to_owned(), Seen::Missing, Some(&deletion), NOW);
            for (kv, counts) in [
                (None, true),
                (Some("0"), true),
                (Some("1"), value != "1"),
                (Some("edit"), false),
            ] {
                assert_eq!(
                    next.counts_over(kv, NOW),
                    counts,
                    "{value}, KV shows {kv:?}"
                );
            }
            assert_eq!(next.next_step(NOW), Step::At(NOW + WRITE_INTERVAL_MS));
        }
        // A read that was stale when the value was decided.
        let next = Written::new("2".to_owned(), seen("1"), Some(&deletion), NOW);
        assert!(next.counts_over(Some("1"), NOW));
    }

    #[test]
    fn a_first_write_of_the_value_that_kv_shows_is_sent() {
        let mut same = written("own", Seen::Unknown);
        // Also after a read that failed.
        same.failed(NOW);
        assert_eq!(same.compare(Some("own")), Comparison::Replaces);
        assert_eq!(same.next_step(NOW + WRITE_INTERVAL_MS), Step::Send);
    }
}
