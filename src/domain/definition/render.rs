//! From a definition to what a node is sent: look-up of `$names`, then the calls of plugins.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::{Attributes, Definition};
use crate::domain::plugin::{self, Call, Piece};

impl Definition {
    /// The definition for one node, ready but for plugin calls.
    ///
    /// A string that begins with `$`, as an attribute of an action or one mapping down, is the name of an attribute: the
    /// node's own, else the definition's, else null. What is found is put in as it is, and not looked up again.
    pub fn render(&self, node: &Attributes) -> Rendered {
        let mut undefined = Vec::new();
        let mut named = HashSet::new();
        let mut look_up = |value: &Json| {
            let name = value.as_str()?.strip_prefix('$')?;
            let found = node.get(name).or_else(|| self.attributes.get(name));
            if found.is_none() && named.insert(name.to_owned()) {
                undefined.push(name.to_owned());
            }
            Some(found.cloned().unwrap_or(Json::Null))
        };
        let actions = self.actions.iter().map(|action| {
            let mut body = action.body.clone();
            if let Some(Json::Object(attributes)) = body.get_mut("attributes") {
                for value in attributes.values_mut() {
                    match value {
                        Json::Object(inner) => {
                            for value in inner.values_mut() {
                                if let Some(found) = look_up(value) {
                                    *value = found;
                                }
                            }
                        }
                        value => {
                            if let Some(found) = look_up(value) {
                                *value = found;
                            }
                        }
                    }
                }
            }
            Json::Object(body)
        });
        let actions = actions.collect();
        let mut body = self.body.clone();
        body.insert("actions".to_owned(), Json::Array(actions));
        Rendered { body, undefined }
    }
}

/// A definition for one node, whose plugin calls are yet to be resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    body: Map<String, Json>,
    undefined: Vec<String>,
}

impl Rendered {
    /// The attributes that actions name and nobody has, each once, in order: the node gets null for them.
    pub fn undefined(&self) -> &[String] {
        &self.undefined
    }

    /// The plugin calls in the attributes of actions, each once, in order.
    pub fn calls(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        let mut collect = |text: &str| {
            for call in plugin::calls(text) {
                if !calls.contains(&call) {
                    calls.push(call);
                }
            }
        };
        if let Some(Json::Array(actions)) = self.body.get("actions") {
            for attributes in actions.iter().filter_map(|action| action.get("attributes")) {
                each_text(attributes, &mut collect);
            }
        }
        calls
    }

    /// What the node is sent, with the value that `value_of` gives in place of each call. It is asked once for each of
    /// [`calls`](Self::calls).
    ///
    /// # Errors
    /// The first error of `value_of`.
    pub fn resolve<E>(
        mut self,
        mut value_of: impl FnMut(&Call) -> Result<String, E>,
    ) -> Result<Json, E> {
        let mut values = HashMap::new();
        for call in self.calls() {
            let value = value_of(&call)?;
            values.insert(call, value);
        }
        if let Some(Json::Array(actions)) = self.body.get_mut("actions") {
            for attributes in actions
                .iter_mut()
                .filter_map(|action| action.get_mut("attributes"))
            {
                replace_calls(attributes, &values);
            }
        }
        Ok(Json::Object(self.body))
    }
}

/// Visits every string but the keys, in order.
fn each_text(value: &Json, visit: &mut impl FnMut(&str)) {
    match value {
        Json::String(text) => visit(text),
        Json::Array(items) => items.iter().for_each(|item| each_text(item, visit)),
        Json::Object(entries) => entries.values().for_each(|value| each_text(value, visit)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

fn replace_calls(value: &mut Json, values: &HashMap<Call, String>) {
    match value {
        Json::String(text) => {
            let replaced: String = plugin::pieces(text)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text,
                    Piece::Call(call) => values.get(&call).map_or("", String::as_str),
                })
                .collect();
            *text = replaced;
        }
        Json::Array(items) => items
            .iter_mut()
            .for_each(|item| replace_calls(item, values)),
        Json::Object(entries) => entries
            .values_mut()
            .for_each(|value| replace_calls(value, values)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}
