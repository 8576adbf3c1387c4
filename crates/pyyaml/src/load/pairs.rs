//! The pairs of a mapping: merge keys, equal keys, and `!!omap`.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::{Diagnostic, Node, Position, Value};

/// Turns an entry of `!!omap` or `!!pairs`, which is a mapping of one pair, into a list of two: Python has a tuple here,
/// which JSON writes as a list.
pub(super) fn single_pair(item: Node) -> Result<Node, Diagnostic> {
    let position = item.position;
    match item.value {
        Value::Mapping(entries) => match <[(Node, Node); 1]>::try_from(entries) {
            Ok([(key, value)]) => Ok(Node::new(position, Value::List(vec![key, value]))),
            Err(entries) => Err(Diagnostic::new(
                position,
                format!(
                    "a mapping of one pair is expected here; this one has {}",
                    entries.len()
                ),
            )),
        },
        other => Err(Diagnostic::new(
            position,
            format!(
                "a mapping of one pair is expected here, not {}",
                other.kind()
            ),
        )),
    }
}

/// Adds the pairs that a merge key at `at` takes from `source`.
pub(super) fn merge(
    at: Position,
    source: Node,
    merged: &mut Vec<(Node, Node)>,
) -> Result<(), Diagnostic> {
    let position = source.position;
    let pairs = |node: Node| match node.value {
        Value::Mapping(entries) => Ok(entries),
        Value::Set(keys) => Ok(keys
            .into_iter()
            .map(|key| (key, Node::new(position, Value::Null)))
            .collect()),
        other => Err(Diagnostic::new(
            at,
            format!(
                "'<<' merges a mapping or a list of mappings, not {}",
                other.kind()
            ),
        )),
    };
    match source.value {
        // Of several mappings the first takes precedence, so it comes last.
        Value::List(sources) => {
            for source in sources.into_iter().rev() {
                merged.extend(pairs(source)?);
            }
        }
        _ => merged.extend(pairs(source)?),
    }
    Ok(())
}

/// A key as Python's `dict` compares it: `1`, `1.0` and `true` are equal.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Null,
    Int(i128),
    Float(u64),
    Str(Box<str>),
    Binary(Vec<u8>),
}

impl Identity {
    fn of(key: &Node) -> Result<Identity, Diagnostic> {
        match &key.value {
            Value::Null => Ok(Identity::Null),
            Value::Bool(value) => Ok(Identity::Int(i128::from(*value))),
            Value::Int(value) => Ok(Identity::Int(*value)),
            // Below 2^63 the conversion is exact. Larger floats do not occur as keys.
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 9.2e18 => {
                Ok(Identity::Int(*value as i128))
            }
            Value::Float(value) => Ok(Identity::Float(value.to_bits())),
            Value::Str(text) => Ok(Identity::Str(text.clone())),
            Value::Binary(bytes) => Ok(Identity::Binary(bytes.clone())),
            Value::List(_) | Value::Mapping(_) | Value::Set(_) => Err(Diagnostic::new(
                key.position,
                format!("{} cannot be a key", key.value.kind()),
            )),
        }
    }
}

/// A mapping of up to so many keys is compared key by key, which takes less time than hashing.
const MAX_COMPARED: usize = 8;

/// Whether all keys are strings and no two are equal.
fn are_different_strings(entries: &[(Node, Node)]) -> bool {
    let strings = || entries.iter().map(|(key, _)| key.as_str());
    if !strings().all(|string| string.is_some()) {
        return false;
    }
    if entries.len() <= MAX_COMPARED {
        return (1..entries.len()).all(|at| {
            let key = strings().nth(at);
            !strings().take(at).any(|before| Some(before) == key)
        });
    }
    let mut known = HashSet::with_capacity(entries.len());
    strings().all(|string| known.insert(string))
}

/// Keeps one pair for each key.
pub(super) fn unique(entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Diagnostic> {
    if are_different_strings(&entries) {
        return Ok(entries);
    }
    let mut places: HashMap<Identity, usize> = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(Node, Node)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match places.entry(Identity::of(&key)?) {
            Entry::Occupied(place) => {
                if let Some(entry) = kept.get_mut(*place.get()) {
                    entry.1 = value;
                }
            }
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push((key, value));
            }
        }
    }
    Ok(kept)
}
