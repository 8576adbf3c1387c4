//! Definitions: whether they are valid, and whether the content that they name exists.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value as Json;

use crate::assets;
use crate::definition::{Action, Attributes, Definition, KEYS, Rendered};
use crate::key::{self, NODES, Record};
use crate::path;
use crate::plugin::{self, Call, PLUGINS, Piece};
use crate::pool::Holder;
use crate::yaml::{self, Node, Value};

use super::contents::{Elsewhere, PoolFile};
use super::finding::{Finding, FindingKind};
use crate::content::{self, ContentKind};

use super::Check;

/// The keys of an action that a client reads.
const ACTION_KEYS: [&str; 7] = [
    "name",
    "action",
    "always_execute",
    "attributes",
    "onstart",
    "onsuccess",
    "onfailure",
];

/// The values that the `$names` of a definition can have.
enum Scope<'a> {
    /// The definition of one node: the attributes of that node.
    Node(Attributes),
    /// A shared definition: the names of the attributes that some node has.
    Shared(&'a HashSet<String>),
}

impl Check<'_> {
    /// Reads every definition and the attributes of every node.
    pub(super) fn read_definitions(&mut self) {
        let attributes = self.keys(|kind| match kind {
            ContentKind::Record(node, Record::Attributes) => Some(node.clone()),
            _ => None,
        });
        for (key, node) in attributes {
            let Some(text) = self.yaml(&key) else {
                continue;
            };
            match Attributes::parse(&text) {
                Ok(attributes) => drop(self.attributes.insert(node, attributes)),
                Err(error) => self.add(Finding::of_diagnostic(
                    FindingKind::BadAttributes,
                    key,
                    error,
                )),
            }
        }
        for (key, ()) in self.keys(is_definition) {
            let Some(text) = self.yaml(&key) else {
                continue;
            };
            match Definition::parse(&text) {
                Ok(definition) => drop(self.definitions.insert(key, definition)),
                Err(error) => self.add(Finding::of_diagnostic(
                    FindingKind::BadDefinition,
                    key,
                    error,
                )),
            }
        }
    }

    /// Checks every definition against the rest of the content.
    pub(super) fn definitions(&mut self) {
        let definitions = std::mem::take(&mut self.definitions);
        let of_nodes = self.attributes.values().flat_map(Attributes::names);
        let of_nodes: HashSet<String> = of_nodes.map(str::to_owned).collect();
        for (key, definition) in &definitions {
            let root = self.definition_alone(key);
            let (scope, site) = match ContentKind::of(key) {
                Ok(ContentKind::Record(node, _)) => {
                    let own = self.attributes.get(&node).cloned().unwrap_or_default();
                    (Scope::Node(own), self.site_of(&node))
                }
                _ => {
                    // As a node without attributes receives it; nodes with attributes are checked one by one.
                    if let Err(error) = definition.render(&Attributes::default()) {
                        self.add(Finding::of_diagnostic(
                            FindingKind::BadDefinition,
                            key,
                            error,
                        ));
                    }
                    (Scope::Shared(&of_nodes), self.site.map(str::to_owned))
                }
            };
            let written = actions(root.as_ref());
            for (action, written) in definition.actions().iter().zip(written) {
                self.action_exists(key, action);
                let walk = Walk {
                    key,
                    action,
                    definition,
                    scope: &scope,
                    site: site.as_deref(),
                };
                if let Some(attributes) = &action.attributes {
                    self.attributes_of(&walk, attributes);
                }
                self.action_alone(&walk, written);
            }
        }
        self.definitions = definitions;
    }

    /// Finds keys of a definition and of its actions that no client reads. The result is the definition as written.
    pub(super) fn definition_alone(&mut self, key: &str) -> Option<Node> {
        let root = yaml::parse(&self.index.text(key)?).ok()?;
        self.unknown_keys_of(key, &root, "a definition", &KEYS);
        for action in actions(Some(&root)) {
            self.unknown_keys_of(key, action, "an action", &ACTION_KEYS);
        }
        Some(root)
    }

    /// Finds mappings in the attributes of a node that replace one of its definition with more keys.
    /// `named`: the key of the definition.
    pub(super) fn replaced_attributes(&mut self, node: &str, named: &str) {
        let (Some(own), Some(definition)) =
            (self.attributes.get(node), self.definitions.get(named))
        else {
            return;
        };
        let lost = |name: &str| {
            let Json::Object(theirs) = definition.attributes().get(name)? else {
                return None;
            };
            let own = own.get(name)?.as_object()?;
            let lost = theirs.keys().filter(|key| !own.contains_key(*key));
            let lost: Vec<String> = lost.map(|key| format!("'{key}'")).collect();
            (!lost.is_empty()).then(|| lost.join(", "))
        };
        let lost = own
            .names()
            .filter_map(|name| Some((name.to_owned(), lost(name)?)));
        let lost: Vec<(String, String)> = lost.collect();
        if lost.is_empty() {
            return;
        }
        let key = format!("{NODES}{node}/{}", Record::Attributes.name());
        let root = self
            .index
            .text(&key)
            .and_then(|text| yaml::parse(&text).ok());
        for (name, lost) in lost {
            let message = format!(
                "'{name}' replaces that of {named}, which also has {lost}: the node does not get these"
            );
            let kind = FindingKind::ReplacedAttributes;
            let finding = Finding::of_file(kind, key.as_str(), message);
            let place = root.as_ref().and_then(|root| root.get(&name));
            let position = place.map(|place| place.position);
            self.add(Finding {
                position,
                ..finding
            });
        }
    }

    fn action_exists(&mut self, key: &str, action: &Action) {
        let Some(at) = action.position else { return };
        let name = &action.action;
        let (found, message) = match content::action_key(name) {
            Some(_) if assets::action(name).is_some() => return,
            Some(object) => (
                self.index.find(object.as_str()),
                format!("the action '{name}' is neither in actions/ nor built in"),
            ),
            None => (
                Elsewhere::No,
                format!("'{name}' is not a valid name of an action"),
            ),
        };
        if found == Elsewhere::Yes {
            return;
        }
        let own = self.keys(|kind| match kind {
            ContentKind::Action(name) => Some(name.clone()),
            _ => None,
        });
        let stock = assets::action_names().map(|name| name.to_owned());
        let known: Vec<String> = own.into_iter().map(|(_, name)| name).chain(stock).collect();
        let meant = self.did_you_mean(name, known.iter().map(String::as_str));
        let finding = Finding::at(FindingKind::MissingAction, key, at, message);
        self.add_missing(finding, found, meant);
    }

    /// Finds what looks as if it had an effect: keys of an action among its attributes, a `$name` beside them, and two
    /// variables with the same call.
    fn action_alone(&mut self, walk: &Walk<'_>, action: &Node) {
        for name in ["name", "action", "onstart", "onsuccess", "onfailure"] {
            let value = action.get(name);
            let text = value.and_then(Node::as_str);
            if let (Some(value), Some(text)) = (value, text)
                && text
                    .strip_prefix('$')
                    .is_some_and(|name| walk.defines(name))
            {
                self.not_looked_up(walk, value, text);
            }
        }
        let Some(attributes) = action.get("attributes") else {
            return;
        };
        for (name, _) in attributes.entries() {
            let shown = name.as_name().unwrap_or_default();
            if ["always_execute", "onstart", "onsuccess", "onfailure"].contains(&shown) {
                let message = format!("'{shown}' is a key of the action, not of its attributes");
                let kind = FindingKind::MisplacedKey;
                self.add(Finding::at(kind, walk.key, name.position, message));
            }
        }
        let mut first: BTreeMap<String, &Node> = BTreeMap::new();
        let nested = attributes
            .entries()
            .iter()
            .flat_map(|(_, value)| value.entries());
        for (name, value) in attributes.entries().iter().chain(nested) {
            let Some(text) = value.as_str().map(str::trim) else {
                continue;
            };
            let call = match plugin::pieces(text).as_slice() {
                [Piece::Call(call)] if PLUGINS.contains(&call.plugin.as_str()) => {
                    // Both plugins return the same value.
                    let plugin = String::new();
                    Some(
                        Call {
                            plugin,
                            ..call.clone()
                        }
                        .to_string(),
                    )
                }
                _ => None,
            };
            if let Some(other) = call.and_then(|call| first.insert(call, name)) {
                let message = format!(
                    "{} and {} have the same value: each is {text}",
                    other.shown(),
                    name.shown()
                );
                let kind = FindingKind::RepeatedCall;
                self.add(Finding::at(kind, walk.key, value.position, message));
            }
        }
    }

    fn not_looked_up(&mut self, walk: &Walk<'_>, value: &Node, text: &str) {
        let message = format!("'{text}' is not looked up here");
        let kind = FindingKind::NotLookedUp;
        self.add(Finding::at(kind, walk.key, value.position, message));
    }

    /// Checks the attributes of an action. `$names` are replaced in values and in the values of mappings.
    fn attributes_of(&mut self, walk: &Walk<'_>, attributes: &Node) {
        for (name, value) in attributes.entries() {
            let name = name.as_name().unwrap_or_default();
            if let Some(text) = value.as_str() {
                self.lookup(walk, Some(name), value, text);
                continue;
            }
            for (_, value) in value.entries() {
                match value.as_str() {
                    Some(text) => self.lookup(walk, None, value, text),
                    None => self.deeper(walk, value),
                }
            }
            if let Value::List(_) = value.value {
                self.deeper(walk, value);
            }
        }
    }

    /// Checks a text, which is a `$name` if it begins with `$`. `name`: the attribute with this value.
    fn lookup(&mut self, walk: &Walk<'_>, name: Option<&str>, value: &Node, text: &str) {
        let Some(wanted) = text.strip_prefix('$') else {
            return self.text_of(walk, name, value, text);
        };
        match walk.find(wanted) {
            Lookup::Value(Json::String(found)) => {
                if found
                    .strip_prefix('$')
                    .is_some_and(|name| walk.defines(name))
                {
                    let message =
                        format!("'{text}' has the value '{found}', which is not looked up again");
                    self.add(Finding::at(
                        FindingKind::NotLookedUp,
                        walk.key,
                        value.position,
                        message,
                    ));
                }
                self.text_of(walk, name, value, &found);
            }
            Lookup::Value(_) | Lookup::DependsOnNode => {}
            Lookup::Undefined => {
                let message = format!("'{text}' is not defined");
                self.add(Finding::at(
                    FindingKind::UndefinedName,
                    walk.key,
                    value.position,
                    message,
                ));
            }
        }
    }

    /// Checks a value that is too deep for `$names`.
    fn deeper(&mut self, walk: &Walk<'_>, value: &Node) {
        match &value.value {
            Value::Str(text) => {
                if text
                    .strip_prefix('$')
                    .is_some_and(|name| walk.defines(name))
                {
                    self.not_looked_up(walk, value, text);
                }
                self.calls_in(walk, value, text);
            }
            Value::List(items) => items.iter().for_each(|item| self.deeper(walk, item)),
            Value::Mapping(entries) => entries
                .iter()
                .for_each(|(_, value)| self.deeper(walk, value)),
            _ => {}
        }
    }

    /// Checks a text as the switch receives it, except for calls.
    fn text_of(&mut self, walk: &Walk<'_>, name: Option<&str>, value: &Node, text: &str) {
        self.calls_in(walk, value, text);
        let is_url = name.is_some() && name == url_attribute(&walk.action.action);
        if is_url || text.starts_with("files/") || text.starts_with("/files/") {
            self.url_is_served(walk, value, text);
        }
    }

    fn url_is_served(&mut self, walk: &Walk<'_>, value: &Node, url: &str) {
        let computed = plugin::calls(url).next().is_some();
        if url.is_empty() || url.contains("://") || computed {
            return;
        }
        let relative = url.split(['?', '#']).next().unwrap_or(url);
        let relative = relative.trim_start_matches('/');
        // A client encodes a '%' that is not an escape, so a path that cannot be decoded is taken as it is.
        let key = path::segments(&format!("/{relative}"))
            .map_or_else(|| relative.to_owned(), |segments| segments.join("/"));
        let missing = |key: &str| {
            (
                FindingKind::MissingFile,
                self.index.find(key),
                format!("{key} is not stored"),
            )
        };
        let (kind, found, message) = match key.split_once('/') {
            Some(("files", _)) => missing(&key),
            Some(("actions", name)) if assets::action(name).is_some() => return,
            Some(("actions", _)) => missing(&key),
            Some(("nodes" | "meta" | "bootstrap", _)) => return,
            _ => (
                FindingKind::UnservedUrl,
                Elsewhere::No,
                format!("the server has no route for '{url}'"),
            ),
        };
        if found == Elsewhere::Yes {
            return;
        }
        let finding = Finding::at(kind, walk.key, value.position, message);
        let wanted = match kind {
            FindingKind::UnservedUrl => format!("files/{key}"),
            _ => key,
        };
        let index = self.index;
        let files = index.iter();
        let files = files.filter(|(_, content)| matches!(content.kind, ContentKind::File(_)));
        let meant = self.did_you_mean(&wanted, files.map(|(key, _)| key.as_str()));
        self.add_missing(finding, found, meant);
    }

    /// Checks the calls of plugins in a text, and text that looks like a call.
    fn calls_in(&mut self, walk: &Walk<'_>, value: &Node, text: &str) {
        let at = |kind, message| Finding::at(kind, walk.key, value.position, message);
        let mut calls = 0;
        for call in plugin::calls(text) {
            if !PLUGINS.contains(&call.plugin.as_str()) {
                let message = format!("the plugin '{}' does not exist here", call.plugin);
                self.add(at(FindingKind::UnknownPlugin, message));
                continue;
            }
            calls += 1;
            self.called.insert(call.pool.clone());
            if let Err(error) = call.value_name() {
                self.add(at(FindingKind::BadValueName, format!("{call}: {error}")));
            }
            if !key::is_pool_name(&call.pool) {
                let message = format!("'{}' is not a valid name of a pool", call.pool);
                self.add(at(FindingKind::MissingPool, message));
            } else if let PoolFile::Missing(keys) = self.index.pool_file(&call.pool, walk.site) {
                let found = keys.iter().map(|key| self.index.find(key));
                let found = found.reduce(|a, b| match (a, b) {
                    (Elsewhere::Yes, _) | (_, Elsewhere::Yes) => Elsewhere::Yes,
                    (a, _) => a,
                });
                let missing = match keys.as_slice() {
                    [own, shared] => format!("neither {own} nor {shared}"),
                    keys => format!("no {}", keys.join(", ")),
                };
                let message = format!("{call} asks for a pool, and there is {missing}");
                let index = self.index;
                let pools = index.pool_names().map(|name| {
                    let own = walk.site.and_then(|site| name.strip_prefix(site));
                    own.and_then(|name| name.strip_prefix('/')).unwrap_or(name)
                });
                let meant = self.did_you_mean(&call.pool, pools);
                let finding = at(FindingKind::MissingPool, message);
                self.add_missing(finding, found.unwrap_or(Elsewhere::No), meant);
            }
        }
        if openings(text) > calls {
            let message = format!("'{text}' is not a valid call, and is sent unchanged");
            self.add(at(FindingKind::MalformedCall, message));
        }
    }

    /// Records the pools that a node calls; a finding if the definition in `key` is too large for it.
    pub(super) fn uses_pools(
        &mut self,
        node: &str,
        key: &str,
        rendered: Result<Rendered, yaml::Diagnostic>,
    ) {
        let rendered = match rendered {
            Ok(rendered) => rendered,
            Err(error) => {
                let message = format!("for the node '{node}', {}", error.message);
                self.add(Finding::at(
                    FindingKind::BadDefinition,
                    key,
                    error.position,
                    message,
                ));
                return;
            }
        };
        let site = self.site_of(node);
        for call in rendered.calls() {
            if PLUGINS.contains(&call.plugin.as_str())
                && let PoolFile::Named(pool) = self.index.pool_file(&call.pool, site.as_deref())
            {
                let users = self.static_users.entry(pool).or_default();
                // A call with an invalid name is a finding of its own.
                if let Ok(name) = call.value_name() {
                    users.insert(Holder::new(node, name.as_ref()));
                }
            }
        }
    }
}

/// One action of a definition, while its attributes are checked.
struct Walk<'d> {
    key: &'d str,
    action: &'d Action,
    definition: &'d Definition,
    scope: &'d Scope<'d>,
    /// The site of its nodes, if it is known.
    site: Option<&'d str>,
}

/// The result of looking up a `$name`.
enum Lookup {
    Value(Json),
    /// Some node has an attribute of that name, so the value depends on the node.
    DependsOnNode,
    Undefined,
}

impl Walk<'_> {
    fn find(&self, name: &str) -> Lookup {
        let own = match self.scope {
            Scope::Node(attributes) => attributes.get(name),
            Scope::Shared(names) if names.contains(name) => return Lookup::DependsOnNode,
            Scope::Shared(_) => None,
        };
        let value = own.or_else(|| self.definition.attributes().get(name));
        value.map_or(Lookup::Undefined, |value| Lookup::Value(value.clone()))
    }

    fn defines(&self, name: &str) -> bool {
        !matches!(self.find(name), Lookup::Undefined)
    }
}

/// The actions of a definition as written.
fn actions(root: Option<&Node>) -> &[Node] {
    match root
        .and_then(|root| root.get("actions"))
        .map(|actions| &actions.value)
    {
        Some(Value::List(actions)) => actions,
        _ => &[],
    }
}

fn is_definition(kind: &ContentKind) -> Option<()> {
    matches!(
        kind,
        ContentKind::Definition(_) | ContentKind::Record(_, Record::Definition)
    )
    .then_some(())
}

/// The attribute of a stock action that is a URL, absolute or relative to the server.
fn url_attribute(action: &str) -> Option<&'static str> {
    match action {
        "add_config" | "install_cli_plugin" | "install_extension" | "install_image"
        | "replace_config" | "run_bash_script" => Some("url"),
        "copy_file" => Some("src_url"),
        "configure_ansible_client" => Some("key"),
        _ => None,
    }
}

/// The number of calls of known plugins that begin in a text, complete or not.
fn openings(text: &str) -> usize {
    let opens = |name: &str| {
        let begins = text.match_indices(name).filter(|(at, _)| {
            let before = text[..*at].chars().next_back();
            let after = text[at + name.len()..].chars().next();
            after == Some('(') && !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
        });
        begins.count()
    };
    PLUGINS.into_iter().map(opens).sum()
}
