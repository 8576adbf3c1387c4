//! POST /admin/audit/{n}/undo: puts a change of content back.

use serde_json::{Map, Value, json};
use ztp_core::audit::{Action, Entry, NotUndone, Undo};
use ztp_core::key::ObjectKey;
use ztp_core::node::NodeId;

use super::content::{self, Stored, Target};
use super::{Context, audit, respond};
use crate::conditions::Preconditions;
use crate::error::Error;
use crate::objects::site::protocol::{Query, StoredValue, ValueChange, etag};
use crate::response::{Response, iso_time};
use crate::storage::{NewValue as RecordValue, ObjectChange, now};

/// How many later changes of a target are read: any of them prevents the undo.
const MAX_LATER: u32 = 100;

/// Stores the former value again, or deletes the value that was created, if it was not changed since. The undo is an
/// entry of the log, which can be undone, too.
///
/// 400 if the number is invalid or the change has no undo; 403 if the role does not suffice for the change; 404 if there
/// is no such entry; 409 with the later changes; 410 after 30 days; 503 if storage fails.
pub async fn undo(mut context: Context<'_>) -> Result<Response, Error> {
    let number = context.parameters.get("n");
    let number: u64 = number.parse().map_err(|_| {
        Error::BadRequest(format!(
            "{number:?} is not the number of an entry of the audit log"
        ))
    })?;
    let storage = context.storage;
    let query = Query {
        before: Some(number.saturating_add(1)),
        after: number.checked_sub(1),
        limit: 1,
        ..Query::default()
    };
    let mut found = storage.audit_entries(query).await?;
    let entry = found.pop().filter(|entry| audit::may_see(&context, entry));
    let entry =
        entry.ok_or_else(|| Error::NotFound(format!("the audit log has no entry {number}")))?;
    let key = entry.intent.target.clone();
    if !matches!(entry.intent.action, Action::Store | Action::Delete) {
        return Err(not_undone(number, &key, NotUndone::Never));
    }
    let target = content::target(&key)?;
    content::may_change(&context, &key, &target)?;
    let mut later = later(&context, number, &key).await?;
    if let Target::Record(node, _) = &target {
        later.extend(later_of_node(&context, number, node).await?);
    }
    let undo = entry.undo(&later, now());
    let undo = undo.map_err(|reason| not_undone(number, &key, reason))?;
    let after = entry
        .ending
        .as_ref()
        .and_then(|ending| ending.after.as_ref());
    let undone = match undo {
        Undo::Delete => {
            let conditions = match &target {
                Target::Object(object) => {
                    object_conditions(&context, object, after.map(|after| after.sha1.as_str()))
                        .await?
                }
                _ => Some(Preconditions::equal(after.map(|after| etag(&after.sha1)))),
            };
            let conditions = conditions.ok_or_else(|| changed(number, &key, Vec::new()))?;
            let removed = content::remove(&mut context, &key, &target, conditions, Some(number));
            removed.await.map(Some)
        }
        Undo::Restore(..) => restore(&mut context, &entry, &target, undo).await,
    };
    match undone {
        Ok(Some(audit)) => Ok(respond(&json!({ "audit": audit }))),
        // The value is not that after the change, or is the former one already.
        Ok(None) | Err(Error::Refused { status: 412, .. } | Error::NotFound(_)) => {
            Err(changed(number, &key, Vec::new()))
        }
        Err(error) => Err(error),
    }
}

/// Stores the former value again. Returns the number of the entry; `None` if the value is not that after the change.
async fn restore(
    context: &mut Context<'_>,
    entry: &Entry,
    target: &Target,
    undo: Undo<'_>,
) -> Result<Option<u64>, Error> {
    let Undo::Restore(before, former) = undo else {
        return Ok(None);
    };
    let storage = context.storage;
    let (number, key) = (entry.number, &entry.intent.target);
    let after = entry
        .ending
        .as_ref()
        .and_then(|ending| ending.after.as_ref());
    let conditions = Preconditions::equal(after.map(|after| etag(&after.sha1)));
    let mut intent = context.intent(Action::Store, key.as_str(), None);
    intent.undo_of = Some(number);
    let kept = storage.find_kept(former).await?;
    let kept = kept.ok_or_else(|| not_undone(number, key, NotUndone::Expired))?;
    let stored = match target {
        Target::Document => {
            let value = StoredValue {
                kept: Some(former.to_owned()),
                sha1: before.sha1.clone(),
                size: before.size,
                modified: Some(iso_time(now())),
                by: Some(context.operator_name().to_owned()),
                via: None,
            };
            let change = ValueChange {
                intent,
                value: Some(value),
                conditions,
            };
            content::change_document(context, change).await?
        }
        Target::Record(node, record) => {
            let value = RecordValue::new(kept.bytes().await?).await?;
            content::change_record(context, intent, node, *record, Some(value), &conditions).await?
        }
        Target::Object(object) => {
            let mut state = storage.object_state(object).await?;
            if let Some(state) = &mut state {
                storage.complete_state(object, state).await?;
            }
            let current = state.as_ref().and_then(|state| state.sha1.as_deref());
            if current != after.map(|after| after.sha1.as_str()) {
                return Ok(None);
            }
            let by = context.operator_name().to_owned();
            let change = ObjectChange {
                body: kept.body()?,
                sha1: Some(&before.sha1),
                sha256: kept.state.sha256.as_deref(),
                size: before.size,
                by: &by,
                via: kept.state.via.as_deref(),
            };
            let stored = content::store_object(context, intent, object, state, change).await?;
            Stored {
                audit: Some(stored.0),
                created: stored.2,
            }
        }
    };
    Ok(stored.audit)
}

/// The conditions for an object that has this SHA-1; `None` if it has another one.
async fn object_conditions(
    context: &Context<'_>,
    object: &ObjectKey,
    sha1: Option<&str>,
) -> Result<Option<Preconditions>, Error> {
    let Some(mut state) = context.storage.object_state(object).await? else {
        return Ok(None);
    };
    context.storage.complete_state(object, &mut state).await?;
    let same = state.sha1.as_deref() == sha1;
    Ok(same.then(|| Preconditions::equal(Some(state.etag))))
}

async fn later(context: &Context<'_>, number: u64, target: &str) -> Result<Vec<Entry>, Error> {
    let query = Query {
        after: Some(number),
        target: Some(target.to_owned()),
        limit: MAX_LATER,
        ..Query::default()
    };
    context.storage.audit_entries(query).await
}

/// The later changes of a whole node.
async fn later_of_node(
    context: &Context<'_>,
    number: u64,
    node: &NodeId,
) -> Result<Vec<Entry>, Error> {
    later(context, number, node.as_str()).await
}

fn not_undone(number: u64, key: &str, reason: NotUndone) -> Error {
    match reason {
        NotUndone::Never => Error::BadRequest(format!(
            "the change {number} of {key} cannot be undone: only the storing and the deletion of content can, and only if it was done"
        )),
        NotUndone::Expired => Error::Refused {
            status: 410,
            reason: format!(
                "the change {number} of {key} cannot be undone any more: the former value is kept for 30 days"
            ),
            fields: Map::new(),
        },
        NotUndone::Changed(later) => changed(number, key, later),
    }
}

fn changed(number: u64, key: &str, later: Vec<u64>) -> Error {
    let by = match later.as_slice() {
        [] => "a switch, or outside of this API".to_owned(),
        numbers => {
            let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
            format!("the changes {}", numbers.join(", "))
        }
    };
    let later = later.into_iter().map(Value::from).collect();
    Error::Refused {
        status: 409,
        reason: format!(
            "the change {number} of {key} was not undone, because the value was changed later by {by}: undo these first, or store the value that you want"
        ),
        fields: Map::from_iter([("changed_by".to_owned(), Value::Array(later))]),
    }
}
