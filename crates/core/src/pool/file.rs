//! The states of a pool's file that its object has seen in KV, and the rule that recognizes a stale read.
//!
//! A stale read must not bring a removed value back. It shows an earlier state of the file: earlier contents, or
//! that no file is stored. So the newest state counts until the earlier one cannot be stale any more; after
//! that, an operator has put it back.

use std::fmt;
use std::str::FromStr;

use crate::kv::STALE_WINDOW_MS;

/// Maximum number of states that are remembered: the oldest are forgotten.
pub const MAX_STATES: usize = 100;

/// The states of a pool's file: the newest, and those that it replaced lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenFile {
    /// In the order in which they were seen: each replaced the one before it.
    states: Vec<FileState>,
}

/// A state of a pool's file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileState {
    /// The SHA-1 of the contents; `None`: no file is stored.
    sha1: Option<String>,
    /// When it was first seen, in milliseconds since 1970.
    since: u64,
}

/// The text of a [`SeenFile`] is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSeenFile;

/// A read of KV, compared with the states that were seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// It shows the newest state.
    Unchanged,
    /// It shows a newer state, which is the newest from now on.
    Newer,
    /// It shows a state that was replaced. The newest state counts. From `until` (in milliseconds since
    /// 1970), the shown one would count.
    Stale { until: u64 },
}

impl SeenFile {
    /// The SHA-1 of the newest contents; `None` if no file is stored, or nothing was seen.
    pub fn newest(&self) -> Option<&str> {
        self.states.last()?.sha1.as_deref()
    }

    /// Records a read of KV: the SHA-1 of the contents, or `None` if no file is stored.
    pub fn see(&mut self, sha1: Option<String>, now: u64) -> Reading {
        if let Some(newest) = self.states.last()
            && newest.sha1 == sha1
        {
            return Reading::Unchanged;
        }
        self.forget(now);
        let replaced = self.states.iter().zip(self.states.iter().skip(1));
        for (state, next) in replaced {
            if state.sha1 == sha1 {
                let until = next.since + STALE_WINDOW_MS;
                return Reading::Stale { until };
            }
        }
        self.states.push(FileState { sha1, since: now });
        Reading::Newer
    }

    /// Records a state that an operator has stored through the API: it counts at once, also if it was replaced lately.
    /// Whether it is another one than before.
    pub fn put(&mut self, sha1: Option<String>, now: u64) -> bool {
        if self.states.last().is_some_and(|newest| newest.sha1 == sha1) {
            return false;
        }
        self.forget(now);
        self.states.push(FileState { sha1, since: now });
        true
    }

    /// Forgets the states that cannot be stale any more, and the oldest of too many.
    fn forget(&mut self, now: u64) {
        while let [_, next, ..] = self.states.as_slice()
            && (now >= next.since + STALE_WINDOW_MS || self.states.len() > MAX_STATES)
        {
            self.states.remove(0);
        }
    }
}

/// A line for each state: the time, and the SHA-1, if there is one.
impl fmt::Display for SeenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, state) in self.states.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            let sha1 = state.sha1.as_deref().unwrap_or_default();
            write!(f, "{line}{} {sha1}", state.since)?;
        }
        Ok(())
    }
}

impl FromStr for SeenFile {
    type Err = InvalidSeenFile;

    fn from_str(text: &str) -> Result<Self, InvalidSeenFile> {
        let mut states = Vec::new();
        for line in text.lines() {
            let (since, sha1) = line.split_once(' ').ok_or(InvalidSeenFile)?;
            states.push(FileState {
                since: since.parse().map_err(|_| InvalidSeenFile)?,
                sha1: (!sha1.is_empty()).then(|| sha1.to_owned()),
            });
        }
        Ok(Self { states })
    }
}

#[cfg(test)]
mod tests {
    use super::Reading::{Newer, Stale, Unchanged};
    use super::*;

    const START: u64 = 1_800_000_000_000;
    const WINDOW: u64 = STALE_WINDOW_MS;

    /// Reads of KV, each with its time after [`START`], and the expected result. `-` is no file.
    fn check(reads: &[(u64, &str, Reading)]) {
        let mut file = SeenFile::default();
        for (at, (time, shown, expected)) in reads.iter().enumerate() {
            let sha1 = (*shown != "-").then(|| (*shown).to_owned());
            let found = file.see(sha1, START + time);
            assert_eq!(found, *expected, "read {at} of {reads:?}");
        }
    }

    /// Stale, since the shown state was replaced at this time after [`START`].
    fn stale(replaced: u64) -> Reading {
        let until = START + replaced + WINDOW;
        Stale { until }
    }

    #[test]
    fn a_replaced_state_is_stale_within_the_window_and_an_edit_after_it() {
        for former in ["a", "-"] {
            for newer in ["a", "b", "-"] {
                if former == newer {
                    continue;
                }
                // Time passes between the reads of the former state: the window begins with its replacement.
                for replaced in [1, WINDOW, 3 * WINDOW] {
                    check(&[
                        (0, former, Newer),
                        (0, former, Unchanged),
                        (replaced, newer, Newer),
                        (replaced, former, stale(replaced)),
                        (replaced + 1, newer, Unchanged),
                        (replaced + WINDOW - 1, former, stale(replaced)),
                        (replaced + WINDOW, former, Newer),
                        (replaced + WINDOW, former, Unchanged),
                    ]);
                }
            }
        }
    }

    #[test]
    fn a_state_that_was_never_seen_counts_at_once() {
        check(&[(0, "a", Newer), (1, "b", Newer), (2, "c", Newer)]);
        // An operator has deleted the file.
        check(&[(0, "a", Newer), (1, "-", Newer)]);
        // It is new.
        check(&[(0, "-", Newer), (1, "a", Newer)]);
    }

    #[test]
    fn every_earlier_state_is_stale_each_for_its_own_time() {
        check(&[
            (0, "-", Newer),
            (10, "a", Newer),
            (20, "b", Newer),
            (30, "c", Newer),
            (40, "-", stale(10)),
            (40, "a", stale(20)),
            (40, "b", stale(30)),
            (10 + WINDOW, "a", stale(20)),
            (10 + WINDOW, "-", Newer),
            (10 + WINDOW, "c", stale(10 + WINDOW)),
        ]);
    }

    #[test]
    fn a_state_that_was_put_back_is_the_newest_and_those_between_are_stale() {
        check(&[
            (0, "a", Newer),
            (1, "b", Newer),
            (1 + WINDOW, "a", Newer),
            (2 + WINDOW, "b", stale(1 + WINDOW)),
            (3 + WINDOW, "a", Unchanged),
            (4 + WINDOW, "c", Newer),
            (5 + WINDOW, "a", stale(4 + WINDOW)),
            (5 + WINDOW, "b", stale(1 + WINDOW)),
        ]);
    }

    #[test]
    fn a_state_that_an_operator_has_put_back_counts_at_once_and_what_it_replaced_is_stale() {
        let mut file = SeenFile::default();
        for (time, former, stored) in [
            (0, "-", "a"),
            (10, "a", "b"),
            (20, "b", "a"),
            (30, "a", "-"),
        ] {
            let sha1 = |state: &str| (state != "-").then(|| state.to_owned());
            if time == 0 {
                assert_eq!(file.see(sha1(former), START), Newer);
            }
            let now = START + time + 1;
            assert!(file.put(sha1(stored), now), "{stored}");
            assert!(!file.put(sha1(stored), now), "{stored}");
            assert_eq!(file.see(sha1(stored), now), Unchanged, "{stored}");
            let reading = file.see(sha1(former), now);
            assert!(matches!(reading, Stale { .. }), "{former} after {stored}");
        }
        assert_eq!(file.see(Some("c".to_owned()), START + 40), Newer);
    }

    #[test]
    fn a_read_before_the_replacement_is_stale_also_if_the_clock_went_backwards() {
        check(&[(10, "a", Newer), (20, "b", Newer), (5, "a", stale(20))]);
    }

    #[test]
    fn the_oldest_states_are_forgotten() {
        let mut file = SeenFile::default();
        for state in 0..=MAX_STATES + 1 {
            assert_eq!(file.see(Some(state.to_string()), START), Newer);
        }
        assert_eq!(file.states.len(), MAX_STATES + 1);
        let see = |state: &str| file.clone().see(Some(state.to_owned()), START);
        assert_eq!(see("0"), Newer);
        assert_eq!(see("2"), stale(0));
    }

    #[test]
    fn its_text_has_every_state() {
        let mut file = SeenFile::default();
        assert_eq!(file.to_string().parse(), Ok(file.clone()));
        for (sha1, time) in [(Some("a"), 0), (None, 1), (Some("b"), 2)] {
            file.see(sha1.map(str::to_owned), START + time);
            assert_eq!(file.newest(), sha1);
            assert_eq!(file.to_string().parse(), Ok(file.clone()), "{file}");
        }
        for invalid in ["a", "a b", "1", "1 a\nb"] {
            assert_eq!(
                invalid.parse::<SeenFile>(),
                Err(InvalidSeenFile),
                "{invalid}"
            );
        }
    }
}
