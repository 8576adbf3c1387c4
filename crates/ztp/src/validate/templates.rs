//! The `$names` of templates: those that `add_config` gets, by the definitions that use it, must be among the variables that
//! it gets.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use ztp_core::check::{Contents, Finding, FindingKind};
use ztp_core::content::ContentKind;
use ztp_core::definition::{Action, Attributes, Definition};
use ztp_core::key::Record;
use ztp_core::path;
use ztp_core::template;
use ztp_core::yaml::{Node, Position, Value};

use crate::data_root::DataRoot;
use crate::regular;

/// The largest template that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The variables that `add_config` sets itself.
const URLS: [&str; 2] = ["SERVER", "NODE_URL"];

/// Checks each template with each definition that uses it.
pub fn check(root: &DataRoot) -> Vec<Finding> {
    // The operator's own action may replace names by other rules.
    if root.files.contains_key("actions/add_config") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let all = names_of_all_nodes(root);
    for (key, file) in &root.files {
        let own = match &file.kind {
            ContentKind::Definition(_) => None,
            ContentKind::Record(node, Record::Definition) => {
                let key = format!("nodes/{node}/{}", Record::Attributes.name());
                Some(attributes(root, &key).unwrap_or_default())
            }
            _ => continue,
        };
        let definition = text(root, key).and_then(|text| Definition::parse(&text).ok());
        let Some(definition) = definition else {
            continue;
        };
        let scope = Scope {
            definition: &definition,
            own: own.as_ref(),
            all: &all,
        };
        let actions = definition.actions().iter();
        for action in actions.filter(|action| action.action == "add_config") {
            findings.extend(undefined(root, key, action, &scope));
        }
    }
    findings
}

/// Where a definition looks up `$names`.
struct Scope<'a> {
    definition: &'a Definition,
    /// The attributes of the node, if it is the definition of one.
    own: Option<&'a Attributes>,
    /// The names of the attributes that some node has.
    all: &'a BTreeSet<String>,
}

impl Scope<'_> {
    /// The value of a `$name`; `None` if it depends on the node, or is not defined.
    fn get(&self, name: &str) -> Option<&Json> {
        match self.own {
            Some(own) => own
                .get(name)
                .or_else(|| self.definition.attributes().get(name)),
            None if self.all.contains(name) => None,
            None => self.definition.attributes().get(name),
        }
    }

    /// A text as the action gets it; `None` if it is not known.
    fn text(&self, node: &Node) -> Option<String> {
        let text = node.as_str()?;
        match text.strip_prefix('$') {
            None => Some(text.to_owned()),
            Some(name) => self.get(name)?.as_str().map(str::to_owned),
        }
    }

    /// The names of the variables of an action; `None` if they are not known.
    fn variables(&self, attributes: &Node) -> Option<BTreeSet<String>> {
        let Some(variables) = attributes.get("variables") else {
            return Some(BTreeSet::new());
        };
        match &variables.value {
            Value::Null => Some(BTreeSet::new()),
            Value::Mapping(entries) => {
                let names = entries.iter().filter_map(|(name, _)| name.as_name());
                Some(names.map(str::to_owned).collect())
            }
            Value::Str(text) => {
                let value = self.get(text.strip_prefix('$')?)?;
                Some(value.as_object()?.keys().cloned().collect())
            }
            _ => None,
        }
    }
}

/// The names in the template of an action that are not among its variables.
fn undefined(root: &DataRoot, key: &str, action: &Action, scope: &Scope<'_>) -> Vec<Finding> {
    let found = || {
        let attributes = action.attributes.as_ref()?;
        let url = scope.text(attributes.get("url")?)?;
        let variables = scope.variables(attributes)?;
        let is_strict = attributes
            .get("substitution_mode")
            .and_then(|mode| scope.text(mode))
            .is_some_and(|mode| mode == "strict");
        let path = format!("/{}", url.trim_start_matches('/'));
        let file = path::segments(&path)?.join("/");
        let bytes = regular::read(&root.files.get(&file)?.path, MAX_BYTES).ok()?;
        let template = String::from_utf8(bytes).ok()?;
        Some((file, template, variables, is_strict))
    };
    let Some((file, template, variables, is_strict)) = found() else {
        return Vec::new();
    };
    let at = action.position.map_or(1, |at| at.line);
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for (number, line) in template.lines().enumerate() {
        // The hash of a password has dollar signs.
        if has_hash(line) {
            continue;
        }
        for (offset, name) in template::names(line) {
            if variables.contains(name) || URLS.contains(&name) || !seen.insert(name.to_owned()) {
                continue;
            }
            let effect = match is_strict {
                true => "the action fails",
                false => "it stays in the configuration as it is",
            };
            let message = format!(
                "'${name}' is not among the variables of the action in line {at} of {key}: {effect}"
            );
            let position = Position {
                line: number + 1,
                column: line.get(..offset).unwrap_or(line).chars().count() + 1,
            };
            let kind = FindingKind::UndefinedVariable;
            findings.push(Finding::at(kind, file.as_str(), position, message));
        }
    }
    findings
}

/// Whether a line has a hash such as `$6$salt$digest`.
fn has_hash(line: &str) -> bool {
    let bytes = line.as_bytes();
    bytes
        .windows(2)
        .any(|pair| pair.first() == Some(&b'$') && pair.last().is_some_and(u8::is_ascii_digit))
}

fn text(root: &DataRoot, key: &str) -> Option<String> {
    String::from_utf8(root.read(key).ok()?).ok()
}

fn attributes(root: &DataRoot, key: &str) -> Option<Attributes> {
    root.files.get(key)?;
    Attributes::parse(&text(root, key)?).ok()
}

fn names_of_all_nodes(root: &DataRoot) -> BTreeSet<String> {
    let files = root.files.iter();
    let files =
        files.filter(|(_, file)| matches!(file.kind, ContentKind::Record(_, Record::Attributes)));
    let all = files.filter_map(|(key, _)| attributes(root, key));
    let names = all.map(|attributes| attributes.names().map(str::to_owned).collect::<Vec<_>>());
    names.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_hash_has_no_names() {
        assert!(has_hash("username a secret sha512 $6$abc$def"));
        assert!(!has_hash("hostname $name"));
    }
}
