//! The identity and the neighbors of a switch: the body of POST /nodes and the record `.node`.

mod facts;
mod id;
mod similar;

pub use facts::{
    FactsError, MAX_FACT, MAX_FACTS, MAX_NEIGHBORS, MAX_NODE_INTERFACES, MAX_VALUES, Neighbor,
    NodeFacts, Post,
};
pub use id::{Identifier, InvalidIdentifier, InvalidNodeId, MAX_NODE_ID, NodeId, normalize_mac};
pub use similar::{MAX_MAC_DISTANCE, Resemblance, id_prefixes};
