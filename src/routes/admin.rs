//! /admin: the API of operators. Each resource is a file.

pub mod audit;
pub mod events;
pub mod pools;
pub mod session;

use serde_json::Value;
use ztp_core::audit::{Action, Intent};
use ztp_core::key::Record;
use ztp_core::node::NodeId;

use super::Context;
use crate::error::Error;
use crate::response::Response;

/// 200 with JSON, which no cache may store.
fn respond(value: &Value) -> Response {
    Response::json(value).with_header("Cache-Control", "no-store")
}

/// The 404 for a node that is unknown, or not visible to the operator.
fn unknown_node(node: &NodeId) -> Error {
    Error::NotFound(format!("nothing is known of the node {node}"))
}

impl Context<'_> {
    /// Whether the operator may see nodes of a site; `None`: nodes that belong to no site.
    pub fn operator_may_see(&self, site: Option<&str>) -> bool {
        self.operator.is_some_and(|operator| operator.may_see(site))
    }

    /// Checks that the operator may see a node. Its site is read only if the operator has sites.
    ///
    /// # Errors
    /// [`Error::NotFound`], the same for an unknown node and for one of another site; as [`crate::storage::Storage::records`].
    pub async fn check_visible(&self, node: &NodeId) -> Result<(), Error> {
        if self
            .operator
            .is_some_and(|operator| operator.sites.is_none())
        {
            return Ok(());
        }
        let records = self.storage.records(node, &[Record::Site]).await?;
        match self.operator_may_see(records.get(Record::Site)?) {
            true => Ok(()),
            false => Err(unknown_node(node)),
        }
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
