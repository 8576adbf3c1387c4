//! Changes of values in KV: by the object of all sites, or for a record by the object of its node.

use ztp_core::audit::Intent;
use ztp_core::event::Event;
use ztp_core::key::{POOLS, Record, is_pool_name};
use ztp_core::node::NodeId;

use super::Stored;
use super::refusals::{expect_value, not_stored, other_value, unexpected, without_node};
use super::target::operator;
use crate::conditions::Preconditions;
use crate::error::Error;
use crate::objects::site::protocol::{Reply, ValueChange};
use crate::routes::Context;
use crate::storage::{Change, Edit, NewValue as RecordValue, Records};

/// Sends a change to the object that decides about values in KV. The object of a pool then reads its changed file.
pub async fn change_document(context: &Context<'_>, change: ValueChange) -> Result<Stored, Error> {
    let key = change.intent.target.clone();
    match context.storage.call_site_to(change).await? {
        Reply::Changed { number, created } => {
            let pool = key.strip_prefix(POOLS).filter(|pool| is_pool_name(pool));
            if let Some(pool) = pool
                && let Err(error) = context.storage.refresh_pool(pool).await
            {
                context.storage.warn(format!(
                    "{}; the change of {key} counts there when KV shows it",
                    error.detail()
                ));
            }
            Ok(Stored {
                audit: Some(number),
                created,
            })
        }
        Reply::Unchanged => Ok(Stored {
            audit: None,
            created: false,
        }),
        Reply::Refused(current) => Err(other_value(&key, current.as_ref())),
        Reply::Missing => Err(not_stored(&key)),
        Reply::Busy => Err(Error::Busy(format!(
            "{key} is being changed by other requests; retry in a few seconds"
        ))),
        _ => Err(unexpected(&key)),
    }
}

/// Stores or deletes (`value` is `None`) a record of a node, through the object of the node.
///
/// # Errors
/// As [`put`].
pub async fn change_record(
    context: &mut Context<'_>,
    mut intent: Intent,
    node: &NodeId,
    record: Record,
    value: Option<RecordValue>,
    conditions: &Preconditions,
) -> Result<Stored, Error> {
    context.log.node = Some(node.to_string());
    let operator = operator(context)?;
    let storage = context.storage;
    let key = intent.target.clone();
    let records = storage.hashed_records(node).await?;
    let claim = match &value {
        Some(_) => context.expect_assignable(node, &records).await,
        None => {
            let visible = context.expect_visible(node, records.get(Record::Site)?);
            visible.await.map(|_| None)
        }
    };
    let claim = claim.map_err(|error| without_node(&key, error))?;
    // As POST /admin/nodes/{id}/move.
    if record == Record::Site {
        let text = value.as_ref().map(|value| value.bytes());
        let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
        let site = text.as_deref().map(str::trim);
        context.expect_own_site(site)?;
        site.map_or(Ok(()), |site| context.expect_token_of(site))?;
    }
    let has_owner = records.get(Record::Site)?.is_some();
    let before = records.summary(record)?;
    let changes = [(record, value.clone())];
    let plan = |records: &Records| {
        let owner = records.get(Record::Site)?;
        if !operator.may_see(owner) && (has_owner || owner.is_some()) {
            return Err(not_stored(&key));
        }
        let current = records.summary(record)?;
        expect_value(&key, conditions, current.as_ref())?;
        if current != before {
            return Err(Error::Busy(format!(
                "{key} was not changed: another request changed it meanwhile; retry in a few seconds"
            )));
        }
        let changes = records.differing(&changes)?;
        match &claim {
            Some(claim) => claim.with_site(node, records, changes),
            None => Ok(changes),
        }
    };
    if plan(&records)?.is_empty() {
        return match value {
            Some(_) => Ok(Stored {
                audit: None,
                created: false,
            }),
            None => Err(not_stored(&key)),
        };
    }
    let claimed = claim.as_ref().map(|claim| claim.site.as_str());
    let site = records.get(Record::Site)?.or(claimed);
    intent.site = site.map(|site| site.trim().to_owned());
    let edit = Edit {
        node,
        by: &operator.name,
        event: match record {
            Record::Site => Event::Moved,
            _ => Event::OperatorChanged,
        },
        without_history: false,
        given: Vec::new(),
    };
    let stored = storage.audited(intent, async {
        let former = match &before {
            Some(before) => Some(storage.keep_record(node, record, before).await?),
            None => None,
        };
        if let Err(error) = storage.change_records(&edit, records, &plan).await {
            if let Some(kept) = former.as_ref().filter(|_| !error.is_uncertain()) {
                storage.discard_unused(kept).await;
            }
            return Err(error);
        }
        Ok(Change {
            value: (),
            before: before.clone(),
            after: value.map(|value| value.summary),
            former,
            detail: None,
        })
    });
    let (number, ()) = stored.await?;
    Ok(Stored {
        audit: Some(number),
        created: before.is_none(),
    })
}
