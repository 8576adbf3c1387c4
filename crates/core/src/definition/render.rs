//! Rendering a definition for a node: look-up of `$names`, then the calls of plugins.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::{Map, Value as Json};

use super::{Attributes, Definition};
use crate::plugin::{self, Call, Piece};
use crate::yaml::{Diagnostic, Position};

/// Maximum size of a rendered definition, as bytes of JSON.
pub const MAX_RENDERED: usize = 2 * 1024 * 1024;
/// Maximum number of different pools that calls of a plugin name in the definition of a node: each is a round trip.
pub const MAX_CALLS: usize = 16;
/// Maximum number of different calls in a definition, those with a name included.
pub const MAX_NAMED_CALLS: usize = 64;
/// Maximum number of calls in a definition, repeated ones included.
pub const MAX_CALL_PLACES: usize = 4096;

impl Definition {
    /// The definition for one node, before plugin calls.
    ///
    /// A string that begins with `$`, as an attribute of an action or in a mapping of its attributes, refers to an
    /// attribute: the node's own, else the definition's, else null. The value replaces the string. A `$name`
    /// in it is not replaced.
    ///
    /// # Errors
    /// The result exceeds [`MAX_RENDERED`], [`MAX_CALLS`], [`MAX_NAMED_CALLS`] or [`MAX_CALL_PLACES`].
    pub fn render(&self, node: &Attributes) -> Result<Rendered, Diagnostic> {
        let mut room = Room(MAX_RENDERED);
        let mut undefined = Undefined::default();
        let mut actions = Vec::with_capacity(self.actions.len());
        for action in &self.actions {
            let mut body = action.body.clone();
            self.look_up_all(&mut body, node, &mut undefined, &mut room)
                .map_err(|limit| limit.at(action.position))?;
            actions.push(Json::Object(body));
        }
        let mut body = self.body.clone();
        room.take_object(&body).map_err(|limit| limit.at(None))?;
        // The key exists already, so the order of keys stays.
        body.insert("actions".to_owned(), Json::Array(actions));
        let calls = calls(&body).map_err(|limit| limit.at(None))?;
        Ok(Rendered {
            body,
            calls,
            undefined: undefined.names,
            room,
        })
    }

    /// Whether a `$name` in the definition refers to an attribute, which may be the node's own.
    pub fn uses_attributes(&self) -> bool {
        let refers = |value: &Json| reference(value).is_some();
        self.actions
            .iter()
            .filter_map(|action| action.body.get("attributes")?.as_object())
            .flat_map(Map::values)
            .any(|value| match value {
                Json::Object(inner) => inner.values().any(refers),
                value => refers(value),
            })
    }

    /// Replaces the `$names` in an action by their values, and subtracts the size of the action.
    fn look_up_all(
        &self,
        action: &mut Map<String, Json>,
        node: &Attributes,
        undefined: &mut Undefined,
        room: &mut Room,
    ) -> Result<(), Limit> {
        let mut find = |value: &Json| {
            let name = reference(value)?;
            let found = node.get(name).or_else(|| self.attributes.get(name));
            if found.is_none() {
                undefined.add(name);
            }
            Some(found.unwrap_or(&Json::Null))
        };
        let mut look_up = |value: &mut Json, room: &mut Room| {
            let found = find(value);
            // Check the limit before copying.
            room.take_value(found.unwrap_or(value))?;
            if let Some(found) = found.cloned() {
                *value = found;
            }
            Ok(())
        };
        for (key, value) in action {
            room.take_key(key)?;
            match value {
                Json::Object(attributes) if key == "attributes" => {
                    for (key, value) in attributes {
                        room.take_key(key)?;
                        match value {
                            Json::Object(inner) => {
                                for (key, value) in inner {
                                    room.take_key(key)?;
                                    look_up(value, room)?;
                                }
                            }
                            value => look_up(value, room)?,
                        }
                    }
                }
                value => room.take_value(value)?,
            }
        }
        Ok(())
    }
}

/// The name of the attribute that a value refers to.
fn reference(value: &Json) -> Option<&str> {
    value.as_str()?.strip_prefix('$')
}

/// The names of undefined attributes, each once, in order.
#[derive(Default)]
struct Undefined {
    names: Vec<String>,
    known: HashSet<String>,
}

impl Undefined {
    fn add(&mut self, name: &str) {
        if self.known.insert(name.to_owned()) {
            self.names.push(name.to_owned());
        }
    }
}

/// The remaining size, in bytes of JSON. Some commas, colons and brackets are not counted.
#[derive(Clone, Debug, PartialEq)]
struct Room(usize);

impl Room {
    fn take(&mut self, bytes: usize) -> Result<(), Limit> {
        self.0 = self.0.checked_sub(bytes).ok_or(Limit::Size)?;
        Ok(())
    }

    fn take_key(&mut self, key: &str) -> Result<(), Limit> {
        self.take(length(key) + ":,".len())
    }

    fn take_value(&mut self, value: &Json) -> Result<(), Limit> {
        match value {
            Json::Null | Json::Bool(_) => self.take("null".len()),
            Json::Number(number) => self.take(number.to_string().len()),
            Json::String(text) => self.take(length(text)),
            Json::Array(items) => {
                self.take("[]".len() + items.len())?;
                items.iter().try_for_each(|item| self.take_value(item))
            }
            Json::Object(entries) => self.take_object(entries),
        }
    }

    fn take_object(&mut self, entries: &Map<String, Json>) -> Result<(), Limit> {
        self.take("{}".len())?;
        entries.iter().try_for_each(|(key, value)| {
            self.take_key(key)?;
            self.take_value(value)
        })
    }
}

/// The size of a string in JSON, in bytes.
fn length(text: &str) -> usize {
    let escaped = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        ..0x20 => 5,
        _ => 0,
    });
    "\"\"".len() + text.len() + escaped.sum::<usize>()
}

/// The limit that a rendered definition exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Size,
    Calls,
}

impl Limit {
    fn at(self, position: Option<Position>) -> Diagnostic {
        Diagnostic::new(position.unwrap_or(Position::START), self.to_string())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Size => write!(
                f,
                "the definition has more than {MAX_RENDERED} bytes after attributes and pool values are substituted"
            ),
            Limit::Calls => write!(
                f,
                "the definition has calls of plugins for more than {MAX_CALLS} pools, more than {MAX_NAMED_CALLS} different ones, or more than {MAX_CALL_PLACES} in all"
            ),
        }
    }
}

/// A definition for one node, before its plugin calls are resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    body: Map<String, Json>,
    calls: Vec<Call>,
    undefined: Vec<String>,
    /// The remaining size for the values of calls.
    room: Room,
}

/// Why a definition cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved<E> {
    /// The error of a call.
    Value(E),
    /// The result exceeds [`MAX_RENDERED`].
    TooLarge,
}

impl<E: fmt::Display> fmt::Display for Unresolved<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unresolved::Value(error) => error.fmt(f),
            Unresolved::TooLarge => Limit::Size.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Unresolved<E> {}

impl Rendered {
    /// The undefined attributes that actions refer to, each once, in order: the node receives null for them.
    pub fn undefined(&self) -> &[String] {
        &self.undefined
    }

    /// The plugin calls in the attributes of actions, each once, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The definition as sent to the node. `value_of` returns the value that replaces a call, and is called once for each
    /// of [`calls`](Self::calls).
    ///
    /// # Errors
    /// The first error of `value_of`, or the result exceeds [`MAX_RENDERED`].
    pub fn resolve<E>(
        mut self,
        mut value_of: impl FnMut(&Call) -> Result<String, E>,
    ) -> Result<Json, Unresolved<E>> {
        let mut values = HashMap::new();
        for call in self.calls {
            let value = value_of(&call).map_err(Unresolved::Value)?;
            values.insert(call, value);
        }
        if values.is_empty() {
            return Ok(Json::Object(self.body));
        }
        if let Some(Json::Array(actions)) = self.body.get_mut("actions") {
            for attributes in actions
                .iter_mut()
                .filter_map(|action| action.get_mut("attributes"))
            {
                replace_calls(attributes, &values, &mut self.room)
                    .map_err(|_| Unresolved::TooLarge)?;
            }
        }
        Ok(Json::Object(self.body))
    }
}

fn calls(body: &Map<String, Json>) -> Result<Vec<Call>, Limit> {
    let mut calls = Vec::new();
    let mut known = HashSet::new();
    let mut pools = 0;
    let mut places = 0;
    let mut collect = |text: &str| {
        for call in plugin::calls(text) {
            places += 1;
            if !known.contains(&call) {
                let of_pool =
                    |other: &Call| (&other.plugin, &other.pool) == (&call.plugin, &call.pool);
                pools += usize::from(!calls.iter().any(of_pool));
                known.insert(call.clone());
                calls.push(call);
            }
            if places > MAX_CALL_PLACES || pools > MAX_CALLS || calls.len() > MAX_NAMED_CALLS {
                return Err(Limit::Calls);
            }
        }
        Ok(())
    };
    if let Some(Json::Array(actions)) = body.get("actions") {
        for attributes in actions.iter().filter_map(|action| action.get("attributes")) {
            each_string(attributes, &mut collect)?;
        }
    }
    Ok(calls)
}

/// Visits every string except keys, in order.
fn each_string(
    value: &Json,
    visit: &mut impl FnMut(&str) -> Result<(), Limit>,
) -> Result<(), Limit> {
    match value {
        Json::String(text) => visit(text),
        Json::Array(items) => items.iter().try_for_each(|item| each_string(item, visit)),
        Json::Object(entries) => entries
            .values()
            .try_for_each(|value| each_string(value, visit)),
        Json::Null | Json::Bool(_) | Json::Number(_) => Ok(()),
    }
}

fn replace_calls(
    value: &mut Json,
    values: &HashMap<Call, String>,
    room: &mut Room,
) -> Result<(), Limit> {
    match value {
        Json::String(text) => {
            let mut replaced = String::new();
            for piece in plugin::pieces(text) {
                match piece {
                    Piece::Text(text) => replaced.push_str(text),
                    Piece::Call(call) => {
                        let value = values.get(&call).map_or("", String::as_str);
                        room.take(length(value))?;
                        replaced.push_str(value);
                    }
                }
            }
            *text = replaced;
            Ok(())
        }
        Json::Array(items) => items
            .iter_mut()
            .try_for_each(|item| replace_calls(item, values, room)),
        Json::Object(entries) => entries
            .values_mut()
            .try_for_each(|value| replace_calls(value, values, room)),
        Json::Null | Json::Bool(_) | Json::Number(_) => Ok(()),
    }
}
