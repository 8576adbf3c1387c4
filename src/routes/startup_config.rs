//! GET and PUT /nodes/{id}/startup-config.

use super::{Context, body};
use crate::access::Caller;
use crate::answer::{Answer, Body, content_type};
use crate::domain::node::NodeId;
use crate::error::Error;
use crate::key::Record;
use crate::runtime::Value;

/// The startup-config that was backed up from a node, or put there for it.
///
/// 400 if the id is none or there is no startup-config (as ztpserver answers); 403 if this caller
/// may not; 503 if storage fails.
pub async fn get(mut context: Context<'_>, id: &str) -> Result<Answer, Error> {
    let node = context.node_in_path(id)?;
    let config = match context.sees_node(&node).await? {
        true => context.storage.record(&node, Record::StartupConfig).await?,
        false => None,
    };
    let config = config
        .ok_or_else(|| Error::BadRequest(format!("the node {node} has no startup-config here")))?;
    Ok(Answer::new(200, content_type::PLAIN, Body::Held(config))
        .with_header("Cache-Control", "no-store, no-transform"))
}

/// Stores the startup-config of a node, byte for byte, unless it is what is stored.
///
/// Without sites it is taken for any node, known or not. With sites the node must be known, or the
/// URL be made for it; then the node belongs to that site.
///
/// 400 if the id is none; 403 if this caller may not; 413 over [`body::MAX_STARTUP_CONFIG_BYTES`];
/// 503 if storage fails.
pub async fn put(mut context: Context<'_>, id: &str) -> Result<Answer, Error> {
    let node = context.node_in_path(id)?;
    let limit = body::MAX_STARTUP_CONFIG_BYTES;
    if context.settings.read_only {
        // The body is taken off the wire all the same, for the client to see the answer.
        body::read(context.request, "the startup-config", limit).await?;
    }
    context.may_write()?;
    // What is stored is read while the body arrives.
    let stored = context.storage.record(&node, Record::StartupConfig);
    let config = body::read(context.request, "the startup-config", limit).await?;
    if let Some(site) = context.caller.site() {
        claim(&mut context, &node, site).await?;
    }
    if !stored.await?.is_some_and(|stored| stored.is_same(&config)) {
        let record = (Record::StartupConfig, Value::Held(&config));
        context.storage.put_records(&node, &[record]).await?;
    }
    Ok(Answer::empty(201))
}

/// Makes sure that the node belongs to the caller's site.
async fn claim(context: &mut Context<'_>, node: &NodeId, site: &str) -> Result<(), Error> {
    let wanted = [
        Record::Site,
        Record::Facts,
        Record::Definition,
        Record::StartupConfig,
    ];
    let records = context.storage.records(node, &wanted).await?;
    let bound = matches!(context.caller, Caller::Node { .. });
    if !context.sees(&records) || !(bound || records.any()) {
        return Err(Error::Forbidden(format!(
            "the node {node} is not known here; its startup-config is taken only from the URL that \
             was made for it"
        )));
    }
    if !records.has(Record::Site) {
        let record = (Record::Site, Value::Bytes(site.as_bytes()));
        context.storage.put_records(node, &[record]).await?;
    }
    Ok(())
}
