//! The trace of a selection: each pattern that was checked, with its outcome, and the messages for them.

use std::fmt;

use super::{Entry, KEYS};
use crate::pattern::{MAX_HINT_STEPS, Mismatch};
use crate::printable::{Printable, cut};
use crate::pyregex::Budget;

/// The largest number of mismatches in a trace; it counts those beyond. No text of [`MAX_REFUSAL`] bytes has more.
pub const MAX_MISMATCHES: usize = 2_000;
/// The largest refusal, in bytes: the response with the reasons why no pattern matches.
pub const MAX_REFUSAL: usize = 64 * 1024;
/// The largest part of a refusal in a log line, in bytes.
pub const MAX_LOGGED_REFUSAL: usize = 4 * 1024;

/// The patterns that a node was checked against, each with its outcome. The last one matches, is indeterminate, or is the
/// last pattern of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace<'a> {
    /// In the order in which they were checked: at most [`MAX_MISMATCHES`] that do not match, and the last one if it ended
    /// the search.
    candidates: Vec<Candidate<'a>>,
    /// The number of patterns that do not match and are not among the candidates.
    omitted: usize,
    /// Unknown keys of neighbordb: the refusal names them if there is no pattern.
    unknown_keys: &'a [String],
}

/// A pattern that a node was checked against.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate<'a> {
    pub entry: &'a Entry,
    /// `Ok`: the node matches.
    pub outcome: Result<(), Mismatch<'a>>,
}

/// A candidate in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// The name of the pattern.
    pub pattern: &'a str,
    /// `matches`, `mismatch` or `indeterminate`.
    pub outcome: &'static str,
    /// Why the node does not match; empty for those that do not fit.
    pub reason: Option<String>,
}

impl Candidate<'_> {
    /// Whether no further pattern may be checked.
    fn ends_the_search(&self) -> bool {
        match &self.outcome {
            Ok(()) => true,
            Err(mismatch) => mismatch.is_indeterminate(),
        }
    }
}

/// One line: `line 7: pattern 'leaf' matches: definitions/leaf`.
impl fmt::Display for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = &self.entry.pattern;
        write!(f, "line {}: ", pattern.position.line)?;
        match &self.outcome {
            Ok(()) => write!(
                f,
                "pattern '{}' matches: definitions/{}",
                Printable(&pattern.name),
                self.entry.definition
            ),
            Err(mismatch) => mismatch.fmt(f),
        }
    }
}

impl<'a> Trace<'a> {
    pub(super) fn new(unknown_keys: &'a [String]) -> Self {
        Trace {
            candidates: Vec::new(),
            omitted: 0,
            unknown_keys,
        }
    }

    /// Adds the next candidate. Returns whether to check the next pattern.
    pub(super) fn add(&mut self, candidate: Candidate<'a>) -> bool {
        let ends = candidate.ends_the_search();
        if ends || self.candidates.len() < MAX_MISMATCHES {
            self.candidates.push(candidate);
        } else {
            self.omitted += 1;
        }
        !ends
    }

    /// The pattern that matches.
    pub fn chosen(&self) -> Option<&'a Entry> {
        let last = self.candidates.last()?;
        last.outcome.is_ok().then_some(last.entry)
    }

    /// The patterns that were checked, in order, without those [`omitted`](Self::omitted).
    pub fn candidates(&self) -> &[Candidate<'a>] {
        &self.candidates
    }

    /// The number of patterns beyond [`MAX_MISMATCHES`] that do not match. They come before the last candidate if that one
    /// ended the search, else after it.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// The candidates in words, with at most `max` bytes of reasons. The reason of an indeterminate pattern is always there.
    pub fn verdicts(&self, max: usize) -> Vec<Verdict<'a>> {
        let mut budget = Budget::new(MAX_HINT_STEPS);
        let mut left = max;
        let verdicts = self.candidates.iter().map(|candidate| {
            let mismatch = candidate.outcome.as_ref().err();
            let indeterminate = mismatch.is_some_and(Mismatch::is_indeterminate);
            let reason = mismatch.map(|mismatch| {
                if left == 0 && !indeterminate {
                    return String::new();
                }
                let reason = mismatch.text(&mut budget);
                let rest = left.checked_sub(reason.len());
                left = rest.unwrap_or(0);
                match rest {
                    None if !indeterminate => String::new(),
                    _ => reason,
                }
            });
            Verdict {
                pattern: &candidate.entry.pattern.name,
                outcome: match &reason {
                    None => "matches",
                    Some(_) if indeterminate => "indeterminate",
                    Some(_) => "mismatch",
                },
                reason,
            }
        });
        verdicts.collect()
    }

    /// The mismatches of the candidates that do not match.
    pub fn mismatches(&self) -> impl Iterator<Item = &Mismatch<'a>> {
        let candidates = self.candidates.iter();
        candidates.filter_map(|candidate| candidate.outcome.as_ref().err())
    }

    /// The result in a few words, without reasons.
    pub fn summary(&self) -> &'static str {
        match self.candidates.last() {
            Some(last) if last.outcome.is_ok() => "a pattern matches",
            Some(last) if last.ends_the_search() => {
                "it cannot be decided whether a pattern matches"
            }
            _ => "no pattern matches",
        }
    }

    fn no_pattern(&self) -> String {
        let mut text = "neighbordb has no pattern for this node".to_owned();
        if !self.unknown_keys.is_empty() {
            text += &format!(
                "; of its keys only {} are read, not {}",
                KEYS.join(" and "),
                self.unknown_keys.join(", ")
            );
        }
        text
    }

    /// Why no pattern matches: one line for each, in at most `max` bytes, where each character takes `width` of them. If
    /// not all fit, the text ends with `and 7 more patterns`; it always shows an indeterminate pattern.
    ///
    /// At most one line is built and not returned.
    pub fn refusal(&self, max: usize, width: impl Fn(char) -> usize + Copy) -> String {
        let mismatches: Vec<&Mismatch<'_>> = self.mismatches().collect();
        if mismatches.is_empty() {
            return cut(&self.no_pattern(), max, width).into_owned();
        }
        let size = |text: &str| text.chars().map(width).sum::<usize>();
        let mut budget = Budget::new(MAX_HINT_STEPS);
        let (last, others) = match mismatches.split_last() {
            Some((last, others)) if last.is_indeterminate() => {
                (Some(last.text(&mut budget)), others)
            }
            _ => (None, mismatches.as_slice()),
        };
        let mut hidden = others.len() + self.omitted;
        let total = hidden + usize::from(last.is_some());
        let ending = |hidden: usize| match hidden {
            0 => String::new(),
            1 => "\nand 1 more pattern".to_owned(),
            more => format!("\nand {more} more patterns"),
        };
        let newline = width('\n');
        let last = last.map(|last| {
            let room = max.saturating_sub(size(&ending(total)) + newline);
            cut(&last, room, width).into_owned()
        });
        // The room for lines, if the text has its longest ending.
        let mut left = max
            .saturating_sub(size(&ending(total)))
            .saturating_sub(last.as_deref().map_or(0, |last| size(last) + newline));
        let mut lines = Vec::new();
        for mismatch in others {
            let line = mismatch.text(&mut budget);
            let line = match lines.is_empty() && last.is_none() {
                true => cut(&line, left, width),
                false => line.into(),
            };
            left = match left.checked_sub(size(&line) + newline) {
                Some(left) => left,
                // The first line has no line end before it.
                None if lines.is_empty() && last.is_none() => 0,
                None => break,
            };
            lines.push(line.into_owned());
            hidden -= 1;
        }
        lines.extend(last);
        lines.join("\n") + &ending(hidden)
    }
}

/// A line for each candidate.
impl fmt::Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.candidates.is_empty() {
            return f.write_str(&self.no_pattern());
        }
        let mut lines = Vec::new();
        for candidate in &self.candidates {
            if candidate.entry.pattern.node.is_some() {
                let name = Printable(&candidate.entry.pattern.name);
                lines.push(format!(
                    "(only '{name}' is checked: it is only for this node)"
                ));
            }
            lines.push(candidate.to_string());
        }
        if self.omitted > 0 {
            let ended = self
                .candidates
                .last()
                .is_some_and(Candidate::ends_the_search);
            let omitted = format!("({} more patterns do not match)", self.omitted);
            lines.insert(lines.len() - usize::from(ended), omitted);
        }
        f.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Neighbordb;
    use super::*;
    use crate::node::{Identifier, NodeFacts};

    const NEIGHBORDB: &str = "\
patterns:
- {name: alone, definition: leaf, node: SN2}
- {name: spine, definition: spine, model: DCS-75}
- {name: slow, definition: slow, model: '(a*)*(a*)*(a*)*\\1\\2\\3b'}
- {name: rest, definition: dc1/leaf, interfaces: []}
";

    fn neighbordb(text: &str) -> Neighbordb {
        Neighbordb::parse(text, Identifier::SerialNumber).unwrap()
    }

    fn facts(model: &str) -> NodeFacts {
        NodeFacts {
            model: Some(model.to_owned()),
            ..NodeFacts::default()
        }
    }

    #[test]
    fn a_trace_has_a_line_for_each_pattern_up_to_the_one_that_ends_the_search() {
        let neighbordb = neighbordb(NEIGHBORDB);
        let slow = "a".repeat(100);
        for (id, model, lines, chosen, summary) in [
            (
                "SN2",
                "DCS-7050",
                "(only 'alone' is checked: it is only for this node)\nline 2: pattern 'alone' matches: definitions/leaf".to_owned(),
                Some("alone"),
                "a pattern matches",
            ),
            (
                "SN1",
                "DCS-7050",
                "line 3: pattern 'spine': requires model regex('DCS-75'), saw 'DCS-7050'\nline 4: pattern 'slow': requires model regex('(a*)*(a*)*(a*)*\\1\\2\\3b'), saw 'DCS-7050'\nline 5: pattern 'rest' matches: definitions/dc1/leaf".to_owned(),
                Some("rest"),
                "a pattern matches",
            ),
            (
                "SN1",
                slow.as_str(),
                format!("line 3: pattern 'spine': requires model regex('DCS-75'), saw '{slow}'\nline 4: pattern 'slow': cannot decide on model regex('(a*)*(a*)*(a*)*\\1\\2\\3b'): it takes too many steps; simplify the expression, for instance its nested repetitions"),
                None,
                "it cannot be decided whether a pattern matches",
            ),
        ] {
            let (id, facts) = (id.parse().unwrap(), facts(model));
            let trace = neighbordb.trace(&id, &facts);
            assert_eq!(trace.to_string(), lines);
            assert_eq!(trace.chosen().map(|entry| entry.pattern.name.as_str()), chosen);
            assert_eq!(trace.summary(), summary);
        }
    }

    #[test]
    fn the_verdicts_of_a_trace_have_reasons_as_long_as_they_fit() {
        let neighbordb = neighbordb(NEIGHBORDB);
        let spine = "pattern 'spine': requires model regex('DCS-75'), saw 'DCS-7050'";
        let slow =
            "pattern 'slow': requires model regex('(a*)*(a*)*(a*)*\\1\\2\\3b'), saw 'DCS-7050'";
        let (id, facts) = ("SN1".parse().unwrap(), facts("DCS-7050"));
        let trace = neighbordb.trace(&id, &facts);
        for (max, reasons) in [
            (MAX_REFUSAL, [Some(spine), Some(slow), None]),
            (spine.len() + 1, [Some(spine), Some(""), None]),
            (1, [Some(""), Some(""), None]),
        ] {
            let verdicts = trace.verdicts(max);
            let found: Vec<_> = verdicts.iter().map(|one| one.reason.as_deref()).collect();
            assert_eq!(found, reasons, "{max}");
            let outcomes: Vec<_> = verdicts
                .iter()
                .map(|one| (one.pattern, one.outcome))
                .collect();
            assert_eq!(
                outcomes,
                [
                    ("spine", "mismatch"),
                    ("slow", "mismatch"),
                    ("rest", "matches")
                ]
            );
        }
        let aaa = self::facts(&"a".repeat(100));
        let verdicts = neighbordb.trace(&id, &aaa).verdicts(0);
        let last = verdicts.last().unwrap();
        assert_eq!((last.pattern, last.outcome), ("slow", "indeterminate"));
        assert!(last.reason.as_ref().unwrap().contains("too many steps"));
    }

    #[test]
    fn a_trace_without_candidates_says_so() {
        let neighbordb = neighbordb("pattern: []\n");
        let (id, facts) = ("SN1".parse().unwrap(), NodeFacts::default());
        let trace = neighbordb.trace(&id, &facts);
        let words = "neighbordb has no pattern for this node; of its keys only variables and patterns are read, not 'pattern'";
        assert_eq!(trace.to_string(), words);
        assert_eq!(trace.refusal(MAX_REFUSAL, char::len_utf8), words);
        assert_eq!(
            (trace.chosen(), trace.summary()),
            (None, "no pattern matches")
        );
    }

    #[test]
    fn a_trace_keeps_the_pattern_that_matches_after_omitted_ones() {
        let before: String = (0..MAX_MISMATCHES + 2)
            .map(|index| format!("- {{name: p{index}, definition: a, model: b}}\n"))
            .collect();
        let text = format!("patterns:\n{before}- {{name: last, definition: a, model: c}}\n");
        let neighbordb = neighbordb(&text);
        let (id, facts) = ("SN1".parse().unwrap(), facts("c"));
        let trace = neighbordb.trace(&id, &facts);
        assert_eq!(trace.chosen().unwrap().pattern.name, "last");
        assert_eq!(
            (trace.candidates().len(), trace.omitted()),
            (MAX_MISMATCHES + 1, 2)
        );
        let text = trace.to_string();
        let end: Vec<_> = text.lines().skip(MAX_MISMATCHES).collect();
        assert_eq!(
            end,
            [
                "(2 more patterns do not match)",
                "line 2004: pattern 'last' matches: definitions/a"
            ]
        );
    }
}
