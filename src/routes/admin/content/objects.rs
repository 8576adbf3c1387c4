//! Changes of objects in R2, as streams.

use ztp_core::audit::{Action, Intent, Summary};
use ztp_core::check;
use ztp_core::key::ObjectKey;

use super::parameters::Parameters;
use super::refusals::{expect_object, other_object, unexpected};
use super::target::is_action;
use super::{MAX_OBJECT_BYTES, MAX_VALUE_BYTES, stored_json, stored_response};
use crate::error::Error;
use crate::response::Response;
use crate::routes::Context;
use crate::storage::{Change, ObjectChange, ObjectState};

/// Stores an object, as a stream.
pub(super) async fn put_object(
    context: &Context<'_>,
    key: &str,
    object: &ObjectKey,
    parameters: &Parameters,
) -> Result<Response, Error> {
    let request = context.request;
    let size = match object_size(context, key, object) {
        Ok(size) => size,
        Err(refusal) => return Err(request.refuse(refusal).await),
    };
    let storage = context.storage;
    let before = match storage.object_state(object).await {
        Ok(before) => before,
        Err(error) => return Err(request.refuse(error).await),
    };
    if let Err(refusal) = expect_object(key, &parameters.conditions, before.as_ref()) {
        return Err(request.refuse(refusal).await);
    }
    if let (Some(before), Some(sha1)) = (&before, &parameters.sha1)
        && before.sha1.as_ref() == Some(sha1)
        && before.size == size
        && (parameters.sha256.is_none() || before.sha256 == parameters.sha256)
    {
        request.drain().await;
        let body = stored_json(key, "r2", size, sha1, &before.etag, None, &[]);
        return Ok(stored_response(false, &body));
    }
    let mut intent = context.intent(Action::Store, key, None);
    parameters.overrides(&mut intent, &[]);
    // The bytes in memory stay until R2 has them.
    let (body, sha1, _bytes) = match &parameters.sha1 {
        Some(sha1) => (request.stream()?, Some(sha1.clone()), None),
        // Lists have the SHA-1 of an object only if it was known before the upload.
        None if size <= MAX_VALUE_BYTES as u64 => {
            let bytes = request.body(key, MAX_VALUE_BYTES).await?;
            let failed = |cause| Error::storage(format!("hashing {key}"), cause);
            let sha1 = bytes.sha1().await.map_err(failed)?;
            (bytes.stream().map_err(failed)?, Some(sha1), Some(bytes))
        }
        None => (request.stream()?, None, None),
    };
    let change = ObjectChange {
        body,
        sha1: sha1.as_deref(),
        sha256: parameters.sha256.as_deref(),
        size,
        by: context.operator_name(),
        via: parameters.via.as_deref(),
    };
    let (number, after, created) = store_object(context, intent, object, before, change).await?;
    let sha1 = after.sha1.clone().unwrap_or_default();
    let body = stored_json(key, "r2", size, &sha1, &after.etag, Some(number), &[]);
    Ok(stored_response(created, &body))
}

/// Keeps the object that is stored, and replaces it if it still has the state `before`. Returns the number of the entry,
/// the new state with its SHA-1, and whether there was no object.
pub async fn store_object(
    context: &Context<'_>,
    intent: Intent,
    object: &ObjectKey,
    mut before: Option<ObjectState>,
    change: ObjectChange<'_>,
) -> Result<(u64, ObjectState, bool), Error> {
    let storage = context.storage;
    if let Some(before) = &mut before {
        storage.complete_state(object, before).await?;
    }
    let key = object.as_str();
    let stored = storage.audited(intent, async {
        let former = match &before {
            Some(state) => Some(storage.keep_object(object, state).await?),
            None => None,
        };
        let put = storage.put_object(object, before.as_ref(), change).await;
        let stored = match put {
            Ok(Some(stored)) => Ok(stored),
            Ok(None) => match storage.object_state(object).await {
                Ok(current) => Err(other_object(key, current.as_ref())),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let mut stored = match stored {
            Ok(stored) => stored,
            Err(error) => {
                // R2 may have replaced the object: then this is the only copy.
                if let Some(kept) = former.as_ref().filter(|_| !error.is_uncertain()) {
                    storage.discard_unused(kept).await;
                }
                return Err(error);
            }
        };
        storage.complete_state(object, &mut stored).await?;
        Ok(Change {
            before: before.as_ref().map(summary_of),
            after: Some(summary_of(&stored)),
            former,
            detail: None,
            value: Some(stored),
        })
    });
    let (number, stored) = stored.await?;
    let stored = stored.ok_or_else(|| unexpected(key))?;
    Ok((number, stored, before.is_none()))
}

/// The size of the object that a request has.
fn object_size(context: &Context<'_>, key: &str, object: &ObjectKey) -> Result<u64, Error> {
    let length = context.request.header("Content-Length");
    let size: Option<u64> = length.and_then(|length| length.parse().ok());
    let size = size.ok_or_else(|| {
        Error::BadRequest(
            "the header Content-Length is missing: send the size of the object".to_owned(),
        )
    })?;
    let limit = match is_action(object) {
        true => check::MAX_ACTION_BYTES,
        false => MAX_OBJECT_BYTES,
    };
    if size > limit {
        let instead = match is_action(object) {
            true => "the client accepts no larger action",
            false => "send it in parts with /admin/uploads",
        };
        return Err(Error::TooLarge(format!(
            "{key} has {size} bytes, over the limit of {limit}: {instead}"
        )));
    }
    Ok(size)
}

/// An object for the audit log. Its SHA-1 is empty if nobody knows it.
pub fn summary_of(state: &ObjectState) -> Summary {
    Summary {
        sha1: state.sha1.clone().unwrap_or_default(),
        size: state.size,
    }
}
