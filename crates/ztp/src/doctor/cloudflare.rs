//! Responses that Cloudflare itself sends, before the Worker receives the request or after it failed: pure rules.

use super::exchange::{Failed, Seen};
use super::kind::Kind;

/// The kind of a response of Cloudflare itself, and a sentence; `None` if it is not one. `start` is the start of the
/// body, `text` the same without tags. The response is not one of the Worker.
pub fn diagnose(seen: &Seen, start: &str, text: &str) -> Option<Failed> {
    let status = seen.status;
    if is_challenge(seen, start) {
        let message = format!("the response is a challenge page of Cloudflare (status {status})");
        return Some((Kind::Challenge, message));
    }
    if status < 400 {
        return None;
    }
    let has_sent_it = seen.header("server") == "cloudflare" || !seen.header("cf-ray").is_empty();
    // An error page of another server may have a number, too: "Error 1045" is one of MySQL.
    if let Some(code) = code(text).filter(|code| has_sent_it || is_own_form(*code, start)) {
        let message = format!("Cloudflare responds {status}, error {code}");
        return Some((kind_of_code(code), message));
    }
    let is_own_status = has_sent_it && (520..=530).contains(&status);
    is_own_status.then(|| {
        (
            Kind::CloudflareError,
            format!("Cloudflare responds {status}"),
        )
    })
}

/// A page that only a browser can solve:
/// <https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/>.
fn is_challenge(seen: &Seen, start: &str) -> bool {
    // Without "/orchestrate/", it is the script of JavaScript detections, which Cloudflare adds to pages of any server.
    let has_script = ["/cdn-cgi/challenge-platform/", "/orchestrate/"];
    let has_page = ["<title>Just a moment", "_cf_chl_opt"];
    seen.header("cf-mitigated") == "challenge"
        || (seen.status >= 400
            && (has_page.iter().any(|part| start.contains(part))
                || has_script.iter().all(|part| start.contains(part))))
}

/// Whether a body has a form that only errors of Cloudflare have.
fn is_own_form(code: u16, start: &str) -> bool {
    let start = start.trim();
    start == format!("error code: {code}")
        || start.contains("\"error_code\"")
        || start.to_ascii_lowercase().contains("cloudflare")
}

/// The number of an error in a text: `error code: 1010`, `Error 1010`, `"error_code":1010`.
fn code(text: &str) -> Option<u16> {
    let text = text.to_ascii_lowercase();
    text.match_indices("error").find_map(|(at, word)| {
        let rest = text.get(at + word.len()..)?;
        let rest = rest.strip_prefix([' ', '_']).unwrap_or(rest);
        let rest = rest.strip_prefix("code").unwrap_or(rest);
        let rest = rest.trim_start_matches([' ', ':', '"']);
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let code: u16 = rest.get(..digits)?.parse().ok()?;
        (1000..1300).contains(&code).then_some(code)
    })
}

/// <https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors/> and
/// <https://developers.cloudflare.com/workers/observability/errors/>.
fn kind_of_code(code: u16) -> Kind {
    match code {
        1010 => Kind::BrowserIntegrityCheck,
        1005..=1009 | 1012 | 1020 => Kind::CloudflareBlocks,
        1015 => Kind::CloudflareRateLimit,
        1027 => Kind::DailyLimit,
        1102 => Kind::CpuLimit,
        1101 => Kind::WorkerFailed,
        _ => Kind::CloudflareError,
    }
}
