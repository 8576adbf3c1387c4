//! The commands on nodes, pools and the audit log: requests to the API, and its responses as text or JSON.

use std::collections::HashMap;
use std::fmt::Write;

use indicatif::HumanBytes;
use serde_json::{Map, Value as Json, json};
use ureq::http::Method;

use ztp_core::path::encode_segment;

use crate::api::{Api, Call};
use crate::cli::{AssignArgs, LogArgs, NodesArgs};
use crate::terminal::{self, line};
use crate::{CLEAN, Failure, display, regular};

/// The largest record of a node, in bytes: that of a KV value.
const MAX_RECORD_BYTES: u64 = 25 << 20;
/// The number of events that `node` shows as text.
const EVENTS_SHOWN: usize = 10;

pub fn nodes(api: &Api, args: &NodesArgs, json: bool) -> Result<u8, Failure> {
    let filter = query(&json!(args));
    let mut known_states = None;
    let mut count = 0;
    for page in api.pages("listing the nodes", format!("/nodes?records=1{filter}")) {
        let mut page = page?.ok()?;
        for node in page["nodes"].as_array_mut().into_iter().flatten() {
            count += 1;
            let states = known_states.get_or_insert_with(|| {
                states(api, args.site.as_deref()).unwrap_or_else(|failure| {
                    terminal::warn(&format!("the list has no states: {failure}"));
                    HashMap::new()
                })
            });
            let state = node["node"].as_str().and_then(|node| states.get(node));
            node["state"] = state.cloned().unwrap_or_default();
            let records: Vec<String> = entries(node, "records").map(text).collect();
            let shown = columns(node, &["node", "site", "state"]) + &records.join(" ");
            print(json, node, &shown)?;
        }
    }
    if !json {
        display(&format!("{count} nodes\n"))?;
    }
    Ok(CLEAN)
}

/// The states of the nodes that have had an event, by node.
fn states(api: &Api, site: Option<&str>) -> Result<HashMap<String, Json>, Failure> {
    let filter = query(&json!({"site": site}));
    let path = format!("/nodes?sort=node&limit=1000{filter}");
    let mut states = HashMap::new();
    for page in api.pages("reading the states of nodes", path) {
        let page = page?;
        // The site has had no event.
        if page.status == 404 {
            break;
        }
        let page = page.ok()?;
        let rows = entries(&page, "nodes");
        states.extend(rows.map(|row| (text(&row["node"]), row["state"].clone())));
    }
    Ok(states)
}

pub fn node(api: &Api, id: &str, json: bool) -> Result<u8, Failure> {
    let call = Call::get(format!("reading the node {id}"), node_path(id, ""));
    let node = api.json(&call)?;
    let (name, site) = (text(&node["node"]), text(&node["site"]));
    let mut lines = vec![format!("node {name}, site {site}")];
    let fields = |json: &Json| json.as_object().cloned().unwrap_or_default();
    for name in ["state", "step", "reason"] {
        if !node["status"][name].is_null() {
            lines.push(format!("{name:14} {}", text(&node["status"][name])));
        }
    }
    for (name, fact) in fields(&node["facts"]) {
        if name != "neighbors" {
            lines.push(format!("{:14} {}", line(&name), text(&fact)));
        }
    }
    for (interface, peers) in fields(&node["facts"]["neighbors"]) {
        for peer in peers.as_array().into_iter().flatten() {
            let port = peer.get("port").unwrap_or(&peer["remote_interface"]);
            let (interface, device) = (line(&interface), text(&peer["device"]));
            lines.push(format!("{interface:14} {device}:{}", text(port)));
        }
    }
    for record in entries(&node, "records") {
        let size = record["size"].as_u64().map(HumanBytes);
        let size = size.map_or_else(String::new, |size| size.to_string());
        let shown = columns(record, &["name", "sha1"]);
        lines.push(format!("record {shown}{size}"));
    }
    for held in entries(&node, "pools") {
        let shown = cells(&[pool_of(held), text(&held["value"]), text(&held["since"])]);
        lines.push(format!("pool {shown}"));
    }
    let events: Vec<&Json> = entries(&node, "events").collect();
    let earlier = events.len().saturating_sub(EVENTS_SHOWN);
    let latest = events.into_iter().skip(earlier);
    lines.extend(latest.map(|event| columns(event, &["time", "event"])));
    print(json, &node, &lines.join("\n  "))
}

pub fn assign(api: &Api, args: &AssignArgs, json: bool) -> Result<u8, Failure> {
    let mut body = Map::new();
    for (name, file) in [
        ("definition", &args.definition),
        ("startup_config", &args.startup_config),
        ("attributes", &args.attributes),
        ("pattern", &args.pattern),
        ("config_handler", &args.config_handler),
    ] {
        if let Some(path) = file {
            let text = regular::text(path, MAX_RECORD_BYTES)?;
            body.insert(name.to_owned(), json!(text));
        }
    }
    let deleted = args.delete.iter().map(|name| name.replace('-', "_"));
    body.extend(deleted.map(|name| (name, Json::Null)));
    if body.is_empty() {
        return Err("no record is given; give --definition, --startup-config or another record, or --delete".into());
    }
    let force = if args.force { "?force=1" } else { "" };
    let path = node_path(&args.id, &format!("/assign{force}"));
    let body = Json::Object(body);
    let doing = format!("assigning to {}", args.id);
    let reply = api.send(&Call::post(doing, path, &body))?;
    let found = findings(&reply.json);
    if reply.status == 422 {
        print(json, &reply.json, found.trim_end())?;
    }
    let done = reply.ok()?;
    if !json {
        display(&found)?;
    }
    changed(json, &done, ": assigned")
}

pub fn reprovision(api: &Api, ids: &[String], json: bool) -> Result<u8, Failure> {
    for id in ids {
        let done = change(api, id, "reprovision", &json!({}))?;
        let words = match done["audit"].is_null() {
            _ if done["known"] == true => {
                ": it stays known by its startup-config and boots with it; to match it anew, delete that: `ztp assign \
                 ID --delete startup-config`"
            }
            true => ": it has no definition, pattern or config-handler; nothing is changed",
            false => ": it matches neighbordb at its next boot",
        };
        changed(json, &done, words)?;
    }
    Ok(CLEAN)
}

pub fn forget(api: &Api, id: &str, pools: bool, history: bool, json: bool) -> Result<u8, Failure> {
    let options = json!({"pools": pools, "history": history});
    changed(json, &change(api, id, "forget", &options)?, ": forgotten")
}

/// `ztp move ID SITE`.
pub fn move_to(api: &Api, id: &str, site: Option<&str>, json: bool) -> Result<u8, Failure> {
    let done = change(api, id, "move", &json!({"site": site}))?;
    let site = site.unwrap_or("no site");
    let since = done["audit"].as_u64().map_or("already", |_| "now");
    changed(json, &done, &format!(" belongs to {site} {since}"))
}

pub fn pools(api: &Api, pool: Option<&str>, json: bool) -> Result<u8, Failure> {
    let path = match pool {
        Some(pool) => format!("/pools/{}", encode_segment(pool)),
        None => "/pools".to_owned(),
    };
    let listing = api.json(&Call::get("reading the pools", path))?;
    let names: Vec<String> = entries(&listing, "pools").map(text).collect();
    let mut shown = names.join("\n");
    if pool.is_some() {
        let (taken, size) = (text(&listing["taken"]), text(&listing["size"]));
        shown = format!("{}: {taken} of {size} values taken", text(&listing["pool"]));
        for value in entries(&listing, "allocations") {
            let held = [
                text(&value["value"]),
                holder_of(value),
                text(&value["since"]),
            ];
            let _ = write!(shown, "\n  {}", cells(&held));
        }
        for value in entries(&listing, "reservations") {
            let reserved = [text(&value["value"]), holder_of(value)];
            let _ = write!(shown, "\n  {}reserved", cells(&reserved));
        }
    }
    print(json, &listing, &shown)
}

/// `ztp pools --node ID`.
pub fn pools_of(api: &Api, id: &str, release: bool, json: bool) -> Result<u8, Failure> {
    let path = format!("/pools?node={}", encode_segment(id));
    if release {
        let call = Call::delete(format!("releasing the values of {id}"), path);
        return changed(json, &api.json(&call)?, "");
    }
    let held = api.json(&Call::get(format!("reading the values of {id}"), path))?;
    let lines = entries(&held, "values")
        .map(|held| cells(&[pool_of(held), text(&held["value"]), text(&held["since"])]));
    print(json, &held, &lines.collect::<Vec<_>>().join("\n"))
}

pub fn log(api: &Api, args: &LogArgs, json: bool) -> Result<u8, Failure> {
    let path = format!("/audit?{}", query(&json!(args)).trim_start_matches('&'));
    let page = api.json(&Call::get("reading the audit log", path))?;
    for entry in entries(&page, "entries") {
        print(json, entry, &log_line(entry))?;
    }
    Ok(CLEAN)
}

fn log_line(entry: &Json) -> String {
    let shown = ["n", "time", "who", "action", "target"].map(|name| text(&entry[name]));
    let mut shown = shown.join(" ");
    for (name, before) in [("undo_of", ", undoes "), ("detail", ": ")] {
        if !entry[name].is_null() {
            let _ = write!(shown, "{before}{}", text(&entry[name]));
        }
    }
    for (name, words) in [("forced", ", forced"), ("undoable", ", can be undone")] {
        shown += if entry[name] == true { words } else { "" };
    }
    if entry["outcome"] != "done" {
        let _ = write!(shown, ", {}", text(&entry["outcome"]));
    }
    shown
}

pub fn undo(api: &Api, number: u64, json: bool) -> Result<u8, Failure> {
    let path = format!("/audit/{number}/undo");
    let mut call = Call::new(format!("undoing {number}"), Method::POST, path);
    // After a lost response, a second undo would be refused, because the first one changed the value.
    call.repeatable = false;
    let reply = api.send(&call)?;
    let later: Vec<String> = entries(&reply.json, "changed_by").map(text).collect();
    if !later.is_empty() {
        let (failure, later) = (reply.failure(), later.join(", "));
        let message = format!("{failure}; the changes since: {later} (see `ztp log`)");
        return Err(Failure::refused(message));
    }
    let done = reply.ok()?;
    print(json, &done, &format!("{number} is undone{}", audit(&done)))
}

/// POST of an action on a node.
fn change(api: &Api, id: &str, action: &str, body: &Json) -> Result<Json, Failure> {
    let path = node_path(id, &format!("/{action}"));
    api.json(&Call::post(format!("`{action}` of {id}"), path, body))
}

fn node_path(id: &str, action: &str) -> String {
    format!("/nodes/{}{action}", encode_segment(id))
}

/// The parameters that have a value, as the end of a query.
fn query(parameters: &Json) -> String {
    let parameters = parameters.as_object().into_iter().flatten();
    let given = parameters.filter_map(|(name, value)| match value {
        Json::Null => None,
        Json::String(text) => Some(format!("&{name}={}", encode_segment(text))),
        other => Some(format!("&{name}={other}")),
    });
    given.collect()
}

/// The entries of a list in a response.
pub fn entries<'j>(json: &'j Json, name: &str) -> impl Iterator<Item = &'j Json> {
    json[name].as_array().into_iter().flatten()
}

/// A value of a response for people, in one line; `-` for null.
pub fn text(json: &Json) -> String {
    match json {
        Json::Null => "-".to_owned(),
        Json::String(text) => line(text),
        other => line(&other.to_string()),
    }
}

/// Fields of an object, in columns.
fn columns(json: &Json, names: &[&str]) -> String {
    let fields: Vec<String> = names.iter().map(|name| text(&json[*name])).collect();
    cells(&fields)
}

fn cells(fields: &[String]) -> String {
    fields.iter().map(|field| format!("{field:<20} ")).collect()
}

/// The pool of a value, and the value's name if it has one: `p2p (uplink2)`.
pub fn pool_of(value: &Json) -> String {
    match &value["name"] {
        Json::Null => text(&value["pool"]),
        name => format!("{} ({})", text(&value["pool"]), text(name)),
    }
}

/// The node that holds a value, with the value's name as in the file of the pool: `JPE1/uplink2`.
pub fn holder_of(value: &Json) -> String {
    match &value["name"] {
        Json::Null => text(&value["node"]),
        name => format!("{}/{}", text(&value["node"]), text(name)),
    }
}

/// The findings of a response, one a line.
pub fn findings(json: &Json) -> String {
    let lines = entries(json, "findings").map(|finding| {
        let [severity, at, message, help] =
            ["severity", "line", "message", "help"].map(|name| text(&finding[name]));
        format!("  {severity}: line {at}: {message}; {help}\n")
    });
    lines.collect()
}

/// Prints a change: the node, the words about it, its number in the audit log, and the values that it released.
fn changed(json: bool, done: &Json, words: &str) -> Result<u8, Failure> {
    let node = text(&done["node"]);
    let shown = format!("{node}{words}{}{}", audit(done), released(done));
    print(json, done, &shown)
}

fn audit(done: &Json) -> String {
    match done["audit"].as_u64() {
        Some(number) => format!(" (number {number} of the audit log)"),
        None => String::new(),
    }
}

fn released(done: &Json) -> String {
    let values = entries(done, "released").map(|value| {
        let (pool, value) = (pool_of(value), text(&value["value"]));
        format!("\n  released {value} of {pool}")
    });
    values.collect()
}

/// Prints a line of JSON, or a text.
pub fn print(json: bool, entry: &Json, shown: &str) -> Result<u8, Failure> {
    match json {
        true => display(&format!("{entry}\n"))?,
        false => display(&format!("{}\n", shown.trim_end()))?,
    }
    Ok(CLEAN)
}

/// Prints an indented document of JSON, or a text.
pub fn show(json: bool, document: &Json, shown: &str) -> Result<(), Failure> {
    match json {
        true => display(&format!("{document:#}\n")),
        false => display(shown),
    }
}
