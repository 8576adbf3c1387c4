//! GET /admin/nodes/{id}/events: the history of a node, for operators.

use serde_json::{Value, json};
use ztp_core::node::NodeId;

use super::{Context, respond};
use crate::error::Error;
use crate::objects::node::protocol::Timeline;
use crate::response::{Response, iso_time};

/// The events of the node, and the versions of its startup-config, the oldest first. Both are empty for an unknown node.
///
/// 400 if the id is invalid; 404 if the operator has sites, and the node belongs to none of them; 503 if the node's object fails.
pub async fn get(mut context: Context<'_>) -> Result<Response, Error> {
    let node = context.visible_node(context.parameters.get("id")).await?;
    let timeline = context.storage.timeline(&node).await?;
    let body = json!({
        "node": node.as_str(),
        "events": display_events(&node, &timeline),
        "versions": display_versions(&node, &timeline),
    });
    Ok(respond(&body))
}

pub fn display_events(node: &NodeId, timeline: &Timeline) -> Vec<Value> {
    let events = timeline.events.iter().map(|(number, logged)| {
        let mut event = display_stored_event(json!(logged));
        event["n"] = json!(number);
        event["node"] = json!(node.as_str());
        event
    });
    events.collect()
}

/// An event, of its JSON: all of its fields in one object.
pub fn display_stored_event(mut logged: Value) -> Value {
    let Value::Object(event) = &mut logged else {
        return logged;
    };
    if let Some(time) = event.get("time").and_then(Value::as_u64) {
        event.insert("time".to_owned(), iso_time(time).into());
    }
    for name in ["site", "by"] {
        event.entry(name).or_insert(Value::Null);
    }
    // The boot, and the place of the report in it.
    if let Some(Value::Object(report)) = event.remove("report") {
        event.extend(report);
    }
    logged
}

pub fn display_versions(node: &NodeId, timeline: &Timeline) -> Vec<Value> {
    let versions = timeline.versions.iter().map(|version| {
        json!({
            "time": iso_time(version.time),
            "sha1": version.sha1,
            "size": version.size,
            "key": version.key(node),
        })
    });
    versions.collect()
}
