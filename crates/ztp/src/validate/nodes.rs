//! The folders of nodes.

use ztp_core::definition::Definition;
use ztp_core::key::Record;
use ztp_core::node::{Identifier, NodeFacts, normalize_mac};
use ztp_core::pattern::Pattern;

use crate::content::Place;
use crate::finding::{Finding, Kind};

use super::Check;

impl Check<'_> {
    /// Looks at every node as GET /nodes/{id} will.
    pub(super) fn nodes(&mut self) {
        let records = self.keys(|place| match place {
            Place::Record(node, record) => Some((node.clone(), *record)),
            _ => None,
        });
        let mut ids: Vec<_> = records.iter().map(|(_, (node, _))| node.clone()).collect();
        ids.dedup();
        for (key, (node, record)) in &records {
            match record {
                Record::StartupConfig => self.startup_config(key),
                Record::ConfigHandler | Record::Site => drop(self.text(key)),
                Record::Pattern if self.known_by(node).is_none() => {
                    let message =
                        format!("the node '{node}' has a pattern, but nothing to be told");
                    self.find(Finding::of_file(Kind::PatternInVain, key, message));
                }
                _ => {}
            }
        }
        for node in ids {
            self.id_is_sent(&node);
            self.fits_its_pattern(&node);
            self.asks_pools(&node);
        }
    }

    /// The record that makes a node known, so that it is not matched against neighbordb.
    pub(super) fn known_by(&self, node: &str) -> Option<String> {
        [Record::Definition, Record::StartupConfig]
            .into_iter()
            .map(|record| format!("nodes/{node}/{}", record.name()))
            .find(|key| self.root.has(key))
    }

    fn startup_config(&mut self, key: &str) {
        if self.root.files.get(key).is_some_and(|file| file.size == 0) {
            let message = "the startup-config is empty";
            self.find(Finding::of_file(Kind::EmptyStartupConfig, key, message));
        }
    }

    /// Whether a switch can have the id that its folder is called by.
    fn id_is_sent(&mut self, node: &str) {
        let (sent, message) = match self.identifier {
            Identifier::SystemMac => {
                let sent = normalize_mac(node);
                let message =
                    format!("with IDENTIFIER systemmac the node '{node}' is called '{sent}'");
                (sent, message)
            }
            Identifier::SerialNumber => {
                let sent = node.trim().to_owned();
                let message = format!(
                    "the blanks around a serial number are removed: the node '{node}' is called '{sent}'"
                );
                (sent, message)
            }
        };
        if sent != node {
            let key = format!("nodes/{node}");
            let finding = Finding::of_file(Kind::BadNodeId, key, message);
            self.find(finding.with_help(format!("rename the folder to nodes/{sent}")));
        }
    }

    fn fits_its_pattern(&mut self, node: &str) {
        let pattern = self.pattern(node);
        let Some((facts_key, facts)) = self.facts(node) else {
            return;
        };
        match facts.id(self.identifier) {
            Ok(id) if id.as_str() == node => {}
            Ok(id) => {
                let message = format!("these are the facts of the node '{id}'");
                self.find(Finding::of_file(Kind::ForeignFacts, &facts_key, message));
            }
            Err(error) => {
                self.find(Finding::of_file(
                    Kind::ForeignFacts,
                    &facts_key,
                    error.to_string(),
                ));
            }
        }
        if let Some((key, pattern)) = pattern
            && let Err(mismatch) = pattern.check(&facts)
        {
            let message = format!("the node '{node}' does not fit its pattern: {mismatch}");
            self.find(Finding::of_file(Kind::RefusedNode, key, message));
        }
    }

    fn pattern(&mut self, node: &str) -> Option<(String, Pattern)> {
        let key = format!("nodes/{node}/{}", Record::Pattern.name());
        let text = self.yaml(&key)?;
        match Pattern::parse_stored(&text) {
            Ok(pattern) => Some((key, pattern)),
            Err(error) => {
                let kind = Kind::BadPattern;
                let finding = Finding::at(kind, key, error.position, error.message);
                self.find(finding.with_help("correct it: as it is, the node is refused"));
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
                self.find(Finding::of_file(Kind::BadFacts, key, error.to_string()));
                None
            }
        }
    }

    fn asks_pools(&mut self, node: &str) {
        let key = |record: Record| format!("nodes/{node}/{}", record.name());
        let definition = self.definitions.get(&key(Record::Definition)).cloned();
        let definition = if self.root.has(&key(Record::StartupConfig)) {
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
