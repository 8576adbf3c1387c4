//! The events of a node.

use serde::{Deserialize, Serialize};

/// Maximum number of events that are kept for a node: the oldest are deleted.
pub const MAX_EVENTS: u64 = 1_000;

/// A change of a node's records by a request of a switch or an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The node received a definition or a startup-config with POST /nodes.
    Registered,
    /// A known node sent other facts than before.
    FactsChanged,
    /// A known node was seen at a site for the first time: it belongs to this site now.
    Claimed,
    /// The node's startup-config was stored.
    StartupConfigStored,
    /// An operator changed records.
    OperatorChanged,
    /// An operator deleted the definition, the pattern and the config-handler: the next POST is matched anew.
    Reprovisioned,
    /// An operator deleted all records.
    Forgotten,
    /// An operator assigned the node to a site, or to none.
    Moved,
}
