//! /admin/check: the findings of `ztp validate` in the stored content.
//!
//! A request checks the shared documents and the first nodes, or, with a cursor, the next nodes. What a finding in a
//! shared document says about all nodes is complete only if the first request covers all of them.

use serde_json::{Value, json};
use ztp_core::check::{self, Finding, FindingKind};
use ztp_core::content::Store;
use ztp_core::key::{NODES, Record};
use ztp_core::node::{Identifier, NodeId};
use ztp_core::path;
use ztp_core::printable::cut;

use super::nodes::Pages;
use super::{Context, display_finding, respond};
use crate::error::Error;
use crate::objects::site::protocol::{Command, Reply};
use crate::response::{Response, iso_time};
use crate::storage::{MAX_KEYS_AT_ONCE, Storage, StoredContents, now};

/// Maximum number of nodes in one request.
pub const MAX_CHECKED_NODES: usize = 500;
/// Maximum size of the values that one request reads, in bytes.
pub const MAX_CHECKED_BYTES: u64 = 16 << 20;
/// Maximum number of keys in one request.
pub const MAX_CHECKED_KEYS: usize = 50_000;
/// Maximum size of the findings that are kept, as JSON in bytes: a row of the object has at most 2 MB.
pub const MAX_FINDINGS_BYTES: usize = 1 << 20;
/// Maximum size of the message of a finding that is kept, in bytes: it may repeat values.
const MAX_MESSAGE: usize = 1_024;
/// Maximum size of the line that a finding shows, in bytes.
const MAX_LINE: usize = 256;
/// After so many storage operations a page ends. Cloudflare limits those of one request: 50 on the free plan.
const MAX_PAGE_OPERATIONS: u32 = 40;
/// After so many a scheduled check leaves the next pages to the next one. The limit is 1,000 on the paid plan.
const MAX_OPERATIONS: u32 = 300;
/// The name under which the object of all sites keeps the result.
const ITEM: &str = "check";

/// POST /admin/check: checks a page of the content, as KV shows it, and keeps the result. `cursor` in the response
/// continues with the next nodes.
///
/// 400 if the cursor is invalid; 413 if there is too much content; 503 if storage fails.
pub async fn run(context: Context<'_>) -> Result<Response, Error> {
    let cursor = path::query_value(&context.request.url, "cursor");
    let identifier = context.settings.identifier;
    let mut result = check_page(context.storage, identifier, cursor.as_deref()).await?;
    keep(context.storage, &result, cursor.as_deref()).await?;
    hide(&context, &mut result).await?;
    Ok(respond(&result))
}

/// GET /admin/check: the last result, of all its pages, with its age in seconds. It is kept for seven days.
///
/// 404 if there is none; 503 if storage fails.
pub async fn last(context: Context<'_>) -> Result<Response, Error> {
    let Some(mut result) = kept(context.storage).await? else {
        return Err(Error::NotFound(
            "the content was not checked yet: POST /admin/check checks it".to_owned(),
        ));
    };
    let at = result["at"].as_u64().unwrap_or_default();
    result["age_s"] = json!(now().saturating_sub(at) / 1_000);
    hide(&context, &mut result).await?;
    Ok(respond(&result))
}

/// A check by the cron trigger: continues an incomplete one, or begins another.
///
/// # Errors
/// As [`run`].
pub async fn scheduled(storage: &Storage, identifier: Identifier) -> Result<(), Error> {
    let last = kept(storage).await?;
    let mut cursor = last.and_then(|last| last["cursor"].as_str().map(str::to_owned));
    loop {
        let result = check_page(storage, identifier, cursor.as_deref()).await?;
        keep(storage, &result, cursor.as_deref()).await?;
        cursor = result["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || storage.operations().total() > MAX_OPERATIONS {
            return Ok(());
        }
    }
}

/// Checks one page.
async fn check_page(
    storage: &Storage,
    identifier: Identifier,
    cursor: Option<&str>,
) -> Result<Value, Error> {
    let before = storage.operations().total();
    let mut contents = StoredContents::default();
    let mut shared = Vec::new();
    let prefixes: &[&str] = match cursor {
        None => &[
            "bootstrap/",
            "neighbordb",
            "definitions/",
            "config-handlers/",
            "resources/",
        ],
        // The nodes need no others.
        Some(_) => &["resources/"],
    };
    for prefix in prefixes {
        let mut next = None;
        loop {
            let (keys, following) = storage.list_keys(prefix, next).await?;
            shared.extend(keys);
            next = following;
            if next.is_none() {
                break;
            }
        }
    }
    storage
        .read_values(&shared, MAX_CHECKED_BYTES, &mut contents)
        .await?;
    for prefix in ["actions/", "files/"] {
        storage
            .list_objects(prefix, MAX_CHECKED_KEYS, &mut contents)
            .await?;
    }
    let documents = contents.len();
    let mut pages = Pages::from(cursor)?;
    let mut nodes = 0;
    let mut next = None;
    'pages: while !pages.is_complete {
        for group in pages.next(storage).await?.chunks(MAX_KEYS_AT_ONCE) {
            let keys = group.iter().flat_map(|(node, records)| {
                let texts = records
                    .iter()
                    .filter(|record| **record != Record::StartupConfig);
                texts.map(|record| record.key(node))
            });
            let keys: Vec<String> = keys.collect();
            storage.read_values(&keys, u64::MAX, &mut contents).await?;
            for (node, records) in group {
                if records.contains(&Record::StartupConfig) {
                    // Its size is not known.
                    contents.list(Record::StartupConfig.key(node), Store::Kv, 1);
                }
            }
            nodes += group.len();
            let Some((last, _)) = group.last() else { break };
            next = Some(pages.after(last));
            let used = storage.operations().total() - before;
            if nodes >= MAX_CHECKED_NODES
                || contents.bytes > MAX_CHECKED_BYTES
                || used >= MAX_PAGE_OPERATIONS
            {
                break 'pages;
            }
        }
        next = pages.cursor();
    }
    let found = check::check(&contents, identifier, None).findings;
    let covers_all = cursor.is_none() && next.is_none();
    let found = found.iter().filter(|finding| {
        let of_node = finding.key.starts_with(NODES);
        of_node || covers_all || (cursor.is_none() && !depends_on_nodes(finding))
    });
    let time = now();
    Ok(json!({
        "time": iso_time(time),
        "at": time,
        "findings": found.map(|finding| display(finding, &contents)).collect::<Vec<_>>(),
        "omitted": 0,
        "covered": { "documents": documents, "nodes": nodes, "complete": next.is_none() },
        "cursor": next,
    }))
}

/// Whether a finding in a shared document depends on the attributes of all nodes.
fn depends_on_nodes(finding: &Finding) -> bool {
    finding.kind == FindingKind::UndefinedName
}

/// A finding with the line that it is about.
fn display(finding: &Finding, contents: &StoredContents) -> Value {
    let mut shown = display_finding(finding);
    shown["message"] = cut(&finding.message, MAX_MESSAGE, char::len_utf8).into();
    let line = finding.position.and_then(|position| {
        let text = contents.text(&finding.key)?;
        text.lines().nth(position.line.checked_sub(1)?)
    });
    shown["text"] = line.map(|line| cut(line, MAX_LINE, char::len_utf8)).into();
    shown
}

/// Keeps the result of a page, with those of the pages before it.
async fn keep(storage: &Storage, page: &Value, cursor: Option<&str>) -> Result<(), Error> {
    let mut result = page.clone();
    if let Some(cursor) = cursor
        && let Some(before) = kept(storage).await?
        && before["cursor"].as_str() == Some(cursor)
    {
        let sum = |name: &str| {
            let count = |result: &Value| result["covered"][name].as_u64().unwrap_or_default();
            count(&before) + count(page)
        };
        result["covered"]["nodes"] = json!(sum("nodes"));
        result["covered"]["documents"] = before["covered"]["documents"].clone();
        result["omitted"] = before["omitted"].clone();
        let all = [&before, page].map(|result| result["findings"].as_array());
        let all = all.into_iter().flatten().flatten().cloned();
        result["findings"] = all.collect();
    }
    if let Some(findings) = result["findings"].as_array_mut() {
        let mut room = MAX_FINDINGS_BYTES;
        let fits = findings.iter().take_while(|finding| {
            let size = finding.to_string().len();
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        });
        let kept = fits.count();
        let omitted = findings.len() - kept;
        findings.truncate(kept);
        let omitted = omitted as u64 + result["omitted"].as_u64().unwrap_or_default();
        result["omitted"] = json!(omitted);
    }
    let command = Command::SetItem(ITEM.to_owned(), result.to_string());
    match storage.call_site(command).await? {
        Reply::Ended => Ok(()),
        _ => Err(unexpected()),
    }
}

/// The result that is kept.
async fn kept(storage: &Storage) -> Result<Option<Value>, Error> {
    match storage.call_site(Command::Items(ITEM.to_owned())).await? {
        Reply::Items(items) => {
            let text = items.into_iter().next().map(|(_, text)| text);
            Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
        }
        _ => Err(unexpected()),
    }
}

/// Removes the findings of nodes that this operator may not see, and what is for the server only.
async fn hide(context: &Context<'_>, result: &mut Value) -> Result<(), Error> {
    if let Some(result) = result.as_object_mut() {
        result.remove("at");
    }
    let all = context
        .operator
        .is_some_and(|operator| operator.sites.is_none());
    let Some(findings) = result["findings"].as_array_mut().filter(|_| !all) else {
        return Ok(());
    };
    let node_of = |finding: &Value| {
        let key = finding["key"].as_str()?.strip_prefix(NODES)?;
        key.split('/').next()?.parse::<NodeId>().ok()
    };
    let nodes: Vec<Option<NodeId>> = findings.iter().map(node_of).collect();
    let known: Vec<&NodeId> = nodes.iter().flatten().collect();
    let mut visible = Vec::new();
    for known in known.chunks(MAX_KEYS_AT_ONCE) {
        let sites = context.storage.sites_of(known).await?;
        visible.extend(
            sites
                .iter()
                .map(|site| context.operator_may_see(site.as_deref())),
        );
    }
    let (mut nodes, mut visible) = (nodes.into_iter(), visible.into_iter());
    findings.retain(|finding| match nodes.next().flatten() {
        Some(_) => visible.next() == Some(true),
        // Also the folder of a node whose id is not valid.
        None => finding["key"]
            .as_str()
            .is_some_and(|key| !key.starts_with(NODES)),
    });
    Ok(())
}

fn unexpected() -> Error {
    Error::storage("calling the object of all sites", "unexpected reply")
}
