//! /admin/audit: every change that an operator made through the /admin API.

use serde_json::{Value, json};
use ztp_core::audit::{Action, Entry, Intent};
use ztp_core::key::NODES;
use ztp_core::path;

use super::{Context, limit, respond};
use crate::error::Error;
use crate::objects::site::protocol::Query;
use crate::response::{Response, iso_time};
use crate::storage::now;

/// Maximum number of entries in a response.
pub const MAX_ENTRIES: u32 = 200;

/// GET /admin/audit: entries, the newest first: those before the number `before`, of one `target`, of one operator
/// `who`, at most `limit`. An operator with sites receives the entries of nodes of these sites, and of content.
///
/// 400 if a parameter is invalid; 503 if storage fails.
pub async fn list(context: Context<'_>) -> Result<Response, Error> {
    let limit = limit(&context, MAX_ENTRIES, MAX_ENTRIES)?;
    let query = Query {
        before: number(&context, "before")?,
        after: None,
        target: path::query_value(&context.request.url, "target"),
        who: path::query_value(&context.request.url, "who"),
        limit: limit + 1,
    };
    let mut entries = context.storage.audit_entries(query).await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let visible = entries.iter().filter(|entry| may_see(&context, entry));
    let body = json!({
        "entries": visible.map(|entry| display(&context, entry)).collect::<Vec<_>>(),
        "more": more,
        // For the next page, also if the operator may not see the last entries of this one.
        "next": entries.last().filter(|_| more).map(|entry| entry.number),
    });
    Ok(respond(&body))
}

pub fn may_see(context: &Context<'_>, entry: &Entry) -> bool {
    let of_content = entry.intent.site.is_none() && !concerns_node(entry);
    context
        .operator
        .is_some_and(|operator| of_content || operator.may_see(entry.intent.site.as_deref()))
}

/// Whether the operator may see the details of an entry, which it may see. Those of values of pools name a node, and an
/// operator without sites leaves the node's site out.
fn may_see_detail(context: &Context<'_>, entry: &Entry) -> bool {
    let of_pool = matches!(
        entry.intent.action,
        Action::Allocate | Action::Release | Action::Import
    );
    !of_pool || context.operator_may_see(entry.intent.site.as_deref())
}

/// Whether the target is a node, or a record of one.
fn concerns_node(entry: &Entry) -> bool {
    match entry.intent.action {
        Action::Store | Action::Delete => entry.intent.target.starts_with(NODES),
        Action::Assign | Action::Reprovision | Action::Forget | Action::Move => true,
        Action::Allocate | Action::Release | Action::Import => false,
    }
}

fn display(context: &Context<'_>, entry: &Entry) -> Value {
    let Intent {
        who,
        from,
        action,
        target,
        site,
        detail,
        forced,
        undo_of,
    } = &entry.intent;
    let ending = entry.ending.as_ref();
    let detail = ending
        .and_then(|ending| ending.detail.as_ref())
        .or(detail.as_ref())
        .filter(|_| may_see_detail(context, entry));
    let undoable = entry.undo(&[], now()).is_ok();
    json!({
        "n": entry.number,
        "time": iso_time(entry.time),
        "who": who,
        "from": from,
        "action": action,
        "target": target,
        "site": site,
        "before": ending.and_then(|ending| ending.before.as_ref()),
        "after": ending.and_then(|ending| ending.after.as_ref()),
        "detail": detail,
        "outcome": entry.outcome(),
        "forced": forced,
        "undoable": undoable,
        "undo_of": undo_of,
    })
}

/// A query parameter that is a number.
pub fn number(context: &Context<'_>, name: &str) -> Result<Option<u64>, Error> {
    let Some(value) = path::query_value(&context.request.url, name) else {
        return Ok(None);
    };
    let parsed = value.parse().map(Some);
    parsed.map_err(|_| Error::BadRequest(format!("{name} is {value:?}, but must be a number")))
}
