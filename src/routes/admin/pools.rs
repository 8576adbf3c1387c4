//! /admin/pools: operators read and change resource pools.
//!
//! Names of pools and values may contain slashes, plain or as `%2F`. For GET, and DELETE with `?node=`, the
//! whole path is a name; else [`pool_and_value`] separates the name and the value.

use serde_json::{Value, json};
use ztp_core::audit::Action;
use ztp_core::event::PoolValue;
use ztp_core::key::{is_pool_name, pool_and_value};
use ztp_core::node::NodeId;
use ztp_core::path;
use ztp_core::pool::{Holder, InvalidValueName};

use super::{Context, changes, nodes, respond};
use crate::error::Error;
use crate::objects::pool::protocol::{Allocation, Command, Reply, unexpected_reply};
use crate::response::{Response, iso_time};
use crate::storage::Change;

/// GET /admin/pools: the names of all pools; with `?node=ID`, [the values of a node](nodes::values). 503 if storage fails.
pub async fn list(mut context: Context<'_>) -> Result<Response, Error> {
    if path::query_value(&context.request.url, "node").is_some() {
        let (node, _) = node_parameter(&mut context).await?;
        return nodes::values(&context, &node).await;
    }
    let pools = context.storage.pool_names().await?;
    Ok(respond(&json!({ "pools": pools })))
}

/// GET /admin/pools/{pool}: size, allocations and reservations.
///
/// 400 if the pool is invalid; 503 if storage fails.
pub async fn show(context: Context<'_>) -> Result<Response, Error> {
    let pool = &whole(&context);
    let Reply::Listing(listing) = call(&context, pool, Command::List).await? else {
        return Err(unexpected_reply(pool));
    };
    let reservations: Vec<_> = listing
        .reservations
        .iter()
        .map(|(value, holder)| {
            let shown = json!({ "value": value, "node": holder.node() });
            with_name(shown, holder.name())
        })
        .collect();
    Ok(respond(&json!({
        "pool": pool,
        "size": listing.size,
        "taken": listing.allocations.len(),
        "allocations": listing.allocations.iter().map(display).collect::<Vec<_>>(),
        "reservations": reservations,
    })))
}

/// PUT /admin/pools/{pool}/{value}?node=ID: allocates this value to a node, with `&name=` as the value of that name.
///
/// 400 if the pool or the name is invalid or `node` is missing; 404 if the operator may not see the node; 409 if the value is not free; 503 if storage fails.
pub async fn assign(mut context: Context<'_>) -> Result<Response, Error> {
    let (node, site) = node_parameter(&mut context).await?;
    let holder = holder(&context, &node)?;
    let (pool, value) = split(&context).await?;
    let mut intent = context.intent(Action::Allocate, &pool, site.as_deref());
    intent.detail = Some(format!("{value} to {holder}"));
    let command = Command::Assign {
        value,
        node: holder.clone(),
    };
    let assigned = context.storage.audited(intent, async {
        match call(&context, &pool, command).await {
            Ok(Reply::Value(value)) => Ok(Change {
                value,
                ..Change::default()
            }),
            Ok(_) => Err(unexpected_reply(&pool)),
            Err(Error::BadRequest(reason)) => Err(Error::Conflict(reason)),
            Err(error) => Err(error),
        }
    });
    let (number, value) = assigned.await?;
    let given = PoolValue {
        pool,
        name: holder.name().map(str::to_owned),
        value,
    };
    context.log.allocated.push(given.to_string());
    let body =
        json!({ "pool": given.pool, "value": given.value, "node": holder.node(), "audit": number });
    Ok(respond(&with_name(body, holder.name())))
}

/// DELETE /admin/pools/{pool}/{value}: releases a value, with `?holder=NODE` or `?holder=NODE/NAME` only if this one holds
/// it; with `?node=ID`, the whole path is the name of a pool, as for [`release_node`].
///
/// 400 if the pool is invalid; 409 if another one holds it; 404 if the value is not allocated, or to a node that the operator may not see; 503 if storage fails.
pub async fn release_value(context: Context<'_>) -> Result<Response, Error> {
    if path::query_value(&context.request.url, "node").is_some() {
        return release_node(context).await;
    }
    let (pool, value) = split(&context).await?;
    let expected = path::query_value(&context.request.url, "holder");
    let expected = expected.map(|holder| Holder::from(holder.as_str()));
    let (site, visible) = check_holder(&context, &pool, &value).await?;
    let holder = expected.or(visible);
    let command = Command::ReleaseValue { value, holder };
    match release(context, &pool, site.as_deref(), command).await {
        Err(Error::BadRequest(reason)) if is_pool_name(&pool) => Err(Error::Conflict(reason)),
        other => other,
    }
}

/// DELETE /admin/pools/{pool}?node=ID: releases the value of a node without a name, with `&name=` the one of that name.
///
/// 400 if the pool or the name is invalid or `node` is missing; 404 if the node has no such value, or the operator may not see it; 503 if storage fails.
pub async fn release_node(mut context: Context<'_>) -> Result<Response, Error> {
    let (node, site) = node_parameter(&mut context).await?;
    let node = holder(&context, &node)?;
    let pool = whole(&context);
    let without_name = node.name().is_none();
    let command = Command::ReleaseNode { node };
    match release(context, &pool, site.as_deref(), command).await {
        Err(Error::NotFound(reason)) if without_name => Err(Error::NotFound(format!(
            "{reason} without a name; if the node has a value with a name, add &name=NAME to the URL"
        ))),
        other => other,
    }
}

/// DELETE /admin/pools?node=ID: see [`changes::release`].
pub async fn release_all(mut context: Context<'_>) -> Result<Response, Error> {
    let (node, _) = node_parameter(&mut context).await?;
    changes::release(&context, &node).await
}

async fn release(
    context: Context<'_>,
    pool: &str,
    site: Option<&str>,
    command: Command,
) -> Result<Response, Error> {
    let intent = context.intent(Action::Release, pool, site);
    let released = context.storage.audited(intent, async {
        match call(&context, pool, command).await? {
            Reply::Released(Some(released)) => Ok(Change {
                detail: Some(format!("{} of {}", released.value, released.node)),
                before: None,
                after: None,
                former: None,
                value: released,
            }),
            Reply::Released(None) => Err(not_allocated(pool)),
            _ => Err(unexpected_reply(pool)),
        }
    });
    let (number, released) = released.await?;
    let value = PoolValue {
        pool: pool.to_owned(),
        name: released.node.name().map(str::to_owned),
        value: released.value.clone(),
    };
    context.log.released = Some(value.to_string());
    context.log.node = Some(released.node.node().to_owned());
    let body = json!({ "pool": pool, "released": display(&released), "audit": number });
    Ok(respond(&body))
}

fn not_allocated(pool: &str) -> Error {
    Error::NotFound(format!("no such allocation in pool '{pool}'"))
}

/// Checks that the operator may see the node that holds a value. Reads the pool, and returns the node's site and the
/// holder, only if the operator has sites.
async fn check_holder(
    context: &Context<'_>,
    pool: &str,
    value: &str,
) -> Result<(Option<String>, Option<Holder>), Error> {
    if context
        .operator
        .is_some_and(|operator| operator.sites.is_none())
    {
        return Ok((None, None));
    }
    let Reply::Listing(listing) = call(context, pool, Command::List).await? else {
        return Err(unexpected_reply(pool));
    };
    let mut allocations = listing.allocations.iter();
    let holder = allocations.find(|allocation| allocation.value == value);
    let holder = holder.map(|allocation| allocation.node.clone());
    let node = holder
        .as_ref()
        .and_then(|holder| holder.node().parse().ok());
    let Some(node) = node else {
        return Err(not_allocated(pool));
    };
    match context.check_visible(&node).await {
        Err(Error::NotFound(_)) => Err(not_allocated(pool)),
        checked => Ok((checked?, holder)),
    }
}

async fn call(context: &Context<'_>, pool: &str, command: Command) -> Result<Reply, Error> {
    if !is_pool_name(pool) {
        return Err(Error::BadRequest(format!(
            "{pool:?} is not a valid pool name"
        )));
    }
    context.storage.call_pool(pool, command).await
}

/// The segments of the path after /admin/pools.
fn segments<'a>(context: &Context<'a>) -> &'a [&'a str] {
    context.segments.get(2..).unwrap_or_default()
}

/// The whole path after /admin/pools.
fn whole(context: &Context<'_>) -> String {
    segments(context).join("/")
}

/// The pool and the value in a path. Reads the names of pools only if the path is ambiguous.
async fn split(context: &Context<'_>) -> Result<(String, String), Error> {
    let segments = segments(context);
    let stored = match segments {
        [first, _, _, ..] if !first.contains('/') => context.storage.pool_names().await?,
        _ => Vec::new(),
    };
    pool_and_value(segments, &stored)
        .ok_or_else(|| Error::BadRequest("missing value: add /VALUE to the URL".to_owned()))
}

fn display(allocation: &Allocation) -> Value {
    let since = iso_time(allocation.since as u64);
    let shown =
        json!({ "value": allocation.value, "node": allocation.node.node(), "since": since });
    with_name(shown, allocation.node.name())
}

/// An object about a value of a pool, with the field `name` if the value has one.
pub fn with_name(mut shown: Value, name: Option<&str>) -> Value {
    if let Some(name) = name {
        shown["name"] = name.into();
    }
    shown
}

/// The node in `?node=`, and as [`Context::check_visible`] its site.
async fn node_parameter(context: &mut Context<'_>) -> Result<(NodeId, Option<String>), Error> {
    let node = path::query_value(&context.request.url, "node").ok_or_else(|| {
        Error::BadRequest("missing query parameter `node`: add ?node=ID to the URL".to_owned())
    })?;
    let node: NodeId = context
        .settings
        .identifier
        .canonical(&node)
        .parse()
        .map_err(|error| Error::BadRequest(format!("{error}")))?;
    context.log.node = Some(node.to_string());
    let site = context.check_visible(&node).await?;
    Ok((node, site))
}

/// A node with the name of a value in `?name=`.
fn holder(context: &Context<'_>, node: &NodeId) -> Result<Holder, Error> {
    let name = path::query_value(&context.request.url, "name");
    let name = name.map(|name| name.parse()).transpose();
    let name = name.map_err(|error: InvalidValueName| Error::BadRequest(error.to_string()))?;
    Ok(Holder::new(node.as_str(), name.as_ref()))
}
