//! /admin: the API of operators. Each resource is a file.

pub mod allocations;
pub mod assign;
pub mod audit;
pub mod changes;
pub mod check;
pub mod content;
pub mod events;
pub mod explain;
pub mod fleet;
pub mod nodes;
pub mod pools;
pub mod session;
pub mod sight;
pub mod undo;
pub mod uploads;

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use ztp_core::audit::{Action, Intent};
use ztp_core::check::Finding;
use ztp_core::key::{NODES, Record};
use ztp_core::node::NodeId;
use ztp_core::path;

use super::Context;
use crate::error::Error;
use crate::response::Response;

/// Maximum size of the JSON in the body of a request, in bytes.
pub const MAX_JSON_BYTES: usize = 8 << 20;

/// 200 with JSON, which no cache may store.
fn respond(value: &Value) -> Response {
    Response::json(value).with_header("Cache-Control", "no-store")
}

/// The 404 for a node that is unknown, or not visible to the operator.
fn unknown_node(node: &NodeId) -> Error {
    Error::NotFound(format!("nothing is known of the node {node}"))
}

/// The id of the node in the key of a record.
fn node_of(key: &str) -> Option<&str> {
    key.strip_prefix(NODES)?.split('/').next()
}

/// The fields of the JSON object in the body, of which only `known` ones may be there. An empty body has none.
async fn fields(context: &Context<'_>, known: &[&str]) -> Result<Map<String, Value>, Error> {
    let invalid = |reason: String| Error::BadRequest(format!("the request is not valid: {reason}"));
    let body = context.request.body("the request", MAX_JSON_BYTES).await?;
    if body.is_blank() {
        return Ok(Map::new());
    }
    let text = String::from_utf8(body.to_vec()).map_err(|error| invalid(error.to_string()))?;
    let fields = match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err(invalid("it must be a JSON object".to_owned())),
        Err(error) => return Err(invalid(error.to_string())),
    };
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(fields),
        Some(unknown) => Err(invalid(format!(
            "{unknown:?} is not a field of it; its fields are {}",
            known.join(", ")
        ))),
    }
}

/// The query parameter `limit`, from 1 to `max`; `default` if it is missing.
fn limit(context: &Context<'_>, default: u32, max: u32) -> Result<u32, Error> {
    let Some(limit) = path::query_value(&context.request.url, "limit") else {
        return Ok(default);
    };
    let parsed = limit.parse().ok();
    let valid = parsed.filter(|limit| (1..=max).contains(limit));
    valid.ok_or_else(|| {
        Error::BadRequest(format!(
            "limit is {limit:?}, but must be a number from 1 to {max}"
        ))
    })
}

/// A query parameter that is 1 or missing.
fn is_given(context: &Context<'_>, name: &str) -> Result<bool, Error> {
    match path::query_value(&context.request.url, name) {
        None => Ok(false),
        Some(value) if value == "1" => Ok(true),
        Some(value) => Err(Error::BadRequest(format!(
            "{name} is {value:?}, but must be 1 if it is given"
        ))),
    }
}

/// A field that is true or false; false if it is missing.
fn flag(fields: &Map<String, Value>, name: &str) -> Result<bool, Error> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(other) => Err(Error::BadRequest(format!(
            "the field {name:?} is {other}, but must be true or false"
        ))),
    }
}

fn display_finding(finding: &Finding) -> Value {
    let position = finding.position;
    json!({
        "key": finding.key,
        "kind": finding.kind.id(),
        "severity": finding.severity.name(),
        "line": position.map(|position| position.line),
        "column": position.map(|position| position.column),
        "message": finding.message,
        "help": finding.help(),
    })
}

impl Context<'_> {
    /// Whether the operator may see nodes of a site; `None`: nodes that belong to no site and were seen at none.
    pub fn operator_may_see(&self, site: Option<&str>) -> bool {
        self.operator.is_some_and(|operator| operator.may_see(site))
    }

    /// Checks that the operator has no sites: the request changes what all sites share.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn check_all_sites(&self) -> Result<(), Error> {
        match self.operator.and_then(|operator| operator.sites.as_ref()) {
            None => Ok(()),
            Some(sites) => Err(Error::Forbidden(format!(
                "this request changes what all sites share, and you are an operator of {} only; the document \
                 `operators` assigns sites",
                sites.join(", ")
            ))),
        }
    }

    /// Checks that the operator may see a node. Its site is read, and returned, only if the operator has sites.
    ///
    /// # Errors
    /// [`Error::NotFound`], the same for an unknown node and for one of another site; as [`crate::storage::Storage::records`].
    pub async fn check_visible(&self, node: &NodeId) -> Result<Option<String>, Error> {
        if self
            .operator
            .is_some_and(|operator| operator.sites.is_none())
        {
            return Ok(None);
        }
        let records = self.storage.records(node, &[Record::Site]).await?;
        self.expect_visible(node, records.get(Record::Site)?).await
    }

    /// The node in a path, if the operator may see it. Its id goes into the log.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if the id is invalid; else as [`Context::check_visible`].
    pub async fn visible_node(&mut self, segment: &str) -> Result<NodeId, Error> {
        let node = self.node_in_path(segment)?;
        self.check_visible(&node).await?;
        Ok(node)
    }

    /// Those of some ids whose nodes the operator may see, by the record `site` in KV.
    ///
    /// # Errors
    /// [`Error::Storage`].
    async fn visible_ids<'n>(
        &self,
        ids: impl Iterator<Item = &'n str>,
    ) -> Result<HashSet<String>, Error> {
        let ids: HashSet<&str> = ids.collect();
        let nodes: Vec<NodeId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let nodes: Vec<&NodeId> = nodes.iter().collect();
        let sites = self.storage.sites_of(&nodes).await?;
        let with_sites = nodes.iter().zip(sites);
        let visible = with_sites.filter(|(_, site)| self.operator_may_see(site.as_deref()));
        Ok(visible.map(|(node, _)| node.to_string()).collect())
    }

    /// The name of the operator.
    fn operator_name(&self) -> &str {
        self.operator.map_or("", |operator| operator.name.as_str())
    }

    /// Whether the request stores a document although it is invalid: `?force=1`.
    fn forces(&self) -> Result<bool, Error> {
        is_given(self, "force")
    }

    /// A change by this operator, for the audit log. `site`: that of the node that is concerned.
    fn intent(&self, action: Action, target: impl Into<String>, site: Option<&str>) -> Intent {
        let who = self.operator.map(|operator| operator.name.clone());
        Intent {
            who: who.unwrap_or_default(),
            from: self.request.header("CF-Connecting-IP").unwrap_or_default(),
            action,
            target: target.into(),
            site: site.map(|site| site.trim().to_owned()),
            detail: None,
            forced: false,
            undo_of: None,
        }
    }
}
