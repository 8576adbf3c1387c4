//! The bootstrap script, bootstrap.conf, operators, and config-handlers.

use crate::operators::Operators;
use crate::script::{begins_with_mark, has_line_ends_of_windows};
use crate::template::Template;
use crate::yaml::{self, Value};

use super::finding::{Finding, FindingKind};
use crate::content::ContentKind;
use crate::kv::digest;
use crate::{bootstrap_conf, stock};

use super::Check;

const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

impl Check<'_> {
    /// Checks each document by itself.
    pub(super) fn documents(&mut self) {
        for (key, kind) in self.keys(|kind| Some(kind.clone())) {
            match kind {
                ContentKind::Bootstrap => self.bootstrap(&key),
                ContentKind::BootstrapConf => self.bootstrap_conf(&key),
                ContentKind::Operators => self.operators(&key),
                ContentKind::ConfigHandler(_) => drop(self.text(&key)),
                _ => {}
            }
        }
    }

    fn bootstrap(&mut self, key: &str) {
        let Some(text) = self.text(key) else { return };
        if begins_with_mark(&text) {
            let message = "a byte order mark is before the #! of the script, so a switch does not find its interpreter, \
                           and cannot run it";
            self.add(Finding::of_file(FindingKind::ByteOrderMark, key, message));
        }
        if has_line_ends_of_windows(&text) {
            let message = "the first line ends with a carriage return, which becomes a part of the name of the \
                           interpreter, so a switch cannot run the script";
            self.add(Finding::of_file(FindingKind::LineEnds, key, message));
        }
        if stock::is_client(&digest(text.as_bytes())) {
            let message = "this is the client of a release of ZTPServer, unchanged";
            self.add(Finding::of_file(FindingKind::StockClient, key, message));
        }
        if !Template::parse(text).has_server() {
            let message = "the script has no $SERVER";
            self.add(Finding::of_file(FindingKind::NoServer, key, message));
        }
    }

    fn bootstrap_conf(&mut self, key: &str) {
        let Some(text) = self.yaml(key) else { return };
        if let Err(error) = bootstrap_conf::parse(&text) {
            let kind = FindingKind::BadBootstrapConf;
            return self.add(Finding::of_diagnostic(kind, key, error));
        }
        let Ok(root) = yaml::parse(&text) else { return };
        self.unknown_keys_of(key, &root, "bootstrap.conf", &["logging", "xmpp"]);
        let Some(Value::List(entries)) = root.get("logging").map(|logging| &logging.value) else {
            return;
        };
        for destination in entries.iter().filter_map(|entry| entry.get("destination")) {
            let text = destination.as_str().unwrap_or_default();
            if let Some(corrected) = bootstrap_conf::corrected(text) {
                let message = format!("clients do not understand the destination '{text}'");
                let kind = FindingKind::BadDestination;
                let finding = Finding::at(kind, key, destination.position, message);
                self.add(finding.with_help(format!("write {corrected}")));
            }
        }
        for level in entries.iter().filter_map(|entry| entry.get("level")) {
            let known = level
                .as_str()
                .is_none_or(|name| LEVELS.contains(&name.to_ascii_uppercase().as_str()));
            if !known {
                let message = format!("{} is not a valid logging level", level.shown());
                self.add(Finding::at(
                    FindingKind::UnknownLevel,
                    key,
                    level.position,
                    message,
                ));
            }
        }
    }

    fn operators(&mut self, key: &str) {
        let Some(text) = self.yaml(key) else { return };
        let operators = match Operators::parse(&text) {
            Ok(operators) => operators,
            Err(error) => {
                let kind = FindingKind::BadOperators;
                return self.add(Finding::of_diagnostic(kind, key, error));
            }
        };
        for (at, entry) in operators.entries().iter().enumerate() {
            let mut before = operators.entries().iter().take(at);
            if let Some(first) = before.find(|first| first.who == entry.who) {
                let message = format!(
                    "this entry has no effect: line {} is about the same operator",
                    first.position.line
                );
                let finding = Finding::at(FindingKind::Shadowed, key, entry.position, message);
                self.add(finding.with_help("remove one: the first entry that matches counts"));
            }
        }
    }
}
