//! From YAML to a [`Pattern`].

use std::collections::{HashMap, HashSet};

use super::constraint::{Condition, Local, Meaning, Peer, meaning};
use super::{
    Constraint, MAX_EXPRESSIONS, MAX_NAMED_INTERFACES, MAX_WRITTEN_OUT, Pattern, PatternError,
};
use crate::content_name::ContentName;
use crate::function::Function;
use crate::node::{Identifier, normalize_mac};
use crate::printable::Printable;
use crate::pyregex::PyRegex;
use crate::record::{MAX_RECORD_NODES, MAX_RECORD_TEXT};
use crate::yaml::{Node, Value};

/// The file of a pattern, which decides the required attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PatternSource {
    Neighbordb(Identifier),
    /// `nodes/<id>/pattern`
    Stored,
}

/// The variables of a whole neighbordb, by name.
pub(crate) type Globals<'y> = HashMap<&'y str, &'y Node>;

/// Totals over the patterns of a file, after substitution of variables.
#[derive(Default)]
pub(crate) struct Totals {
    interfaces: usize,
    /// Bytes of devices, ports, models and variables.
    text: usize,
    /// The sizes of their regular expressions.
    expressions: usize,
}

impl Totals {
    fn add_text(&mut self, text: &str) -> Result<(), String> {
        self.text += text.len();
        match self.text > MAX_WRITTEN_OUT {
            true => Err(format!(
                "the patterns have more than {MAX_WRITTEN_OUT} bytes of names and expressions after variables are substituted"
            )),
            false => Ok(()),
        }
    }

    fn add_expression(&mut self, regex: &PyRegex) -> Result<(), String> {
        self.expressions += regex.size();
        match self.expressions > MAX_EXPRESSIONS {
            true => Err(format!(
                "the regular expressions of all patterns together are too large: they have more than {MAX_EXPRESSIONS} parts, repetitions written out"
            )),
            false => Ok(()),
        }
    }
}

/// ztpserver's validator has `config_handler`.
const KEYS: [&str; 8] = [
    "name",
    "definition",
    "node",
    "model",
    "variables",
    "interfaces",
    "config-handler",
    "config_handler",
];

/// Reads a mapping of variables, which may be missing or empty.
pub(crate) fn read_globals(variables: Option<&Node>) -> Result<Globals<'_>, PatternError> {
    let Some(node) = variables.filter(|node| !node.is_null()) else {
        return Ok(HashMap::new());
    };
    if !matches!(node.value, Value::Mapping(_)) {
        return Err(PatternError::new(
            node.position,
            format!("'variables' must be a mapping, not {}", node.value.kind()),
        ));
    }
    node.entries()
        .iter()
        .map(|(key, value)| match key.as_name() {
            Some(name @ ("any" | "none")) => Err(PatternError::new(
                key.position,
                format!("a variable cannot be named '{name}': it is a keyword"),
            )),
            Some(name) => Ok((name, value)),
            None => Err(PatternError::new(
                key.position,
                format!(
                    "the name of a variable must be a string, not {}",
                    key.shown()
                ),
            )),
        })
        .collect()
}

/// Reads one pattern of neighbordb, with its definition and its config-handler. Adds to the totals of the file.
pub(crate) fn read_entry(
    node: &Node,
    identifier: Identifier,
    globals: &Globals<'_>,
    totals: &mut Totals,
) -> Result<(Pattern, ContentName, Option<ContentName>), PatternError> {
    let mut reader = Reader {
        node,
        source: PatternSource::Neighbordb(identifier),
        globals,
        totals,
        used: Vec::new(),
        used_names: HashSet::new(),
    };
    reader.named_error(|reader| {
        let pattern = reader.pattern()?;
        if !pattern.fits_a_record() {
            return Err(PatternError::new(
                pattern.position,
                format!(
                    "the pattern is too large to be stored with a node: it has more than {MAX_RECORD_NODES} values or {MAX_RECORD_TEXT} bytes, with the variables that it uses"
                ),
            ));
        }
        let definition = reader
            .content_name("definition")?
            .ok_or_else(|| reader.missing("definition"))?;
        Ok((pattern, definition, reader.config_handler()?))
    })
}

/// Reads the stored pattern of a node.
pub(crate) fn read_stored(node: &Node) -> Result<Pattern, PatternError> {
    let mut reader = Reader {
        node,
        source: PatternSource::Stored,
        globals: &HashMap::new(),
        totals: &mut Totals::default(),
        used: Vec::new(),
        used_names: HashSet::new(),
    };
    reader.named_error(Reader::pattern)
}

struct Reader<'y> {
    node: &'y Node,
    source: PatternSource,
    globals: &'y Globals<'y>,
    totals: &'y mut Totals,
    /// The used variables, and their names.
    used: Vec<(String, String)>,
    used_names: HashSet<String>,
}

impl<'y> Reader<'y> {
    /// Runs `part`, and adds the name of the pattern to its error.
    fn named_error<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, PatternError>,
    ) -> Result<T, PatternError> {
        let name = self.node.get("name").and_then(Node::as_name);
        part(self).map_err(|error| PatternError {
            pattern: name.map(str::to_owned),
            ..error
        })
    }

    fn pattern(&mut self) -> Result<Pattern, PatternError> {
        let node = self.node;
        if !matches!(node.value, Value::Mapping(_)) {
            return Err(self.wrong(node, "a pattern must be a mapping"));
        }
        if let Some((key, _)) = node
            .entries()
            .iter()
            .find(|(key, _)| !key.as_str().is_some_and(|key| KEYS.contains(&key)))
        {
            return Err(PatternError::new(
                key.position,
                format!(
                    "{} is not an attribute of a pattern; the attributes are {}",
                    key.shown(),
                    KEYS.join(", ")
                ),
            ));
        }
        let name = match (self.name("name")?, self.source) {
            (Some(name), _) => name.to_owned(),
            (None, PatternSource::Stored) => "pattern".to_owned(),
            (None, PatternSource::Neighbordb(_)) => return Err(self.missing("name")),
        };
        let identity = self.identity()?;
        let model = match self.name("model")? {
            None => None,
            Some(model) => {
                // `show version` begins with the vendor; the model that a switch sends does not.
                let model = model.strip_prefix("Arista ").unwrap_or(model);
                let regex = PyRegex::new(model).map_err(|reason| {
                    self.at(
                        "model",
                        format!("'model' cannot be used as a regular expression: {reason}"),
                    )
                })?;
                let added = self.totals.add_text(model);
                let added = added.and_then(|()| self.totals.add_expression(&regex));
                added.map_err(|reason| self.at("model", reason))?;
                Some(regex)
            }
        };
        if identity.is_some() && model.is_some() {
            return Err(PatternError::new(
                node.position,
                "'node' and 'model' exclude each other; remove one",
            ));
        }
        if identity.is_none() && model.is_none() && node.get("interfaces").is_none() {
            return Err(PatternError::new(
                node.position,
                "a pattern needs 'node', 'model' or 'interfaces'",
            ));
        }
        let variables = read_globals(node.get("variables"))?;
        let constraints = self.constraints(&variables)?;
        let variables = std::mem::take(&mut self.used);
        Ok(Pattern {
            position: node.position,
            name,
            node: identity,
            model,
            constraints,
            variables,
        })
    }

    fn wrong(&self, node: &Node, expected: &str) -> PatternError {
        PatternError::new(node.position, format!("{expected}, not {}", node.shown()))
    }

    fn missing(&self, key: &str) -> PatternError {
        PatternError::new(self.node.position, format!("the pattern has no '{key}'"))
    }

    fn at(&self, key: &str, message: String) -> PatternError {
        PatternError::new(
            self.node
                .get(key)
                .map_or(self.node.position, |node| node.position),
            message,
        )
    }

    /// A nonempty string. In a stored pattern, null means absent: ztpserver writes it.
    fn name(&self, key: &str) -> Result<Option<&'y str>, PatternError> {
        match self.node.get(key) {
            None => Ok(None),
            Some(value) if value.is_null() && self.source == PatternSource::Stored => Ok(None),
            Some(value) => match value.as_name() {
                Some(name) if !name.is_empty() => Ok(Some(name)),
                _ if value.is_null() || value.as_name().is_some() => Err(self.at(
                    key,
                    format!("'{key}' is empty; give it a value or remove it"),
                )),
                _ => Err(self.wrong(value, &format!("'{key}' must be a string (quote it)"))),
            },
        }
    }

    fn content_name(&self, key: &str) -> Result<Option<ContentName>, PatternError> {
        self.name(key)?
            .map(|name| {
                name.parse().map_err(|reason| {
                    self.at(
                        key,
                        format!("'{}' is not a valid '{key}': {reason}", Printable(name)),
                    )
                })
            })
            .transpose()
    }

    fn config_handler(&self) -> Result<Option<ContentName>, PatternError> {
        match (
            self.content_name("config-handler")?,
            self.content_name("config_handler")?,
        ) {
            (Some(_), Some(_)) => Err(self.at(
                "config_handler",
                "the config-handler is given twice, also as 'config_handler'; remove one"
                    .to_owned(),
            )),
            (handler, None) | (None, handler) => Ok(handler),
        }
    }

    fn identity(&self) -> Result<Option<String>, PatternError> {
        let Some(node) = self.name("node")? else {
            return Ok(None);
        };
        if self.source != PatternSource::Neighbordb(Identifier::SystemMac) {
            return Ok(Some(node.trim().to_owned()));
        }
        let mac = normalize_mac(node);
        if mac.is_empty() || !mac.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(self.at(
                "node",
                format!(
                    "'node' is '{}', and with IDENTIFIER systemmac it must be a MAC address",
                    Printable(node)
                ),
            ));
        }
        Ok(Some(mac))
    }

    fn constraints(&mut self, variables: &Globals<'y>) -> Result<Vec<Constraint>, PatternError> {
        let Some(interfaces) = self.node.get("interfaces") else {
            return Ok(Vec::new());
        };
        let Value::List(lines) = &interfaces.value else {
            return Err(self.wrong(
                interfaces,
                "'interfaces' must be a list of <interface>: <peer>",
            ));
        };
        let mut constraints = Vec::new();
        for line in lines {
            if !matches!(line.value, Value::Mapping(_)) {
                return Err(
                    self.wrong(line, "an entry of 'interfaces' must be <interface>: <peer>")
                );
            }
            for (interface, peer) in line.entries() {
                if self.source == PatternSource::Stored && is_reference_default(interface, peer) {
                    continue;
                }
                constraints.push(self.constraint(interface, peer, variables)?);
            }
        }
        Ok(constraints)
    }

    fn constraint(
        &mut self,
        interface: &Node,
        peer: &Node,
        variables: &Globals<'y>,
    ) -> Result<Constraint, PatternError> {
        let Some(written) = interface.as_name() else {
            return Err(self.wrong(
                interface,
                "an interface must be a name, a list, a range, any or none",
            ));
        };
        let local = Local::parse(written)
            .map_err(|reason| PatternError::new(interface.position, reason))?;
        if let Local::Named(names) = &local {
            self.totals.interfaces += names.len();
            if self.totals.interfaces > MAX_NAMED_INTERFACES {
                return Err(PatternError::new(
                    interface.position,
                    format!(
                        "the patterns name more than {MAX_NAMED_INTERFACES} interfaces together"
                    ),
                ));
            }
        }
        let (written_peer, device, port) = self.peer(written, peer)?;
        let mut wanted = |text: &str| {
            let wanted = self.wanted(text, variables);
            wanted
                .map_err(|reason| PatternError::new(peer.position, format!("{written}: {reason}")))
        };
        let line = format!("{written}: {device}:{port}");
        if written == "none" && device == "none" && port.starts_with('$') {
            // ztpserver 2.1.0 interprets a line before it substitutes variables.
            let message = format!(
                "'{}' cannot have a variable as its port; write none: none:none, or name a device",
                Printable(&line)
            );
            return Err(PatternError::new(interface.position, message));
        }
        let (device, port) = (wanted(&device)?, wanted(&port)?.on_port());
        let Meaning {
            sense,
            interfaces,
            device,
            port,
        } = meaning(local, device, port).map_err(|instead| {
            let message = format!("'{}' can never be met; {instead}", Printable(&line));
            PatternError::new(interface.position, message)
        })?;
        Ok(Constraint {
            position: interface.position,
            written: written.to_owned(),
            peer: written_peer,
            sense,
            interfaces,
            device,
            port,
        })
    }

    /// The source text of the peer, its device and its port.
    fn peer(&self, interface: &str, peer: &Node) -> Result<(Peer, String, String), PatternError> {
        let wrong = |node: &Node, reason: &str| {
            PatternError::new(
                node.position,
                format!("{interface}: {reason}, not {}", node.shown()),
            )
        };
        // ztpserver rejects white space in a name, but accepts it in a variable.
        let part = |node: &Node, text: &str| match text.trim() {
            text if text.is_empty() || text.contains(char::is_whitespace) => Err(wrong(
                node,
                "a device or port must be one word (a variable may contain blanks)",
            )),
            text => Ok(text.to_owned()),
        };
        if let Value::Mapping(entries) = &peer.value {
            if let Some((key, _)) = entries
                .iter()
                .find(|(key, _)| !matches!(key.as_str(), Some("device" | "port")))
            {
                return Err(wrong(key, "the keys of a peer are 'device' and 'port'"));
            }
            let field = |node: &Node| match node.as_name() {
                Some(text) => part(node, text),
                None => Err(wrong(node, "a device or port must be a string (quote it)")),
            };
            let device = peer.get("device").map(field).transpose()?;
            let Some(device) = device else {
                return Err(PatternError::new(
                    peer.position,
                    format!("{interface}: the peer has no 'device'"),
                ));
            };
            let port = peer
                .get("port")
                .map(field)
                .transpose()?
                .unwrap_or_else(|| "any".to_owned());
            return Ok((
                Peer::Mapping {
                    device: device.clone(),
                    port: port.clone(),
                },
                device,
                port,
            ));
        }
        if peer.is_null() {
            return Err(PatternError::new(
                peer.position,
                format!("{interface}: the peer is missing"),
            ));
        }
        let Some(text) = peer.as_name() else {
            return Err(wrong(
                peer,
                "a peer must be <device>, <device>:<port>, {device: ..., port: ...}, any or none (quote other words)",
            ));
        };
        let (device, port) = match text.split_once(':') {
            None => (text, if text == "none" { "none" } else { "any" }),
            Some((_, port)) if port.contains(':') => {
                return Err(wrong(
                    peer,
                    "a peer with more than one ':' must be written {device: ..., port: ...}",
                ));
            }
            Some(parts) => parts,
        };
        Ok((
            Peer::Text(text.to_owned()),
            part(peer, device)?,
            part(peer, port)?,
        ))
    }

    /// The condition on a device or port, after substitution of its variable.
    fn wanted(&mut self, text: &str, variables: &Globals<'y>) -> Result<Condition, String> {
        let value = match text.strip_prefix('$') {
            None => text,
            Some(name) => self.value_of(name, variables)?,
        };
        self.totals.add_text(value)?;
        let wanted = Condition::parse(value)?;
        if let Condition::Like(Function::Regex(regex)) = &wanted {
            self.totals.add_expression(regex)?;
        }
        Ok(wanted)
    }

    /// The value of a variable: the pattern's own, else the global one.
    fn value_of(&mut self, name: &str, variables: &Globals<'y>) -> Result<&'y str, String> {
        let Some(value) = variables.get(name).or_else(|| self.globals.get(name)) else {
            return Err(format!("the variable '{}' is not defined", Printable(name)));
        };
        match value.as_name() {
            Some(value) if value.starts_with('$') => Err(format!(
                "the value of the variable '{}' is another variable, '{}'; write that one's value",
                Printable(name),
                Printable(value)
            )),
            Some(value) if !value.is_empty() => {
                if self.used_names.insert(name.to_owned()) {
                    self.totals.add_text(value)?;
                    self.used.push((name.to_owned(), value.to_owned()));
                }
                Ok(value)
            }
            _ => Err(format!(
                "the variable '{}' must be a string (quote it), not {}",
                Printable(name),
                value.shown()
            )),
        }
    }
}

/// Whether ztpserver 2.1.0 wrote this line for a pattern without interfaces. It matches any node; ztpserver itself cannot
/// read it.
fn is_reference_default(interface: &Node, peer: &Node) -> bool {
    let any = |node: &Node| node.as_str() == Some("any");
    any(interface) && matches!(peer.entries(), [(key, value)] if any(key) && any(value))
}
