//! Definitions: the actions that a switch runs, and their attributes.

mod render;

use serde_json::{Map, Value as Json, json};

use super::printable::Printable;
use super::record;
use super::yaml::{Diagnostic, Node, Position, Value};

pub use render::{MAX_CALL_PLACES, MAX_CALLS, MAX_NAMED_CALLS, MAX_RENDERED, Rendered, Unresolved};

/// The keys of a definition that this server or a client reads.
pub const KEYS: [&str; 3] = ["name", "actions", "attributes"];

/// A parsed definition: a mapping with a list of actions, each a mapping that names the action to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    actions: Vec<Action>,
    /// The attributes in which `$names` of actions are looked up, after the node's own.
    attributes: Attributes,
    /// The whole definition as sent, with null in place of its actions.
    body: Map<String, Json>,
}

/// One action of a definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The position in the file; `None` for a generated action.
    pub position: Option<Position>,
    /// The key under `actions/`.
    pub action: String,
    /// The name that the client logs.
    pub name: Option<String>,
    pub always_execute: bool,
    /// The attributes in the file, for diagnostics.
    pub attributes: Option<Node>,
    /// The whole action as sent, before look-up; `attributes` is a mapping.
    body: Map<String, Json>,
}

/// The attributes of a definition or of a node, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Map<String, Json>);

impl Attributes {
    /// Parses the YAML of `nodes/<id>/attributes`, which may be empty.
    ///
    /// # Errors
    /// Invalid YAML or over the limits of a [`record`]; not a mapping.
    pub fn parse(text: &str) -> Result<Attributes, Diagnostic> {
        Attributes::from_node(&record::parse(text)?, "the attributes")
    }

    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn from_node(node: &Node, what: &str) -> Result<Attributes, Diagnostic> {
        match &node.value {
            Value::Null => Ok(Attributes::default()),
            Value::Mapping(_) => match node.to_json()? {
                Json::Object(attributes) => Ok(Attributes(attributes)),
                _ => Ok(Attributes::default()),
            },
            other => Err(Diagnostic::at(
                node,
                format!("{what} must be a mapping, not {}", other.kind()),
            )),
        }
    }
}

impl Definition {
    /// Parses the YAML of a definition.
    ///
    /// # Errors
    /// Invalid YAML or over the limits of a [`record`]; not a mapping with a list `actions`; an action that is not a mapping, has no `action`, or whose
    /// attributes are not a mapping.
    pub fn parse(text: &str) -> Result<Definition, Diagnostic> {
        let root = record::parse(text)?;
        if !matches!(root.value, Value::Mapping(_)) {
            return Err(Diagnostic::at(
                &root,
                format!(
                    "a definition must be a mapping with 'actions', not {}",
                    root.value.kind()
                ),
            ));
        }
        let actions = match root.get("actions").map(|node| (node, &node.value)) {
            Some((_, Value::List(actions))) => actions
                .iter()
                .enumerate()
                .map(|(index, node)| Action::from_node(index, node))
                .collect::<Result<_, _>>()?,
            Some((node, other)) => {
                return Err(Diagnostic::at(
                    node,
                    format!("'actions' must be a list, not {}", other.kind()),
                ));
            }
            None => {
                let unknown = root.unknown_keys(&KEYS).map(Node::shown).next();
                let instead = unknown.map_or_else(String::new, |key| format!(", but {key}"));
                return Err(Diagnostic::at(
                    &root,
                    format!(
                        "the definition has no 'actions'{instead}; add a list of them, if only '[]'"
                    ),
                ));
            }
        };
        let attributes = root
            .get("attributes")
            .map(|node| Attributes::from_node(node, "'attributes' of the definition"))
            .transpose()?
            .unwrap_or_default();
        // The null keeps the position of the actions in the order of keys.
        let mut outside = root;
        if let Value::Mapping(entries) = &mut outside.value {
            let actions = entries
                .iter_mut()
                .find(|(key, _)| key.as_str() == Some("actions"));
            if let Some((_, actions)) = actions {
                actions.value = Value::Null;
            }
        }
        let Json::Object(body) = outside.to_json()? else {
            return Err(Diagnostic::at(&outside, "a definition must be a mapping"));
        };
        Ok(Definition {
            actions,
            attributes,
            body,
        })
    }

    /// The definition of a node with a stored startup-config: download and install it, then run the actions of the node's
    /// definition that are marked `always_execute`. Their `$names` are looked up in that definition's attributes.
    pub fn autogenerated(startup_config_url: &str, definition: Option<Definition>) -> Definition {
        let install = json!({
            "name": "install static startup-config file",
            "action": "replace_config",
            "always_execute": true,
            "attributes": {"url": startup_config_url},
        });
        let install = Action {
            position: None,
            action: "replace_config".to_owned(),
            name: None,
            always_execute: true,
            attributes: None,
            body: install.as_object().cloned().unwrap_or_default(),
        };
        let (own, attributes) = definition
            .map(|definition| (definition.actions, definition.attributes))
            .unwrap_or_default();
        let actions = std::iter::once(install)
            .chain(own.into_iter().filter(|action| action.always_execute))
            .collect();
        let mut body = Map::new();
        body.insert("name".to_owned(), "Autogenerated definition".into());
        body.insert("actions".to_owned(), Json::Null);
        Definition {
            actions,
            attributes,
            body,
        }
    }

    /// The `name` of the definition; empty if it has none.
    pub fn name(&self) -> &str {
        self.body
            .get("name")
            .and_then(Json::as_str)
            .unwrap_or_default()
    }

    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// The definition's own attributes.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }
}

impl Action {
    fn from_node(index: usize, node: &Node) -> Result<Action, Diagnostic> {
        let which = match node.get("name").and_then(Node::as_name) {
            Some(name) => format!("action {} ('{}')", index + 1, Printable(name)),
            None => format!("action {}", index + 1),
        };
        let Json::Object(mut body) = node.to_json()? else {
            return Err(Diagnostic::at(
                node,
                format!("{which} must be a mapping, not {}", node.value.kind()),
            ));
        };
        let action = match node.get("action") {
            Some(action) => match action.as_str().filter(|name| !name.is_empty()) {
                Some(name) => name.to_owned(),
                None => {
                    return Err(Diagnostic::at(
                        action,
                        format!(
                            "'action' of {which} must be the name of an action, not {}",
                            action.shown()
                        ),
                    ));
                }
            },
            None => {
                return Err(Diagnostic::at(node, format!("{which} has no 'action'")));
            }
        };
        let attributes = node.get("attributes");
        match attributes.map(|node| (node, &node.value)) {
            Some((_, Value::Mapping(_))) => {}
            None | Some((_, Value::Null)) => {
                body.insert("attributes".to_owned(), json!({}));
            }
            Some((node, other)) => {
                return Err(Diagnostic::at(
                    node,
                    format!(
                        "'attributes' of {which} must be a mapping, not {}",
                        other.kind()
                    ),
                ));
            }
        }
        Ok(Action {
            position: Some(node.position),
            action,
            name: node.get("name").and_then(Node::as_name).map(str::to_owned),
            always_execute: node.get("always_execute").is_some_and(is_true),
            attributes: attributes.cloned(),
            body,
        })
    }
}

/// Whether the value is true in Python.
fn is_true(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Int(value) => *value != 0,
        Value::Float(value) => *value != 0.0,
        Value::Str(text) => !text.is_empty(),
        Value::Binary(bytes) => !bytes.is_empty(),
        Value::List(items) | Value::Set(items) => !items.is_empty(),
        Value::Mapping(entries) => !entries.is_empty(),
    }
}
