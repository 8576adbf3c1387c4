//! A pattern as YAML, for `nodes/<id>/pattern`.

use super::Pattern;
use super::constraint::Peer;
use crate::yaml::quoted;

impl Pattern {
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
