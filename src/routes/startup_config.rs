//! GET and PUT /nodes/{id}/startup-config.

use super::{Context, body, nodes};
use crate::answer::{Answer, content_type};
use crate::error::Error;
use crate::key::Record;

/// The startup-config that was backed up from a node, or put there for it.
///
/// 400 if the id is none or there is no startup-config (as ztpserver answers); 503 if storage
/// fails.
pub async fn get(context: Context<'_>, id: &str) -> Result<Answer, Error> {
    let node = nodes::id_in_path(context.settings, context.log, id)?;
    let config = context
        .storage
        .record(&node, Record::StartupConfig)
        .await?
        .ok_or_else(|| Error::BadRequest(format!("the node {node} has no startup-config here")))?;
    Ok(Answer::ok(content_type::PLAIN, config)
        .with_header("Cache-Control", "no-store, no-transform"))
}

/// Stores the startup-config of a node, known or not, byte for byte.
///
/// 400 if the id is none; 413 over [`body::MAX_STARTUP_CONFIG_BYTES`]; 503 if storage fails.
pub async fn put(context: Context<'_>, id: &str) -> Result<Answer, Error> {
    let node = nodes::id_in_path(context.settings, context.log, id)?;
    let limit = body::MAX_STARTUP_CONFIG_BYTES;
    let config = body::read(context.request, "the startup-config", limit).await?;
    context
        .storage
        .put_record(&node, Record::StartupConfig, &config)
        .await?;
    Ok(Answer::empty(201))
}
