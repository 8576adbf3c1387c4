//! The Durable Objects. Each has its protocol beside it: JSON over `fetch`.

mod call;
pub mod node;
pub mod pool;
pub mod site;
