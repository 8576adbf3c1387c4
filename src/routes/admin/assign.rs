//! POST /admin/nodes/{id}/assign: an operator gives a node its records, or those of a planned node.

use serde_json::{Map, Value, json};
use ztp_core::audit::Action;
use ztp_core::check::{self, Finding};
use ztp_core::event::{Event, Logged};
use ztp_core::key::Record;
use ztp_core::node::{Identifier, NodeId};

use super::changes::{Request, change, changed_meanwhile, short};
use super::{Context, display_finding, fields, respond, unknown_node};
use crate::error::Error;
use crate::objects::site::protocol::Given;
use crate::response::Response;
use crate::storage::{Edit, NewValue, RecordChange, Records};
use crate::stream::Buffer;

/// The fields of an assignment, with their records.
const ASSIGNED: [(&str, Record); 5] = [
    ("definition", Record::Definition),
    ("startup_config", Record::StartupConfig),
    ("attributes", Record::Attributes),
    ("pattern", Record::Pattern),
    ("config_handler", Record::ConfigHandler),
];

/// Maximum number of nodes that have the records of a planned one at a time, by forced requests: each costs a read.
const MAX_GIVEN: usize = 10;

/// The field of an assignment that names a planned node.
const AS: &str = "as";

/// POST /admin/nodes/{id}/assign: stores or deletes records of a node, known or not; with `as` these records become
/// those of a planned node, and a node that no other site knows becomes one of its site.
///
/// 400 if the id or the body is invalid; 404 if this operator may not see the node or the planned one, or that one has
/// no records; 409 if that one has made requests itself, if another request changes one of the two at the same time, or,
/// unless `?force=1`, if another node has received its records and still has some; 413 if a record is too large; 422 if one is invalid, with the findings, unless `?force=1`; 503 if
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
    let mut revision = None;
    if let Some(planned) = planned {
        detail = Some(format!(
            "the records of {}: {}",
            planned.node,
            listed(&changes)
        ));
        // A node that has them already does not receive them.
        if !records.differing(&changes)?.is_empty() {
            expect_storable(&node, &changes)?;
            again = planned.give(&context, &node, &records, may_force).await?;
            revision = Some(records.revision()?);
        }
    }
    let request = Request {
        forced: forced || again,
        revision,
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
    /// The nodes that have received them.
    given: Vec<Given>,
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
            let summary = records.summary(record)?;
            let value = match &summary {
                None => None,
                Some(_) => storage.new_value_of(&node, record).await?,
            };
            // It was changed since `records` were read.
            if value.as_ref().map(|value| &value.summary) != summary.as_ref() {
                return Err(changed_meanwhile(&node));
            }
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
        Ok(Self {
            node,
            records,
            changes,
            given: timeline.row.map(|row| row.given).unwrap_or_default(),
        })
    }

    /// Notes that another node receives the records, before it does: of two requests for two nodes at the same time, one is
    /// refused. `before` are the records of the other node, on whose revision its change has to depend: after another
    /// change of it, this request has ended, with or without effect. Returns whether a third node has the records, or may
    /// receive them yet, which only a forced request ignores.
    async fn give(
        self,
        context: &Context<'_>,
        to: &NodeId,
        before: &Records,
        may_force: bool,
    ) -> Result<bool, Error> {
        let planned = &self.node;
        let revision = before.revision()?;
        let mut given = Vec::new();
        for other in &self.given {
            let Some(other_node) = other.to.parse().ok().filter(|other| other != to) else {
                continue;
            };
            let records = context.storage.hashed_records(&other_node).await?;
            let refusal = if has_assigned(&records)? {
                format!(
                    "the records of {planned} were given to {other_node}, and two switches with the same \
                     configuration disturb each other: forget {other_node} if it is not used any more, or repeat \
                     the request with ?force=1"
                )
            } else if records.revision()? == other.revision {
                format!(
                    "the records of {planned} are given to {other_node} by a request that failed or has not ended: \
                     repeat it for {other_node}, or this one with ?force=1"
                )
            } else {
                continue;
            };
            if !may_force {
                return Err(Error::Conflict(refusal));
            }
            given.push(other.clone());
        }
        if given.len() >= MAX_GIVEN {
            return Err(Error::Conflict(format!(
                "{} nodes have the records of {planned}, and at most {MAX_GIVEN} may: forget those that are not used \
                 any more, or give these records to neighbordb as a definition",
                given.len()
            )));
        }
        let again = !given.is_empty();
        given.push(Given {
            to: to.to_string(),
            revision,
        });
        let is_noted = |noted: &Given| {
            noted.to == to.as_str()
                && (noted.revision == revision || matches!(has_assigned(before), Ok(true)))
        };
        if self.given.iter().any(is_noted) {
            return Ok(again);
        }
        let edit = Edit {
            node: planned,
            by: context.operator_name(),
            event: Event::PlanGiven { to: to.to_string() },
            without_history: false,
            given,
        };
        match context.storage.add_event(&edit, self.records).await? {
            true => Ok(again),
            false => Err(changed_meanwhile(planned)),
        }
    }
}

/// Checks that the records can be stored, before another node counts as one that receives them.
fn expect_storable(node: &NodeId, changes: &[RecordChange]) -> Result<(), Error> {
    for (record, value) in changes {
        if let Some(value) = value
            && *record != Record::StartupConfig
        {
            value.text(&record.key(node))?;
        }
    }
    Ok(())
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
