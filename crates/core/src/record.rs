//! The size of the YAML of one node: its definition, its attributes and its pattern.
//!
//! A request reads all three, and a shared document takes as much time as a request may have. So they are smaller.

use super::yaml::{self, Diagnostic, Limits, Node};

/// Maximum size of a definition, of attributes and of a stored pattern, in bytes.
pub const MAX_RECORD_TEXT: usize = 128 * 1024;
/// Maximum number of scalars, lists and mappings in one, after its aliases are expanded.
pub const MAX_RECORD_NODES: usize = 8192;

/// Parses the YAML of a definition, of attributes or of a stored pattern.
///
/// # Errors
/// As [`yaml::parse`], with these limits.
pub(crate) fn parse(text: &str) -> Result<Node, Diagnostic> {
    let limits = Limits {
        text: MAX_RECORD_TEXT,
        nodes: MAX_RECORD_NODES,
    };
    yaml::parse_within(text, limits)
}
