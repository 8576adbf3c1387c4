//! `ztp validate`: every file by itself, and what files say of each other.

mod definitions;
mod documents;
mod neighbordb;
mod nodes;
mod overlap;
mod pools;
mod scripts;
mod server_conf;

use std::collections::{BTreeMap, BTreeSet};

use ztp_core::definition::{Attributes, Definition};
use ztp_core::node::Identifier;
use ztp_core::pool::Pool;
use ztp_core::yaml::{self, Node, Position};

use crate::content::Place;
use crate::data_root::DataRoot;
use crate::finding::{Finding, Kind, Note};
use crate::regular;
use crate::sites;

pub use server_conf::ServerConf;

/// What was found in a data_root.
pub struct Validation {
    /// In the order of files and lines.
    pub findings: Vec<Finding>,
    /// What is no finding, but should be known.
    pub notes: Vec<Note>,
}

impl Validation {
    /// Whether something is an error, and not only a warning.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }
}

/// Checks a data_root. `site`: that of all nodes of which the data_root does not say it.
pub fn validate(root: &DataRoot, identifier: Identifier, site: Option<&str>) -> Validation {
    let mut check = Check {
        root,
        identifier,
        site,
        findings: root.findings.clone(),
        notes: left_alone(root),
        definitions: BTreeMap::new(),
        pools: BTreeMap::new(),
        attributes: BTreeMap::new(),
        static_users: BTreeMap::new(),
    };
    check.server_conf();
    check.documents();
    check.read_definitions();
    check.nodes();
    check.neighbordb();
    check.definitions();
    check.pools();
    check.scripts();
    let Check {
        mut findings,
        notes,
        ..
    } = check;
    findings.sort_by(|a, b| (&a.key, a.position, a.kind).cmp(&(&b.key, b.position, b.kind)));
    findings.dedup();
    Validation { findings, notes }
}

/// A validation under way.
struct Check<'r> {
    root: &'r DataRoot,
    identifier: Identifier,
    site: Option<&'r str>,
    findings: Vec<Finding>,
    notes: Vec<Note>,
    /// What could be read, by key: shared definitions and those of nodes.
    definitions: BTreeMap<String, Definition>,
    /// By name.
    pools: BTreeMap<String, Pool>,
    /// By node.
    attributes: BTreeMap<String, Attributes>,
    /// Pool, with its site if it has one -> the nodes of which it is known that they will ask it for a value.
    static_users: BTreeMap<String, BTreeSet<String>>,
}

impl Check<'_> {
    fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The text of a file; a finding if it is there and cannot be read.
    fn text(&mut self, key: &str) -> Option<String> {
        let file = self.root.files.get(key)?;
        let limit = file.place.store().max_value_bytes();
        if file.size > limit {
            return None;
        }
        let bytes = match regular::read(&file.path, limit) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("the file cannot be read: {error}");
                self.find(Finding::of_file(Kind::Unreadable, key, message));
                return None;
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
                let bad = error.as_bytes().get(good).copied().unwrap_or_default();
                let message = format!("the byte 0x{bad:02x} is not UTF-8 text");
                self.find(Finding::at(Kind::NotUtf8, key, end_of(&before), message));
                None
            }
        }
    }

    /// The text of a YAML file; its repeated keys are noted.
    fn yaml(&mut self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        for (position, name) in yaml::duplicate_keys(&text) {
            let message = format!("the key '{name}' stands in this mapping before");
            self.find(Finding::at(Kind::DuplicateKey, key, position, message));
        }
        Some(text)
    }

    /// Keys of a mapping that nothing reads.
    fn unknown_keys_of(&mut self, key: &str, mapping: &Node, what: &str, known: &[&str]) {
        for name in mapping.unknown_keys(known) {
            let message = format!("{} is not a key of {what}", name.shown());
            let text = name.as_name().unwrap_or_default();
            let help = match did_you_mean(text, known.iter().copied()) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None => format!("the keys are {}", known.join(", ")),
            };
            let finding = Finding::at(Kind::UnknownKey, key, name.position, message);
            self.find(finding.with_help(help));
        }
    }

    /// The site of a node, as far as it is known.
    fn site_of(&self, node: &str) -> Option<String> {
        sites::site_of(self.root, node).or_else(|| self.site.map(str::to_owned))
    }

    /// The keys of all files of which `pick` makes something of their place.
    fn keys<T>(&self, pick: impl Fn(&Place) -> Option<T>) -> Vec<(String, T)> {
        let files = self.root.files.iter();
        files
            .filter_map(|(key, file)| Some((key.clone(), pick(&file.place)?)))
            .collect()
    }
}

/// The position behind the last character of a text.
fn end_of(text: &str) -> Position {
    Position {
        line: text.matches('\n').count() + 1,
        column: text.rsplit('\n').next().unwrap_or(text).chars().count() + 1,
    }
}

fn left_alone(root: &DataRoot) -> Vec<Note> {
    let mut notes: Vec<_> = root
        .left_alone
        .iter()
        .map(|left| Note::from(format!("{} is left alone: {}", left.path, left.reason)))
        .collect();
    let handlers = root
        .files
        .iter()
        .filter(|(_, file)| matches!(file.place, Place::ConfigHandler(_)));
    for (key, _) in handlers {
        notes.push(Note::from(format!(
            "{key} is stored but never run here: fetch backups with `ztp pull --nodes` and run it there"
        )));
    }
    notes
}

/// The name that was probably meant, for a message.
fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let scored = known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, known), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score > 0.85)
        .map(|(_, known)| known)
}
