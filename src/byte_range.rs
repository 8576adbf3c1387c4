//! Byte ranges (RFC 9110, section 14): the part of a file that a request asks for.

/// The part of a body of known size to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// The whole body: 200.
    Whole,
    /// From `first` to `last`, both included: 206.
    Part { first: u64, last: u64 },
    /// No byte of the range exists: 416.
    Unsatisfiable,
}

/// The part of `size` bytes that a `Range` header selects.
///
/// One range of bytes is supported (`bytes=0-99`, `bytes=100-`, `bytes=-100`). Any other value, also
/// several ranges, is ignored: RFC 9110 allows the whole body as the response to any range.
pub fn select(header: &str, size: u64) -> ByteRange {
    let Some((first, last)) = parse(header) else {
        return ByteRange::Whole;
    };
    match (first, last) {
        (Some(first), Some(last)) if last < first => ByteRange::Whole,
        (Some(first), _) if first >= size => ByteRange::Unsatisfiable,
        (Some(first), last) => ByteRange::Part {
            first,
            last: last.unwrap_or(u64::MAX).min(size - 1),
        },
        (None, Some(0)) => ByteRange::Unsatisfiable,
        (None, Some(_)) if size == 0 => ByteRange::Unsatisfiable,
        (None, Some(length)) => ByteRange::Part {
            first: size.saturating_sub(length),
            last: size - 1,
        },
        (None, None) => ByteRange::Whole,
    }
}

/// The two numbers of `bytes=first-last`; digits only, either may be missing.
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
    fn one_range_is_selected_and_other_values_are_ignored() {
        let part = |first, last| ByteRange::Part { first, last };
        for (header, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-5", part(2, 5)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-99", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("Bytes = 9-9", part(9, 9)),
            ("bytes=10-", ByteRange::Unsatisfiable),
            ("bytes=10-12", ByteRange::Unsatisfiable),
            ("bytes=-0", ByteRange::Unsatisfiable),
            ("bytes=5-2", ByteRange::Whole),
            ("bytes=12-11", ByteRange::Whole),
            ("bytes=-", ByteRange::Whole),
            ("bytes=0-1,3-4", ByteRange::Whole),
            ("bytes=+1-2", ByteRange::Whole),
            ("bytes=a-b", ByteRange::Whole),
            ("bytes=99999999999999999999-", ByteRange::Whole),
            ("lines=0-1", ByteRange::Whole),
            ("", ByteRange::Whole),
        ] {
            assert_eq!(select(header, 10), expected, "{header}");
        }
    }

    #[test]
    fn a_range_of_an_empty_file_is_unsatisfiable() {
        for header in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(select(header, 0), ByteRange::Unsatisfiable, "{header}");
        }
    }
}
