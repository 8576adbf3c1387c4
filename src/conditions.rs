//! Conditional and partial requests (RFC 9110, sections 13 and 14), as far as files need them.

use crate::range::{self, Selected};

/// The headers of a request that say which answer is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    pub if_none_match: Option<String>,
    pub if_range: Option<String>,
    pub range: Option<String>,
}

/// What there is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    /// In bytes.
    pub size: u64,
    /// With its quotes.
    pub etag: &'a str,
    /// As `Last-Modified` has it.
    pub last_modified: &'a str,
}

/// Which answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 304: the client has it.
    NotModified,
    /// The body, or a part of it, or none that is there.
    Send(Selected),
}

impl Conditions {
    /// Whether the answer depends on what is stored.
    pub fn any(&self) -> bool {
        self.if_none_match.is_some() || self.range.is_some()
    }

    /// Decides, in the order of RFC 9110, 13.2.2.
    pub fn decide(&self, stored: Stored<'_>) -> Outcome {
        if let Some(known) = &self.if_none_match
            && lists(known, stored.etag)
        {
            return Outcome::NotModified;
        }
        // A range of something else than the client began with would be glued to it.
        let same = self.if_range.as_deref().is_none_or(|condition| {
            let condition = condition.trim();
            condition == stored.etag || condition == stored.last_modified
        });
        Outcome::Send(match &self.range {
            Some(header) if same => range::select(header, stored.size),
            _ => Selected::Whole,
        })
    }
}

/// Whether `If-None-Match` names this ETag, by weak comparison.
fn lists(header: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    header.trim() == "*" || header.split(',').any(|tag| opaque(tag) == opaque(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Stored<'_> = Stored {
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
    fn a_client_that_has_it_is_told_so() {
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
                Outcome::Send(Selected::Whole),
                "{header}"
            );
        }
    }

    #[test]
    fn a_range_counts_only_for_what_the_client_began_with() {
        let part = Outcome::Send(Selected::Part { first: 4, last: 9 });
        let whole = Outcome::Send(Selected::Whole);
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
