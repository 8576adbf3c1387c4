//! /admin: the API of operators. Each resource is a file.

pub mod audit;
pub mod content;
pub mod events;
pub mod pools;

use serde_json::Value;
use ztp_core::audit::{Action, Intent};

use super::Context;
use crate::response::Response;

/// 200 with JSON, which no cache may store.
fn respond(value: &Value) -> Response {
    Response::json(value).with_header("Cache-Control", "no-store")
}

impl Context<'_> {
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
