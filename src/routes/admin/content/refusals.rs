//! Why a value was not changed: it is not stored, or has another state than the request expects.

use serde_json::{Map, Value, json};
use ztp_core::audit::Summary;

use crate::conditions::Preconditions;
use crate::error::Error;
use crate::objects::site::protocol::{StoredValue, etag};
use crate::storage::ObjectState;

/// The 404 of a key that is not stored.
pub fn not_stored(key: &str) -> Error {
    Error::NotFound(format!("{key} is not stored"))
}

/// The error for a key of a node that is not visible: as for a key that is not stored.
pub fn without_node(key: &str, error: Error) -> Error {
    match error {
        Error::NotFound(_) => not_stored(key),
        other => other,
    }
}

pub(super) fn unexpected(key: &str) -> Error {
    Error::unexpected_reply(format!("changing {key}"))
}

pub(super) fn expect_value(
    key: &str,
    conditions: &Preconditions,
    current: Option<&Summary>,
) -> Result<(), Error> {
    let tag = current.map(|current| etag(&current.sha1));
    if conditions.hold(tag.as_deref()) {
        return Ok(());
    }
    let current = current.map(|current| {
        let sha1 = Some(current.sha1.as_str());
        described(&etag(&current.sha1), sha1, current.size, None, None)
    });
    Err(precondition_failed(key, current))
}

/// Checks the conditions of a change of an object.
pub fn expect_object(
    key: &str,
    conditions: &Preconditions,
    current: Option<&ObjectState>,
) -> Result<(), Error> {
    match conditions.hold(current.map(|state| state.etag.as_str())) {
        true => Ok(()),
        false => Err(other_object(key, current)),
    }
}

pub(super) fn other_value(key: &str, current: Option<&StoredValue>) -> Error {
    let current = current.map(|current| {
        let (modified, by) = (current.modified.as_deref(), current.by.as_deref());
        let sha1 = Some(current.sha1.as_str());
        described(&current.etag(), sha1, current.size, modified, by)
    });
    precondition_failed(key, current)
}

pub(super) fn other_object(key: &str, current: Option<&ObjectState>) -> Error {
    let current = current.map(|current| {
        let (modified, by) = (Some(current.modified.as_str()), current.by.as_deref());
        described(
            &current.etag,
            current.sha1.as_deref(),
            current.size,
            modified,
            by,
        )
    });
    precondition_failed(key, current)
}

/// The current value in a refusal.
fn described(
    etag: &str,
    sha1: Option<&str>,
    size: u64,
    modified: Option<&str>,
    by: Option<&str>,
) -> Value {
    json!({ "etag": etag, "sha1": sha1, "size": size, "modified": modified, "by": by })
}

fn precondition_failed(key: &str, current: Option<Value>) -> Error {
    let state = match &current {
        Some(current) => match current["by"].as_str() {
            Some(by) => format!("it was changed by {by}"),
            None => "it has another value".to_owned(),
        },
        None => "it is not stored".to_owned(),
    };
    Error::Refused {
        status: 412,
        reason: format!(
            "{key} was not changed, because {state}: read it again, and decide with the value that it has now"
        ),
        fields: Map::from_iter([("current".to_owned(), current.unwrap_or_default())]),
    }
}
