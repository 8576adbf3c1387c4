//! The Durable Objects.

pub mod pool;
