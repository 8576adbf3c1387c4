//! Keys that occur twice in a mapping, which PyYAML accepts silently.

use std::collections::HashSet;

use super::events::{EventData, Events};
use super::scalar::{self, Tag};
use super::{MAX_DEPTH, Position};

/// Every key that its mapping already has, with the position of the later occurrence. Merge keys may be repeated. If the
/// text is not valid YAML, the part before the error counts.
pub fn duplicate_keys(text: &str) -> Vec<(Position, String)> {
    let mut events = Events::of(text);
    let mut open: Vec<Collection> = Vec::new();
    let mut duplicates = Vec::new();
    // Beyond it, the text is not valid either, and libyaml takes a time for each token that grows with the depth.
    while open.len() <= MAX_DEPTH
        && let Ok(event) = events.next()
    {
        match event.data {
            EventData::DocumentStart => {}
            EventData::End => break,
            EventData::ListStart { .. } => {
                Collection::start_entry(&mut open);
                open.push(Collection::List);
            }
            EventData::MappingStart { .. } => {
                Collection::start_entry(&mut open);
                open.push(Collection::Mapping {
                    keys: HashSet::new(),
                    value_next: false,
                });
            }
            EventData::ListEnd | EventData::MappingEnd => drop(open.pop()),
            EventData::Alias { .. } => Collection::start_entry(&mut open),
            EventData::Scalar {
                value, plain, tag, ..
            } => {
                if let Some(Collection::Mapping {
                    keys,
                    value_next: false,
                }) = open.last_mut()
                {
                    let tag_of = match (plain, tag) {
                        (true, None) => scalar::resolve(&value),
                        _ => Tag::Str,
                    };
                    if tag_of != Tag::Merge && !keys.insert((tag_of == Tag::Str, value.clone())) {
                        duplicates.push((event.position, value));
                    }
                }
                Collection::start_entry(&mut open);
            }
        }
    }
    duplicates
}

/// A collection whose end has not been reached.
enum Collection {
    List,
    Mapping {
        /// Whether the key is a string, and its text: `1` and `'1'` are different keys.
        keys: HashSet<(bool, String)>,
        value_next: bool,
    },
}

impl Collection {
    /// Records that a key or a value starts in the innermost collection.
    fn start_entry(open: &mut [Self]) {
        if let Some(Self::Mapping { value_next, .. }) = open.last_mut() {
            *value_next = !*value_next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_occur_once_in_each_mapping() {
        let found = |text: &str| -> Vec<String> {
            let found = duplicate_keys(text);
            let shown = found.into_iter().map(|(at, key)| format!("{key} at {at}"));
            shown.collect()
        };
        assert_eq!(found("a: 1\nb: {a: 2}\nc: [{a: 1}, {a: 2}]"), [""; 0]);
        assert_eq!(found("a: a\nb: b\na: 3"), ["a at line 3, column 1"]);
        assert_eq!(
            found("x:\n- {k: [1, {k: 2}], 'k': 3}"),
            ["k at line 2, column 20"]
        );
        assert_eq!(found("1: a\n'1': b\n<<: {}\n<<: {}"), [""; 0]);
        assert_eq!(found("? [a]\n: b\n? {c: d}\n: e\nf: g"), [""; 0]);
    }

    #[test]
    fn the_search_ends_where_collections_are_nested_too_deep() {
        let found = |depth: usize| {
            let nested = "[".repeat(depth) + &"]".repeat(depth);
            duplicate_keys(&format!("a: 1\na: 2\nb: {nested}\na: 3")).len()
        };
        // With the mapping around it.
        assert_eq!(found(MAX_DEPTH - 1), 2);
        assert_eq!(found(MAX_DEPTH), 1);
    }
}
