//! /admin/nodes: operators read and change nodes.
//!
//! Changes go through the node's object, so that they count in every place at once. An operator with sites sees the
//! nodes of these sites only: any other one is a 404 like a missing one.

use futures_util::future::try_join_all;
use serde_json::{Map, Value, json};
use ztp_core::audit::{Action, Intent};
use ztp_core::event::Event;
use ztp_core::key::Record;
use ztp_core::node::NodeId;

use super::{Context, respond};
use crate::error::Error;
use crate::objects::pool::protocol::Allocation;
use crate::response::Response;
use crate::storage::{Change, ChangedRecord, Edit, Plan, Records};

/// Maximum size of the body of a request about a node, in bytes: several records as JSON.
pub const MAX_BODY_BYTES: usize = 8 << 20;

/// POST /admin/nodes/{id}/reprovision: deletes the definition, the pattern and the config-handler, so that the next
/// POST of the node is matched against neighbordb. Its startup-config, attributes, site, facts and pool values stay.
/// Without such a record nothing is changed, and `audit` is null.
///
/// 400 if the id is invalid; 404 if this operator may not see the node; 503 if storage fails.
pub async fn reprovision(mut context: Context<'_>) -> Result<Response, Error> {
    let (node, records) = context.visible_node().await?;
    let dropped = [Record::Definition, Record::Pattern, Record::ConfigHandler];
    let dropped = dropped.map(|record| (record, None));
    let plan = |records: &Records| records.differing(&dropped);
    let request = NodeRequest {
        action: Action::Reprovision,
        event: Event::Reprovisioned,
        detail: None,
        without_history: false,
    };
    let changed = change(&context, &node, records, request, &plan).await?;
    Ok(respond(&json!({
        "node": node.as_str(),
        "audit": changed.map(|(number, _)| number),
    })))
}

/// POST /admin/nodes/{id}/forget: deletes all records of the node; with `pools` its values of pools are released, too,
/// and with `history` its events and startup-config versions are deleted. Without any nothing is changed, and `audit`
/// is null.
///
/// 400 if the id or the body is invalid; 404 if this operator may not see the node; 503 if storage fails.
pub async fn forget(mut context: Context<'_>) -> Result<Response, Error> {
    let body = fields(&context, &["pools", "history"]).await?;
    let (pools, history) = (flag(&body, "pools")?, flag(&body, "history")?);
    let (node, records) = context.visible_node().await?;
    let storage = context.storage;
    let held = match pools {
        true => storage.values_of(&node).await?,
        false => Vec::new(),
    };
    let has_history = history && {
        let timeline = storage.timeline(&node).await?;
        !(timeline.events.is_empty() && timeline.versions.is_empty())
    };
    let all = Record::ALL.map(|record| (record, None));
    let plan = |records: &Records| records.differing(&all);
    if plan(&records)?.is_empty() && held.is_empty() && !has_history {
        return Ok(respond(&json!({
            "node": node.as_str(),
            "audit": null,
            "released": [],
        })));
    }
    let edit = Edit {
        node: &node,
        by: context.operator_name(),
        event: Event::Forgotten,
        without_history: has_history,
    };
    let mut intent = intent(&context, &node, &records, Action::Forget)?;
    let and = [(pools, "its pool values"), (history, "its history")];
    let and: Vec<_> = and
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, what)| *what)
        .collect();
    intent.detail = (!and.is_empty()).then(|| format!("with {}", and.join(" and ")));
    let forgotten = storage.audited(intent, async {
        let changed = storage.change_records(edit, records, &plan).await?;
        // Last: a node that is still known keeps its values.
        let released = held.iter().map(|(pool, _)| storage.release_of(pool, &node));
        let released = try_join_all(released).await?;
        let pools = held.iter().map(|(pool, _)| pool.clone());
        let released: Vec<(String, Allocation)> = pools
            .zip(released)
            .filter_map(|(pool, released)| Some((pool, released?)))
            .collect();
        Ok(Change {
            detail: Some(described(&changed, &released, has_history)),
            value: released,
            ..Change::default()
        })
    });
    let (number, released) = forgotten.await?;
    Ok(respond(&json!({
        "node": node.as_str(),
        "audit": number,
        "released": released.iter().map(display_released).collect::<Vec<_>>(),
    })))
}

/// What a change of a node's records is, for the audit log and the history.
struct NodeRequest {
    action: Action,
    event: Event,
    detail: Option<String>,
    without_history: bool,
}

/// Changes records as `plan` decides, with an entry in the audit log. Returns its number and the changed records;
/// `None` if there is nothing to change.
async fn change(
    context: &Context<'_>,
    node: &NodeId,
    records: Records,
    request: NodeRequest,
    plan: Plan<'_>,
) -> Result<Option<(u64, Vec<ChangedRecord>)>, Error> {
    if plan(&records)?.is_empty() {
        return Ok(None);
    }
    let edit = Edit {
        node,
        by: context.operator_name(),
        event: request.event,
        without_history: request.without_history,
    };
    let mut intent = intent(context, node, &records, request.action)?;
    intent.detail = request.detail;
    let changed = context.storage.audited(intent, async {
        let value = context.storage.change_records(edit, records, plan).await?;
        Ok(Change {
            detail: Some(described(&value, &[], false)),
            value,
            ..Change::default()
        })
    });
    changed.await.map(Some)
}

fn intent(
    context: &Context<'_>,
    node: &NodeId,
    records: &Records,
    action: Action,
) -> Result<Intent, Error> {
    Ok(context.intent(action, node.as_str(), records.get(Record::Site)?))
}

/// What was changed, in words, for the audit log: values by their hashes, since some contain secrets.
fn described(
    changed: &[ChangedRecord],
    released: &[(String, Allocation)],
    without_history: bool,
) -> String {
    let mut parts: Vec<String> = changed.iter().map(describe).collect();
    let values = released.iter();
    parts.extend(values.map(|(pool, released)| format!("{pool}: {} released", released.value)));
    if without_history {
        parts.push("history deleted".to_owned());
    }
    parts.join(", ")
}

fn describe(changed: &ChangedRecord) -> String {
    let name = changed.record.name();
    let short = |sha1: &str| sha1.get(..8).unwrap_or(sha1).to_owned();
    let before = changed.before.as_ref().map(|before| short(&before.sha1));
    match (before, &changed.after) {
        (Some(before), None) => format!("{name} {before} deleted"),
        (None, Some(after)) => format!("{name} {} stored", short(&after.sha1)),
        (Some(before), Some(after)) => {
            format!("{name} {before} replaced by {}", short(&after.sha1))
        }
        (None, None) => format!("{name} unchanged"),
    }
}

fn display_released((pool, released): &(String, Allocation)) -> Value {
    json!({ "pool": pool, "value": released.value })
}

/// The fields of the JSON object in the body, of which only these may be there. An empty body has none.
async fn fields(context: &Context<'_>, known: &[&str]) -> Result<Map<String, Value>, Error> {
    let invalid = |reason: String| Error::BadRequest(format!("the request is not valid: {reason}"));
    let body = context.request.body("the request", MAX_BODY_BYTES).await?;
    if body.is_blank() {
        return Ok(Map::new());
    }
    let text = String::from_utf8(body.to_vec()).map_err(|error| invalid(error.to_string()))?;
    let fields = match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err(invalid("it must be a JSON object".to_owned())),
        Err(error) => return Err(invalid(error.to_string())),
    };
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(fields),
        Some(unknown) => Err(invalid(format!(
            "{unknown:?} is not a field of it; its fields are {}",
            known.join(", ")
        ))),
    }
}

/// A field that is true or false; false if it is missing.
fn flag(fields: &Map<String, Value>, name: &str) -> Result<bool, Error> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(other) => Err(Error::BadRequest(format!(
            "the field {name:?} is {other}, but must be true or false"
        ))),
    }
}

impl Context<'_> {
    /// The name of the operator.
    fn operator_name(&self) -> &str {
        self.operator.map_or("", |operator| operator.name.as_str())
    }

    /// The node in the path and its records, if this operator may see it.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if the id is invalid; [`Error::NotFound`]; else as
    /// [`Storage::records`](crate::storage::Storage::records).
    async fn visible_node(&mut self) -> Result<(NodeId, Records), Error> {
        let node = self.node_in_path(self.parameters.get("id"))?;
        let records = self.storage.hashed_records(&node).await?;
        match self.may_see_site(records.get(Record::Site)?) {
            true => Ok((node, records)),
            false => Err(unknown(&node)),
        }
    }

    /// Whether this operator may see nodes of a site; `None`: of no site.
    fn may_see_site(&self, site: Option<&str>) -> bool {
        self.operator.is_some_and(|operator| operator.may_see(site))
    }
}

/// The error for a node that does not exist, or that the operator may not see.
fn unknown(node: &NodeId) -> Error {
    Error::NotFound(format!("nothing is known of the node {node}"))
}
