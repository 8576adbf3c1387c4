//! GET /admin/nodes/{id}/events: the history of a node, for operators.

use serde_json::{Value, json};
use ztp_core::event::Logged;
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
        let mut event = display_event(logged);
        event["n"] = json!(number);
        event["node"] = json!(node.as_str());
        event
    });
    events.collect()
}

/// An event: all of its fields in one object.
pub fn display_event(logged: &Logged) -> Value {
    let mut event = json!(logged);
    event["time"] = json!(iso_time(logged.time));
    event["site"] = json!(logged.site);
    event["by"] = json!(logged.by);
    if let Some(report) = &logged.report {
        if let Value::Object(fields) = &mut event {
            fields.remove("report");
        }
        event["boot"] = json!(report.boot);
        event["seq"] = json!(report.seq);
        event["at"] = json!(report.at);
    }
    event
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
