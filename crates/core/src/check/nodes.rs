//! The folders of nodes.

use crate::definition::Definition;
use crate::key::Record;
use crate::node::{Identifier, NodeFacts, normalize_mac};
use crate::pattern::Pattern;

use super::finding::{Finding, FindingKind};
use crate::content::ContentKind;

use super::Check;

impl Check<'_> {
    /// Checks every node as GET /nodes/{id} will.
    pub(super) fn nodes(&mut self) {
        let records = self.keys(|kind| match kind {
            ContentKind::Record(node, record) => Some((node.clone(), *record)),
            _ => None,
        });
        let mut ids: Vec<_> = records.iter().map(|(_, (node, _))| node.clone()).collect();
        ids.dedup();
        for (key, (node, record)) in &records {
            match record {
                Record::StartupConfig => self.startup_config(key),
                Record::ConfigHandler | Record::Site => drop(self.text(key)),
                Record::Pattern if self.known_by(node).is_none() => {
                    let message = format!(
                        "the node '{node}' has a pattern, but neither a definition nor a startup-config"
                    );
                    self.add(Finding::of_file(
                        FindingKind::UnreachablePattern,
                        key,
                        message,
                    ));
                }
                _ => {}
            }
        }
        for node in ids {
            self.id_is_sent(&node);
            self.fits_its_pattern(&node);
            self.asks_pools(&node);
            let definition = format!("nodes/{node}/{}", Record::Definition.name());
            self.replaced_attributes(&node, &definition);
        }
    }

    /// The record that makes a node known, so that it is not matched against neighbordb.
    pub(super) fn known_by(&self, node: &str) -> Option<String> {
        [Record::Definition, Record::StartupConfig]
            .into_iter()
            .map(|record| format!("nodes/{node}/{}", record.name()))
            .find(|key| self.index.has(key))
    }

    /// Checks that a startup-config has text. On the server its bytes are not read, unless it is stored right now.
    pub(super) fn startup_config(&mut self, key: &str) {
        let is_empty = self.index.get(key).is_some_and(|file| file.size == 0);
        let bytes = self.index.read(key).and_then(Result::ok);
        let bytes = bytes.unwrap_or_default();
        let is_blank = !bytes.is_empty() && bytes.trim_ascii().is_empty();
        if is_empty || is_blank {
            let message = match is_empty {
                true => "the startup-config is empty",
                false => "the startup-config has only white space",
            };
            self.add(Finding::of_file(
                FindingKind::EmptyStartupConfig,
                key,
                message,
            ));
        }
        // Windows tools write it so, and EOS would start with none of its lines. Any other bytes may be in a banner.
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            let message = "the startup-config is UTF-16 text, of which EOS reads no line";
            self.add(Finding::of_file(FindingKind::NotUtf8, key, message));
        }
    }

    /// Checks that a switch can send the id that its folder is named after.
    pub(super) fn id_is_sent(&mut self, node: &str) {
        let (sent, message) = match self.identifier {
            Identifier::SystemMac => {
                let sent = normalize_mac(node);
                let message =
                    format!("with IDENTIFIER systemmac the id of the node '{node}' is '{sent}'");
                (sent, message)
            }
            Identifier::SerialNumber => {
                let sent = node.trim().to_owned();
                let message = format!(
                    "blanks around a serial number are removed: the id of the node '{node}' is '{sent}'"
                );
                (sent, message)
            }
        };
        if sent != node {
            let key = format!("nodes/{node}");
            let finding = Finding::of_file(FindingKind::BadNodeId, key, message);
            self.add(finding.with_help(format!("rename the folder to nodes/{sent}")));
        }
    }

    fn fits_its_pattern(&mut self, node: &str) {
        let pattern = self.pattern(node);
        let Some(facts) = self.facts_of_node(node) else {
            return;
        };
        if let Some((key, pattern)) = pattern
            && let Err(mismatch) = pattern.check(&facts)
        {
            let message = format!("the node '{node}' does not match its pattern: {mismatch}");
            self.add(Finding::of_file(FindingKind::RefusedNode, key, message));
        }
    }

    /// The facts of a node; a finding if they are those of another one.
    pub(super) fn facts_of_node(&mut self, node: &str) -> Option<NodeFacts> {
        let (facts_key, facts) = self.facts(node)?;
        match facts.id(self.identifier) {
            Ok(id) if id.as_str() == node => {}
            Ok(id) => {
                let message = format!("these are the facts of the node '{id}'");
                self.add(Finding::of_file(
                    FindingKind::FactsOfOtherNode,
                    &facts_key,
                    message,
                ));
            }
            Err(error) => {
                self.add(Finding::of_file(
                    FindingKind::FactsOfOtherNode,
                    &facts_key,
                    error.to_string(),
                ));
            }
        }
        Some(facts)
    }

    pub(super) fn pattern(&mut self, node: &str) -> Option<(String, Pattern)> {
        let key = format!("nodes/{node}/{}", Record::Pattern.name());
        let text = self.yaml(&key)?;
        match Pattern::parse_stored(&text) {
            Ok(pattern) => Some((key, pattern)),
            Err(error) => {
                let kind = FindingKind::BadPattern;
                let finding = Finding::of_diagnostic(kind, key, error.diagnostic);
                self.add(finding.with_help("correct it: as it is, the node is refused"));
                None
            }
        }
    }

    fn facts(&mut self, node: &str) -> Option<(String, NodeFacts)> {
        let key = format!("nodes/{node}/{}", Record::Facts.name());
        let text = self.text(&key)?;
        match NodeFacts::parse_stored(&text) {
            Ok(facts) => Some((key, facts)),
            Err(error) => {
                self.add(Finding::of_file(
                    FindingKind::BadFacts,
                    key,
                    error.to_string(),
                ));
                None
            }
        }
    }

    fn asks_pools(&mut self, node: &str) {
        let key = |record: Record| format!("nodes/{node}/{}", record.name());
        let definition = self.definitions.get(&key(Record::Definition)).cloned();
        let definition = if self.index.has(&key(Record::StartupConfig)) {
            Definition::autogenerated("", definition)
        } else {
            match definition {
                Some(definition) => definition,
                None => return,
            }
        };
        let attributes = self.attributes.get(node).cloned().unwrap_or_default();
        self.uses_pools(
            node,
            &key(Record::Definition),
            definition.render(&attributes),
        );
    }
}
