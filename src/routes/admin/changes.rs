//! POST /admin/nodes/{id}/assign, reprovision, forget and move: operators change nodes.
//!
//! Changes go through the node's object, so that they count in every place at once. Each has an entry in the audit
//! log. Without anything to change, nothing is written, and `audit` in the response is null.

use serde_json::{Map, Value, json};
use ztp_core::audit::Action;
use ztp_core::check::{self, Finding};
use ztp_core::credentials::is_site_name;
use ztp_core::event::{Event, Logged, PoolValue};
use ztp_core::key::Record;
use ztp_core::node::{Identifier, NodeId};

use super::nodes::visible;
use super::pools::with_name;
use super::sight::Claim;
use super::{Context, display_finding, fields, flag, respond, unknown_node};
use crate::error::Error;
use crate::objects::pool::protocol::Allocation;
use crate::response::Response;
use crate::storage::{Change, ChangedRecord, Edit, NewValue, Plan, RecordChange, Records};
use crate::stream::Buffer;

/// The fields of an assignment, with their records.
const ASSIGNED: [(&str, Record); 5] = [
    ("definition", Record::Definition),
    ("startup_config", Record::StartupConfig),
    ("attributes", Record::Attributes),
    ("pattern", Record::Pattern),
    ("config_handler", Record::ConfigHandler),
];

/// The field of an assignment that names a planned node.
const AS: &str = "as";

/// POST /admin/nodes/{id}/assign: stores or deletes records of a node, known or not; with `as` these records become
/// those of a planned node, and a node that no other site knows becomes one of its site.
///
/// 400 if the id or the body is invalid; 404 if this operator may not see the node or the planned one, or that one has
/// no records; 409 if that one has made requests itself, or, unless `?force=1`, if another node has received its records
/// and still has some; 413 if a record is too large; 422 if one is invalid, with the findings, unless `?force=1`; 503 if
/// storage fails.
pub async fn assign(mut context: Context<'_>) -> Result<Response, Error> {
    let names = ASSIGNED.map(|(name, _)| name);
    let known: Vec<&str> = names.into_iter().chain([AS]).collect();
    let may_force = context.forces()?;
    let body = fields(&context, &known).await?;
    let node = context.node_in_path(context.parameters.get("id"))?;
    let records = context.storage.hashed_records(&node).await?;
    let mut claim = context.expect_assignable(&node, &records).await?;
    let identifier = context.settings.identifier;
    let mut planned = match planned_node(&body, &node, identifier)? {
        Some(planned) => Some(PlannedNode::read(&context, planned).await?),
        None => None,
    };
    let changes = match &mut planned {
        Some(planned) => {
            if let (None, Some(site)) = (&claim, planned.records.get(Record::Site)?) {
                let site = site.trim().to_owned();
                claim = context.claim_of_plan(&node, &records, site).await?;
            }
            std::mem::take(&mut planned.changes)
        }
        None => given_records(&body).await?,
    };
    let mut findings = Vec::new();
    for (record, value) in &changes {
        if let Some(value) = value {
            let key = record.key(&node);
            findings.extend(check::document(&key, &value.bytes(), identifier));
        }
    }
    let forced = findings.iter().any(Finding::is_error);
    let findings: Vec<Value> = findings.iter().map(display_finding).collect();
    if forced && !may_force {
        return Err(Error::Refused {
            status: 422,
            reason: format!(
                "nothing was changed for the node {node}: the findings say what is invalid; correct it, or \
                 store it anyway with ?force=1"
            ),
            fields: Map::from_iter([("findings".to_owned(), findings.into())]),
        });
    }
    let mut detail = None;
    let mut again = false;
    if let Some(planned) = planned {
        detail = Some(format!(
            "the records of {}: {}",
            planned.node,
            listed(&changes)
        ));
        // A node that has them already does not receive them.
        if !records.differing(&changes)?.is_empty() {
            again = planned.give(&context, &node, may_force).await?;
        }
    }
    let request = Request {
        forced: forced || again,
        claim,
        detail,
        ..Request::new(Action::Assign, Event::OperatorChanged, &changes)
    };
    let done = change(&context, &node, records, request).await?;
    Ok(respond(&json!({
        "node": node.as_str(),
        "audit": done.audit,
        "findings": findings,
    })))
}

/// The records in the body of an assignment.
async fn given_records(body: &Map<String, Value>) -> Result<Vec<RecordChange>, Error> {
    let mut changes = Vec::new();
    for (name, record) in ASSIGNED {
        let value = match body.get(name) {
            None => continue,
            Some(Value::Null) => None,
            Some(Value::String(text)) => Some(NewValue::new(Buffer::new(text.as_bytes())).await?),
            Some(_) => {
                return Err(Error::BadRequest(format!(
                    "the field {name:?} must be a text, or null to delete the record"
                )));
            }
        };
        changes.push((record, value));
    }
    Ok(changes)
}

/// The planned node that another one is to become.
fn planned_node(
    body: &Map<String, Value>,
    node: &NodeId,
    identifier: Identifier,
) -> Result<Option<NodeId>, Error> {
    let invalid = |reason: String| Error::BadRequest(format!("the field {AS:?} {reason}"));
    let planned: NodeId = match body.get(AS) {
        None => return Ok(None),
        Some(Value::String(id)) => {
            let id = identifier.canonical(id).parse();
            id.map_err(|error| invalid(format!("{error}")))?
        }
        Some(_) => return Err(invalid("must be the id of a planned node".to_owned())),
    };
    if body.len() > 1 {
        let reason = "stands for all records: leave the other fields out";
        return Err(invalid(reason.to_owned()));
    }
    if planned == *node {
        return Err(invalid(format!("names the node itself, {node}")));
    }
    Ok(Some(planned))
}

/// A node with records that has made no request.
struct PlannedNode {
    node: NodeId,
    records: Records,
    /// Its records, for another node; those that it does not have are deleted there.
    changes: Vec<RecordChange>,
    /// The node that has received them, by its last such event.
    given_to: Option<String>,
}

impl PlannedNode {
    async fn read(context: &Context<'_>, node: NodeId) -> Result<Self, Error> {
        let storage = context.storage;
        // One after the other: the events are at least those of the records' revision, on which `give` depends.
        let records = storage.hashed_records(&node).await?;
        let timeline = storage.timeline(&node).await?;
        if !context.may_see_node(records.get(Record::Site)?, &timeline) {
            return Err(unknown_node(&node));
        }
        let mut changes = Vec::new();
        for (_, record) in ASSIGNED {
            let value = match records.summary(record)? {
                None => None,
                Some(_) => storage.new_value_of(&node, record).await?,
            };
            changes.push((record, value));
        }
        if changes.iter().all(|(_, value)| value.is_none()) {
            return Err(Error::NotFound(format!(
                "nothing is planned for the node {node}: it has no definition, pattern, config-handler, attributes or \
                 startup-config"
            )));
        }
        let mut events = timeline.events.iter().map(|(_, logged)| logged);
        if events.any(Logged::is_of_switch) || records.get(Record::Facts)?.is_some() {
            return Err(Error::Conflict(format!(
                "the node {node} is not only planned: it has made requests itself, so that its records are its own"
            )));
        }
        let last = timeline
            .events
            .iter()
            .rev()
            .find_map(|(_, logged)| match &logged.event {
                Event::PlanGiven { to } => Some(Some(to.clone())),
                // What it has now was planned afterwards.
                Event::Forgotten => Some(None),
                _ => None,
            });
        Ok(Self {
            node,
            records,
            changes,
            given_to: last.flatten(),
        })
    }

    /// Notes that another node receives the records, before it does: of two requests for two nodes at the same time, one is
    /// refused. Whether a third node has them, which only a forced request ignores.
    async fn give(
        self,
        context: &Context<'_>,
        to: &NodeId,
        may_force: bool,
    ) -> Result<bool, Error> {
        let planned = &self.node;
        let mut again = false;
        match &self.given_to {
            Some(given) if *given == to.as_str() => return Ok(false),
            Some(given) => {
                again = match given.parse() {
                    Ok(given) => has_assigned(&context.storage.hashed_records(&given).await?)?,
                    Err(_) => false,
                };
                if again && !may_force {
                    return Err(Error::Conflict(format!(
                        "the records of {planned} were given to {given}, and two switches with the same configuration \
                         disturb each other: forget {given} if it is not used any more, or repeat the request with \
                         ?force=1"
                    )));
                }
            }
            None => {}
        }
        let edit = Edit {
            node: planned,
            by: context.operator_name(),
            event: Event::PlanGiven { to: to.to_string() },
            without_history: false,
        };
        match context.storage.add_event(&edit, self.records).await? {
            true => Ok(again),
            false => Err(Error::Conflict(format!(
                "another request changed the node {planned} at the same time: look at it, and repeat the request"
            ))),
        }
    }
}

/// Whether a node has one of the records that an assignment stores.
fn has_assigned(records: &Records) -> Result<bool, Error> {
    for (_, record) in ASSIGNED {
        if records.summary(record)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Records by their hashes, for the audit log.
fn listed(changes: &[RecordChange]) -> String {
    let parts = changes.iter().map(|(record, value)| match value {
        Some(value) => format!("{} {}", record.name(), short(&value.summary.sha1)),
        None => format!("no {}", record.name()),
    });
    parts.collect::<Vec<_>>().join(", ")
}

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
struct Request<'a> {
    action: Action,
    event: Event,
    changes: &'a [RecordChange],
    /// The values to release.
    held: Vec<(String, Allocation)>,
    /// Whether events and versions are deleted.
    without_history: bool,
    forced: bool,
    /// The site that the change assigns the node to.
    claim: Option<Claim>,
    /// What changes, for the audit log; `None`: the records by their hashes.
    detail: Option<String>,
}

impl<'a> Request<'a> {
    fn new(action: Action, event: Event, changes: &'a [RecordChange]) -> Self {
        Self {
            action,
            event,
            changes,
            held: Vec::new(),
            without_history: false,
            forced: false,
            claim: None,
            detail: None,
        }
    }
}

/// A change that was made.
#[derive(Default)]
struct Done {
    /// Its entry in the audit log; `None`: there was nothing to change.
    audit: Option<u64>,
    released: Vec<(String, Allocation)>,
}

/// Makes a change, unless there is nothing to change.
async fn change(
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

/// What was changed, in words, for the audit log: values of records by their hashes, since some contain secrets.
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
fn short(sha1: &str) -> &str {
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
