//! Definitions: whether what they name is there.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use ztp_core::assets;
use ztp_core::definition::{Action, Attributes, Definition, DefinitionError, KEYS, Rendered};
use ztp_core::key::{self, Record};
use ztp_core::path;
use ztp_core::plugin::{self, PLUGINS};
use ztp_core::yaml::{self, Node, Value};

use crate::content::{self, Place};
use crate::finding::{Finding, Kind};
use crate::sites::{self, PoolFile};

use super::{Check, did_you_mean};

/// What a client reads of an action.
const ACTION_KEYS: [&str; 7] = [
    "name",
    "action",
    "always_execute",
    "attributes",
    "onstart",
    "onsuccess",
    "onfailure",
];

/// What `$names` of a definition can stand for.
enum Scope {
    /// The definition of one node: exactly its attributes.
    Node(Attributes),
    /// A shared one: the node's attributes are not known, only what some node has.
    Shared(BTreeSet<String>),
}

impl Check<'_> {
    /// Reads every definition and the attributes of every node.
    pub(super) fn read_definitions(&mut self) {
        let attributes = self.keys(|place| match place {
            Place::Record(node, Record::Attributes) => Some(node.clone()),
            _ => None,
        });
        for (key, node) in attributes {
            let Some(text) = self.yaml(&key) else {
                continue;
            };
            match Attributes::parse(&text) {
                Ok(attributes) => drop(self.attributes.insert(node, attributes)),
                Err(error) => self.find(Finding::at(
                    Kind::BadAttributes,
                    key,
                    error.position,
                    error.message,
                )),
            }
        }
        for (key, ()) in self.keys(is_definition) {
            let Some(text) = self.yaml(&key) else {
                continue;
            };
            match Definition::parse(&text) {
                Ok(definition) => drop(self.definitions.insert(key, definition)),
                Err(error) => self.find(Finding::at(
                    Kind::BadDefinition,
                    key,
                    error.position,
                    error.message,
                )),
            }
        }
    }

    /// Holds every definition against the rest of the data_root.
    pub(super) fn definitions(&mut self) {
        let definitions = std::mem::take(&mut self.definitions);
        for (key, definition) in &definitions {
            self.keys_of_definition(key);
            let (scope, site) = match Place::of(key) {
                Ok(Place::Record(node, _)) => {
                    let own = self.attributes.get(&node).cloned().unwrap_or_default();
                    (Scope::Node(own), self.site_of(&node))
                }
                _ => {
                    // As it is sent to a node without attributes of its own; the others are looked at one by one.
                    if let Err(error) = definition.render(&Attributes::default()) {
                        self.find(Finding::at(
                            Kind::BadDefinition,
                            key,
                            error.position,
                            error.message,
                        ));
                    }
                    let all = self.attributes.values().flat_map(Attributes::names);
                    let all = Scope::Shared(all.map(str::to_owned).collect());
                    (all, self.site.map(str::to_owned))
                }
            };
            for action in definition.actions() {
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
            }
        }
        self.definitions = definitions;
    }

    /// Keys of a definition and of its actions that no client reads.
    fn keys_of_definition(&mut self, key: &str) {
        let Some(Ok(root)) = self.root.text(key).map(|text| yaml::parse(&text)) else {
            return;
        };
        self.unknown_keys_of(key, &root, "a definition", &KEYS);
        let Some(Value::List(actions)) = root.get("actions").map(|actions| &actions.value) else {
            return;
        };
        for action in actions {
            self.unknown_keys_of(key, action, "an action", &ACTION_KEYS);
        }
    }

    fn action_exists(&mut self, key: &str, action: &Action) {
        let Some(at) = action.position else { return };
        let name = &action.action;
        let message = match content::action_key(name) {
            Some(object) if self.root.has(object.as_str()) => return,
            Some(_) if assets::action(name).is_some() => return,
            Some(_) => format!("there is no action '{name}', neither in actions/ nor built in"),
            None => format!("'{name}' can be no action's name"),
        };
        let own = self.keys(|place| match place {
            Place::Action(name) => Some(name.clone()),
            _ => None,
        });
        let stock = assets::action_names().map(|name| name.to_owned());
        let known: Vec<String> = own.into_iter().map(|(_, name)| name).chain(stock).collect();
        let meant = did_you_mean(name, known.iter().map(String::as_str));
        let finding = Finding::at(Kind::MissingAction, key, at, message);
        let help = meant.map(|meant| format!("did you mean '{meant}'?"));
        self.find(Finding { help, ..finding });
    }

    /// What is looked up is an attribute, or one mapping down.
    fn attributes_of(&mut self, walk: &Walk<'_>, attributes: &Node) {
        for (name, value) in attributes.entries() {
            let name = name.as_name().unwrap_or_default();
            if let Some(text) = value.as_str() {
                self.looked_up(walk, Some(name), value, text);
                continue;
            }
            for (_, value) in value.entries() {
                match value.as_str() {
                    Some(text) => self.looked_up(walk, None, value, text),
                    None => self.deeper(walk, value),
                }
            }
            if let Value::List(_) = value.value {
                self.deeper(walk, value);
            }
        }
    }

    /// A text that is looked up if it begins with `$`. `name`: the attribute that it is.
    fn looked_up(&mut self, walk: &Walk<'_>, name: Option<&str>, value: &Node, text: &str) {
        let Some(wanted) = text.strip_prefix('$') else {
            return self.text_of(walk, name, value, text);
        };
        match walk.find(wanted) {
            Found::Value(Json::String(found)) => {
                if found
                    .strip_prefix('$')
                    .is_some_and(|name| walk.defines(name))
                {
                    let message =
                        format!("'{text}' stands for '{found}', which is not looked up again");
                    self.find(Finding::at(
                        Kind::NotLookedUp,
                        walk.key,
                        value.position,
                        message,
                    ));
                }
                self.text_of(walk, name, value, &found);
            }
            Found::Value(_) | Found::Elsewhere => {}
            Found::Nowhere => {
                let message = format!("'{text}' is defined nowhere");
                self.find(Finding::at(
                    Kind::UndefinedName,
                    walk.key,
                    value.position,
                    message,
                ));
            }
        }
    }

    /// Texts where nothing is looked up, though they look as if.
    fn deeper(&mut self, walk: &Walk<'_>, value: &Node) {
        match &value.value {
            Value::Str(text) => {
                if text
                    .strip_prefix('$')
                    .is_some_and(|name| walk.defines(name))
                {
                    let message = format!("'{text}' is not looked up here");
                    self.find(Finding::at(
                        Kind::NotLookedUp,
                        walk.key,
                        value.position,
                        message,
                    ));
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

    /// A text as the switch gets it, but for calls.
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
        // A client encodes what is no escape, so a path that cannot be decoded is meant as it is.
        let key = path::segments(&format!("/{relative}"))
            .map_or_else(|| relative.to_owned(), |segments| segments.join("/"));
        let (kind, message) = match key.split_once('/') {
            Some(("files", _)) if self.root.has(&key) => return,
            Some(("files", _)) => (Kind::MissingFile, format!("there is no {key}")),
            Some(("actions", name)) if self.root.has(&key) || assets::action(name).is_some() => {
                return;
            }
            Some(("actions", _)) => (Kind::MissingFile, format!("there is no {key}")),
            Some(("nodes" | "meta" | "bootstrap", _)) => return,
            _ => (Kind::UnservedUrl, format!("no server URL leads to '{url}'")),
        };
        let finding = Finding::at(kind, walk.key, value.position, message);
        let wanted = match kind {
            Kind::UnservedUrl => format!("files/{key}"),
            _ => key,
        };
        let files = self.root.files.iter();
        let files = files.filter(|(_, file)| matches!(file.place, Place::File(_)));
        let meant = did_you_mean(&wanted, files.map(|(key, _)| key.as_str()));
        let help = meant.map(|meant| format!("did you mean '{meant}'?"));
        self.find(Finding { help, ..finding });
    }

    /// Calls of plugins, and what looks like one.
    fn calls_in(&mut self, walk: &Walk<'_>, value: &Node, text: &str) {
        let mut find = |kind, message: String, help: Option<String>| {
            let finding = Finding::at(kind, walk.key, value.position, message);
            self.findings.push(Finding { help, ..finding });
        };
        let mut calls = 0;
        for call in plugin::calls(text) {
            if !PLUGINS.contains(&call.plugin.as_str()) {
                let message = format!("there is no plugin '{}' here", call.plugin);
                find(Kind::UnknownPlugin, message, None);
                continue;
            }
            calls += 1;
            if !key::is_pool_name(&call.pool) {
                let message = format!("'{}' can be no pool's name", call.pool);
                find(Kind::MissingPool, message, None);
            } else if let PoolFile::Missing(keys) =
                sites::pool_file(self.root, &call.pool, walk.site)
            {
                let missing = match keys.as_slice() {
                    [own, shared] => format!("neither {own} nor {shared}"),
                    keys => format!("no {}", keys.join(", ")),
                };
                let message = format!("{call} asks for a pool, and there is {missing}");
                let pools = sites::pool_names(self.root).map(|name| {
                    let own = walk.site.and_then(|site| name.strip_prefix(site));
                    own.and_then(|name| name.strip_prefix('/')).unwrap_or(name)
                });
                let meant = did_you_mean(&call.pool, pools);
                let help = meant.map(|meant| format!("did you mean '{meant}'?"));
                find(Kind::MissingPool, message, help);
            }
        }
        if openings(text) > calls {
            let message = format!("'{text}' is no call, and stays as it is");
            find(Kind::MalformedCall, message, None);
        }
    }

    /// Notes which pools a node asks for a value, or that the definition in `key` grows too large for it.
    pub(super) fn uses_pools(
        &mut self,
        node: &str,
        key: &str,
        rendered: Result<Rendered, DefinitionError>,
    ) {
        let rendered = match rendered {
            Ok(rendered) => rendered,
            Err(error) => {
                let message = format!("for the node '{node}', {}", error.message);
                self.find(Finding::at(
                    Kind::BadDefinition,
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
                && let PoolFile::Named(pool) =
                    sites::pool_file(self.root, &call.pool, site.as_deref())
            {
                let users = self.static_users.entry(pool).or_default();
                users.insert(node.to_owned());
            }
        }
    }
}

/// One action of a definition, while its attributes are looked at.
struct Walk<'d> {
    key: &'d str,
    action: &'d Action,
    definition: &'d Definition,
    scope: &'d Scope,
    /// The site of the nodes that it is for, as far as it is known.
    site: Option<&'d str>,
}

/// What a `$name` stands for.
enum Found {
    Value(Json),
    /// Some node has it, so it cannot be told.
    Elsewhere,
    Nowhere,
}

impl Walk<'_> {
    fn find(&self, name: &str) -> Found {
        let own = match self.scope {
            Scope::Node(attributes) => attributes.get(name),
            Scope::Shared(names) if names.contains(name) => return Found::Elsewhere,
            Scope::Shared(_) => None,
        };
        let value = own.or_else(|| self.definition.attributes().get(name));
        value.map_or(Found::Nowhere, |value| Found::Value(value.clone()))
    }

    fn defines(&self, name: &str) -> bool {
        !matches!(self.find(name), Found::Nowhere)
    }
}

fn is_definition(place: &Place) -> Option<()> {
    matches!(
        place,
        Place::Definition(_) | Place::Record(_, Record::Definition)
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

/// How many calls of known plugins begin in a text, finished or not.
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
