//! GET /admin/nodes and /admin/nodes/{id}: what is known of nodes.
//!
//! An operator with sites sees the nodes of these sites only: any other one is a 404 like a missing one.

use std::collections::HashMap;

use futures_util::future::join3;
use serde_json::{Value, json};
use ztp_core::key::{NODES, Record};
use ztp_core::node::NodeId;
use ztp_core::path;

use super::events::{display_events, display_versions};
use super::fleet::display_row;
use super::pools::with_name;
use super::{Context, limit, respond, unknown_node};
use crate::error::Error;
use crate::objects::node::protocol::SeenPost;
use crate::objects::pool::protocol::Allocation;
use crate::response::{Response, iso_time};
use crate::storage::{Records, Storage};

/// Maximum number of nodes in a page, and the number without `limit`.
pub const MAX_LISTED_NODES: u32 = 500;
/// How many lists of keys one request reads at most: a filter may select few nodes.
const MAX_LISTS: u32 = 10;

/// The stored records of a node.
type Listed = (NodeId, Vec<Record>);

/// GET /admin/nodes?records=1: the nodes with their records, by the order of their keys: those of one `site`, and whose id
/// contains `text`, in any case; at most `limit`. A page may have fewer; `cursor` is null after the last one. As every
/// list of KV, it may miss the changes of the last minute.
///
/// 400 if a parameter is invalid; 503 if storage fails.
pub async fn list_records(context: Context<'_>) -> Result<Response, Error> {
    let query = |name| path::query_value(&context.request.url, name);
    let limit = limit(&context, MAX_LISTED_NODES, MAX_LISTED_NODES)? as usize;
    let wanted_site = query("site");
    let text = query("text").map(|text| text.to_lowercase());
    let has_text = |node: &NodeId| {
        let text = text.as_deref().unwrap_or_default();
        node.as_str().to_lowercase().contains(text)
    };
    let mut pages = Pages::from(query("cursor").as_deref())?;
    let mut nodes = Vec::new();
    for _ in 0..MAX_LISTS {
        let mut page = pages.next(context.storage).await?;
        page.retain(|(node, _)| has_text(node));
        let sites = sites(context.storage, &page).await?;
        for (node, records) in page {
            let site = sites.get(node.as_str()).map(|site| site.trim());
            let is_wanted = wanted_site.is_none() || wanted_site.as_deref() == site;
            if !is_wanted || !context.operator_may_see(site) {
                continue;
            }
            let records: Vec<_> = records.into_iter().map(Record::name).collect();
            nodes.push(json!({ "node": node.as_str(), "site": site, "records": records }));
            if nodes.len() == limit {
                let cursor = pages.after(&node);
                return Ok(respond(&json!({ "nodes": nodes, "cursor": cursor })));
            }
        }
        if pages.is_complete {
            break;
        }
    }
    Ok(respond(
        &json!({ "nodes": nodes, "cursor": pages.cursor() }),
    ))
}

/// GET /admin/nodes/{id}: its site, its state, its facts and those of its last POST, its records by their hashes, its values of pools, its events and the
/// versions of its startup-config.
///
/// 400 if the id is invalid; 404 if nothing is known of it, or this operator may not see it; 503 if storage fails.
pub async fn show(mut context: Context<'_>) -> Result<Response, Error> {
    let node = context.node_in_path(context.parameters.get("id"))?;
    let storage = context.storage;
    let (records, timeline, values) = join3(
        storage.hashed_records(&node),
        storage.timeline(&node),
        storage.values_of(&node),
    )
    .await;
    let (records, timeline, values) = (records?, timeline?, values?);
    let site = records.get(Record::Site)?.map(str::trim);
    let is_known = records.any()? || !timeline.is_empty() || !values.is_empty();
    if !is_known || !context.may_see_node(site, &timeline) {
        return Err(unknown_node(&node));
    }
    let facts = records.get(Record::Facts)?;
    let facts: Option<Value> = facts.and_then(|facts| serde_json::from_str(facts).ok());
    let mut stored = Vec::new();
    for record in Record::ALL {
        if let Some(found) = records.summary(record)? {
            let (size, sha1) = (found.size, found.sha1);
            stored.push(json!({ "name": record.name(), "size": size, "sha1": sha1 }));
        }
    }
    let status = timeline.row.as_ref().map(|row| {
        let last = row.boot.last;
        display_row(&context, node.as_str(), site, row.display(), last)
    });
    let seen = display_seen(timeline.seen.as_ref(), facts.as_ref());
    Ok(respond(&json!({
        "node": node.as_str(),
        "site": site,
        "status": status,
        "seen": seen,
        "facts": facts,
        "records": stored,
        "pools": display_values(&values),
        "events": display_events(&node, &timeline),
        "versions": display_versions(&node, &timeline),
    })))
}

/// The facts of the last POST with its time. `stored`: the record `.node`.
fn display_seen(seen: Option<&SeenPost>, stored: Option<&Value>) -> Option<Value> {
    let seen = seen?;
    let facts = match &seen.facts {
        Some(facts) => serde_json::from_str(facts).ok(),
        None => stored.cloned(),
    };
    let mut shown = json!({ "time": iso_time(seen.time) });
    if let (Some(shown), Some(Value::Object(facts))) = (shown.as_object_mut(), facts) {
        shown.extend(facts);
    }
    Some(shown)
}

/// GET /admin/pools?node=ID: the values that a node holds, of all pools.
///
/// 404 if this operator may not see the node; 503 if storage fails.
pub async fn values(context: &Context<'_>, node: &NodeId) -> Result<Response, Error> {
    context.check_visible(node).await?;
    let values = context.storage.values_of(node).await?;
    Ok(respond(
        &json!({ "node": node.as_str(), "values": display_values(&values) }),
    ))
}

/// The sites of nodes that have one, by node.
pub async fn sites(storage: &Storage, nodes: &[Listed]) -> Result<HashMap<String, String>, Error> {
    let owned = nodes
        .iter()
        .filter(|(_, records)| records.contains(&Record::Site));
    let owned: Vec<&NodeId> = owned.map(|(node, _)| node).collect();
    let sites = owned.iter().zip(storage.sites_of(&owned).await?);
    let sites = sites.filter_map(|(node, site)| Some((node.to_string(), site?)));
    Ok(sites.collect())
}

/// The keys of nodes, a list at a time, by node.
pub struct Pages {
    /// The cursor of the last list that was read.
    list: String,
    /// The cursor of the next one.
    next: String,
    /// The folder of the last node that was returned; those up to it are skipped.
    last: String,
    /// The last node of a list: the next list may have more of its records.
    open: Option<Listed>,
    /// Whether the last list was read.
    pub is_complete: bool,
}

impl Pages {
    /// From a cursor, which is `<cursor of KV>:<node>`.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if it is not valid.
    pub fn from(cursor: Option<&str>) -> Result<Self, Error> {
        let invalid =
            || Error::BadRequest("the cursor is not valid: use that of the page before".to_owned());
        let (next, node) = match cursor {
            None => ("", ""),
            Some(cursor) => cursor.split_once(':').ok_or_else(invalid)?,
        };
        Ok(Self {
            list: next.to_owned(),
            next: next.to_owned(),
            last: folder(node),
            open: None,
            is_complete: false,
        })
    }

    /// The complete nodes of the next list.
    pub async fn next(&mut self, storage: &Storage) -> Result<Vec<Listed>, Error> {
        let cursor = Some(self.next.clone()).filter(|cursor| !cursor.is_empty());
        let (keys, next) = storage.list_keys(NODES, cursor).await?;
        self.list = std::mem::take(&mut self.next);
        let mut nodes: Vec<Listed> = self.open.take().into_iter().collect();
        for key in &keys {
            let found = key.strip_prefix(NODES).and_then(|key| key.split_once('/'));
            let Some((name, record)) = found else {
                continue;
            };
            let (Ok(node), Some(record)) = (name.parse::<NodeId>(), Record::named(record)) else {
                continue;
            };
            match nodes.last_mut() {
                Some((last, records)) if *last == node => records.push(record),
                _ if !self.last.is_empty() && folder(name) <= self.last => {}
                _ => nodes.push((node, vec![record])),
            }
        }
        match next {
            Some(next) => {
                self.next = next;
                self.open = nodes.pop();
            }
            None => self.is_complete = true,
        }
        if let Some((node, _)) = nodes.last() {
            self.last = folder(node.as_str());
        }
        Ok(nodes)
    }

    /// The cursor of the next page, after a node of the last list.
    pub fn after(&self, node: &NodeId) -> String {
        format!("{}:{node}", self.list)
    }

    /// The cursor of the next page, after all nodes that were returned; `None` if there are no more.
    pub fn cursor(&self) -> Option<String> {
        let last = self.last.trim_end_matches('/');
        (!self.is_complete).then(|| format!("{}:{last}", self.list))
    }
}

/// The part of a node's keys that they sort by; empty for no node.
fn folder(node: &str) -> String {
    match node {
        "" => String::new(),
        node => format!("{node}/"),
    }
}

/// The node in the path and its records with their hashes, if this operator may see it.
///
/// # Errors
/// [`Error::BadRequest`] if the id is invalid; [`Error::NotFound`]; else as [`Storage::records`].
pub async fn visible(context: &mut Context<'_>) -> Result<(NodeId, Records), Error> {
    let node = context.node_in_path(context.parameters.get("id"))?;
    let records = context.storage.hashed_records(&node).await?;
    let owner = records.get(Record::Site)?;
    context.expect_visible(&node, owner).await?;
    Ok((node, records))
}

/// Values of pools.
pub fn display_values(values: &[(String, Allocation)]) -> Vec<Value> {
    let display = |(pool, held): &(String, Allocation)| {
        let since = iso_time(held.since as u64);
        let shown = json!({ "pool": pool, "value": held.value, "since": since });
        with_name(shown, held.node.name())
    };
    values.iter().map(display).collect()
}
