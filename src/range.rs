//! Byte ranges (RFC 9110, section 14): which part of a file a request asks for.

/// The part of a body of known size that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selected {
    /// All of it: 200.
    Whole,
    /// From `first` to `last`, both included: 206.
    Part { first: u64, last: u64 },
    /// Nothing of it is there: 416.
    Unsatisfiable,
}

/// What a `Range` header selects of `size` bytes.
///
/// One range of bytes is understood (`bytes=0-99`, `bytes=100-`, `bytes=-100`). Anything else, also
/// several ranges, is ignored, as RFC 9110 allows: the whole is a right answer to any range.
pub fn select(header: &str, size: u64) -> Selected {
    let Some((first, last)) = parse(header) else {
        return Selected::Whole;
    };
    match (first, last) {
        (Some(first), Some(last)) if last < first => Selected::Whole,
        (Some(first), _) if first >= size => Selected::Unsatisfiable,
        (Some(first), last) => Selected::Part {
            first,
            last: last.unwrap_or(u64::MAX).min(size - 1),
        },
        (None, Some(0)) => Selected::Unsatisfiable,
        (None, Some(_)) if size == 0 => Selected::Unsatisfiable,
        (None, Some(length)) => Selected::Part {
            first: size.saturating_sub(length),
            last: size - 1,
        },
        (None, None) => Selected::Whole,
    }
}

/// The two numbers of `bytes=first-last`; digits only, each may be missing.
fn parse(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = header.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().map(Some),
        _ => None,
    };
    Some((number(first)?, number(last)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_one_range_of_bytes() {
        let part = |first, last| Selected::Part { first, last };
        for (header, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-5", part(2, 5)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-99", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("Bytes = 9-9", part(9, 9)),
            ("bytes=10-", Selected::Unsatisfiable),
            ("bytes=10-12", Selected::Unsatisfiable),
            ("bytes=-0", Selected::Unsatisfiable),
            ("bytes=5-2", Selected::Whole),
            ("bytes=12-11", Selected::Whole),
            ("bytes=-", Selected::Whole),
            ("bytes=0-1,3-4", Selected::Whole),
            ("bytes=+1-2", Selected::Whole),
            ("bytes=a-b", Selected::Whole),
            ("bytes=99999999999999999999-", Selected::Whole),
            ("lines=0-1", Selected::Whole),
            ("", Selected::Whole),
        ] {
            assert_eq!(select(header, 10), expected, "{header}");
        }
    }

    #[test]
    fn an_empty_file_has_no_part() {
        for header in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(select(header, 0), Selected::Unsatisfiable, "{header}");
        }
    }
}
