//! A pattern as YAML, for `nodes/<id>/pattern`.

use super::Pattern;
use super::constraint::Peer;
use crate::record::{MAX_RECORD_NODES, MAX_RECORD_TEXT};
use crate::yaml::quoted;

/// The bytes that a byte of a string takes at most in YAML: `\\x00` is `"\\u0000"`, and each string has two quotes.
const MAX_QUOTED: usize = 8;

impl Pattern {
    /// Whether the stored pattern is within the limits of a [`record`](crate::record): a node that received a larger one
    /// could not boot.
    pub(super) fn fits_a_record(&self) -> bool {
        let (mut values, mut bytes) = (16, 64 + self.name.len());
        for (name, value) in &self.variables {
            values += 2;
            bytes += 2 + name.len() + value.len();
        }
        for constraint in &self.constraints {
            // The mapping of the line, the interfaces and the peer.
            let (peer_values, peer_bytes) = match &constraint.peer {
                Peer::Text(peer) => (1, peer.len()),
                Peer::Mapping { device, port } => (5, 12 + device.len() + port.len()),
            };
            values += 2 + peer_values;
            bytes += 4 + constraint.written.len() + peer_bytes;
        }
        let texts = [
            self.node.as_deref(),
            self.model.as_ref().map(|model| model.as_str()),
        ];
        bytes += texts.into_iter().flatten().map(str::len).sum::<usize>();
        // Write it only if it may be too large: a neighbordb has thousands of small patterns.
        values <= MAX_RECORD_NODES
            && (bytes <= MAX_RECORD_TEXT / MAX_QUOTED || self.to_yaml().len() <= MAX_RECORD_TEXT)
    }

    /// The YAML of a stored pattern: [`Pattern::parse_stored`] parses it to a pattern that matches the same nodes, and
    /// ztpserver can read it. The definition is omitted, as in ztpserver.
    pub fn to_yaml(&self) -> String {
        let mut yaml = format!("name: {}\n", quoted(&self.name));
        if let Some(node) = &self.node {
            yaml += &format!("node: {}\n", quoted(node));
        }
        if let Some(model) = &self.model {
            yaml += &format!("model: {}\n", quoted(model.as_str()));
        }
        if !self.variables.is_empty() {
            yaml += "variables:\n";
        }
        for (name, value) in &self.variables {
            yaml += &format!("  {}: {}\n", quoted(name), quoted(value));
        }
        if !self.constraints.is_empty() {
            yaml += "interfaces:\n";
        } else if self.node.is_none() && self.model.is_none() {
            yaml += "interfaces: []\n";
        }
        for constraint in &self.constraints {
            let interface = quoted(&constraint.written);
            match &constraint.peer {
                Peer::Text(peer) => yaml += &format!("- {interface}: {}\n", quoted(peer)),
                Peer::Mapping { device, port } => {
                    let (device, port) = (quoted(device), quoted(port));
                    yaml += &format!("- {interface}:\n    device: {device}\n    port: {port}\n");
                }
            }
        }
        yaml
    }
}
