//! /admin/pools: what operators see and change of resource pools.
//!
//! Opened by the secret `ZTP_ADMIN_TOKEN`, sent as `Authorization: Bearer`. Without that secret
//! there is no such path.

use serde_json::json;
use worker::{Date, DateInit};

use super::nothing_here;
use crate::access;
use crate::answer::Answer;
use crate::domain::node::{Identifier, NodeId};
use crate::error::Error;
use crate::key::{is_pool_name, pool_and_value};
use crate::log;
use crate::path;
use crate::pool::{Allocation, Command, Reply};
use crate::runtime::Request;
use crate::settings::Settings;
use crate::storage::Storage;

/// Answers GET /admin/pools, GET /admin/pools/{pool}, PUT /admin/pools/{pool}/{value}?node=ID,
/// DELETE /admin/pools/{pool}/{value} and DELETE /admin/pools/{pool}?node=ID.
///
/// The names of pools and the values may have slashes, as they are or as `%2F`. GET, and DELETE with
/// `?node=`, take the whole path for a name; else [`pool_and_value`] says where it ends.
///
/// 400 if the pool cannot be used or a parameter is missing; 401 without the token (404 where sites
/// are set: nobody learns that there is something); 404 if there is nothing to release; 409 if the
/// value is not free; 503 if storage fails.
pub async fn answer(
    request: &Request,
    settings: &Settings,
    storage: &Storage,
    log: &mut log::Entry,
    segments: &[&str],
) -> Result<Answer, Error> {
    authorize(request, settings)?;
    let (shape, allow) = match segments {
        [] => ("/admin/pools", "GET, HEAD"),
        [_] => ("/admin/pools/{pool}", "GET, HEAD, DELETE"),
        [..] => ("/admin/pools/{pool}/{value}", "GET, HEAD, PUT, DELETE"),
    };
    log.route = Some(shape);
    let node = path::query_value(&request.url, "node");
    let whole = segments.join("/");
    let answer = match (request.method.as_str(), segments) {
        ("GET" | "HEAD", []) => json!({ "pools": storage.pool_names().await? }),
        ("GET" | "HEAD", [..]) => show(storage, name(&whole)?).await?,
        ("DELETE", [_, rest @ ..]) if node.is_some() || rest.is_empty() => {
            let node = node_parameter(settings.identifier, log, node)?.to_string();
            release(storage, log, name(&whole)?, Command::ReleaseNode { node }).await?
        }
        ("DELETE", [_, ..]) => {
            let (pool, value) = split(storage, segments).await?;
            release(storage, log, name(&pool)?, Command::ReleaseValue { value }).await?
        }
        ("PUT", [_, _, ..]) => {
            let node = node_parameter(settings.identifier, log, node)?.to_string();
            let (pool, value) = split(storage, segments).await?;
            let command = Command::Assign {
                value,
                node: node.clone(),
            };
            match storage.tell_pool(name(&pool)?, command).await {
                Ok(Reply::Value(value)) => {
                    log.allocated.push(format!("{pool}: {value}"));
                    json!({ "pool": pool, "value": value, "node": node })
                }
                Ok(_) => return Err(unexpected(&pool)),
                Err(Error::BadRequest(reason)) => return Err(Error::Conflict(reason)),
                Err(error) => return Err(error),
            }
        }
        _ => return Err(Error::MethodNotAllowed { allow }),
    };
    Ok(Answer::json(&answer).with_header("Cache-Control", "no-store"))
}

fn authorize(request: &Request, settings: &Settings) -> Result<(), Error> {
    let Some(wanted) = &settings.admin_token else {
        return Err(nothing_here());
    };
    let header = request.header("Authorization").unwrap_or_default();
    let presented = access::bearer_token(&header).unwrap_or_default();
    if access::same_token(presented, wanted) {
        return Ok(());
    }
    Err(match settings.sites {
        Some(_) => nothing_here(),
        None => Error::Unauthorized(
            "this path needs the header `Authorization: Bearer` with the token that is stored as the \
             secret ZTP_ADMIN_TOKEN"
                .to_owned(),
        ),
    })
}

/// The pool and the value of a path. Which pools are stored is asked only where it makes a difference.
async fn split(storage: &Storage, segments: &[&str]) -> Result<(String, String), Error> {
    let stored = match segments {
        [first, _, _, ..] if !first.contains('/') => storage.pool_names().await?,
        _ => Vec::new(),
    };
    pool_and_value(segments, &stored)
        .ok_or_else(|| Error::BadRequest("which value? add /VALUE to the URL".to_owned()))
}

async fn show(storage: &Storage, pool: &str) -> Result<serde_json::Value, Error> {
    let Reply::Listing(listing) = storage.tell_pool(pool, Command::List).await? else {
        return Err(unexpected(pool));
    };
    let reservations: Vec<_> = listing
        .reservations
        .iter()
        .map(|(value, node)| json!({ "value": value, "node": node }))
        .collect();
    Ok(json!({
        "pool": pool,
        "size": listing.size,
        "taken": listing.allocations.len(),
        "allocations": listing.allocations.iter().map(shown).collect::<Vec<_>>(),
        "reservations": reservations,
    }))
}

async fn release(
    storage: &Storage,
    log: &mut log::Entry,
    pool: &str,
    command: Command,
) -> Result<serde_json::Value, Error> {
    match storage.tell_pool(pool, command).await? {
        Reply::Released(Some(released)) => {
            log.released = Some(format!("{pool}: {}", released.value));
            log.node = Some(released.node.clone());
            Ok(json!({ "pool": pool, "released": shown(&released) }))
        }
        Reply::Released(None) => Err(Error::NotFound(format!(
            "the pool '{pool}' has given out nothing like that"
        ))),
        _ => Err(unexpected(pool)),
    }
}

fn shown(allocation: &Allocation) -> serde_json::Value {
    let since = Date::new(DateInit::Millis(allocation.since as u64));
    let since = String::from(worker::js_sys::Date::from(since).to_iso_string());
    json!({ "value": allocation.value, "node": allocation.node, "since": since })
}

fn name(pool: &str) -> Result<&str, Error> {
    if is_pool_name(pool) {
        return Ok(pool);
    }
    Err(Error::BadRequest(format!(
        "no pool can have the name {pool:?}"
    )))
}

fn node_parameter(
    identifier: Identifier,
    log: &mut log::Entry,
    node: Option<String>,
) -> Result<NodeId, Error> {
    let node =
        node.ok_or_else(|| Error::BadRequest("which node? add ?node=ID to the URL".to_owned()))?;
    let node: NodeId = identifier
        .canonical(&node)
        .parse()
        .map_err(|error| Error::BadRequest(format!("{error}")))?;
    log.node = Some(node.to_string());
    Ok(node)
}

fn unexpected(pool: &str) -> Error {
    Error::storage(
        format!("asking the pool '{pool}'"),
        "it answered another question",
    )
}
