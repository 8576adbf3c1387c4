//! Who sent a response, and why it is not the expected one: pure rules on status, headers and body.
//!
//! Responses of ztp-edge are recognised by the headers that its Worker sets on every response (`src/response.rs`).

use ureq::http::Uri;

use super::cloudflare;
use super::exchange::{Failed, Seen};
use super::kind::Kind;
use super::target::Target;
use crate::html;

/// The part of an unknown response that a message quotes, in characters.
const MAX_SHOWN: usize = 200;
/// The part of a sentence of ztp-edge that a message quotes, in characters.
const MAX_SENTENCE: usize = 1000;
/// The part of an unknown response that is searched, in bytes.
const MAX_SEARCHED: usize = 64 << 10;

/// The response that a request should have.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub statuses: &'a [u16],
    /// The media type; any if empty.
    pub media: &'a str,
}

/// Compares a response with the expected one.
///
/// # Errors
/// The kind of the difference, and a sentence.
pub fn expect(seen: &Seen, expected: Expected<'_>, target: &Target) -> Result<(), Failed> {
    let Expected { statuses, media } = expected;
    let has_media = media.is_empty() || seen.header("content-type") == media;
    if !statuses.contains(&seen.status) || !has_media || !is_ours(seen) {
        return Err(diagnose(seen, target));
    }
    match encoding(seen) {
        Some(encoding) => {
            let message = format!(
                "the response is compressed ({encoding}), which the request does not accept"
            );
            Err((Kind::Compressed, message))
        }
        None => Ok(()),
    }
}

/// The encoding of a compressed response.
pub fn encoding(seen: &Seen) -> Option<&str> {
    let encoding = seen.header("content-encoding");
    (!matches!(encoding, "" | "identity")).then_some(encoding)
}

/// Whether the Worker sent the response: every one has `nosniff`; HTML, which all errors for switches are, has a policy
/// that forbids everything; the other types have no charset.
pub fn is_ours(seen: &Seen) -> bool {
    let kind = seen.header("content-type");
    let is_other = seen.header("x-content-type-options") == "nosniff" && !kind.contains(';');
    match kind.starts_with("text/html") {
        true => html::is_ours(|name| seen.header(name)),
        false => is_other && seen.status < 400,
    }
}

/// The kind of an unexpected response, and a sentence.
pub fn diagnose(seen: &Seen, target: &Target) -> Failed {
    let status = seen.status;
    if is_ours(seen) {
        return ours(seen, target);
    }
    let text = target.without_credential(&plain_text(&seen.body));
    if let Some(failed) = cloudflare::diagnose(seen, start(&seen.body), &text) {
        return failed;
    }
    if (300..400).contains(&status) {
        return redirect(seen, target);
    }
    if seen
        .header("content-type")
        .eq_ignore_ascii_case("text/x-python; charset=utf-8")
    {
        return (
            Kind::Ztpserver,
            format!(
                "the response has the headers of a ZTPServer ({})",
                server(seen)
            ),
        );
    }
    let start: String = text.chars().take(MAX_SHOWN).collect();
    let (kind, server) = (seen.header("content-type"), server(seen));
    let message = format!("{server} responds {status} with the type '{kind}': {start}");
    (Kind::OtherServer, message)
}

/// An error of the Worker.
fn ours(seen: &Seen, target: &Target) -> Failed {
    let (status, text) = (seen.status, plain_text(&seen.body));
    let text = target.without_credential(&text);
    let sentence: String = text.chars().take(MAX_SENTENCE).collect();
    let kind = match status {
        400 => Kind::BrokenContent,
        403 => Kind::Forbidden,
        404 if target.credential.is_some() => Kind::WrongToken,
        404 => Kind::MissingToken,
        429 => Kind::RateLimited,
        500 => Kind::Misconfigured,
        503 if text.contains("this server is not set up yet") => Kind::NoTokens,
        503 => Kind::StorageFailed,
        _ => Kind::Unexpected,
    };
    (kind, format!("ztp-edge responds {status}: {sentence}"))
}

fn redirect(seen: &Seen, target: &Target) -> Failed {
    let (status, location) = (seen.status, seen.header("location"));
    let shown = target.without_credential(location);
    let shown: String = shown.chars().take(MAX_SHOWN).collect();
    let message = format!("the server responds {status}, and redirects to {shown}");
    let to = location.parse::<Uri>().unwrap_or_default();
    let host = to.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_same = host.eq_ignore_ascii_case(&target.host);
    let is_https = to.scheme_str() == Some("https");
    let kind = match host {
        _ if host.ends_with(".cloudflareaccess.com") => Kind::CloudflareAccess,
        _ if is_https && !target.is_https && is_same => Kind::RedirectToHttps,
        _ => Kind::Redirect,
    };
    (kind, message)
}

fn server(seen: &Seen) -> String {
    match seen.header("server") {
        "" => "a server without a name".to_owned(),
        server => format!("the server '{server}'"),
    }
}

fn start(text: &str) -> &str {
    let mut end = text.len().min(MAX_SEARCHED);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The start of a body without tags, with single spaces.
fn plain_text(body: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for c in start(body).chars() {
        match c {
            '<' => {
                in_tag = true;
                text.push(' ');
            }
            '>' if in_tag => in_tag = false,
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    html::unescaped(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16, headers: &[(&'static str, &str)], body: &str) -> Seen {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Seen {
            status,
            headers: headers.collect(),
            body: body.to_owned(),
            is_cut: false,
        }
    }

    fn target(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    const OURS: [(&str, &str); 3] = [
        ("content-type", "text/html; charset=UTF-8"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'"),
    ];

    #[test]
    fn every_error_of_the_worker_has_its_kind() {
        let with_token = target("https://z.example/t/0123456789abcdef");
        let without = target("https://z.example");
        for (status, body, target, kind) in [
            (
                400,
                "bootstrap/bootstrap is broken",
                &without,
                Kind::BrokenContent,
            ),
            (403, "the URL of a node", &with_token, Kind::Forbidden),
            (
                404,
                "there is nothing at this path\n",
                &with_token,
                Kind::WrongToken,
            ),
            (
                404,
                "there is nothing at this path\n",
                &without,
                Kind::MissingToken,
            ),
            (
                405,
                "method not allowed; use GET",
                &without,
                Kind::Unexpected,
            ),
            (
                429,
                "rate limit exceeded; retry in a minute",
                &without,
                Kind::RateLimited,
            ),
            (
                500,
                "the setting SERVER_URL is \"x\"",
                &without,
                Kind::Misconfigured,
            ),
            (
                503,
                "this server is not set up yet: store",
                &without,
                Kind::NoTokens,
            ),
            (
                503,
                "reading neighbordb failed; retry",
                &without,
                Kind::StorageFailed,
            ),
            // A text of the Worker may quote one of Cloudflare.
            (
                400,
                "the value 'error code: 1010' is invalid",
                &without,
                Kind::BrokenContent,
            ),
        ] {
            let (found, message) = diagnose(&seen(status, &OURS, body), target);
            assert_eq!(found, kind, "{status} {body}");
            assert!(
                message.starts_with(&format!("ztp-edge responds {status}: ")),
                "{message}"
            );
        }
    }

    #[test]
    fn a_response_of_another_sender_is_told_apart() {
        let cloudflare = ("server", "cloudflare");
        let html = ("content-type", "text/html; charset=UTF-8");
        for (status, headers, body, kind) in [
            (
                403,
                vec![cloudflare],
                "error code: 1010",
                Kind::BrowserIntegrityCheck,
            ),
            (
                403,
                vec![cloudflare],
                "{\"error_code\":1010,\"title\":\"x\"}",
                Kind::BrowserIntegrityCheck,
            ),
            (
                403,
                vec![cloudflare, html],
                "<h1><span>Error</span>\n<span>1010</span></h1> Access denied",
                Kind::BrowserIntegrityCheck,
            ),
            (
                403,
                vec![
                    ("content-type", "application/json"),
                    ("x-content-type-options", "nosniff"),
                ],
                "{\"error_code\": 1010}",
                Kind::BrowserIntegrityCheck,
            ),
            (
                403,
                vec![cloudflare],
                "error code: 1020",
                Kind::CloudflareBlocks,
            ),
            (
                403,
                vec![cloudflare],
                "error code: 1006",
                Kind::CloudflareBlocks,
            ),
            (
                429,
                vec![cloudflare],
                "error code: 1015",
                Kind::CloudflareRateLimit,
            ),
            (429, vec![cloudflare], "error code: 1027", Kind::DailyLimit),
            (503, vec![cloudflare], "error code: 1102", Kind::CpuLimit),
            (
                500,
                vec![cloudflare],
                "error code: 1101",
                Kind::WorkerFailed,
            ),
            (
                530,
                vec![cloudflare],
                "error code: 1016",
                Kind::CloudflareError,
            ),
            (
                522,
                vec![cloudflare],
                "connection timed out",
                Kind::CloudflareError,
            ),
            (
                403,
                vec![("cf-mitigated", "challenge")],
                "",
                Kind::Challenge,
            ),
            (
                403,
                vec![html],
                "<title>Just a moment...</title>",
                Kind::Challenge,
            ),
            (
                503,
                vec![html],
                "<script>window._cf_chl_opt={}</script>",
                Kind::Challenge,
            ),
            (
                200,
                vec![("content-type", "text/x-python; charset=UTF-8")],
                "#!/usr/bin/env python",
                Kind::Ztpserver,
            ),
            (200, vec![html], "It works!", Kind::OtherServer),
            (404, vec![html], "error 404", Kind::OtherServer),
            (404, vec![], "error code: 10100", Kind::OtherServer),
            // Numbers and scripts in pages of other servers.
            (
                500,
                vec![html],
                "<p>Error 1045: Access denied for user</p>",
                Kind::OtherServer,
            ),
            (
                403,
                vec![],
                "<p>Error 1020</p><p>Performance by Cloudflare</p>",
                Kind::CloudflareBlocks,
            ),
            (
                404,
                vec![cloudflare, html],
                "<p>Not found</p><script src='/cdn-cgi/challenge-platform/h/g/scripts/jsd/main.js'></script>",
                Kind::OtherServer,
            ),
            (
                403,
                vec![html],
                "<script src='/cdn-cgi/challenge-platform/h/g/orchestrate/chl_page/v1'></script>",
                Kind::Challenge,
            ),
            (200, vec![], "error code: 1010", Kind::OtherServer),
            (405, vec![("server", "nginx")], "", Kind::OtherServer),
        ] {
            let (found, _) = diagnose(&seen(status, &headers, body), &target("https://z.example"));
            assert_eq!(found, kind, "{status} {body}");
        }
    }

    #[test]
    fn no_part_of_a_credential_is_quoted() {
        let target = target("https://z.example/t/0123456789abcdef");
        let path = "%2Ft%2F0123456789abcdef%2Fbootstrap";
        let before = "x".repeat(MAX_SHOWN - 8);
        let location = format!("https://login.example/?{}{path}", &before[..MAX_SHOWN - 40]);
        let headers = [("location", location.as_str())];
        let body = format!("{before}0123456789abcdef");
        for seen in [
            seen(302, &headers, ""),
            seen(404, &[], &body),
            seen(400, &OURS, &body),
        ] {
            let (_, message) = diagnose(&seen, &target);
            assert!(!message.contains("0123"), "{message}");
        }
    }

    #[test]
    fn a_redirect_is_told_apart_by_its_destination() {
        for (url, location, kind) in [
            (
                "http://z.example",
                "https://z.example/bootstrap",
                Kind::RedirectToHttps,
            ),
            (
                "http://z.example",
                "https://z.example:8443/bootstrap",
                Kind::RedirectToHttps,
            ),
            (
                "http://z.example",
                "https://other.example/bootstrap",
                Kind::Redirect,
            ),
            (
                "http://[::1]:8080",
                "https://[::1]/bootstrap",
                Kind::RedirectToHttps,
            ),
            (
                "http://z.example",
                "HTTPS://Z.Example/bootstrap",
                Kind::RedirectToHttps,
            ),
            (
                "https://z.example",
                "https://z.example/login",
                Kind::Redirect,
            ),
            ("https://z.example", "/login", Kind::Redirect),
            (
                "https://z.example",
                "https://t.cloudflareaccess.com/cdn-cgi/access/login",
                Kind::CloudflareAccess,
            ),
        ] {
            let (found, message) =
                diagnose(&seen(302, &[("location", location)], ""), &target(url));
            assert_eq!(found, kind, "{location}");
            assert!(message.ends_with(location), "{message}");
        }
    }

    #[test]
    fn a_response_is_expected_with_its_status_type_sender_and_bytes() {
        let python = |others: &[(&'static str, &str)]| {
            let mut headers = vec![
                ("content-type", "text/x-python"),
                ("x-content-type-options", "nosniff"),
            ];
            headers.extend(others);
            seen(200, &headers, "#!/usr/bin/env python")
        };
        let kind = |seen: &Seen, media| {
            let expected = Expected {
                statuses: &[200],
                media,
            };
            let result = expect(seen, expected, &target("https://z.example"));
            result.err().map(|(kind, _)| kind)
        };
        assert_eq!(kind(&python(&[]), "text/x-python"), None);
        assert_eq!(kind(&python(&[]), ""), None);
        assert_eq!(kind(&python(&[("content-encoding", "identity")]), ""), None);
        assert_eq!(
            kind(&python(&[("content-encoding", "gzip")]), ""),
            Some(Kind::Compressed)
        );
        assert_eq!(
            kind(&python(&[("content-encoding", "br")]), ""),
            Some(Kind::Compressed)
        );
        assert_eq!(
            kind(&python(&[]), "application/json"),
            Some(Kind::Unexpected)
        );
        let other = seen(200, &[("content-type", "text/x-python")], "");
        assert_eq!(kind(&other, "text/x-python"), Some(Kind::OtherServer));
    }
}
