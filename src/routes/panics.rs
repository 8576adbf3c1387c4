//! Paths that panic, for the tests of panics: in the Worker before and after an await, and in the object of
//! a pool.

use ztp_core::key::Document;

use super::Context;
use crate::error::Error;
use crate::objects::pool::protocol::Command;
use crate::response::{Response, content_type};

/// Panics `at-once`, `after-waiting` or `in-a-pool`.
#[allow(clippy::panic)]
pub async fn get(context: Context<'_>) -> Result<Response, Error> {
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
