//! /admin/allocations: the values of all pools that nodes hold, to export and import.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};
use ztp_core::audit::Action;
use ztp_core::key::is_pool_name;
use ztp_core::node::{Identifier, NodeId};
use ztp_core::pool::{Holder, InvalidValueName};

use super::pools::with_name;
use super::{Context, fields, respond};
use crate::error::Error;
use crate::objects::pool::protocol::{Command, Reply, unexpected_reply};
use crate::response::{Response, iso_time};
use crate::storage::Change;

/// Maximum number of allocations in an import.
pub const MAX_IMPORTED: usize = 10_000;

/// GET /admin/allocations: the allocations of all stored pools. An operator with sites receives those of the nodes of
/// these sites.
///
/// 503 if storage fails.
pub async fn list(context: Context<'_>) -> Result<Response, Error> {
    let storage = context.storage;
    let mut allocations = storage.allocations().await?;
    if context
        .operator
        .is_some_and(|operator| operator.sites.is_some())
    {
        let ids = allocations.iter().map(|(_, held)| held.node.node());
        let visible = context.visible_ids(ids).await?;
        allocations.retain(|(_, held)| visible.contains(held.node.node()));
    }
    let allocations = allocations.iter().map(|(pool, held)| {
        let since = iso_time(held.since as u64);
        let shown =
            json!({ "pool": pool, "value": held.value, "node": held.node.node(), "since": since });
        with_name(shown, held.node.name())
    });
    Ok(respond(
        &json!({ "allocations": allocations.collect::<Vec<_>>() }),
    ))
}

/// PUT /admin/allocations: allocates values to nodes, each as PUT /admin/pools/{pool}/{value} does. Those that are
/// refused are in the response, and do not affect others. `since` is ignored: the allocation begins now. If the nodes
/// hold all of these values already, nothing is written, and `audit` is null.
///
/// 400 if the body is invalid; 403 for an operator with sites; 413 over [`MAX_IMPORTED`] allocations; 503 if storage fails: some may be allocated.
pub async fn import(context: Context<'_>) -> Result<Response, Error> {
    context.check_all_sites()?;
    let body = fields(&context, &["allocations"]).await?;
    let identifier = context.settings.identifier;
    let wanted = read(body.get("allocations"), identifier)?;
    let total: usize = wanted.values().map(Vec::len).sum();
    let storage = context.storage;
    let mut missing = BTreeMap::new();
    for (pool, pairs) in wanted {
        let held = storage.allocations_of(&pool).await?.into_iter();
        let held: HashMap<String, Holder> = held.map(|held| (held.value, held.node)).collect();
        let pairs = pairs
            .into_iter()
            .filter(|(value, holder)| held.get(value) != Some(holder));
        missing.insert(pool, pairs.collect::<Vec<_>>());
    }
    missing.retain(|_, pairs| !pairs.is_empty());
    let count: usize = missing.values().map(Vec::len).sum();
    let mut result = json!({
        "assigned": 0,
        "unchanged": total - count,
        "refused": [],
        "audit": null,
    });
    if missing.is_empty() {
        return Ok(respond(&result));
    }
    let intent = context.intent(Action::Import, "allocations", None);
    let imported = storage.audited(intent, async {
        let mut refused = Vec::new();
        for (pool, pairs) in missing {
            let refusals = match storage
                .call_pool(&pool, Command::Import(pairs.clone()))
                .await
            {
                Ok(Reply::Imported(refusals)) => refusals,
                // The pool's file is missing or invalid.
                Err(Error::BadRequest(reason)) => vec![Some(reason); pairs.len()],
                Err(error) => return Err(error),
                Ok(_) => return Err(unexpected_reply(&pool)),
            };
            refused.extend(pairs.into_iter().zip(refusals).filter_map(
                |((value, holder), refusal)| {
                    let (node, error) = (holder.node(), refusal?);
                    let shown =
                        json!({ "pool": pool, "value": value, "node": node, "error": error });
                    Some(with_name(shown, holder.name()))
                },
            ));
        }
        let assigned = count - refused.len();
        Ok(Change {
            detail: Some(format!("{assigned} assigned, {} refused", refused.len())),
            value: refused,
            ..Change::default()
        })
    });
    let (number, refused) = imported.await?;
    result["assigned"] = json!(count - refused.len());
    result["refused"] = refused.into();
    result["audit"] = json!(number);
    Ok(respond(&result))
}

/// Values and their holders, by pool, each once.
fn read(
    allocations: Option<&Value>,
    identifier: Identifier,
) -> Result<BTreeMap<String, Vec<(String, Holder)>>, Error> {
    let Some(Value::Array(allocations)) = allocations else {
        return Err(Error::BadRequest(
            "missing field `allocations`: a list of {\"pool\", \"value\", \"node\"}".to_owned(),
        ));
    };
    if allocations.len() > MAX_IMPORTED {
        return Err(Error::TooLarge(format!(
            "the request has {} allocations and exceeds the limit of {MAX_IMPORTED}: send them in parts",
            allocations.len()
        )));
    }
    let mut known = HashSet::new();
    let mut by_pool: BTreeMap<String, Vec<(String, Holder)>> = BTreeMap::new();
    for (index, allocation) in allocations.iter().enumerate() {
        let text = |name: &str| {
            let text = allocation.get(name).and_then(Value::as_str);
            text.map(str::to_owned).ok_or_else(|| {
                Error::BadRequest(format!(
                    "the allocation {index} has no text {name:?}: it needs pool, value and node"
                ))
            })
        };
        let (pool, value, node) = (text("pool")?, text("value")?, text("node")?);
        if !is_pool_name(&pool) {
            return Err(Error::BadRequest(format!(
                "{pool:?}, the pool of the allocation {index}, is not a valid pool name"
            )));
        }
        let node = identifier.canonical(&node);
        node.parse::<NodeId>()
            .map_err(|error| Error::BadRequest(format!("the allocation {index}: {error}")))?;
        let name = match allocation.get("name") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => {
                Some(name.parse().map_err(|error: InvalidValueName| {
                    Error::BadRequest(format!("the allocation {index}: {error}"))
                })?)
            }
            Some(_) => {
                return Err(Error::BadRequest(format!(
                    "the field \"name\" of the allocation {index} must be a text"
                )));
            }
        };
        let holder = Holder::new(&node, name.as_ref());
        if known.insert((pool.clone(), value.clone(), holder.clone())) {
            by_pool.entry(pool).or_default().push((value, holder));
        }
    }
    Ok(by_pool)
}
