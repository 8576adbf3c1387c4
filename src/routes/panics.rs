//! Paths that panic, for the tests of panics: in the Worker before and after an await, and in the object of
//! a node or of a pool.

use ztp_core::key::Document;

use super::Context;
use crate::error::Error;
use crate::objects::node::protocol::Command as NodeCommand;
use crate::objects::pool::protocol::Command;
use crate::response::{Response, content_type};

/// Panics `at-once`, `after-waiting`, in the object of a node (`nodes/{id}`), or in that of a pool.
#[allow(clippy::panic)]
pub async fn get(mut context: Context<'_>) -> Result<Response, Error> {
    if let ["panics", "nodes", id] = context.segments {
        let node = context.node_in_path(id)?;
        let storage = context.storage;
        storage.call_node(&node, NodeCommand::Panic).await?;
        return Ok(Response::ok(content_type::PLAIN, "no panic"));
    }
    match context.parameters.get("when") {
        "at-once" => panic!("at once"),
        "after-waiting" => {
            context.storage.bytes(Document::Neighbordb).await?;
            panic!("after waiting");
        }
        pool => {
            context.storage.call_pool(pool, Command::Panic).await?;
            Ok(Response::ok(content_type::PLAIN, "no panic"))
        }
    }
}
