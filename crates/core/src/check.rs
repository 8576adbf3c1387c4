//! Checks all content at once: every document by itself, and the references between documents.
//!
//! [`check`] is pure: it reads [`Contents`] and nothing else, so that a data_root on disk and the stores of a Worker are
//! held to the same rules. A [`Finding`] has a kind with a stable name, a severity, a position, a message, and advice.

mod contents;
mod definitions;
mod document;
mod documents;
mod finding;
mod keys;
mod neighbordb;
mod nodes;
mod overlap;
mod pools;
mod server_conf;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::content::ContentKind;
use crate::definition::{Attributes, Definition};
use crate::key::POOLS;
use crate::node::Identifier;
use crate::pool::{Holder, Pool};
use crate::yaml::{self, Node, Position};

pub use contents::{Content, Contents, Elsewhere, Index, Listed, PoolFile, SERVER_CONF};
pub use document::document;
pub use finding::{Finding, FindingKind, Note, Severity};
pub use keys::MAX_ACTION_BYTES;
pub use server_conf::ServerConf;

/// The work of all suggestions in one check, as pairs of bytes that are compared: each missing file is compared with every
/// file, and there may be thousands of both.
const MAX_COMPARED: usize = 100_000_000;

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validation {
    /// In the order of keys and positions, each once.
    pub findings: Vec<Finding>,
    /// Notes for the operator, which are not findings.
    pub notes: Vec<Note>,
}

impl Validation {
    /// Whether a finding is an error, and not only a warning.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }

    /// Adds findings that another check made of the same contents.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.findings
            .sort_by(|a, b| (&a.key, a.position, a.kind).cmp(&(&b.key, b.position, b.kind)));
        self.findings.dedup();
    }
}

/// Checks contents. `identifier`: the fact that names a node. `site`: the site of all nodes whose `site` is not stored.
pub fn check(contents: &dyn Contents, identifier: Identifier, site: Option<&str>) -> Validation {
    let (index, unread) = Index::with_rest(contents);
    let mut check = Check::new(&index, identifier, site);
    check.unread(&unread);
    check.keys_and_sizes();
    check.config_handlers();
    check.documents();
    check.read_definitions();
    check.nodes();
    check.neighbordb();
    check.definitions();
    check.pools();
    check.settle();
    check.done()
}

/// Checks `ztpserver.conf`, which only a folder has: notes the `[vars]` that mean the same.
pub fn server_conf(contents: &dyn Contents) -> Validation {
    let index = Index::of(contents);
    let mut check = Check::new(&index, Identifier::default(), None);
    check.server_conf(contents.read(SERVER_CONF));
    check.done()
}

/// A check in progress.
struct Check<'c> {
    index: &'c Index<'c>,
    identifier: Identifier,
    site: Option<&'c str>,
    findings: Vec<Finding>,
    notes: Vec<Note>,
    /// The definitions that can be read, by key: shared ones and those of nodes.
    definitions: BTreeMap<String, Definition>,
    /// By name.
    pools: BTreeMap<String, Pool>,
    /// By node.
    attributes: BTreeMap<String, Attributes>,
    /// Pool, with its site if it has one -> the nodes that are certain to call it, with the names of values.
    static_users: BTreeMap<String, BTreeSet<Holder>>,
    /// The keys of the definitions that neighbordb names; `None` if it is not stored here, or not valid.
    named: Option<HashSet<String>>,
    /// The names of the pools that a definition calls, without sites.
    called: BTreeSet<String>,
    /// The rest of [`MAX_COMPARED`].
    comparable: usize,
}

impl<'c> Check<'c> {
    /// A check that has not begun.
    fn new(index: &'c Index<'c>, identifier: Identifier, site: Option<&'c str>) -> Self {
        Self {
            index,
            identifier,
            site,
            findings: Vec::new(),
            notes: Vec::new(),
            definitions: BTreeMap::new(),
            pools: BTreeMap::new(),
            attributes: BTreeMap::new(),
            static_users: BTreeMap::new(),
            named: None,
            called: BTreeSet::new(),
            comparable: MAX_COMPARED,
        }
    }
}

impl Check<'_> {
    fn done(self) -> Validation {
        let mut validation = Validation {
            findings: Vec::new(),
            notes: self.notes,
        };
        validation.add(self.findings);
        validation
    }

    fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Adds a finding about content that is missing here, with a similar name if there is one. It is a warning as long as
    /// nobody has looked elsewhere.
    fn add_missing(&mut self, finding: Finding, found: Elsewhere, meant: Option<&str>) {
        let meant = meant.map(|meant| format!("did you mean '{meant}'?"));
        self.add(match found {
            Elsewhere::Yes => return,
            Elsewhere::No => Finding {
                help: meant,
                ..finding
            },
            Elsewhere::Unknown => {
                let help = meant.unwrap_or_else(|| finding.kind.help().to_owned());
                let help =
                    format!("{help}; `ztp push` stops if the server does not have it, either");
                finding.as_warning().with_help(help)
            }
        });
    }

    /// Makes warnings of the errors in definitions and pools that nothing names: no switch receives them.
    fn settle(&mut self) {
        let Some(named) = &self.named else { return };
        let of_definition = |key: &str| key.starts_with("definitions/");
        let is_whole = !self.findings.iter().any(|finding| {
            finding.kind == FindingKind::BadDefinition
                && (!of_definition(&finding.key) || named.contains(&finding.key))
        });
        let is_called = |pool: &str| {
            let shared = pool.split_once('/').map(|(_, shared)| shared);
            let mut names = [Some(pool), shared].into_iter().flatten();
            !is_whole || names.any(|name| self.called.contains(name))
        };
        for finding in &mut self.findings {
            let unused = match finding.key.strip_prefix(POOLS) {
                Some(pool) => !is_called(pool),
                None => of_definition(&finding.key) && !named.contains(&finding.key),
            };
            if unused {
                finding.severity = Severity::Warning;
            }
        }
    }

    /// The text of a document; a finding if it is stored and cannot be read.
    fn text(&mut self, key: &str) -> Option<String> {
        let bytes = self.bytes(key, self.index.read(key)?)?;
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
                let bad = error.as_bytes().get(good).copied().unwrap_or_default();
                let message = format!("the byte 0x{bad:02x} is not UTF-8 text");
                self.add(Finding::at(
                    FindingKind::NotUtf8,
                    key,
                    end_of(&before),
                    message,
                ));
                None
            }
        }
    }

    /// The bytes that were read of a document; a finding if they were not.
    fn bytes(&mut self, key: &str, read: Result<Vec<u8>, String>) -> Option<Vec<u8>> {
        let failed = |error| {
            let message = format!("the file cannot be read: {error}");
            self.findings
                .push(Finding::of_file(FindingKind::Unreadable, key, message));
        };
        read.map_err(failed).ok()
    }

    /// The text of a YAML file; its duplicate keys are findings.
    fn yaml(&mut self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        for (position, name) in yaml::duplicate_keys(&text) {
            let message = format!("this mapping already has the key '{name}'");
            self.add(Finding::at(
                FindingKind::DuplicateKey,
                key,
                position,
                message,
            ));
        }
        Some(text)
    }

    /// Finds the keys of a mapping that nothing reads.
    fn unknown_keys_of(&mut self, key: &str, mapping: &Node, what: &str, known: &[&str]) {
        for name in mapping.unknown_keys(known) {
            let message = format!("{} is not a key of {what}", name.shown());
            let text = name.as_name().unwrap_or_default();
            let help = match self.did_you_mean(text, known.iter().copied()) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None => format!("the keys are {}", known.join(", ")),
            };
            let finding = Finding::at(FindingKind::UnknownKey, key, name.position, message);
            self.add(finding.with_help(help));
        }
    }

    /// The most similar known name, if one is similar enough for a suggestion. `None` also after [`MAX_COMPARED`].
    fn did_you_mean<'n>(
        &mut self,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) -> Option<&'n str> {
        const SIMILAR: f64 = 0.85;
        let mut best = (SIMILAR, None);
        for known in known {
            let cost = name.len().saturating_mul(known.len());
            self.comparable = self.comparable.checked_sub(cost)?;
            let score = strsim::jaro_winkler(name, known);
            if score > SIMILAR && score >= best.0 {
                best = (score, Some(known));
            }
        }
        best.1
    }

    /// The site of a node, if it is known.
    fn site_of(&self, node: &str) -> Option<String> {
        let stored = self.index.site_of(node);
        stored.or_else(|| self.site.map(str::to_owned))
    }

    /// The keys whose kind `pick` selects, each with the result of `pick`.
    fn keys<T>(&self, pick: impl Fn(&ContentKind) -> Option<T>) -> Vec<(String, T)> {
        let content = self.index.iter();
        content
            .filter_map(|(key, content)| Some((key.clone(), pick(&content.kind)?)))
            .collect()
    }
}

/// The position after the last character of a text.
fn end_of(text: &str) -> Position {
    Position {
        line: text.matches('\n').count() + 1,
        column: text.rsplit('\n').next().unwrap_or(text).chars().count() + 1,
    }
}
