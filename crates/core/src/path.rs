//! Request paths: from a percent-encoded URL to decoded segments.
//!
//! Paths are split before they are decoded, so that `%2F` is a slash inside a segment. Dot segments are not
//! resolved: no valid name is one, and switches never send them.

use std::borrow::Cow;

/// Maximum length of a request path, in bytes: an R2 key has at most 1024, and each byte may be percent-encoded.
pub const MAX_PATH_BYTES: usize = 4096;

/// Splits the path of a URL (`/files/a%20b`) into its decoded segments (`["files", "a b"]`).
///
/// `None` if a percent escape is malformed, the decoded bytes are not UTF-8, the path does not start
/// with `/`, or it is longer than [`MAX_PATH_BYTES`]: no storage key has such a path.
pub fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    if path.len() > MAX_PATH_BYTES {
        return None;
    }
    path.strip_prefix('/')?.split('/').map(decode).collect()
}

/// The path part of an absolute URL, still encoded, without query and fragment.
pub fn of_url(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    match &url[origin_of(url).len()..] {
        "" => "/",
        path => path,
    }
}

/// The decoded value of a query parameter: `JPE1` for `node` in `…?node=JPE1`.
///
/// `None` if it is missing or not UTF-8. A `+` is not decoded to a space: names may contain it.
pub fn query_value(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let query = query.split('#').next()?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    decode(pairs.find(|(key, _)| *key == name)?.1).map(Cow::into_owned)
}

/// Whether every parameter of the query can be decoded: [`query_value`] returns `None` for one that cannot.
pub fn has_valid_query(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    query.split('&').all(|pair| decode(pair).is_some())
}

/// Scheme and authority of an absolute URL: `https://ztp.example.net:8443`.
pub fn origin_of(url: &str) -> &str {
    let scheme = url.find(':').filter(|at| url[*at..].starts_with("://"));
    let start = scheme.map_or(0, |at| at + "://".len());
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| start + at);
    &url[..end]
}

/// Percent-encodes one segment, the inverse of [`segments`] (RFC 3986, `pchar` without the sub-delimiters that
/// some clients treat specially).
pub fn encode_segment(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn decode(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_before_its_segments_are_decoded() {
        for (path, expected) in [
            ("/bootstrap", Some(vec!["bootstrap"])),
            (
                "/files/a%20b/%C3%BC.swi",
                Some(vec!["files", "a b", "ü.swi"]),
            ),
            ("/nodes/a%2Fb", Some(vec!["nodes", "a/b"])),
            ("/files/%2e%2e/x", Some(vec!["files", "..", "x"])),
            ("/files//x", Some(vec!["files", "", "x"])),
            ("/", Some(vec![""])),
            ("/files/100%", None),
            ("/files/%zz", None),
            ("/files/%ff", None),
            ("files", None),
        ] {
            let expected = expected.map(|names| names.into_iter().map(Cow::Borrowed).collect());
            assert_eq!(segments(path), expected, "{path}");
        }
    }

    #[test]
    fn a_path_longer_than_any_key_is_rejected() {
        assert!(segments(&format!("/{}", "a".repeat(MAX_PATH_BYTES - 1))).is_some());
        assert!(segments(&format!("/{}", "a".repeat(MAX_PATH_BYTES))).is_none());
    }

    #[test]
    fn an_encoded_segment_decodes_to_itself() {
        for name in ["JPE1234", "a b", "a/b", "ü%$?#", "00:1c:73"] {
            assert_eq!(decode(&encode_segment(name)).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_url_is_split_without_resolving_dot_segments() {
        for (url, origin, path) in [
            ("http://h:8787/a/../b?q#f", "http://h:8787", "/a/../b"),
            ("https://h?q=/x", "https://h", "/"),
            ("https://h", "https://h", "/"),
        ] {
            assert_eq!((origin_of(url), of_url(url)), (origin, path), "{url}");
        }
    }

    #[test]
    fn a_query_parameter_is_decoded() {
        for (url, expected) in [
            ("http://h/p?node=JPE1", Some("JPE1")),
            ("http://h/p?a=b&node=a%20b+c#node=x", Some("a b+c")),
            ("http://h/p?node=", Some("")),
            ("http://h/p?nodes=JPE1", None),
            ("http://h/p?node=%ff", None),
            ("http://h/node=JPE1", None),
        ] {
            assert_eq!(query_value(url, "node").as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_query_that_cannot_be_decoded_is_invalid() {
        for (url, expected) in [
            ("http://h/p%ff", true),
            ("http://h/p?", true),
            ("http://h/p?a=b&node=a%20b#%ff", true),
            ("http://h/p?a=b&node=%ff", false),
            ("http://h/p?%zz", false),
        ] {
            assert_eq!(has_valid_query(url), expected, "{url}");
        }
    }
}
