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

/// Stores the startup-config of a node, byte for byte. It is always written: KV may answer for a minute
/// what it held before, so that nothing can be told from what it answers.
///
/// Without sites it is taken for any node, known or not. With sites the node must be known, or the
/// URL be made for it; then the node belongs to that site.
///
/// 400 if the id is none, or there is nothing in the body but white space: what is stored stays. 403 if
/// this caller may not, which is decided before anything of the body is read; 413 over
/// [`body::MAX_STARTUP_CONFIG_BYTES`]; 503 if storage fails.
pub async fn put(mut context: Context<'_>, id: &str) -> Result<Answer, Error> {
    let request = context.request;
    let (node, new_site) = match authorize(&mut context, id).await {
        Ok(authorized) => authorized,
        Err(refusal) => return Err(body::refuse(request, refusal).await),
    };
    let limit = body::MAX_STARTUP_CONFIG_BYTES;
    let config = body::read(request, "the startup-config", limit).await?;
    let blank = config.is_blank();
    if blank.map_err(|cause| Error::storage("reading the startup-config sent", cause))? {
        return Err(Error::BadRequest(format!(
            "the startup-config sent for {node} is empty, and is not stored: the client may have been \
             unable to read its own"
        )));
    }
    if let Some(site) = new_site {
        let record = (Record::Site, Value::Bytes(site.as_bytes()));
        context.storage.put_records(&node, &[record]).await?;
    }
    let record = (Record::StartupConfig, Value::Held(&config));
    context.storage.put_records(&node, &[record]).await?;
    Ok(Answer::empty(201))
}

/// The node whose startup-config this caller may store, and the site that it belongs to from now on, if it
/// belongs to none yet.
async fn authorize<'a>(
    context: &mut Context<'a>,
    id: &str,
) -> Result<(NodeId, Option<&'a str>), Error> {
    let node = context.node_in_path(id)?;
    context.may_write()?;
    let Some(site) = context.caller.site() else {
        return Ok((node, None));
    };
    let wanted = [
        Record::Site,
        Record::Facts,
        Record::Definition,
        Record::StartupConfig,
    ];
    let records = context.storage.records(&node, &wanted).await?;
    let bound = matches!(context.caller, Caller::Node { .. });
    if !context.sees(&records) || !(bound || records.any()) {
        return Err(Error::Forbidden(format!(
            "the node {node} is not known here; its startup-config is taken only from the URL that \
             was made for it"
        )));
    }
    let new_site = (!records.has(Record::Site)).then_some(site);
    Ok((node, new_site))
}
