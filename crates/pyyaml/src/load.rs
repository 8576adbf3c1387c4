//! From libyaml's events to a tree: anchors, tags, merge keys and duplicate keys, as PyYAML's composer and constructor
//! treat them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::events::{Event, EventData, Events};
use super::scalar::{self, Tag};
use crate::printable::Printable;

use super::{Error, MAX_DEPTH, MAX_EXPANDED_TEXT, MAX_NODES, MAX_TEXT, Node, Position, Value};

const CORE_TAGS: &str = "tag:yaml.org,2002:";

/// Reads a text that holds one document. An empty text is [`Value::Null`].
///
/// # Errors
/// What PyYAML's `safe_load` refuses (bad syntax, several documents, unknown tags, aliases without an anchor, an anchor
/// used twice, lists or mappings as keys, impossible dates), an alias inside of its own anchor, and a text over one of
/// the `MAX_*` limits.
pub fn parse(text: &str) -> Result<Node, Error> {
    if text.len() > MAX_TEXT {
        return Err(Error::new(
            Position::START,
            format!(
                "the text has {} bytes, and {MAX_TEXT} are the most that is read",
                text.len()
            ),
        ));
    }
    Loader {
        events: Events::of(text),
        anchors: HashMap::new(),
        size: Size::default(),
        anchored: 0,
    }
    .document()
}

/// How much of a document has been built, aliases expanded.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    text: usize,
}

/// What an anchor stands for.
enum Anchored {
    /// The anchored value is still being read: an alias to it would contain itself.
    Open,
    Complete(Node, Size),
}

struct Loader<'t> {
    events: Events<'t>,
    anchors: HashMap<String, Anchored>,
    size: Size,
    /// How many values were copied for anchors.
    anchored: usize,
}

/// A key of a mapping: an ordinary one, or `<<`.
enum Key {
    Merge(Position),
    Node(Node),
}

impl Loader<'_> {
    fn document(mut self) -> Result<Node, Error> {
        let mut document = None;
        loop {
            let Event { position, data } = self.events.next()?;
            match data {
                EventData::End => {
                    return Ok(document.unwrap_or(Node::new(Position::START, Value::Null)));
                }
                EventData::DocumentStart if document.is_some() => {
                    return Err(Error::new(
                        position,
                        "a second document begins here, and only one is read",
                    ));
                }
                EventData::DocumentStart => {
                    let event = self.events.next()?;
                    document = Some(self.node(event, 0)?);
                }
                _ => {
                    return Err(Error::new(
                        position,
                        "a value stands outside of the document",
                    ));
                }
            }
        }
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Node, Error> {
        match self.key_or_node(event, depth, false)? {
            Key::Node(node) => Ok(node),
            Key::Merge(position) => Err(Error::new(
                position,
                "a merge key stands where a value is expected",
            )),
        }
    }

    fn key_or_node(&mut self, event: Event, depth: usize, as_key: bool) -> Result<Key, Error> {
        let at = event.position;
        if depth > MAX_DEPTH {
            return Err(Error::new(
                at,
                format!("lists and mappings are nested more than {MAX_DEPTH} deep"),
            ));
        }
        let before = self.size;
        let (anchor, node) = match event.data {
            EventData::Alias { anchor } => return self.alias(&anchor, at).map(Key::Node),
            EventData::Scalar {
                anchor,
                tag,
                value,
                plain,
            } => {
                self.open(anchor.as_deref(), at)?;
                self.grow(
                    at,
                    Size {
                        nodes: 1,
                        text: value.len(),
                    },
                )?;
                let tag = scalar_tag(tag.as_deref(), &value, plain)
                    .ok_or_else(|| unknown_tag(at, tag.as_deref()))?;
                match tag {
                    Tag::Merge if as_key => return Ok(Key::Merge(at)),
                    Tag::Value if as_key => (anchor, Node::new(at, Value::Str(value.into()))),
                    tag => (anchor, scalar_node(at, tag, value)?),
                }
            }
            EventData::ListStart { anchor, tag } => {
                self.open(anchor.as_deref(), at)?;
                self.grow(at, Size { nodes: 1, text: 0 })?;
                let items = self.list(depth)?;
                let value = match core_tag(tag.as_deref()) {
                    Some("seq") | None => Value::List(items),
                    Some("omap" | "pairs") => Value::List(
                        items
                            .into_iter()
                            .map(single_pair)
                            .collect::<Result<_, _>>()?,
                    ),
                    Some(_) => return Err(unknown_tag(at, tag.as_deref())),
                };
                (anchor, Node::new(at, value))
            }
            EventData::MappingStart { anchor, tag } => {
                self.open(anchor.as_deref(), at)?;
                self.grow(at, Size { nodes: 1, text: 0 })?;
                let entries = self.mapping(depth)?;
                let value = match core_tag(tag.as_deref()) {
                    Some("map") | None => Value::Mapping(entries),
                    Some("set") => Value::Set(entries.into_iter().map(|(key, _)| key).collect()),
                    Some(_) => return Err(unknown_tag(at, tag.as_deref())),
                };
                (anchor, Node::new(at, value))
            }
            _ => return Err(Error::new(at, "a value is missing here")),
        };
        if let Some(anchor) = anchor {
            let size = Size {
                nodes: self.size.nodes - before.nodes,
                text: self.size.text - before.text,
            };
            self.anchored += size.nodes;
            if self.anchored > MAX_NODES {
                let message =
                    format!("the anchors of the document hold more than {MAX_NODES} values");
                return Err(Error::new(at, message));
            }
            self.anchors
                .insert(anchor, Anchored::Complete(node.clone(), size));
        }
        Ok(Key::Node(node))
    }

    fn open(&mut self, anchor: Option<&str>, at: Position) -> Result<(), Error> {
        let Some(anchor) = anchor else { return Ok(()) };
        match self.anchors.insert(anchor.to_owned(), Anchored::Open) {
            None => Ok(()),
            Some(_) => Err(Error::new(
                at,
                format!("the anchor '{}' is defined twice", Printable(anchor)),
            )),
        }
    }

    fn alias(&mut self, anchor: &str, at: Position) -> Result<Node, Error> {
        let (node, size) = match self.anchors.get(anchor) {
            Some(Anchored::Complete(node, size)) => (node, *size),
            Some(Anchored::Open) => {
                return Err(Error::new(
                    at,
                    format!(
                        "the alias '{}' stands inside of its own anchor",
                        Printable(anchor)
                    ),
                ));
            }
            None => {
                return Err(Error::new(
                    at,
                    format!("the alias '{}' has no anchor before it", Printable(anchor)),
                ));
            }
        };
        // Counted before it is copied: that is what stops an alias bomb.
        let expanded = Size {
            nodes: self.size.nodes + size.nodes,
            text: self.size.text + size.text,
        };
        check_size(at, expanded)?;
        self.size = expanded;
        Ok(node.clone())
    }

    fn grow(&mut self, at: Position, by: Size) -> Result<(), Error> {
        self.size = Size {
            nodes: self.size.nodes + by.nodes,
            text: self.size.text + by.text,
        };
        check_size(at, self.size)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Error> {
        let mut items = Vec::new();
        loop {
            let event = self.events.next()?;
            if event.data == EventData::ListEnd {
                return Ok(items);
            }
            items.push(self.node(event, depth + 1)?);
        }
    }

    /// PyYAML puts what is merged in before the mapping's own pairs, whatever the order in the text; then of equal keys
    /// the first keeps its place and the last its value.
    fn mapping(&mut self, depth: usize) -> Result<Vec<(Node, Node)>, Error> {
        let mut own = Vec::new();
        let mut merged = Vec::new();
        loop {
            let event = self.events.next()?;
            if event.data == EventData::MappingEnd {
                break;
            }
            let key = self.key_or_node(event, depth + 1, true)?;
            let event = self.events.next()?;
            let value = self.node(event, depth + 1)?;
            match key {
                Key::Merge(at) => merge(at, value, &mut merged)?,
                Key::Node(key) => own.push((key, value)),
            }
        }
        merged.append(&mut own);
        unique(merged)
    }
}

fn check_size(at: Position, size: Size) -> Result<(), Error> {
    if size.nodes > MAX_NODES {
        return Err(Error::new(
            at,
            format!("the document has more than {MAX_NODES} values once its aliases are expanded"),
        ));
    }
    if size.text > MAX_EXPANDED_TEXT {
        return Err(Error::new(
            at,
            format!(
                "the document has more than {MAX_EXPANDED_TEXT} bytes of text once its aliases are expanded"
            ),
        ));
    }
    Ok(())
}

fn unknown_tag(at: Position, tag: Option<&str>) -> Error {
    let tag = tag.unwrap_or_default();
    let shown = tag
        .strip_prefix(CORE_TAGS)
        .map_or_else(|| tag.to_owned(), |name| format!("!!{name}"));
    Error::new(
        at,
        format!(
            "the tag '{}' cannot be used here; remove it",
            Printable(&shown)
        ),
    )
}

/// The name of a tag of YAML's own; the tag itself if it is another's; `None` where the kind of value decides.
fn core_tag(tag: Option<&str>) -> Option<&str> {
    match tag {
        None | Some("!") => None,
        Some(tag) => Some(tag.strip_prefix(CORE_TAGS).unwrap_or(tag)),
    }
}

fn scalar_tag(tag: Option<&str>, text: &str, plain: bool) -> Option<Tag> {
    match core_tag(tag) {
        // libyaml says of an empty value behind `!` that it is not plain; PyYAML has it the other way.
        None if plain || tag == Some("!") => Some(scalar::resolve(text)),
        None | Some("str") => Some(Tag::Str),
        Some("null") => Some(Tag::Null),
        Some("bool") => Some(Tag::Bool),
        Some("int") => Some(Tag::Int),
        Some("float") => Some(Tag::Float),
        Some("timestamp") => Some(Tag::Timestamp),
        Some("binary") => Some(Tag::Binary),
        Some("merge") => Some(Tag::Merge),
        Some("value") => Some(Tag::Value),
        Some(_) => None,
    }
}

fn scalar_node(at: Position, tag: Tag, text: String) -> Result<Node, Error> {
    let value = scalar::construct(tag, &text)
        .map_err(|problem| Error::new(at, format!("'{}' is {problem}", Printable(&text))))?;
    let written = (tag != Tag::Str).then(|| text.into_boxed_str());
    Ok(Node {
        position: at,
        value,
        written,
    })
}

/// An entry of `!!omap` or `!!pairs`, a mapping of one pair, as the list of two that JSON makes of Python's tuple.
fn single_pair(item: Node) -> Result<Node, Error> {
    let position = item.position;
    match item.value {
        Value::Mapping(entries) => match <[(Node, Node); 1]>::try_from(entries) {
            Ok([(key, value)]) => Ok(Node::new(position, Value::List(vec![key, value]))),
            Err(entries) => Err(Error::new(
                position,
                format!(
                    "a mapping of one pair is expected here, and this one has {}",
                    entries.len()
                ),
            )),
        },
        other => Err(Error::new(
            position,
            format!(
                "a mapping of one pair is expected here, not {}",
                other.kind()
            ),
        )),
    }
}

fn merge(at: Position, source: Node, merged: &mut Vec<(Node, Node)>) -> Result<(), Error> {
    let position = source.position;
    let pairs = |node: Node| match node.value {
        Value::Mapping(entries) => Ok(entries),
        Value::Set(keys) => Ok(keys
            .into_iter()
            .map(|key| (key, Node::new(position, Value::Null)))
            .collect()),
        other => Err(Error::new(
            at,
            format!(
                "'<<' merges a mapping or a list of mappings, not {}",
                other.kind()
            ),
        )),
    };
    match source.value {
        // Of several mappings the first wins, so it comes last.
        Value::List(sources) => {
            for source in sources.into_iter().rev() {
                merged.extend(pairs(source)?);
            }
        }
        _ => merged.extend(pairs(source)?),
    }
    Ok(())
}

/// A key as Python's `dict` compares it: `1`, `1.0` and `true` are the same one.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Null,
    Int(i128),
    Float(u64),
    Str(Box<str>),
    Binary(Vec<u8>),
}

impl Identity {
    fn of(key: &Node) -> Result<Identity, Error> {
        match &key.value {
            Value::Null => Ok(Identity::Null),
            Value::Bool(value) => Ok(Identity::Int(i128::from(*value))),
            Value::Int(value) => Ok(Identity::Int(*value)),
            // Below 2^63 every whole float is an integer exactly; above, no file has one as a key.
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 9.2e18 => {
                Ok(Identity::Int(*value as i128))
            }
            Value::Float(value) => Ok(Identity::Float(value.to_bits())),
            Value::Str(text) => Ok(Identity::Str(text.clone())),
            Value::Binary(bytes) => Ok(Identity::Binary(bytes.clone())),
            Value::List(_) | Value::Mapping(_) | Value::Set(_) => Err(Error::new(
                key.position,
                format!("{} cannot be a key", key.value.kind()),
            )),
        }
    }
}

/// Mappings of so few keys are compared key by key, which takes less than hashing.
const FEW: usize = 8;

/// Whether each key is a text, and no other is the same.
fn are_different_texts(entries: &[(Node, Node)]) -> bool {
    let texts = || entries.iter().map(|(key, _)| key.as_str());
    if !texts().all(|text| text.is_some()) {
        return false;
    }
    if entries.len() <= FEW {
        return (1..entries.len()).all(|at| {
            let key = texts().nth(at);
            !texts().take(at).any(|before| Some(before) == key)
        });
    }
    let mut known = HashSet::with_capacity(entries.len());
    texts().all(|text| known.insert(text))
}

fn unique(entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Error> {
    if are_different_texts(&entries) {
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
