//! Reports of the client: the body of POST /nodes/{id}/events.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Event, MAX_LOG, Report};
use crate::printable::Printable;
use crate::secrets::without_secrets;

/// Maximum size of a report, in bytes.
pub const MAX_REPORT: usize = 8 << 10;
/// Maximum number of reports of one boot.
pub const MAX_REPORTS: u32 = 200;
/// Maximum number of reports of one node in an hour.
pub const MAX_HOURLY: u32 = 2_000;
/// Maximum length of the reason why a body is not a report, in bytes.
const MAX_INVALID: usize = 256;
/// Maximum length of a value in that reason, in bytes.
const MAX_VALUE: usize = 64;
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

/// The fields that a report of an event has, beside its place.
fn fields(event: &str) -> &'static [&'static str] {
    match event {
        "action-started" => &["action"],
        "action-succeeded" => &["action", "seconds"],
        "action-failed" => &["action", "reason"],
        "downloaded" => &["path", "bytes", "seconds"],
        "boot-succeeded" => &["seconds"],
        "boot-failed" => &["reason", "log"],
        _ => &[],
    }
}

/// The first bytes of a text, at most `max`.
fn beginning(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max))
        .unwrap_or_default()
}

/// An error of serde without the value that is not valid.
fn without_value(error: &str) -> String {
    let expected = error.rfind(", expected ");
    match (error.split_once(": "), expected) {
        (Some((kind, _)), Some(at)) if kind.starts_with("invalid ") => {
            format!("{kind}{}", error.get(at..).unwrap_or_default())
        }
        _ => error.to_owned(),
    }
}

/// Reads a report. Fields that its event does not have are ignored. `credential` is a text that is removed from its texts;
/// their secrets are removed, too.
///
/// # Errors
/// It is not a JSON object, a field is missing, of another type or too long, or no client reports its event.
pub fn parse(body: &[u8], credential: Option<&str>) -> Result<(Report, Event), InvalidReport> {
    let invalid = |reason: String| InvalidReport(beginning(&reason, MAX_INVALID).to_owned());
    let of_json = |error: serde_json::Error| invalid(without_value(&error.to_string()));
    let body = str::from_utf8(body).map_err(|error| invalid(error.to_string()))?;
    let mut sent: Map<String, Value> = serde_json::from_str(body).map_err(of_json)?;
    let event = sent.get("event").and_then(Value::as_str);
    let fields = fields(event.unwrap_or_default());
    sent.retain(|name, _| {
        ["boot", "seq", "at", "event"].contains(&name.as_str()) || fields.contains(&name.as_str())
    });
    let sent: Sent = serde_json::from_value(Value::Object(sent)).map_err(of_json)?;
    let Sent {
        boot,
        seq,
        at,
        mut event,
    } = sent;
    let report = Report { boot, seq, at };
    check(&report, &event).map_err(invalid)?;
    let hide = |text: &mut String| {
        if let Some(credential) = credential.filter(|credential| !credential.is_empty()) {
            *text = text.replace(credential, "...");
        }
        *text = without_secrets(text);
    };
    // A hidden secret of one character is longer than it.
    let hide_in = |text: &mut String, max: usize| {
        hide(text);
        text.truncate(text.floor_char_boundary(max));
    };
    match &mut event {
        Event::ActionStarted { action } | Event::ActionSucceeded { action, .. } => {
            hide_in(action, MAX_REPORT_NAME);
        }
        Event::ActionFailed { action, reason } => {
            hide_in(action, MAX_REPORT_NAME);
            hide_in(reason, MAX_REPORT_REASON);
        }
        Event::Downloaded { path, .. } => hide_in(path, MAX_REPORT_NAME),
        Event::BootFailed { reason, log } => {
            hide_in(reason, MAX_REPORT_REASON);
            if let Some(log) = log {
                hide(log);
                // Its end counts.
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
            Printable(beginning(boot, MAX_VALUE)),
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
/// A bit for each report of a boot, and in the last word the number of its end: see [`END`].
const WORDS: usize = MAX_REPORTS.div_ceil(64) as usize;
/// The first bit of the number of the end that arrived after [`MAX_REPORTS`]: the bits below it are of reports.
const END: u32 = MAX_REPORTS % 64;

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
    /// Takes the arrival of a report. The end of a boot is accepted after [`MAX_REPORTS`], once.
    pub fn arrive(&mut self, report: &Report, event: &Event) -> Arrival {
        let bit = report.seq.saturating_sub(1);
        let is_end = matches!(
            event,
            Event::BootSucceeded { .. } | Event::BootFailed { .. }
        );
        if bit >= MAX_REPORTS && !is_end {
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
        let Some((_, words)) = self.0.get_mut(at) else {
            return Arrival::TooMany;
        };
        if bit >= MAX_REPORTS {
            let [.., word] = words;
            let known = *word >> END;
            if known == 0 {
                *word |= u64::from(report.seq) << END;
                return Arrival::First;
            }
            return match known == u64::from(report.seq) {
                true => Arrival::Again,
                false => Arrival::TooMany,
            };
        }
        let Some(word) = words.get_mut((bit / 64) as usize) else {
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

/// The number of reports of a node in an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// Hours since 1970.
    hour: u64,
    reports: u32,
}

impl Hour {
    const MS: u64 = 60 * 60 * 1000;

    /// Whether another report is accepted at a time, in milliseconds since 1970.
    pub fn has_room(&self, now: u64) -> bool {
        self.hour != now / Self::MS || self.reports < MAX_HOURLY
    }

    /// Counts a report.
    pub fn count(&mut self, now: u64) {
        let hour = now / Self::MS;
        if self.hour != hour {
            *self = Self { hour, reports: 0 };
        }
        self.reports += 1;
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
    fn fields_that_an_event_does_not_have_are_ignored_whatever_they_are() {
        for fields in [
            r#""event":"boot-started","model":5,"action":[1],"seconds":"x","log":{}"#,
            r#""event":"action-started","action":"a","seconds":{"a":1},"status":-1"#,
            r#""event":"boot-succeeded","seconds":9,"reason":7,"bytes":"many","values":3"#,
        ] {
            assert!(read(fields).is_ok(), "{fields}");
        }
    }

    #[test]
    fn the_reason_of_an_invalid_report_is_short_and_has_no_value_of_another_type() {
        let long = "v".repeat(7000);
        for fields in [
            format!(r#""event":"action-started","action":["{long}"]"#),
            format!(r#""event":"{long}""#),
            format!(r#""event":"downloaded","path":"a","bytes":"{long}, expected x","seconds":1"#),
            format!(r#""event":"boot-succeeded","seconds":"{long}""#),
        ] {
            let error = read(&fields).unwrap_err();
            assert!(error.len() < 300, "{error}");
        }
        let error = read(&format!(r#""event":"boot-succeeded","seconds":"{long}""#)).unwrap_err();
        assert_eq!(error, "the report is not valid: invalid type, expected f64");
        let body = format!(r#"{{"boot":"{long}","seq":1,"at":0,"event":"boot-started"}}"#);
        let error = parse(body.as_bytes(), None).unwrap_err().to_string();
        assert!(
            error.len() < 300 && error.ends_with("characters of a-z and 0-9"),
            "{error}"
        );
        let body = format!(r#"{{"boot":"abcdef01","seq":"{long}","at":0,"event":"boot-started"}}"#);
        let error = parse(body.as_bytes(), None).unwrap_err().to_string();
        assert_eq!(error, "the report is not valid: invalid type, expected u32");
        assert!(
            parse(format!("\"{long}\"").as_bytes(), None)
                .unwrap_err()
                .to_string()
                .len()
                < 300
        );
    }

    #[test]
    fn secrets_are_removed_from_every_text() {
        let secret = "GET /t/secret-credential/x password hunter2";
        for fields in [
            format!(r#""event":"action-started","action":"{secret}""#),
            format!(r#""event":"action-succeeded","action":"{secret}","seconds":1"#),
            format!(r#""event":"action-failed","action":"{secret}","reason":"{secret}""#),
            format!(r#""event":"downloaded","path":"{secret}","bytes":1,"seconds":1"#),
            format!(r#""event":"boot-failed","reason":"{secret}","log":"{secret}""#),
        ] {
            let event = serde_json::to_string(&read(&fields).unwrap().1).unwrap();
            let shown = event.matches("GET /t/.../x password ...").count();
            assert_eq!(shown, fields.matches(secret).count(), "{event}");
            assert!(
                !event.contains("hunter2") && !event.contains("secret-c"),
                "{event}"
            );
        }
        let lines = "key a\\n".repeat(MAX_REPORT_REASON / 6);
        let Event::ActionFailed { reason, .. } = read(&format!(
            r#""event":"action-failed","action":"a","reason":"{lines}""#
        ))
        .unwrap()
        .1
        else {
            panic!("not a failure");
        };
        assert!(
            reason.len() <= MAX_REPORT_REASON && reason.starts_with("key ...\n"),
            "{reason}"
        );
    }

    #[test]
    fn a_node_has_a_maximum_of_reports_in_an_hour() {
        let mut hour = Hour::default();
        let now = 500_000 * Hour::MS;
        for _ in 0..MAX_HOURLY {
            assert!(hour.has_room(now));
            hour.count(now + 5);
        }
        assert!(!hour.has_room(now + Hour::MS - 1));
        assert!(hour.has_room(now + Hour::MS));
        hour.count(now + Hour::MS);
        assert!(hour.has_room(now + Hour::MS));
    }

    #[test]
    fn the_end_of_a_boot_is_accepted_after_its_last_report_once() {
        let report = |seq| Report {
            boot: "abcdef01".to_owned(),
            seq,
            at: 0.0,
        };
        let end = Event::BootSucceeded { seconds: 1.0 };
        let mut reports = Reports::default();
        for seq in 1..=MAX_REPORTS {
            assert_eq!(
                reports.arrive(&report(seq), &Event::BootStarted),
                Arrival::First
            );
        }
        for seq in [u32::MAX, MAX_REPORTS + 1] {
            assert_eq!(
                reports.arrive(&report(seq), &Event::BootStarted),
                Arrival::TooMany
            );
        }
        assert_eq!(reports.arrive(&report(u32::MAX), &end), Arrival::First);
        assert_eq!(reports.arrive(&report(u32::MAX), &end), Arrival::Again);
        assert_eq!(
            reports.arrive(&report(MAX_REPORTS + 1), &end),
            Arrival::TooMany
        );
        assert_eq!(reports.arrive(&report(MAX_REPORTS), &end), Arrival::Again);
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
            assert_eq!(
                reports.arrive(&report("abcdef01", seq), &Event::BootStarted),
                Arrival::First
            );
            assert_eq!(
                reports.arrive(&report("abcdef01", seq), &Event::BootStarted),
                Arrival::Again
            );
        }
        assert_eq!(
            reports.arrive(&report("abcdef01", MAX_REPORTS + 1), &Event::BootStarted),
            Arrival::TooMany
        );
        assert_eq!(
            reports.arrive(&report("abcdef01", u32::MAX), &Event::BootStarted),
            Arrival::TooMany
        );
        for boot in ["abcdef02", "abcdef03", "abcdef04"] {
            assert_eq!(
                reports.arrive(&report(boot, 1), &Event::BootStarted),
                Arrival::First
            );
        }
        assert_eq!(
            reports.arrive(&report("abcdef01", 7), &Event::BootStarted),
            Arrival::Again
        );
        assert_eq!(
            reports.arrive(&report("abcdef05", 1), &Event::BootStarted),
            Arrival::First
        );
        assert_eq!(reports.0.len(), MAX_BOOTS);
    }
}
