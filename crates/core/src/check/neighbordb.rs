//! neighbordb: whether its patterns are valid and can match, and whether the content that they name exists.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::key::Document;
use crate::neighbordb::{self, Entry, Neighbordb};
use crate::node::NodeId;
use crate::pyregex::Budget;
use crate::yaml::{self, Node, Value};

use super::contents::Elsewhere;
use super::finding::{Finding, FindingKind};
use crate::content::{self, ContentKind};

use super::{Check, overlap};

const KEY: &str = "neighbordb";

impl Check<'_> {
    /// Checks neighbordb, by itself and against the rest of the content.
    pub(super) fn neighbordb(&mut self) {
        let Some((root, neighbordb)) = self.neighbordb_alone() else {
            return;
        };
        let lines = Lines::of(&root);
        let entries = neighbordb.entries();
        let named = entries
            .iter()
            .map(|entry| content::definition_key(entry.definition.as_str()));
        self.named = Some(named.collect());
        let mut budget = overlap::budget();
        for entry in entries {
            self.named_content(entry, &lines);
            self.never_matches(entry, &mut budget);
        }
        self.shadowed(entries, &mut budget);
        self.repeated_names(entries, &lines);
        self.known_nodes(entries, &lines);
        self.unknown_nodes(entries);
        self.unused_variables(&root, entries);
    }

    /// Checks neighbordb by itself. The other checks need a valid file: `None` if it is not valid.
    pub(super) fn neighbordb_alone(&mut self) -> Option<(Node, Neighbordb)> {
        let text = self.yaml(KEY)?;
        let problems = Neighbordb::problems(&text, self.identifier);
        for problem in &problems {
            let (kind, message) = match &problem.pattern {
                Some(name) => (
                    FindingKind::BadPattern,
                    format!("pattern '{name}': {}", problem.diagnostic.message),
                ),
                None => (
                    FindingKind::BadNeighbordb,
                    problem.diagnostic.message.clone(),
                ),
            };
            self.add(Finding::at(kind, KEY, problem.diagnostic.position, message));
        }
        let root = yaml::parse(&text).ok()?;
        self.unknown_keys(&root);
        let neighbordb = Neighbordb::parse(&text, self.identifier).ok()?;
        Some((root, neighbordb))
    }

    fn unknown_keys(&mut self, root: &Node) {
        self.unknown_keys_of(KEY, root, "neighbordb", &neighbordb::KEYS);
    }

    /// Checks that the definition and the config-handler of a pattern exist.
    fn named_content(&mut self, entry: &Entry, lines: &Lines<'_>) {
        let name = &entry.pattern.name;
        let definition = content::definition_key(entry.definition.as_str());
        let found = self.index.find(&definition);
        if found != Elsewhere::Yes {
            let message = format!("pattern '{name}' names {definition}, which is not stored");
            let at = lines.value(entry, &["definition"]);
            let finding = Finding::at(FindingKind::MissingDefinition, KEY, at, message);
            let names = self.keys(|kind| match kind {
                ContentKind::Definition(name) => Some(name.clone()),
                _ => None,
            });
            let names = names.iter().map(|(_, name)| name.as_str());
            let meant = self.did_you_mean(entry.definition.as_str(), names);
            self.add_missing(finding, found, meant);
        }
        let Some(handler) = &entry.config_handler else {
            return;
        };
        let key = Document::ConfigHandler(handler.as_str()).to_string();
        let found = self.index.find(&key);
        let message = format!("pattern '{name}' names {key}, which is not stored");
        let at = lines.value(entry, &["config-handler", "config_handler"]);
        let finding = Finding::at(FindingKind::MissingConfigHandler, KEY, at, message);
        self.add_missing(finding, found, None);
    }

    fn never_matches(&mut self, entry: &Entry, budget: &mut Budget) {
        let pattern = &entry.pattern;
        if let Some(Err(error)) = pattern.node.as_ref().map(|node| node.parse::<NodeId>()) {
            let message = format!(
                "pattern '{}' is for a node whose id is not valid: {error}",
                pattern.name
            );
            self.add(Finding::at(
                FindingKind::NeverMatches,
                KEY,
                pattern.position,
                message,
            ));
        }
        if let Some((at, reason)) = overlap::contradiction(pattern, budget) {
            let message = format!("pattern '{}' can never match: {reason}", pattern.name);
            self.add(Finding::at(FindingKind::NeverMatches, KEY, at, message));
        }
    }

    /// Finds patterns after one that matches every node that they match.
    fn shadowed(&mut self, entries: &[Entry], budget: &mut Budget) {
        let mut of_node: HashMap<&str, &Entry> = HashMap::new();
        let mut global: Vec<&Entry> = Vec::new();
        for entry in entries {
            let pattern = &entry.pattern;
            let (first, why) = match &pattern.node {
                Some(node) => match of_node.get(node.as_str()) {
                    Some(first) => (*first, format!("for the same node '{node}'")),
                    None => {
                        of_node.insert(node, entry);
                        continue;
                    }
                },
                None => {
                    let first = global
                        .iter()
                        .find(|first| overlap::covers(&first.pattern, pattern, budget))
                        .copied();
                    global.push(entry);
                    match first {
                        Some(first) => {
                            (first, "which matches every node that it matches".to_owned())
                        }
                        None => continue,
                    }
                }
            };
            let message = format!(
                "pattern '{}' is never reached: '{}' in line {} comes first, {why}",
                pattern.name, first.pattern.name, first.pattern.position.line
            );
            self.add(Finding::at(
                FindingKind::Shadowed,
                KEY,
                pattern.position,
                message,
            ));
        }
    }

    fn repeated_names(&mut self, entries: &[Entry], lines: &Lines<'_>) {
        let mut seen = HashSet::new();
        for entry in entries {
            let name = &entry.pattern.name;
            if !seen.insert(name) {
                let message = format!("an earlier pattern has the same name '{name}'");
                let at = lines.value(entry, &["name"]);
                self.add(Finding::at(FindingKind::DuplicatePattern, KEY, at, message));
            }
        }
    }

    /// Finds `node:` patterns for nodes that are registered.
    fn known_nodes(&mut self, entries: &[Entry], lines: &Lines<'_>) {
        for entry in entries {
            let Some(node) = &entry.pattern.node else {
                continue;
            };
            match self.known_by(node) {
                Some(key) => {
                    let message = format!(
                        "pattern '{}' is never checked: the node '{node}' has {key}",
                        entry.pattern.name
                    );
                    let at = lines.value(entry, &["node"]);
                    self.add(Finding::at(FindingKind::KnownNode, KEY, at, message));
                }
                None => self.static_definitions(node, entry),
            }
        }
    }

    /// Checks the attributes of nodes that are not registered with each definition that they may get.
    fn unknown_nodes(&mut self, entries: &[Entry]) {
        let has_pattern = |node: &String| {
            let mut entries = entries.iter();
            entries.any(|entry| entry.pattern.node.as_ref() == Some(node))
        };
        let nodes = self.attributes.keys();
        let nodes = nodes.filter(|node| self.known_by(node).is_none() && !has_pattern(node));
        let nodes: Vec<String> = nodes.cloned().collect();
        let global = entries.iter().filter(|entry| entry.pattern.node.is_none());
        let named = global.map(|entry| content::definition_key(entry.definition.as_str()));
        // Not `collect`, which sorts: that takes much more code than to insert one by one.
        let mut definitions = BTreeSet::new();
        definitions.extend(named);
        for definition in &definitions {
            for node in &nodes {
                self.replaced_attributes(node, definition);
            }
        }
    }

    /// Records the pools that the only node of a pattern calls.
    fn static_definitions(&mut self, node: &str, entry: &Entry) {
        let key = content::definition_key(entry.definition.as_str());
        let attributes = self.attributes.get(node).cloned().unwrap_or_default();
        if let Some(definition) = self.definitions.get(&key) {
            let rendered = definition.render(&attributes);
            self.uses_pools(node, &key, rendered);
        }
        self.replaced_attributes(node, &key);
    }

    fn unused_variables(&mut self, root: &Node, entries: &[Entry]) {
        let names = |node: Option<&Node>| -> Vec<Node> {
            let entries = node.map(Node::entries).unwrap_or_default();
            entries.iter().map(|(name, _)| name.clone()).collect()
        };
        let is_used = |entry: &Entry, name: &str| {
            let mut used = entry.pattern.variables.iter();
            used.any(|(known, _)| known == name)
        };
        let unused = |name: &Node| {
            let shown = name.shown();
            let message = format!("the variable {shown} is not used");
            Finding::at(FindingKind::UnusedVariable, KEY, name.position, message)
        };
        for name in names(root.get("variables")) {
            let text = name.as_name().unwrap_or_default();
            if !entries.iter().any(|entry| is_used(entry, text)) {
                self.add(unused(&name));
            }
        }
        for (pattern, entry) in patterns(root).iter().zip(entries) {
            for name in names(pattern.get("variables")) {
                if !is_used(entry, name.as_name().unwrap_or_default()) {
                    self.add(unused(&name));
                }
            }
        }
    }
}

/// The patterns as written, by position.
struct Lines<'y>(HashMap<yaml::Position, &'y Node>);

impl<'y> Lines<'y> {
    fn of(root: &'y Node) -> Self {
        let patterns = patterns(root).iter();
        Self(patterns.map(|node| (node.position, node)).collect())
    }

    /// The position of the value of the first key that is present, else of the pattern.
    fn value(&self, entry: &Entry, keys: &[&str]) -> yaml::Position {
        let node = self.0.get(&entry.pattern.position);
        let value = node.and_then(|node| keys.iter().find_map(|key| node.get(key)));
        value.map_or(entry.pattern.position, |value| value.position)
    }
}

fn patterns(root: &Node) -> &[Node] {
    match root.get("patterns").map(|patterns| &patterns.value) {
        Some(Value::List(patterns)) => patterns,
        _ => &[],
    }
}
