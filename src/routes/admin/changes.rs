//! POST /admin/nodes/{id}/reprovision, forget and move: operators change nodes. `assign` is beside it.
//!
//! Changes go through the node's object, so that they count in every place at once. Each has an entry in the audit
//! log. Without anything to change, nothing is written, and `audit` in the response is null.

use serde_json::{Value, json};
use ztp_core::audit::Action;
use ztp_core::credentials::is_site_name;
use ztp_core::event::{Event, PoolValue};
use ztp_core::key::Record;
use ztp_core::node::NodeId;

use super::nodes::visible;
use super::pools::with_name;
use super::sight::Claim;
use super::{Context, fields, flag, respond, unknown_node};
use crate::error::Error;
use crate::objects::pool::protocol::Allocation;
use crate::response::Response;
use crate::storage::{Change, ChangedRecord, Edit, NewValue, Plan, RecordChange, Records};
use crate::stream::Buffer;

/// POST /admin/nodes/{id}/reprovision: deletes the definition, the pattern and the config-handler, so that the next
/// POST of the node is matched against neighbordb. Its startup-config, attributes, site, facts and pool values stay.
/// `known` in the response: with a startup-config, it stays known, and is not matched.
///
/// 400 if the id is invalid; 404 if this operator may not see the node; 503 if storage fails.
pub async fn reprovision(mut context: Context<'_>) -> Result<Response, Error> {
    let (node, records) = visible(&mut context).await?;
    let known = records.has_startup_config()?;
    let dropped = [Record::Definition, Record::Pattern, Record::ConfigHandler];
    let changes = dropped.map(|record| (record, None));
    let request = Request::new(Action::Reprovision, Event::Reprovisioned, &changes);
    let done = change(&context, &node, records, request).await?;
    Ok(respond(
        &json!({ "node": node.as_str(), "audit": done.audit, "known": known }),
    ))
}

/// POST /admin/nodes/{id}/forget: deletes all records of the node; with `pools` its values of pools are released, too,
/// and with `history` its events and startup-config versions are deleted.
///
/// 400 if the id or the body is invalid; 404 if this operator may not see the node; 503 if storage fails.
pub async fn forget(mut context: Context<'_>) -> Result<Response, Error> {
    let body = fields(&context, &["pools", "history"]).await?;
    let (pools, history) = (flag(&body, "pools")?, flag(&body, "history")?);
    let (node, records) = visible(&mut context).await?;
    let held = match pools {
        true => context.storage.values_of(&node).await?,
        false => Vec::new(),
    };
    let without_history = history && !context.storage.timeline(&node).await?.is_empty();
    let changes = Record::ALL.map(|record| (record, None));
    let request = Request {
        held,
        without_history,
        ..Request::new(Action::Forget, Event::Forgotten, &changes)
    };
    let done = change(&context, &node, records, request).await?;
    Ok(respond(&json!({
        "node": node.as_str(),
        "audit": done.audit,
        "released": display_released(&done.released),
    })))
}

/// POST /admin/nodes/{id}/move: assigns the node to a site, or with null to none: the next site whose request is
/// accepted owns it then.
///
/// 400 if the id or the site is invalid; 403 if this operator may not see the new site; 404 if it may not see the
/// node; 503 if storage fails.
pub async fn to_site(mut context: Context<'_>) -> Result<Response, Error> {
    let body = fields(&context, &["site"]).await?;
    let site = match body.get("site") {
        Some(Value::Null) => None,
        Some(Value::String(site)) if is_site_name(site) => Some(site.clone()),
        Some(other) => {
            return Err(Error::BadRequest(format!(
                "the site is {other}, but must be null, or letters, digits, - and _"
            )));
        }
        None => {
            return Err(Error::BadRequest(
                "missing field `site`: the name of a site, or null for none".to_owned(),
            ));
        }
    };
    if let Some(site) = &site {
        context.expect_token_of(site)?;
    }
    let (node, records) = visible(&mut context).await?;
    context.expect_own_site(site.as_deref())?;
    let value = match &site {
        Some(site) => Some(NewValue::new(Buffer::new(site.as_bytes())).await?),
        None => None,
    };
    // An operator may have written it with a line end.
    let before = records.get(Record::Site)?.map(str::trim);
    let changes = match before == site.as_deref() {
        true => Vec::new(),
        false => vec![(Record::Site, value)],
    };
    let request = Request {
        detail: Some(format!(
            "from {} to {}",
            before.unwrap_or("no site"),
            site.as_deref().unwrap_or("no site")
        )),
        ..Request::new(Action::Move, Event::Moved, &changes)
    };
    let done = change(&context, &node, records, request).await?;
    Ok(respond(
        &json!({ "node": node.as_str(), "audit": done.audit }),
    ))
}

/// DELETE /admin/pools?node=ID: releases the values that a node holds, of all pools.
///
/// 400 if the id is invalid or missing; 404 if this operator may not see the node; 503 if storage fails.
pub async fn release(context: &Context<'_>, node: &NodeId) -> Result<Response, Error> {
    let records = context.storage.records(node, &[Record::Site]).await?;
    let owner = records.get(Record::Site)?;
    context.expect_visible(node, owner).await?;
    let request = Request {
        held: context.storage.values_of(node).await?,
        ..Request::new(Action::Release, Event::OperatorChanged, &[])
    };
    let done = change(context, node, records, request).await?;
    Ok(respond(&json!({
        "node": node.as_str(),
        "released": display_released(&done.released),
        "audit": done.audit,
    })))
}

/// A change of a node.
pub(super) struct Request<'a> {
    pub(super) action: Action,
    pub(super) event: Event,
    pub(super) changes: &'a [RecordChange],
    /// The values to release.
    pub(super) held: Vec<(String, Allocation)>,
    /// Whether events and versions are deleted.
    pub(super) without_history: bool,
    pub(super) forced: bool,
    /// The revision of the node on which the change depends; `None`: it is decided again after another one.
    pub(super) revision: Option<u64>,
    /// The site that the change assigns the node to.
    pub(super) claim: Option<Claim>,
    /// The change in words, for the audit log; `None`: the records by their hashes.
    pub(super) detail: Option<String>,
}

impl<'a> Request<'a> {
    pub(super) fn new(action: Action, event: Event, changes: &'a [RecordChange]) -> Self {
        Self {
            action,
            event,
            changes,
            held: Vec::new(),
            without_history: false,
            forced: false,
            revision: None,
            claim: None,
            detail: None,
        }
    }
}

/// A change that was made.
#[derive(Default)]
pub(super) struct Done {
    /// Its entry in the audit log; `None`: there was nothing to change.
    pub(super) audit: Option<u64>,
    released: Vec<(String, Allocation)>,
}

/// The 409 for a request that depends on what another one has changed.
pub(super) fn changed_meanwhile(node: &NodeId) -> Error {
    Error::Conflict(format!(
        "another request changed the node {node} at the same time: look at it, and repeat the request"
    ))
}

/// Makes a change, unless there is nothing to change.
pub(super) async fn change(
    context: &Context<'_>,
    node: &NodeId,
    records: Records,
    request: Request<'_>,
) -> Result<Done, Error> {
    let storage = context.storage;
    let plan: Plan<'_> = &|records| {
        // Another request may have given it to another site meanwhile.
        let owner = records.get(Record::Site)?;
        if owner.is_some() && !context.operator_may_see(owner) {
            return Err(unknown_node(node));
        }
        if let Some(revision) = request.revision
            && records.revision()? != revision
        {
            return Err(changed_meanwhile(node));
        }
        let changes = records.differing(request.changes)?;
        match &request.claim {
            Some(claim) => claim.with_site(node, records, changes),
            None => Ok(changes),
        }
    };
    let changes_records = request.without_history || !plan(&records)?.is_empty();
    if !changes_records && request.held.is_empty() {
        return Ok(Done::default());
    }
    let claimed = request.claim.as_ref().map(|claim| claim.site.as_str());
    let site = records.get(Record::Site)?.or(claimed);
    let mut intent = context.intent(request.action, node.as_str(), site);
    intent.detail.clone_from(&request.detail);
    intent.forced = request.forced;
    let edit = Edit {
        node,
        by: context.operator_name(),
        event: request.event,
        without_history: request.without_history,
        given: Vec::new(),
    };
    let changed = storage.audited(intent, async {
        let changed = match changes_records {
            true => storage.change_records(&edit, records, plan).await?,
            false => Vec::new(),
        };
        // Last: a node that is still known keeps its values.
        let mut released = Vec::new();
        // They are in the order of pools.
        for held in request.held.chunk_by(|(pool, _), (other, _)| pool == other) {
            if let Some((pool, _)) = held.first() {
                let values = storage.release_of(pool, node).await?.into_iter();
                released.extend(values.map(|value| (pool.clone(), value)));
            }
        }
        let words = || described(&changed, &released, request.without_history);
        Ok(Change {
            detail: Some(request.detail.unwrap_or_else(words)),
            value: released,
            ..Change::default()
        })
    });
    let (number, released) = changed.await?;
    Ok(Done {
        audit: Some(number),
        released,
    })
}

fn display_released(released: &[(String, Allocation)]) -> Vec<Value> {
    let released = released.iter();
    let display = |(pool, released): &(String, Allocation)| {
        with_name(
            json!({ "pool": pool, "value": released.value }),
            released.node.name(),
        )
    };
    released.map(display).collect()
}

/// The changes in words, for the audit log: values of records by their hashes, since some contain secrets.
fn described(
    changed: &[ChangedRecord],
    released: &[(String, Allocation)],
    without_history: bool,
) -> String {
    let mut parts: Vec<String> = changed.iter().map(describe).collect();
    let values = released.iter();
    parts.extend(values.map(|(pool, released)| {
        let value = PoolValue {
            pool: pool.clone(),
            name: released.node.name().map(str::to_owned),
            value: released.value.clone(),
        };
        format!("{value} released")
    }));
    if without_history {
        parts.push("history deleted".to_owned());
    }
    parts.join(", ")
}

/// The start of a hash, for people.
pub(super) fn short(sha1: &str) -> &str {
    sha1.get(..8).unwrap_or(sha1)
}

fn describe(changed: &ChangedRecord) -> String {
    let name = changed.record.name();
    let before = changed.before.as_ref().map(|before| short(&before.sha1));
    let after = changed.after.as_ref().map(|after| short(&after.sha1));
    match (before, after) {
        (Some(before), Some(after)) => format!("{name} {before} replaced by {after}"),
        (None, Some(after)) => format!("{name} {after} stored"),
        (before, None) => format!("{name} {} deleted", before.unwrap_or_default()),
    }
}
