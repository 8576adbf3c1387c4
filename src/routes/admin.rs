//! /admin/pools: what operators read and change of resource pools.

use serde_json::json;
use worker::{Date, DateInit};
use ztp_core::key::is_pool_name;
use ztp_core::node::NodeId;
use ztp_core::path;

use super::Context;
use crate::error::Error;
use crate::objects::pool::protocol::{Allocation, Command, Reply};
use crate::response::Response;

/// GET /admin/pools: the names of all pools. 503 if storage fails.
pub async fn list(context: Context<'_>) -> Result<Response, Error> {
    let pools = context.storage.pool_names().await?;
    Ok(respond(json!({ "pools": pools })))
}

/// GET /admin/pools/{pool}: size, allocations and reservations.
///
/// 400 if the pool cannot be used; 503 if storage fails.
pub async fn show(context: Context<'_>) -> Result<Response, Error> {
    let pool = pool(&context)?;
    let Reply::Listing(listing) = context.storage.call_pool(pool, Command::List).await? else {
        return Err(unexpected(pool));
    };
    let reservations: Vec<_> = listing
        .reservations
        .iter()
        .map(|(value, node)| json!({ "value": value, "node": node }))
        .collect();
    Ok(respond(json!({
        "pool": pool,
        "size": listing.size,
        "taken": listing.allocations.len(),
        "allocations": listing.allocations.iter().map(display).collect::<Vec<_>>(),
        "reservations": reservations,
    })))
}

/// PUT /admin/pools/{pool}/{value}?node=ID: allocates this value to a node.
///
/// 400 if the pool cannot be used or `node` is missing; 409 if the value is not free; 503 if storage
/// fails.
pub async fn assign(mut context: Context<'_>) -> Result<Response, Error> {
    let pool = pool(&context)?;
    let node = node_parameter(&mut context)?.to_string();
    let command = Command::Assign {
        value: context.parameters.get("value").to_owned(),
        node: node.clone(),
    };
    match context.storage.call_pool(pool, command).await {
        Ok(Reply::Value(value)) => {
            context.log.allocated.push(format!("{pool}: {value}"));
            Ok(respond(
                json!({ "pool": pool, "value": value, "node": node }),
            ))
        }
        Ok(_) => Err(unexpected(pool)),
        Err(Error::BadRequest(reason)) => Err(Error::Conflict(reason)),
        Err(error) => Err(error),
    }
}

/// DELETE /admin/pools/{pool}/{value}: releases a value.
///
/// 400 if the pool cannot be used; 404 if the value is not allocated; 503 if storage fails.
pub async fn release_value(context: Context<'_>) -> Result<Response, Error> {
    let value = context.parameters.get("value").to_owned();
    release(context, Command::ReleaseValue { value }).await
}

/// DELETE /admin/pools/{pool}?node=ID: releases the value of a node.
///
/// 400 if the pool cannot be used or `node` is missing; 404 if the node has no value; 503 if storage
/// fails.
pub async fn release_node(mut context: Context<'_>) -> Result<Response, Error> {
    let node = node_parameter(&mut context)?.to_string();
    release(context, Command::ReleaseNode { node }).await
}

async fn release(context: Context<'_>, command: Command) -> Result<Response, Error> {
    let pool = pool(&context)?;
    match context.storage.call_pool(pool, command).await? {
        Reply::Released(Some(released)) => {
            context.log.released = Some(format!("{pool}: {}", released.value));
            context.log.node = Some(released.node.clone());
            Ok(respond(
                json!({ "pool": pool, "released": display(&released) }),
            ))
        }
        Reply::Released(None) => Err(Error::NotFound(format!(
            "no such allocation in pool '{pool}'"
        ))),
        _ => Err(unexpected(pool)),
    }
}

fn respond(value: serde_json::Value) -> Response {
    Response::json(&value).with_header("Cache-Control", "no-store")
}

fn display(allocation: &Allocation) -> serde_json::Value {
    let since = Date::new(DateInit::Millis(allocation.since as u64));
    let since = String::from(worker::js_sys::Date::from(since).to_iso_string());
    json!({ "value": allocation.value, "node": allocation.node, "since": since })
}

fn pool<'a>(context: &Context<'a>) -> Result<&'a str, Error> {
    let pool = context.parameters.get("pool");
    if is_pool_name(pool) {
        return Ok(pool);
    }
    Err(Error::BadRequest(format!(
        "{pool:?} is not a valid pool name"
    )))
}

fn node_parameter(context: &mut Context<'_>) -> Result<NodeId, Error> {
    let node = path::query_value(&context.request.url, "node");
    let node = node.ok_or_else(|| {
        Error::BadRequest("missing query parameter `node`: add ?node=ID to the URL".to_owned())
    })?;
    let node: NodeId = node
        .parse()
        .map_err(|error| Error::BadRequest(format!("{error}")))?;
    context.log.node = Some(node.to_string());
    Ok(node)
}

fn unexpected(pool: &str) -> Error {
    Error::storage(format!("asking the pool '{pool}'"), "unexpected reply")
}
