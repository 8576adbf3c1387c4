//! Reports of the client: the body of POST /nodes/{id}/events.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Event, MAX_LOG, Report};
use crate::printable::Printable;
use crate::secrets::without_secrets;

/// Maximum size of a report, in bytes.
pub const MAX_REPORT: usize = 8 << 10;
/// Maximum number of reports of one boot.
pub const MAX_REPORTS: u32 = 200;
/// Maximum length of a reason in a report, in bytes.
pub const MAX_REPORT_REASON: usize = 2 << 10;
/// Maximum length of the name of an action and of a path in a report, in bytes.
pub const MAX_REPORT_NAME: usize = 1 << 10;
/// The shortest and the longest name of a boot, in characters.
const BOOT: (usize, usize) = (8, 32);
/// Maximum number of seconds in a report: a year.
const MAX_SECONDS: f64 = 366.0 * 24.0 * 60.0 * 60.0;

/// A report as it is sent.
#[derive(Deserialize)]
struct Sent {
    boot: String,
    seq: u32,
    at: f64,
    #[serde(flatten)]
    event: Event,
}

/// Why a body is not a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidReport(String);

impl fmt::Display for InvalidReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the report is not valid: {}", self.0)
    }
}

/// Reads a report. Unknown fields are ignored. `credential` is a text that is removed from it; the secrets of its log
/// are removed, too.
///
/// # Errors
/// It is not a JSON object, a field is missing, of another type or too long, or no client reports its event.
pub fn parse(body: &[u8], credential: Option<&str>) -> Result<(Report, Event), InvalidReport> {
    let invalid = |reason: String| InvalidReport(reason);
    let body = str::from_utf8(body).map_err(|error| invalid(error.to_string()))?;
    let sent: Sent = serde_json::from_str(body).map_err(|error| invalid(error.to_string()))?;
    let Sent {
        boot,
        seq,
        at,
        mut event,
    } = sent;
    let report = Report { boot, seq, at };
    check(&report, &event).map_err(invalid)?;
    let own = |text: &mut String| {
        if let Some(credential) = credential.filter(|credential| !credential.is_empty()) {
            *text = text.replace(credential, "...");
        }
    };
    match &mut event {
        Event::ActionFailed { reason, .. } => own(reason),
        Event::BootFailed { reason, log } => {
            own(reason);
            if let Some(log) = log {
                own(log);
                *log = without_secrets(log);
                // A hidden secret of one character is longer than it.
                let extra = log.len().saturating_sub(MAX_LOG);
                *log = log.split_off(log.ceil_char_boundary(extra));
            }
        }
        _ => {}
    }
    Ok((report, event))
}

fn check(report: &Report, event: &Event) -> Result<(), String> {
    let is_word = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase();
    let boot = &report.boot;
    if !(BOOT.0..=BOOT.1).contains(&boot.len()) || !boot.chars().all(is_word) {
        return Err(format!(
            "its `boot` is {}, but must have {} to {} characters of a-z and 0-9",
            Printable(boot),
            BOOT.0,
            BOOT.1
        ));
    }
    if report.seq == 0 {
        return Err("its `seq` is 0, but the reports of a boot are numbered from 1".to_owned());
    }
    seconds("at", report.at)?;
    match event {
        Event::ActionStarted { action } => text("action", action, MAX_REPORT_NAME),
        Event::ActionSucceeded {
            action,
            seconds: time,
        } => {
            text("action", action, MAX_REPORT_NAME)?;
            seconds("seconds", *time)
        }
        Event::ActionFailed { action, reason } => {
            text("action", action, MAX_REPORT_NAME)?;
            text("reason", reason, MAX_REPORT_REASON)
        }
        Event::Downloaded {
            path,
            seconds: time,
            ..
        } => {
            text("path", path, MAX_REPORT_NAME)?;
            seconds("seconds", *time)
        }
        Event::BootSucceeded { seconds: time } => seconds("seconds", *time),
        Event::BootFailed { reason, log } => {
            text("reason", reason, MAX_REPORT_REASON)?;
            text("log", log.as_deref().unwrap_or_default(), MAX_LOG)
        }
        Event::BootStarted => Ok(()),
        _ => Err(
            "its `event` is one of the server, but must be boot-started, action-started, action-succeeded, \
             action-failed, downloaded, boot-succeeded or boot-failed"
                .to_owned(),
        ),
    }
}

fn text(name: &str, text: &str, max: usize) -> Result<(), String> {
    match text.len() {
        length if length > max => Err(format!(
            "its `{name}` has {length} bytes and exceeds the limit of {max}"
        )),
        _ => Ok(()),
    }
}

fn seconds(name: &str, seconds: f64) -> Result<(), String> {
    match (0.0..=MAX_SECONDS).contains(&seconds) {
        true => Ok(()),
        false => Err(format!(
            "its `{name}` is {seconds}, but must be a number of seconds from 0 to {MAX_SECONDS}"
        )),
    }
}

/// Maximum number of boots whose reports are counted: the oldest are forgotten.
const MAX_BOOTS: usize = 4;
const WORDS: usize = MAX_REPORTS.div_ceil(64) as usize;

/// The reports of the last boots that have arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reports(VecDeque<(String, [u64; WORDS])>);

/// The arrival of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    First,
    /// It has arrived before.
    Again,
    /// Its boot has [`MAX_REPORTS`] without it.
    TooMany,
}

impl Reports {
    /// Takes the arrival of a report.
    pub fn arrive(&mut self, report: &Report) -> Arrival {
        let bit = report.seq.saturating_sub(1);
        if bit >= MAX_REPORTS {
            return Arrival::TooMany;
        }
        let known = self.0.iter().position(|(boot, _)| *boot == report.boot);
        let at = known.unwrap_or_else(|| {
            if self.0.len() == MAX_BOOTS {
                self.0.pop_front();
            }
            self.0.push_back((report.boot.clone(), [0; WORDS]));
            self.0.len() - 1
        });
        let word = self
            .0
            .get_mut(at)
            .and_then(|(_, words)| words.get_mut((bit / 64) as usize));
        let Some(word) = word else {
            return Arrival::TooMany;
        };
        let mask = 1 << (bit % 64);
        let before = std::mem::replace(word, *word | mask);
        match before & mask {
            0 => Arrival::First,
            _ => Arrival::Again,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#""boot":"3f9a0b1c","seq":3,"at":12.5,"#;

    fn read(fields: &str) -> Result<(Report, Event), String> {
        let body = format!("{{{HEAD}{fields}}}");
        parse(body.as_bytes(), Some("secret-credential")).map_err(|error| error.to_string())
    }

    #[test]
    fn every_report_of_a_client_is_an_event() {
        let text = str::to_owned;
        for (fields, event) in [
            (r#""event":"boot-started""#, Event::BootStarted),
            (
                r#""event":"action-started","action":"a""#,
                Event::ActionStarted { action: text("a") },
            ),
            (
                r#""event":"action-succeeded","action":"a","seconds":1"#,
                Event::ActionSucceeded {
                    action: text("a"),
                    seconds: 1.0,
                },
            ),
            (
                r#""event":"action-failed","action":"a","reason":"r""#,
                Event::ActionFailed {
                    action: text("a"),
                    reason: text("r"),
                },
            ),
            (
                r#""event":"downloaded","path":"files/a","bytes":7,"seconds":0.5"#,
                Event::Downloaded {
                    path: text("files/a"),
                    bytes: 7,
                    seconds: 0.5,
                },
            ),
            (
                r#""event":"boot-succeeded","seconds":9"#,
                Event::BootSucceeded { seconds: 9.0 },
            ),
            (
                r#""event":"boot-failed","reason":"r","log":"l""#,
                Event::BootFailed {
                    reason: text("r"),
                    log: Some(text("l")),
                },
            ),
            (
                r#""event":"boot-failed","reason":"r""#,
                Event::BootFailed {
                    reason: text("r"),
                    log: None,
                },
            ),
        ] {
            for more in ["", r#","rate":3,"more":{"a":[null]}"#] {
                let (report, found) = read(&format!("{fields}{more}")).unwrap();
                assert_eq!(found, event, "{fields}");
                let place = (report.boot.as_str(), report.seq, report.at);
                assert_eq!(place, ("3f9a0b1c", 3, 12.5), "{fields}");
            }
        }
    }

    #[test]
    fn events_of_the_server_and_fields_of_other_types_are_invalid() {
        for (fields, reason) in [
            (r#""event":"registered""#, "must be boot-started,"),
            (r#""event":7"#, "invalid type"),
            (r#""action":"a""#, "missing field `event`"),
            (r#""event":"other""#, "unknown event other"),
            (r#""event":"action-started""#, "missing field `action`"),
            (r#""event":"action-started","action":7"#, "invalid type"),
            (
                r#""event":"downloaded","path":"a","bytes":-1,"seconds":1"#,
                "invalid value",
            ),
            (
                r#""event":"boot-succeeded","seconds":-1"#,
                "its `seconds` is -1",
            ),
            (
                r#""event":"boot-succeeded","seconds":1e999"#,
                "out of range",
            ),
            (
                r#""event":"boot-succeeded","seconds":1e300"#,
                "its `seconds` is 1",
            ),
            (
                r#""event":"boot-failed","reason":null"#,
                "missing field `reason`",
            ),
            (
                r#""event":"boot-started""#.repeat(2).as_str(),
                "expected `,`",
            ),
        ] {
            let error = read(fields).unwrap_err();
            assert!(error.contains(reason), "{fields}: {error}");
        }
        for body in ["", "{", "[]", "7", "\u{fe}", r#""boot""#] {
            assert!(parse(body.as_bytes(), None).is_err(), "{body}");
        }
        assert!(parse(b"\xff", None).is_err());
    }

    #[test]
    fn the_place_of_a_report_is_valid() {
        let read = |boot: &str, seq: &str, at: &str| {
            let body = format!(r#"{{"boot":{boot},"seq":{seq},"at":{at},"event":"boot-started"}}"#);
            parse(body.as_bytes(), None).is_ok()
        };
        assert!(read(r#""abcdef01""#, "1", "0"));
        assert!(read(
            &format!("{:?}", "a".repeat(32)),
            "4294967295",
            "0.001"
        ));
        for boot in [
            "7",
            "null",
            r#""abcdef0""#,
            r#""ABCDEF01""#,
            r#""abcdef0-""#,
            r#""äbcdef01""#,
        ] {
            assert!(!read(boot, "1", "0"), "{boot}");
        }
        assert!(!read(&format!("{:?}", "a".repeat(33)), "1", "0"));
        for seq in ["0", "-1", "1.5", "4294967296", r#""1""#, "null"] {
            assert!(!read(r#""abcdef01""#, seq, "0"), "{seq}");
        }
        for at in ["-0.1", "1e9", r#""1""#, "null"] {
            assert!(!read(r#""abcdef01""#, "1", at), "{at}");
        }
    }

    #[test]
    fn texts_are_within_their_limits() {
        let of = |name: &str, length: usize| match name {
            "action" => format!(
                r#""event":"action-started","action":"{}""#,
                "a".repeat(length)
            ),
            "reason" => format!(r#""event":"boot-failed","reason":"{}""#, "a".repeat(length)),
            _ => format!(
                r#""event":"boot-failed","reason":"","log":"{}""#,
                "a".repeat(length)
            ),
        };
        for (name, max) in [
            ("action", MAX_REPORT_NAME),
            ("reason", MAX_REPORT_REASON),
            ("log", MAX_LOG),
        ] {
            assert!(read(&of(name, max)).is_ok(), "{name}");
            let error = read(&of(name, max + 1)).unwrap_err();
            assert!(
                error.contains(&format!("its `{name}` has {} bytes", max + 1)),
                "{error}"
            );
        }
    }

    #[test]
    fn secrets_are_removed() {
        let fields = r#""event":"boot-failed","reason":"GET /t/secret-credential/x","log":"GET /t/secret-credential/x\nusername a secret 0 b\nend""#;
        let Event::BootFailed { reason, log } = read(fields).unwrap().1 else {
            panic!("not a failure");
        };
        assert_eq!(reason, "GET /t/.../x");
        assert_eq!(
            log.as_deref(),
            Some("GET /t/.../x\nusername a secret ...\nend")
        );
        let long = format!(
            r#""event":"boot-failed","reason":"","log":"{}""#,
            "key a\\n".repeat(MAX_LOG / 6)
        );
        let Event::BootFailed { log, .. } = read(&long).unwrap().1 else {
            panic!("not a failure");
        };
        let log = log.unwrap();
        assert!(log.len() <= MAX_LOG && log.ends_with("key ...\n"), "{log}");
    }

    #[test]
    fn a_boot_has_two_hundred_reports_and_each_counts_once() {
        let report = |boot: &str, seq| Report {
            boot: boot.to_owned(),
            seq,
            at: 0.0,
        };
        let mut reports = Reports::default();
        for seq in (1..=MAX_REPORTS).rev() {
            assert_eq!(reports.arrive(&report("abcdef01", seq)), Arrival::First);
            assert_eq!(reports.arrive(&report("abcdef01", seq)), Arrival::Again);
        }
        assert_eq!(
            reports.arrive(&report("abcdef01", MAX_REPORTS + 1)),
            Arrival::TooMany
        );
        assert_eq!(
            reports.arrive(&report("abcdef01", u32::MAX)),
            Arrival::TooMany
        );
        for boot in ["abcdef02", "abcdef03", "abcdef04"] {
            assert_eq!(reports.arrive(&report(boot, 1)), Arrival::First);
        }
        assert_eq!(reports.arrive(&report("abcdef01", 7)), Arrival::Again);
        assert_eq!(reports.arrive(&report("abcdef05", 1)), Arrival::First);
        assert_eq!(reports.0.len(), MAX_BOOTS);
    }
}
