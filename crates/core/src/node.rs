//! A node: its identity and neighbors (the body of POST /nodes and the record `.node`), nodes that resemble it,
//! and the records that its object has written.

mod facts;
mod id;
mod known;
mod similar;
mod written;

pub use facts::{
    FactsError, MAX_FACT, MAX_FACTS, MAX_NEIGHBORS, MAX_NODE_INTERFACES, MAX_VALUES, Neighbor,
    NodeFacts, Post,
};
pub use id::{Identifier, InvalidIdentifier, InvalidNodeId, MAX_NODE_ID, NodeId, normalize_mac};
pub use known::{Known, UNHASHED, Value as KnownValue};
pub use similar::{MAX_MAC_DISTANCE, Resemblance, id_prefixes};
pub use written::{
    Comparison, MAX_RETRY_PAUSE_MS, MAX_SUPERSEDED, Step, WRITE_INTERVAL_MS, Written,
};
