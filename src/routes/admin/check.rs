//! /admin/check: the findings of `ztp validate` in the stored content.
//!
//! A request checks the shared documents and the first nodes, or, with a cursor, the next nodes. A finding in a
//! shared document that is about all nodes is complete only if the first request covers all of them.
//!
//! The pages of a check are a run, whose cursors begin with its id: `<run>~<cursor>`. Runs at the same time do not
//! change each other. A run becomes the result that is kept when it is complete.

use serde_json::{Value, json};
use worker::js_sys::Math;
use ztp_core::check::{self, Finding, FindingKind};
use ztp_core::content::Store;
use ztp_core::key::{NODES, Record};
use ztp_core::node::Identifier;
use ztp_core::path;
use ztp_core::printable::cut;

use super::nodes::Pages;
use super::{Context, display_finding, node_of, respond};
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
/// The name under which the object of all sites keeps the result of the last complete run.
const RESULT: &str = "check";
/// The name above those of the runs that are not complete.
const RUNS: &str = "checking";
/// Maximum number of runs that are not complete: a new one replaces the oldest.
const MAX_RUNS: usize = 8;
/// A run without a page for so long is not continued by the cron trigger, and not shown as one in progress, in
/// milliseconds.
const RUN_MS: u64 = 60 * 60 * 1000;
/// The id of the run of the cron trigger. It sorts after those of the others, so that they do not replace it.
const SCHEDULED: &str = "scheduled";
/// Kinds of findings in shared documents whose messages name nodes that the documents do not name.
const NAMING_KINDS: [FindingKind; 2] = [FindingKind::ExhaustedPool, FindingKind::KnownNode];
/// So the message of a finding begins that is about a shared definition with the values of one node.
const FOR_NODE: &str = "for the node '";

/// POST /admin/check: checks a page of the content, as KV shows it, and keeps the result. `cursor` in the response
/// continues with the next nodes.
///
/// 400 if the cursor is not the last one of a run; 413 if there is too much content; 503 if storage fails.
pub async fn run(context: Context<'_>) -> Result<Response, Error> {
    let cursor = path::query_value(&context.request.url, "cursor");
    let identifier = context.settings.identifier;
    let random = (Math::random() * f64::from(u32::MAX)) as u32;
    let new = format!("{:012x}{random:08x}", now());
    let mut result = check_next(context.storage, identifier, cursor.as_deref(), &new).await?;
    hide(&context, &mut result).await?;
    Ok(respond(&result))
}

/// GET /admin/check: the result of the last complete run, with its age in seconds, and `under_way`, the last page of a
/// run in progress. Before the first complete run, it is what is known of the last one. It is kept for seven days.
///
/// 404 if there is none; 503 if storage fails.
pub async fn last(context: Context<'_>) -> Result<Response, Error> {
    let result = kept(context.storage, RESULT).await?;
    let runs = items(context.storage, RUNS).await?.into_iter();
    let newest = runs.map(|(_, run)| run).max_by_key(at);
    let under_way = newest.as_ref().filter(|run| is_under_way(run));
    let under_way = under_way.map(
        |run| json!({ "time": run["time"].clone(), "nodes": run["covered"]["nodes"].clone() }),
    );
    let Some(mut result) = result.or(newest) else {
        return Err(Error::NotFound(
            "the content was not checked yet: POST /admin/check checks it".to_owned(),
        ));
    };
    result["age_s"] = json!(now().saturating_sub(at(&result)) / 1_000);
    result["under_way"] = json!(under_way);
    hide(&context, &mut result).await?;
    Ok(respond(&result))
}

/// A check by the cron trigger: continues its own run if that is not complete, or begins another.
///
/// # Errors
/// As [`run`].
pub async fn scheduled(storage: &Storage, identifier: Identifier) -> Result<(), Error> {
    let last = kept(storage, &item_of(SCHEDULED)).await?;
    let last = last.filter(is_under_way);
    let mut cursor = last.and_then(|last| last["cursor"].as_str().map(str::to_owned));
    loop {
        let result = check_next(storage, identifier, cursor.as_deref(), SCHEDULED).await?;
        cursor = result["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || storage.operations().total() > MAX_OPERATIONS {
            return Ok(());
        }
    }
}

/// Checks the first page of the run `new`, or the page of a cursor, and keeps the result.
async fn check_next(
    storage: &Storage,
    identifier: Identifier,
    cursor: Option<&str>,
    new: &str,
) -> Result<Value, Error> {
    let (run, place) = match cursor {
        None => (new, None),
        Some(cursor) => {
            let (run, place) = cursor.split_once('~').ok_or_else(unknown_cursor)?;
            continued(storage, run, cursor).await?;
            (run, Some(place))
        }
    };
    let mut page = check_page(storage, identifier, place).await?;
    if let Some(next) = page["cursor"].as_str() {
        page["cursor"] = format!("{run}~{next}").into();
    }
    keep(storage, run, &page, cursor).await?;
    Ok(page)
}

/// The result of the pages before a cursor.
///
/// # Errors
/// [`Error::BadRequest`] if the run is unknown, or continues at another cursor.
async fn continued(storage: &Storage, run: &str, cursor: &str) -> Result<Value, Error> {
    let before = kept(storage, &item_of(run)).await?;
    before
        .filter(|before| before["cursor"] == cursor)
        .ok_or_else(unknown_cursor)
}

fn unknown_cursor() -> Error {
    Error::BadRequest(
        "the cursor is not valid: use that of the last page of a check that is not complete, or start again without a \
         cursor"
            .to_owned(),
    )
}

/// The name of the item of a run.
fn item_of(run: &str) -> String {
    format!("{RUNS}/{run}")
}

/// When the last page of a result was checked, in milliseconds since 1970.
fn at(result: &Value) -> u64 {
    result["at"].as_u64().unwrap_or_default()
}

fn is_under_way(run: &Value) -> bool {
    at(run) + RUN_MS > now()
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

/// Keeps the result of a page, with those of the pages before it: as that of its run, or, if the run is complete, as the
/// last result.
async fn keep(
    storage: &Storage,
    run: &str,
    page: &Value,
    cursor: Option<&str>,
) -> Result<(), Error> {
    let mut result = page.clone();
    if let Some(cursor) = cursor {
        // Read again: another request may have continued the run meanwhile.
        let before = continued(storage, run, cursor).await?;
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
    let text = result.to_string();
    if !result["cursor"].is_null() {
        if cursor.is_none() {
            make_room(storage).await?;
        }
        return change(storage, Command::SetItem(item_of(run), text)).await;
    }
    change(storage, Command::SetItem(RESULT.to_owned(), text)).await?;
    match cursor {
        Some(_) => change(storage, Command::RemoveItems(item_of(run))).await,
        None => Ok(()),
    }
}

/// Deletes the oldest runs, so that there is room for one.
async fn make_room(storage: &Storage) -> Result<(), Error> {
    // In the order of their ids, which begin with their times.
    let runs = items(storage, RUNS).await?;
    let excess = (runs.len() + 1).saturating_sub(MAX_RUNS);
    for (name, _) in runs.into_iter().take(excess) {
        change(storage, Command::RemoveItems(name)).await?;
    }
    Ok(())
}

async fn change(storage: &Storage, command: Command) -> Result<(), Error> {
    match storage.call_site(command).await? {
        Reply::Ended => Ok(()),
        _ => Err(unexpected()),
    }
}

/// The result that is kept as an item.
async fn kept(storage: &Storage, name: &str) -> Result<Option<Value>, Error> {
    let found = items(storage, name).await?.into_iter();
    Ok(found
        .filter(|(found, _)| found == name)
        .map(|(_, result)| result)
        .next())
}

/// The results that are kept as items with a name, or with names below it, in the order of the names.
async fn items(storage: &Storage, name: &str) -> Result<Vec<(String, Value)>, Error> {
    match storage.call_site(Command::Items(name.to_owned())).await? {
        Reply::Items(items) => {
            let parsed = items
                .into_iter()
                .map(|(name, text)| Ok((name, serde_json::from_str(&text)?)));
            let parsed: Result<_, serde_json::Error> = parsed.collect();
            parsed.map_err(|cause| Error::storage("reading the result of a check", cause))
        }
        _ => Err(unexpected()),
    }
}

/// Removes the findings of nodes that this operator may not see, and what is for the server only. An operator with sites
/// does not see findings in shared documents that name nodes of any site: `hidden` is their number.
async fn hide(context: &Context<'_>, result: &mut Value) -> Result<(), Error> {
    if let Some(result) = result.as_object_mut() {
        result.remove("at");
    }
    result["hidden"] = json!(0);
    let all = context
        .operator
        .is_some_and(|operator| operator.sites.is_none());
    let Some(findings) = result["findings"].as_array_mut().filter(|_| !all) else {
        return Ok(());
    };
    let found = findings.len();
    findings.retain(|finding| !names_nodes(finding));
    let hidden = found - findings.len();
    let visible = {
        let ids = findings
            .iter()
            .filter_map(|finding| node_of(finding["key"].as_str()?));
        context.visible_ids(ids).await?
    };
    // The folder of a node whose id is not valid is not visible.
    findings.retain(|finding| {
        let id = node_of(finding["key"].as_str().unwrap_or_default());
        id.is_none_or(|id| visible.contains(id))
    });
    result["hidden"] = json!(hidden);
    Ok(())
}

/// Whether a finding in a shared document names nodes that the document does not name.
fn names_nodes(finding: &Value) -> bool {
    let text = |name: &str| finding[name].as_str().unwrap_or_default();
    let kind = text("kind");
    !text("key").starts_with(NODES)
        && (NAMING_KINDS.iter().any(|naming| naming.id() == kind)
            || text("message").starts_with(FOR_NODE))
}

fn unexpected() -> Error {
    Error::unexpected_reply("calling the object of all sites")
}
