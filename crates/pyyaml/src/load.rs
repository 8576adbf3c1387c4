//! Builds the tree from libyaml's events. Anchors, tags, merge keys and duplicate keys follow PyYAML's composer and
//! constructor.

mod pairs;

use std::collections::HashMap;

use super::events::{Event, EventData, Events};
use super::scalar::{self, Tag};
use super::{Diagnostic, Limits, MAX_DEPTH, MAX_EXPANDED_TEXT, Node, Position, Value};
use crate::printable::Printable;

const CORE_TAGS: &str = "tag:yaml.org,2002:";

/// Reads a text that contains one document. An empty text is [`Value::Null`].
///
/// # Errors
/// PyYAML's `safe_load` rejects the text (invalid syntax, several documents, unknown tags, aliases without an anchor, an
/// anchor that is defined twice, lists or mappings as keys, invalid dates), an alias is inside its own anchor, or the text
/// exceeds one of the `MAX_*` limits.
pub fn parse(text: &str) -> Result<Node, Diagnostic> {
    parse_within(text, Limits::default())
}

/// As [`parse`], with other limits.
///
/// # Errors
/// As [`parse`].
pub fn parse_within(text: &str, limits: Limits) -> Result<Node, Diagnostic> {
    if text.len() > limits.text {
        return Err(Diagnostic::new(
            Position::START,
            format!(
                "the text has {} bytes; the limit is {}",
                text.len(),
                limits.text
            ),
        ));
    }
    Loader {
        events: Events::of(text),
        anchors: HashMap::new(),
        max_nodes: limits.nodes,
        size: Size::default(),
        anchored: 0,
    }
    .document()
}

/// The size of the document so far, with its aliases expanded.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    text: usize,
}

/// The value of an anchor.
enum Anchored {
    /// The value is not complete: an alias to it would contain itself.
    Open,
    Complete(Node, Size),
}

struct Loader<'t> {
    events: Events<'t>,
    anchors: HashMap<String, Anchored>,
    max_nodes: usize,
    size: Size,
    /// The number of values that were copied for anchors.
    anchored: usize,
}

/// A key of a mapping: a value, or `<<`.
enum Key {
    Merge(Position),
    Node(Node),
}

impl Loader<'_> {
    fn document(mut self) -> Result<Node, Diagnostic> {
        let mut document = None;
        loop {
            let Event { position, data } = self.events.next()?;
            match data {
                EventData::End => {
                    return Ok(document.unwrap_or(Node::new(Position::START, Value::Null)));
                }
                EventData::DocumentStart if document.is_some() => {
                    return Err(Diagnostic::new(
                        position,
                        "a second document starts here; only one is allowed",
                    ));
                }
                EventData::DocumentStart => {
                    let event = self.events.next()?;
                    document = Some(self.node(event, 0)?);
                }
                _ => {
                    return Err(Diagnostic::new(
                        position,
                        "this value is outside of the document",
                    ));
                }
            }
        }
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Node, Diagnostic> {
        match self.key_or_node(event, depth, false)? {
            Key::Node(node) => Ok(node),
            Key::Merge(position) => Err(Diagnostic::new(
                position,
                "a merge key is used where a value is expected",
            )),
        }
    }

    fn key_or_node(&mut self, event: Event, depth: usize, as_key: bool) -> Result<Key, Diagnostic> {
        let at = event.position;
        if depth > MAX_DEPTH {
            return Err(Diagnostic::new(
                at,
                format!("lists and mappings are nested more than {MAX_DEPTH} levels deep"),
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
                            .map(pairs::single_pair)
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
            _ => return Err(Diagnostic::new(at, "a value is missing here")),
        };
        if let Some(anchor) = anchor {
            let size = Size {
                nodes: self.size.nodes - before.nodes,
                text: self.size.text - before.text,
            };
            self.anchored += size.nodes;
            if self.anchored > self.max_nodes {
                let message = format!(
                    "the anchors of the document contain more than {} values",
                    self.max_nodes
                );
                return Err(Diagnostic::new(at, message));
            }
            self.anchors
                .insert(anchor, Anchored::Complete(node.clone(), size));
        }
        Ok(Key::Node(node))
    }

    fn open(&mut self, anchor: Option<&str>, at: Position) -> Result<(), Diagnostic> {
        let Some(anchor) = anchor else { return Ok(()) };
        match self.anchors.insert(anchor.to_owned(), Anchored::Open) {
            None => Ok(()),
            Some(_) => Err(Diagnostic::new(
                at,
                format!("the anchor '{}' is defined twice", Printable(anchor)),
            )),
        }
    }

    fn alias(&mut self, anchor: &str, at: Position) -> Result<Node, Diagnostic> {
        let (node, size) = match self.anchors.get(anchor) {
            Some(Anchored::Complete(node, size)) => (node, *size),
            Some(Anchored::Open) => {
                return Err(Diagnostic::new(
                    at,
                    format!("the alias '{}' is inside its own anchor", Printable(anchor)),
                ));
            }
            None => {
                return Err(Diagnostic::new(
                    at,
                    format!("the alias '{}' has no anchor before it", Printable(anchor)),
                ));
            }
        };
        // Count before copying: an alias bomb must fail before it allocates.
        let expanded = Size {
            nodes: self.size.nodes + size.nodes,
            text: self.size.text + size.text,
        };
        check_size(at, expanded, self.max_nodes)?;
        self.size = expanded;
        Ok(node.clone())
    }

    fn grow(&mut self, at: Position, by: Size) -> Result<(), Diagnostic> {
        self.size = Size {
            nodes: self.size.nodes + by.nodes,
            text: self.size.text + by.text,
        };
        check_size(at, self.size, self.max_nodes)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Diagnostic> {
        let mut items = Vec::new();
        loop {
            let event = self.events.next()?;
            if event.data == EventData::ListEnd {
                return Ok(items);
            }
            items.push(self.node(event, depth + 1)?);
        }
    }

    /// The pairs of a mapping. As in PyYAML, merged pairs come before the mapping's own, whatever their order in the text;
    /// of equal keys, the first determines the place and the last determines the value.
    fn mapping(&mut self, depth: usize) -> Result<Vec<(Node, Node)>, Diagnostic> {
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
                Key::Merge(at) => pairs::merge(at, value, &mut merged)?,
                Key::Node(key) => own.push((key, value)),
            }
        }
        merged.append(&mut own);
        pairs::unique(merged)
    }
}

fn check_size(at: Position, size: Size, max_nodes: usize) -> Result<(), Diagnostic> {
    if size.nodes > max_nodes {
        return Err(Diagnostic::new(
            at,
            format!("the document has more than {max_nodes} values once its aliases are expanded"),
        ));
    }
    if size.text > MAX_EXPANDED_TEXT {
        return Err(Diagnostic::new(
            at,
            format!(
                "the document has more than {MAX_EXPANDED_TEXT} bytes of text once its aliases are expanded"
            ),
        ));
    }
    Ok(())
}

fn unknown_tag(at: Position, tag: Option<&str>) -> Diagnostic {
    let tag = tag.unwrap_or_default();
    let shown = tag
        .strip_prefix(CORE_TAGS)
        .map_or_else(|| tag.to_owned(), |name| format!("!!{name}"));
    Diagnostic::new(
        at,
        format!(
            "the tag '{}' cannot be used here; remove it",
            Printable(&shown)
        ),
    )
}

/// The short name of a tag that YAML defines, any other tag in full, or `None` if the value itself determines its type.
fn core_tag(tag: Option<&str>) -> Option<&str> {
    match tag {
        None | Some("!") => None,
        Some(tag) => Some(tag.strip_prefix(CORE_TAGS).unwrap_or(tag)),
    }
}

fn scalar_tag(tag: Option<&str>, text: &str, plain: bool) -> Option<Tag> {
    match core_tag(tag) {
        // For libyaml an empty value after `!` is not plain; for PyYAML it is.
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

fn scalar_node(at: Position, tag: Tag, text: String) -> Result<Node, Diagnostic> {
    let value = scalar::construct(tag, &text)
        .map_err(|problem| Diagnostic::new(at, format!("'{}' is {problem}", Printable(&text))))?;
    let written = (tag != Tag::Str).then(|| text.into_boxed_str());
    Ok(Node {
        position: at,
        value,
        written,
    })
}
