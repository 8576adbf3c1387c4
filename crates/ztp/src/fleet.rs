//! The commands on nodes, pools and the audit log: requests to the API, and its responses as text or JSON.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value as Json, json};
use ureq::http::Method;

use ztp_core::path::encode_segment;

use crate::api::{Api, Call, nothing};
use crate::cli::{
    AssignArgs, ForgetArgs, LogArgs, MoveArgs, NodeArgs, NodesArgs, NodesToChange, PoolsArgs,
    UndoArgs,
};
use crate::servers::connect;
use crate::terminal::line;
use crate::{CLEAN, Failure, display, display_path, plan, regular};

/// The largest record of a node, in bytes: that of a KV value.
const MAX_RECORD_BYTES: u64 = 25 << 20;
/// The number of events that `node` shows as text.
const EVENTS_SHOWN: usize = 10;
/// The largest number of entries of the audit log in a request.
const ENTRIES_AT_ONCE: usize = 200;

/// `ztp nodes`.
pub fn nodes(args: &NodesArgs, json: bool) -> Result<u8, Failure> {
    let api = connect(&args.server)?;
    let filter = query(&[
        ("site", args.site.as_deref()),
        ("text", args.text.as_deref()),
    ]);
    let mut cursor: Option<String> = None;
    let mut count = 0;
    loop {
        let page = match &cursor {
            Some(cursor) => format!("&cursor={}", encode_segment(cursor)),
            None => String::new(),
        };
        let page = api.json(&Call::get(
            "listing the nodes",
            format!("/nodes?{filter}{page}"),
        ))?;
        for node in entries(&page, "nodes") {
            count += 1;
            let records: Vec<String> = entries(node, "records").map(text).collect();
            let shown = format!(
                "{:24} {:12} {}",
                text(&node["node"]),
                text(&node["site"]),
                records.join(" ")
            );
            print(json, node, &shown)?;
        }
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    match json {
        true => Ok(CLEAN),
        false => display(&format!("{count} nodes\n")).map(|()| CLEAN),
    }
}

/// `ztp node ID`.
pub fn node(args: &NodeArgs, json: bool) -> Result<u8, Failure> {
    let api = connect(&args.server)?;
    let call = Call::get(
        format!("reading the node {}", args.id),
        node_path(&args.id, ""),
    );
    let node = api.json(&call)?;
    let mut shown = format!(
        "node {}, site {}\n",
        text(&node["node"]),
        text(&node["site"])
    );
    for name in ["model", "version", "serialnumber", "systemmac"] {
        if let Some(value) = node["facts"].get(name) {
            let _ = writeln!(shown, "  {name:14} {}", text(value));
        }
    }
    for (interface, peers) in node["facts"]["neighbors"].as_object().into_iter().flatten() {
        for peer in peers.as_array().into_iter().flatten() {
            let port = peer.get("port").unwrap_or(&peer["remote_interface"]);
            let _ = writeln!(
                shown,
                "  {:14} {}:{}",
                line(interface),
                text(&peer["device"]),
                text(port)
            );
        }
    }
    for record in entries(&node, "records") {
        let size = record["size"].as_u64().map(plan::bytes).unwrap_or_default();
        let _ = writeln!(
            shown,
            "  record {:20} {size}  {}",
            text(&record["name"]),
            text(&record["sha1"])
        );
    }
    for held in entries(&node, "pools") {
        let (pool, value) = (text(&held["pool"]), text(&held["value"]));
        let _ = writeln!(
            shown,
            "  pool {pool}: {value} since {}",
            text(&held["since"])
        );
    }
    let events: Vec<&Json> = entries(&node, "events").collect();
    for event in events.iter().rev().take(EVENTS_SHOWN).rev() {
        let _ = writeln!(
            shown,
            "  {} {}",
            text(&event["time"]),
            text(&event["event"])
        );
    }
    document(json, &node, shown.trim_end())
}

/// `ztp assign ID`.
pub fn assign(args: &AssignArgs, json: bool) -> Result<u8, Failure> {
    let mut body = Map::new();
    for (name, file) in [
        ("definition", &args.definition),
        ("startup_config", &args.startup_config),
        ("attributes", &args.attributes),
        ("pattern", &args.pattern),
        ("config_handler", &args.config_handler),
    ] {
        if let Some(path) = file {
            body.insert(name.to_owned(), json!(read_text(path)?));
        }
    }
    for name in &args.delete {
        body.insert(name.replace('-', "_"), Json::Null);
    }
    if body.is_empty() {
        return Err(Failure::new(
            "no record is given; give --definition, --startup-config or another record, or --delete",
        ));
    }
    let force = if args.force { "?force=1" } else { "" };
    let body = Json::Object(body);
    let api = connect(&args.server)?;
    let doing = format!("assigning to {}", args.id);
    let reply = api.send(&Call::post(
        doing,
        node_path(&args.id, &format!("/assign{force}")),
        &body,
    ))?;
    let mut shown = findings(&reply.json);
    if reply.status == 422 {
        if json {
            display(&format!("{:#}\n", reply.json))?;
        } else {
            display(&shown)?;
        }
    }
    let done = reply.ok()?;
    let _ = write!(shown, "{}: assigned{}", text(&done["node"]), audit(&done));
    document(json, &done, &shown)
}

/// `ztp reprovision ID…`.
pub fn reprovision(args: &NodesToChange, json: bool) -> Result<u8, Failure> {
    let api = connect(&args.server)?;
    for id in &args.id {
        let done = change(&api, id, "reprovision", &nothing())?;
        let shown = match done["audit"].is_null() {
            true => {
                "it has no definition, pattern or config-handler; nothing is changed".to_owned()
            }
            false => format!("it matches neighbordb at its next boot{}", audit(&done)),
        };
        print(json, &done, &format!("{}: {shown}", text(&done["node"])))?;
    }
    Ok(CLEAN)
}

/// `ztp forget ID`.
pub fn forget(args: &ForgetArgs, json: bool) -> Result<u8, Failure> {
    let body = json!({"pools": args.pools, "history": args.history});
    let done = change(&connect(&args.server)?, &args.id, "forget", &body)?;
    let mut shown = format!("{}: forgotten{}", text(&done["node"]), audit(&done));
    shown += &released(&done);
    document(json, &done, &shown)
}

/// `ztp move ID SITE`.
pub fn move_to(args: &MoveArgs, json: bool) -> Result<u8, Failure> {
    let done = change(
        &connect(&args.server)?,
        &args.id,
        "move",
        &json!({"site": args.site}),
    )?;
    let site = args.site.as_deref().unwrap_or("no site");
    let shown = match done["audit"].is_null() {
        true => format!("belongs to {site} already"),
        false => format!("belongs to {site} now{}", audit(&done)),
    };
    document(json, &done, &format!("{} {shown}", text(&done["node"])))
}

/// `ztp pools`.
pub fn pools(args: &PoolsArgs, json: bool) -> Result<u8, Failure> {
    let api = connect(&args.server)?;
    if let Some(id) = &args.node {
        let path = format!("/pools?{}", query(&[("node", Some(id))]));
        if args.release {
            let call = Call::new(
                format!("releasing the values of {id}"),
                Method::DELETE,
                path,
            );
            let done = api.json(&call)?;
            let shown = format!("{}{}{}", text(&done["node"]), audit(&done), released(&done));
            return document(json, &done, &shown);
        }
        let held = api.json(&Call::get(format!("reading the pool values of {id}"), path))?;
        let lines = entries(&held, "values").map(|value| {
            format!(
                "{:24} {:24} since {}",
                text(&value["pool"]),
                text(&value["value"]),
                text(&value["since"])
            )
        });
        return document(json, &held, &lines.collect::<Vec<_>>().join("\n"));
    }
    let Some(pool) = &args.pool else {
        let all = api.json(&Call::get("listing the pools", "/pools"))?;
        let names: Vec<String> = entries(&all, "pools").map(text).collect();
        return document(json, &all, &names.join("\n"));
    };
    let call = Call::get(
        format!("reading the pool {pool}"),
        format!("/pools/{}", encode_segment(pool)),
    );
    let listing = api.json(&call)?;
    let mut shown = format!(
        "{}: {} of {} values taken",
        text(&listing["pool"]),
        listing["taken"],
        listing["size"]
    );
    for value in entries(&listing, "allocations") {
        let _ = write!(
            shown,
            "\n  {:24} {} since {}",
            text(&value["value"]),
            text(&value["node"]),
            text(&value["since"])
        );
    }
    for value in entries(&listing, "reservations") {
        let _ = write!(
            shown,
            "\n  {:24} {} reserved",
            text(&value["value"]),
            text(&value["node"])
        );
    }
    document(json, &listing, &shown)
}

/// `ztp log`.
pub fn log(args: &LogArgs, json: bool) -> Result<u8, Failure> {
    let api = connect(&args.server)?;
    let filter = query(&[
        ("target", args.target.as_deref()),
        ("who", args.who.as_deref()),
    ]);
    let (mut before, mut left) = (args.before, args.limit);
    while left > 0 {
        let page = before
            .map(|number| format!("&before={number}"))
            .unwrap_or_default();
        let limit = left.min(ENTRIES_AT_ONCE);
        let path = format!("/audit?limit={limit}{page}&{filter}");
        let page = api.json(&Call::get("reading the audit log", path))?;
        for entry in entries(&page, "entries") {
            left = left.saturating_sub(1);
            print(json, entry, &log_line(entry))?;
        }
        before = page["next"].as_u64();
        if before.is_none() {
            break;
        }
    }
    Ok(CLEAN)
}

fn log_line(entry: &Json) -> String {
    let mut shown = format!(
        "{:>6} {} {} {} {}",
        entry["n"].as_u64().unwrap_or_default(),
        text(&entry["time"]),
        text(&entry["who"]),
        text(&entry["action"]),
        text(&entry["target"])
    );
    if let Some(number) = entry["undo_of"].as_u64() {
        let _ = write!(shown, ", undoes {number}");
    }
    if let Some(detail) = entry["detail"].as_str() {
        let _ = write!(shown, ": {}", line(detail));
    }
    for (name, is) in [
        ("forced", entry["forced"] == true),
        ("can be undone", entry["undoable"] == true),
    ] {
        if is {
            let _ = write!(shown, ", {name}");
        }
    }
    if entry["outcome"] != "done" {
        let _ = write!(shown, ", {}", text(&entry["outcome"]));
    }
    shown
}

/// `ztp undo N`.
pub fn undo(args: &UndoArgs, json: bool) -> Result<u8, Failure> {
    let api = connect(&args.server)?;
    let number = args.number;
    let body = nothing();
    let mut call = Call::post(
        format!("undoing {number}"),
        format!("/audit/{number}/undo"),
        &body,
    );
    // After a lost response, a second undo would be refused, because the first one changed the value.
    call.repeatable = false;
    let reply = api.send(&call)?;
    let mut later = entries(&reply.json, "changed_by").map(text).peekable();
    if later.peek().is_some() {
        let failure = reply.failure();
        let later: Vec<_> = later.collect();
        return Err(Failure::refused(format!(
            "{failure}; the changes since: {} (see `ztp log`)",
            later.join(", ")
        )));
    }
    drop(later);
    let done = reply.ok()?;
    document(json, &done, &format!("{number} is undone{}", audit(&done)))
}

/// POST of an action on a node.
fn change(api: &Api, id: &str, action: &str, body: &Json) -> Result<Json, Failure> {
    let path = node_path(id, &format!("/{action}"));
    api.json(&Call::post(format!("`{action}` of {id}"), path, body))
}

fn node_path(id: &str, action: &str) -> String {
    format!("/nodes/{}{action}", encode_segment(id))
}

/// A query of the parameters that have a value.
fn query(parameters: &[(&str, Option<&str>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| {
        let value = (*value)?;
        Some(format!("{name}={}", encode_segment(value)))
    });
    given.collect::<Vec<_>>().join("&")
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

/// The findings of a response, one a line.
pub fn findings(json: &Json) -> String {
    let lines = entries(json, "findings").map(|finding| {
        let at = finding["line"]
            .as_u64()
            .map(|line| format!("line {line}: "))
            .unwrap_or_default();
        let (severity, message) = (text(&finding["severity"]), text(&finding["message"]));
        format!("  {severity}: {at}{message}; {}\n", text(&finding["help"]))
    });
    lines.collect()
}

fn audit(done: &Json) -> String {
    match done["audit"].as_u64() {
        Some(number) => format!(" (number {number} of the audit log)"),
        None => String::new(),
    }
}

fn released(done: &Json) -> String {
    let values = entries(done, "released");
    let lines = values.map(|value| {
        format!(
            "\n  released {} of {}",
            text(&value["value"]),
            text(&value["pool"])
        )
    });
    lines.collect()
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let failed =
        |error: String| Failure::new(format!("cannot read {}: {error}", display_path(path)));
    let bytes = regular::read(path, MAX_RECORD_BYTES).map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| failed(format!("it is not UTF-8: {error}")))
}

/// An entry of a list: a line of JSON, or of text.
pub fn print(json: bool, entry: &Json, shown: &str) -> Result<(), Failure> {
    match json {
        true => display(&format!("{entry}\n")),
        false => display(&format!("{shown}\n")),
    }
}

/// One document: indented JSON, or text.
fn document(json: bool, body: &Json, shown: &str) -> Result<u8, Failure> {
    match json {
        true => display(&format!("{body:#}\n"))?,
        false => display(&format!("{shown}\n"))?,
    }
    Ok(CLEAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_the_given_parameters_encoded() {
        assert_eq!(
            query(&[("a", Some("x y&")), ("b", None), ("c", Some("1"))]),
            "a=x%20y%26&c=1"
        );
    }

    #[test]
    fn an_entry_of_the_log_is_one_line() {
        let entry = json!({
            "n": 7, "time": "2026-01-01T00:00:00Z", "who": "ann\n", "action": "store", "target": "neighbordb",
            "detail": null, "outcome": "failed", "forced": true, "undoable": false, "undo_of": 3,
        });
        assert_eq!(
            log_line(&entry),
            "     7 2026-01-01T00:00:00Z ann\\n store neighbordb, undoes 3, forced, failed"
        );
    }
}
