//! Conditional and partial requests (RFC 9110, sections 13 and 14), as far as files need them.

use serde::{Deserialize, Serialize};

use crate::byte_range::{self, ByteRange};

/// The headers of a request that changes a value only in a certain state (RFC 9110, 13.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preconditions {
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
}

impl Preconditions {
    /// That the value has this ETag; `None`: that there is no value.
    pub fn equal(etag: Option<String>) -> Self {
        match etag {
            Some(_) => Self {
                if_match: etag,
                if_none_match: None,
            },
            None => Self {
                if_match: None,
                if_none_match: Some("*".to_owned()),
            },
        }
    }

    /// Whether a value with this ETag may be replaced; `None`: whether a value may be created.
    pub fn hold(&self, etag: Option<&str>) -> bool {
        // A strong comparison: a weak ETag never matches.
        let matches = |header: &str| {
            etag.is_some_and(|etag| {
                header.trim() == "*" || header.split(',').any(|tag| tag.trim() == etag)
            })
        };
        let listed = |header: &str| etag.is_some_and(|etag| lists(header, etag));
        self.if_match.as_deref().is_none_or(matches)
            && !self.if_none_match.as_deref().is_some_and(listed)
    }
}

/// The headers of a request that select its response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    pub if_none_match: Option<String>,
    pub if_range: Option<String>,
    pub range: Option<String>,
}

/// The stored object that a response would send (RFC 9110, 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Representation<'a> {
    /// In bytes.
    pub size: u64,
    /// With its quotes.
    pub etag: &'a str,
    /// In the format of `Last-Modified`.
    pub last_modified: &'a str,
}

/// The kind of response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 304: the client has the current version.
    NotModified,
    /// 200, 206 or 416: the selected bytes.
    Send(ByteRange),
}

impl Conditions {
    /// Whether the response depends on the stored version.
    pub fn any(&self) -> bool {
        self.if_none_match.is_some() || self.range.is_some()
    }

    /// Decides, in the order of RFC 9110, 13.2.2.
    pub fn decide(&self, stored: Representation<'_>) -> Outcome {
        if let Some(known) = &self.if_none_match
            && lists(known, stored.etag)
        {
            return Outcome::NotModified;
        }
        // The client appends the range to bytes that it has: both must be of one version.
        let same = self.if_range.as_deref().is_none_or(|condition| {
            let condition = condition.trim();
            condition == stored.etag || condition == stored.last_modified
        });
        Outcome::Send(match &self.range {
            Some(header) if same => byte_range::select(header, stored.size),
            _ => ByteRange::Whole,
        })
    }
}

/// Whether `If-None-Match` names this ETag, by weak comparison.
pub fn lists(header: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    header.trim() == "*" || header.split(',').any(|tag| opaque(tag) == opaque(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_made_only_in_the_state_that_it_names() {
        let (a, b) = (Some("\"a\""), Some("\"b\""));
        for (if_match, if_none_match, etag, holds) in [
            (None, None, a, true),
            (None, None, None, true),
            (Some("\"a\""), None, a, true),
            (Some("\"x\", \"a\""), None, a, true),
            (Some("\"a\""), None, b, false),
            (Some("\"a\""), None, None, false),
            (Some("W/\"a\""), None, a, false),
            (Some("a"), None, a, false),
            (Some("*"), None, a, true),
            (Some("*"), None, None, false),
            (None, Some("*"), None, true),
            (None, Some("*"), a, false),
            (None, Some("\"a\""), a, false),
            (None, Some("\"a\""), b, true),
            (Some("\"a\""), Some("*"), a, false),
        ] {
            let conditions = Preconditions {
                if_match: if_match.map(str::to_owned),
                if_none_match: if_none_match.map(str::to_owned),
            };
            assert_eq!(conditions.hold(etag), holds, "{conditions:?} {etag:?}");
        }
        for etag in [a, b, None] {
            let equal = Preconditions::equal(etag.map(str::to_owned));
            assert!(equal.hold(etag));
            assert!(
                ![a, b, None]
                    .iter()
                    .any(|other| *other != etag && equal.hold(*other))
            );
        }
    }

    const STORED: Representation<'_> = Representation {
        size: 10,
        etag: "\"abc\"",
        last_modified: "Mon, 23 Nov 2026 10:00:00 GMT",
    };

    fn decide(if_none_match: &str, range: &str, if_range: &str) -> Outcome {
        let header = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let conditions = Conditions {
            if_none_match: header(if_none_match),
            if_range: header(if_range),
            range: header(range),
        };
        conditions.decide(STORED)
    }

    #[test]
    fn a_listed_etag_is_not_modified() {
        for header in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            assert_eq!(
                decide(header, "bytes=0-1", ""),
                Outcome::NotModified,
                "{header}"
            );
        }
        for header in ["\"ab\"", "abc", "\"abc", "\"ABC\""] {
            assert_eq!(
                decide(header, "", ""),
                Outcome::Send(ByteRange::Whole),
                "{header}"
            );
        }
    }

    #[test]
    fn a_range_applies_only_to_the_version_of_if_range() {
        let part = Outcome::Send(ByteRange::Part { first: 4, last: 9 });
        let whole = Outcome::Send(ByteRange::Whole);
        for (if_range, expected) in [
            ("", part),
            ("\"abc\"", part),
            (STORED.last_modified, part),
            ("\"other\"", whole),
            ("W/\"abc\"", whole),
            ("Mon, 23 Nov 2026 09:00:00 GMT", whole),
        ] {
            assert_eq!(decide("", "bytes=4-", if_range), expected, "{if_range}");
        }
    }
}
