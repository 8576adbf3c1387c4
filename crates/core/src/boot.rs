//! Where a node stands: its last boot, by its events.
//!
//! [`Boot::apply`] takes the events in the order in which they arrived. Requests arrive in order. Reports may arrive
//! late, twice, or in another order, and never move a boot backwards: those of one boot give the same state in any
//! order, and those of an earlier boot change nothing. A boot whose name is not known is an earlier one, too, if the
//! current boot has reported and the report is not one of the first of its boot.

use serde::{Deserialize, Serialize};

use crate::event::{Event, Logged, Report};

/// Maximum number of steps that are kept of a boot: the first ones stay, and the last one is replaced.
pub const MAX_STEPS: usize = 40;
/// Number of earlier boots whose late reports are recognized.
const MAX_EARLIER: usize = 16;
/// The reports of a boot that show that it is a new one: a later report of an unknown boot may be of an old one.
const FIRST_REPORTS: u32 = 2;
/// Maximum length of the name of a step, in bytes.
const MAX_STEP: usize = 128;
/// The request that a switch begins with, as [`Event::Refused`] names it.
pub const POST_NODES: &str = "POST /nodes";
/// The request for a definition, as [`Event::Refused`] names it.
pub const GET_DEFINITION: &str = "GET /nodes/{id}";

/// The state of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The client reported that the boot failed.
    Failed,
    /// A boot in progress has had no event for a while.
    Stalled,
    /// Its last request for a definition was refused.
    Waiting,
    Booting,
    /// It received its definition. Its client does not report: the rest is unknown.
    Served,
    /// It has records, and has made no request.
    Planned,
    /// The client reported that the boot succeeded.
    Booted,
    /// Its startup-config was stored after the boot.
    BackedUp,
}

impl State {
    /// In the order in which operators want to see them.
    pub const ALL: [Self; 8] = [
        Self::Failed,
        Self::Stalled,
        Self::Waiting,
        Self::Booting,
        Self::Served,
        Self::Planned,
        Self::Booted,
        Self::BackedUp,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Stalled => "stalled",
            Self::Waiting => "waiting",
            Self::Booting => "booting",
            Self::Served => "served",
            Self::Planned => "planned",
            Self::Booted => "booted",
            Self::BackedUp => "backed-up",
        }
    }
}

/// A step of a boot, with the time when it began, in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `script`, `facts`, `definition`, `startup-config`, `action NAME` or `download PATH`.
    pub step: String,
    pub at: u64,
    /// The number of the report; 0: a request.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seq: u32,
}

fn is_zero(seq: &u32) -> bool {
    *seq == 0
}

/// How far a boot is, without reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    /// There was no boot.
    #[default]
    None,
    Script,
    Refused,
    Facts,
    Definition,
}

/// How a boot ended, by the report with the highest number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    seq: u32,
    at: u64,
    /// The reason of a failure.
    failure: Option<String>,
}

/// The last boot of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The client's name of the boot, once it has reported.
    id: Option<String>,
    /// The names of the boots before it, the last one at the end.
    earlier: Vec<String>,
    phase: Phase,
    end: Option<End>,
    /// When it began, in milliseconds since 1970; so for all times.
    pub started: Option<u64>,
    /// The last event of the switch.
    pub last: Option<u64>,
    /// The beginning of the present state, without regard to [`State::Stalled`].
    since: Option<u64>,
    /// In the order of their beginnings.
    pub steps: Vec<Step>,
    /// Why it was refused, or why its last action failed.
    reason: Option<String>,
    backed_up: bool,
}

impl Boot {
    /// Takes an event.
    pub fn apply(&mut self, logged: &Logged) {
        let before = self.settled();
        match &logged.report {
            Some(report) => {
                if self.is_earlier(logged, report) {
                    return;
                }
                self.report(logged, &report.boot, report.seq);
            }
            None => self.request(logged),
        }
        if self.settled() != before || self.since.is_none() {
            self.since = Some(logged.time);
        }
    }

    /// Whether a report is of a boot before this one.
    fn is_earlier(&self, logged: &Logged, report: &Report) -> bool {
        let is_first = || logged.event == Event::BootStarted || report.seq <= FIRST_REPORTS;
        match &self.id {
            Some(id) if *id == report.boot => false,
            _ if self.earlier.contains(&report.boot) => true,
            Some(_) => !is_first(),
            None => false,
        }
    }

    /// Whether the boot has ended, as far as the server knows.
    pub fn ended(&self) -> Option<u64> {
        self.end.as_ref().map(|end| end.at)
    }

    /// Whether the client reports.
    pub fn reports(&self) -> bool {
        self.id.is_some()
    }

    /// The state at a time. A boot without an event for `stalled_ms` milliseconds is stalled.
    pub fn state(&self, now: u64, stalled_ms: u64) -> State {
        match (self.settled(), self.last) {
            (State::Booting, Some(last)) if now.saturating_sub(last) >= stalled_ms => {
                State::Stalled
            }
            (state, _) => state,
        }
    }

    /// The time from which the state is [`State::Stalled`]; `None`: no boot is in progress.
    pub fn stalls_at(&self, stalled_ms: u64) -> Option<u64> {
        let last = self.last.filter(|_| self.settled() == State::Booting);
        last.map(|last| last.saturating_add(stalled_ms))
    }

    /// When the present state began.
    pub fn since(&self, now: u64, stalled_ms: u64) -> Option<u64> {
        match self.stalls_at(stalled_ms) {
            Some(stalled) if stalled <= now => Some(stalled),
            _ => self.since,
        }
    }

    /// The last step of a boot that is in progress or failed.
    pub fn step(&self) -> Option<&str> {
        let shown = matches!(
            self.settled(),
            State::Booting | State::Failed | State::Waiting
        );
        let last = self.steps.last().filter(|_| shown);
        last.map(|last| last.step.as_str())
    }

    /// Why the node waits, failed, or is likely to fail.
    pub fn reason(&self) -> Option<&str> {
        let failure = self.end.as_ref().and_then(|end| end.failure.as_deref());
        match self.settled() {
            State::Failed => failure.or(self.reason.as_deref()),
            State::Waiting | State::Booting => self.reason.as_deref(),
            _ => None,
        }
    }

    /// The state, without regard to the time.
    fn settled(&self) -> State {
        match (&self.end, self.phase) {
            (
                Some(End {
                    failure: Some(_), ..
                }),
                _,
            ) => State::Failed,
            (Some(_), _) if self.backed_up => State::BackedUp,
            (Some(_), _) => State::Booted,
            (None, Phase::Refused) => State::Waiting,
            (None, _) if self.reports() => State::Booting,
            (None, Phase::Script | Phase::Facts) => State::Booting,
            (None, Phase::Definition | Phase::None) if self.backed_up => State::BackedUp,
            (None, Phase::Definition) => State::Served,
            (None, Phase::None) => State::Planned,
        }
    }

    fn request(&mut self, logged: &Logged) {
        let time = logged.time;
        match &logged.event {
            Event::ScriptFetched { .. } => {
                self.begin(time);
                self.reach(Phase::Script, "script", time);
            }
            Event::Registered { .. }
            | Event::FactsPosted
            | Event::FactsChanged
            | Event::Claimed => {
                self.posted(time);
                self.reach(Phase::Facts, "facts", time);
                self.reason = None;
            }
            Event::Refused {
                request, reason, ..
            } if request == POST_NODES => {
                self.posted(time);
                self.reach(Phase::Refused, "facts", time);
                self.reason = Some(reason.clone());
            }
            Event::Refused {
                request, reason, ..
            } if request == GET_DEFINITION => {
                // After the end of a boot, somebody else asked.
                if self.end.is_none() {
                    self.reach(Phase::Refused, "definition", time);
                    self.reason = Some(reason.clone());
                }
            }
            Event::DefinitionFetched { .. } => {
                if self.end.is_none() {
                    self.reach(Phase::Definition, "definition", time);
                    self.reason = None;
                }
            }
            Event::StartupConfigFetched if self.is_under_way() => {
                self.step_to("startup-config", time, 0)
            }
            Event::FileFetched { path, .. } if self.is_under_way() && !self.reports() => {
                self.step_to(&format!("download {path}"), time, 0);
            }
            Event::StartupConfigStored { .. } => self.backed_up = true,
            Event::Forgotten => {
                // Their late reports are still of no other boot.
                *self = Self {
                    earlier: self.with_earlier(),
                    ..Self::default()
                }
            }
            Event::Refused { .. } | Event::StartupConfigFetched | Event::FileFetched { .. } => {}
            // Not requests of the switch. Reports are elsewhere.
            _ => return,
        }
        if logged.event != Event::Forgotten {
            self.last = self.last.max(Some(time));
        }
    }

    fn report(&mut self, logged: &Logged, boot: &str, seq: u32) {
        let time = logged.time;
        if self.id.as_deref() != Some(boot) {
            // The requests of this boot are known, unless a boot that reported has ended or has another name.
            if self.id.is_some() || self.end.is_some() {
                self.begin(time);
            }
            self.id = Some(boot.to_owned());
            self.started.get_or_insert(time);
        }
        self.last = self.last.max(Some(time));
        match &logged.event {
            Event::ActionStarted { action } => self.step_to(&format!("action {action}"), time, seq),
            Event::ActionFailed { action, reason } => {
                self.reason = Some(format!("the action {action} failed: {reason}"));
            }
            Event::Downloaded { path, .. } => self.step_to(&format!("download {path}"), time, seq),
            Event::BootSucceeded { .. } => self.end(seq, time, None),
            Event::BootFailed { reason, .. } => self.end(seq, time, Some(reason.clone())),
            _ => {}
        }
    }

    fn end(&mut self, seq: u32, at: u64, failure: Option<String>) {
        if self.end.as_ref().is_none_or(|end| end.seq < seq) {
            self.end = Some(End { seq, at, failure });
        }
    }

    /// A POST of facts: the next step of a boot, or the first of another one.
    fn posted(&mut self, time: u64) {
        let same = self.end.is_none() && !self.reports() && self.phase < Phase::Definition;
        if !same || self.phase == Phase::None {
            self.begin(time);
        }
    }

    /// Whether a boot is in progress. That of a client that does not report has no known end.
    fn is_under_way(&self) -> bool {
        self.phase != Phase::None && self.end.is_none() && !self.backed_up
    }

    /// The names of the boots before the next one.
    fn with_earlier(&mut self) -> Vec<String> {
        let mut earlier = std::mem::take(&mut self.earlier);
        earlier.extend(self.id.take());
        let first = earlier.len().saturating_sub(MAX_EARLIER);
        earlier.split_off(first)
    }

    /// Begins another boot.
    fn begin(&mut self, time: u64) {
        *self = Self {
            earlier: self.with_earlier(),
            started: Some(time),
            last: self.last,
            ..Self::default()
        };
    }

    fn reach(&mut self, phase: Phase, step: &str, time: u64) {
        self.phase = phase;
        self.started.get_or_insert(time);
        self.step_to(step, time, 0);
    }

    /// Adds a step. Steps of requests are before those of reports, which are in the order of their numbers.
    fn step_to(&mut self, step: &str, at: u64, seq: u32) {
        let step = step
            .get(..step.floor_char_boundary(MAX_STEP))
            .unwrap_or_default();
        if self
            .steps
            .iter()
            .any(|known| known.step == step && known.seq == seq)
        {
            return;
        }
        let place = self.steps.partition_point(|known| known.seq <= seq);
        if self.steps.len() == MAX_STEPS {
            if place < MAX_STEPS {
                return;
            }
            self.steps.pop();
        }
        let step = Step {
            step: step.to_owned(),
            at,
            seq,
        };
        self.steps.insert(place.min(self.steps.len()), step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALLED: u64 = 600_000;

    fn request(time: u64, event: Event) -> Logged {
        Logged {
            time,
            site: None,
            by: None,
            report: None,
            event,
        }
    }

    fn report(boot: &str, seq: u32, event: Event) -> Logged {
        let report = Some(Report {
            boot: boot.to_owned(),
            seq,
            at: f64::from(seq),
        });
        Logged {
            report,
            ..request(100 + u64::from(seq), event)
        }
    }

    /// The event of a word: a request, or `BOOT.SEQ.EVENT` for a report.
    fn event(time: u64, word: &str) -> Logged {
        let text = str::to_owned;
        if let [boot, seq, name] = word.split('.').collect::<Vec<_>>()[..] {
            let event = match name {
                "started" => Event::BootStarted,
                "action" => Event::ActionStarted { action: text("a") },
                "done" => Event::ActionSucceeded {
                    action: text("a"),
                    seconds: 1.0,
                },
                "error" => Event::ActionFailed {
                    action: text("a"),
                    reason: text("disk"),
                },
                "ok" => Event::BootSucceeded { seconds: 9.0 },
                "failed" => Event::BootFailed {
                    reason: text("no space"),
                    log: None,
                },
                _ => panic!("{word}"),
            };
            return report(boot, seq.parse().unwrap(), event);
        }
        let refused = |request: &str, reason: &str| Event::Refused {
            request: text(request),
            status: 400,
            reason: text(reason),
        };
        let event = match word {
            "script" => Event::ScriptFetched {
                model: None,
                version: None,
            },
            "new" => Event::Registered {
                pattern: None,
                definition: None,
            },
            "post" => Event::FactsPosted,
            "refused" => refused(POST_NODES, "no pattern"),
            "get-refused" => refused(GET_DEFINITION, "no value"),
            "put-refused" => refused("PUT /nodes/{id}/startup-config", "empty"),
            "get" => Event::DefinitionFetched { definition: None },
            "config" => Event::StartupConfigFetched,
            "file" => Event::FileFetched {
                path: text("files/a"),
                bytes: 1,
                seconds: 1.0,
                complete: true,
            },
            "put" => Event::StartupConfigStored {
                sha1: None,
                size: None,
            },
            "edited" => Event::Edited {
                records: Vec::new(),
            },
            "operator" => Event::OperatorChanged,
            "forgotten" => Event::Forgotten,
            _ => panic!("{word}"),
        };
        request(time, event)
    }

    fn boot(words: &str) -> Boot {
        let mut boot = Boot::default();
        for (at, word) in words.split_whitespace().enumerate() {
            boot.apply(&event(at as u64 + 1, word));
        }
        boot
    }

    #[test]
    fn events_give_a_state_a_step_and_a_reason() {
        for (words, state, step, reason) in [
            ("", State::Planned, None, None),
            ("operator", State::Planned, None, None),
            ("script", State::Booting, Some("script"), None),
            ("script post", State::Booting, Some("facts"), None),
            ("new", State::Booting, Some("facts"), None),
            (
                "script refused",
                State::Waiting,
                Some("facts"),
                Some("no pattern"),
            ),
            (
                "script refused refused new",
                State::Booting,
                Some("facts"),
                None,
            ),
            (
                "refused operator",
                State::Waiting,
                Some("facts"),
                Some("no pattern"),
            ),
            (
                "post get-refused",
                State::Waiting,
                Some("definition"),
                Some("no value"),
            ),
            ("post get", State::Served, None, None),
            ("post get config file", State::Served, None, None),
            ("post get put-refused", State::Served, None, None),
            ("post get edited operator", State::Served, None, None),
            ("post get put", State::BackedUp, None, None),
            ("put", State::BackedUp, None, None),
            ("post get put script", State::Booting, Some("script"), None),
            ("post get put post", State::Booting, Some("facts"), None),
            ("post get script", State::Booting, Some("script"), None),
            ("post x.1.started", State::Booting, Some("facts"), None),
            (
                "post x.1.started get",
                State::Booting,
                Some("definition"),
                None,
            ),
            (
                "post get x.1.started x.2.action",
                State::Booting,
                Some("action a"),
                None,
            ),
            (
                "post get x.2.action x.3.error",
                State::Booting,
                Some("action a"),
                Some("the action a failed: disk"),
            ),
            (
                "post get x.2.action x.3.error x.4.failed",
                State::Failed,
                Some("action a"),
                Some("no space"),
            ),
            ("post get x.2.action x.9.ok", State::Booted, None, None),
            ("post get x.9.ok get", State::Booted, None, None),
            ("post get x.9.ok get-refused", State::Booted, None, None),
            ("post get x.9.ok put", State::BackedUp, None, None),
            (
                "post get x.9.failed put",
                State::Failed,
                Some("definition"),
                Some("no space"),
            ),
            ("post get x.9.ok post", State::Booting, Some("facts"), None),
            (
                "post get x.9.ok refused",
                State::Waiting,
                Some("facts"),
                Some("no pattern"),
            ),
            // The next boot, and reports of the one before that arrive late.
            (
                "post get x.9.ok script post x.2.action",
                State::Booting,
                Some("facts"),
                None,
            ),
            (
                "post get x.9.failed post x.8.ok",
                State::Booting,
                Some("facts"),
                None,
            ),
            (
                "post get x.1.started y.1.started y.2.action x.9.ok",
                State::Booting,
                Some("action a"),
                None,
            ),
            ("post get x.9.ok forgotten", State::Planned, None, None),
            // A late report of a forgotten boot, and of one that is not known any more.
            (
                "post get x.9.ok forgotten post x.10.failed",
                State::Booting,
                Some("facts"),
                None,
            ),
            (
                "post get x.9.ok forgotten x.1.started",
                State::Planned,
                None,
                None,
            ),
            ("post get x.9.ok y.3.action", State::Booted, None, None),
            ("post get x.9.ok y.3.failed", State::Booted, None, None),
            (
                "post get x.9.ok y.2.action",
                State::Booting,
                Some("action a"),
                None,
            ),
            ("post get x.9.ok y.7.started", State::Booting, None, None),
            (
                "post get x.9.ok post y.3.action y.1.started",
                State::Booting,
                Some("action a"),
                None,
            ),
        ] {
            let boot = boot(words);
            let is = (boot.state(200, STALLED), boot.step(), boot.reason());
            assert_eq!(is, (state, step, reason), "{words}");
        }
    }

    #[test]
    fn a_boot_without_an_event_is_stalled_until_the_next_one() {
        let mut boot = boot("script post");
        assert_eq!(boot.stalls_at(STALLED), Some(2 + STALLED));
        assert_eq!(boot.state(1 + STALLED, STALLED), State::Booting);
        assert_eq!(boot.state(2 + STALLED, STALLED), State::Stalled);
        assert_eq!(boot.since(2 + STALLED, STALLED), Some(2 + STALLED));
        boot.apply(&event(3 + STALLED, "get"));
        assert_eq!(boot.state(u64::MAX, STALLED), State::Served);
        assert_eq!(boot.stalls_at(STALLED), None);
    }

    #[test]
    fn reports_of_one_boot_give_the_same_state_in_any_order_and_twice() {
        let words = [
            "x.1.started",
            "x.2.action",
            "x.3.error",
            "x.4.action",
            "x.5.ok",
            "x.6.failed",
        ];
        let shown = |order: &[usize]| {
            let mut all = boot("script post get");
            for at in order {
                all.apply(&event(0, words[*at]));
            }
            let (state, step, reason) = (all.state(200, STALLED), all.step(), all.reason());
            (state, step.map(str::to_owned), reason.map(str::to_owned))
        };
        let in_order = shown(&[0, 1, 2, 3, 4, 5]);
        assert_eq!(in_order.0, State::Failed);
        let mut order: Vec<usize> = (0..words.len()).collect();
        // Heap's algorithm: all orders.
        let mut counters = vec![0; order.len()];
        let mut at = 0;
        while at < order.len() {
            if counters[at] < at {
                let other = if at % 2 == 0 { 0 } else { counters[at] };
                order.swap(other, at);
                assert_eq!(shown(&order), in_order, "{order:?}");
                let twice: Vec<usize> = order.iter().chain(&order).copied().collect();
                assert_eq!(shown(&twice), in_order, "{twice:?}");
                counters[at] += 1;
                at = 0;
            } else {
                counters[at] = 0;
                at += 1;
            }
        }
    }

    #[test]
    fn late_reports_of_many_boots_change_nothing() {
        let mut words = "post".to_owned();
        for at in 10..40 {
            words += &format!(" b{at}.1.started b{at}.2.ok");
        }
        let mut boot = boot(&words);
        for (name, seq) in [("b10", 3), ("b30", 1), ("b38", 2)] {
            let action = "old".to_owned();
            boot.apply(&report(name, seq, Event::ActionStarted { action }));
            assert_eq!(boot.state(200, STALLED), State::Booted, "{name}");
        }
    }

    #[test]
    fn the_name_of_a_step_is_short() {
        let mut boot = boot("script post get");
        let action = "é".repeat(500);
        boot.apply(&report("x", 1, Event::ActionStarted { action }));
        let step = boot.step().unwrap();
        assert!(step.len() > 120 && step.len() <= MAX_STEP, "{step}");
    }

    #[test]
    fn a_boot_keeps_its_first_steps_and_its_last() {
        let mut boot = boot("script post get");
        for seq in 1..=100 {
            let action = format!("{seq}");
            boot.apply(&report("x", seq, Event::ActionStarted { action }));
        }
        assert_eq!(boot.steps.len(), MAX_STEPS);
        assert_eq!(boot.steps[0].step, "script");
        assert_eq!(boot.step(), Some("action 100"));
    }
}
