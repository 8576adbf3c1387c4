//! /admin/content: the values in KV and the objects in R2 that switches receive.

mod documents;
mod findings;
mod objects;
mod parameters;
mod refusals;
mod target;

use serde_json::{Value, json};
use ztp_core::audit::Action;
use ztp_core::check::Finding;
use ztp_core::key::Record;
use ztp_core::operators::Role;
use ztp_core::path;
use ztp_core::secrets::without_secrets;

use super::{Context, display_finding, limit, node_of, respond};
use crate::conditions::Preconditions;
use crate::error::Error;
use crate::objects::site::protocol::{StoredValue, ValueChange, etag};
use crate::response::{Body, Response, content_type, iso_time};
use crate::storage::{Change, FoundValue, MAX_PAGE, NewValue as RecordValue, StoredBody, now};

pub use documents::{change_document, change_record};
use findings::{expect_site, findings};
use objects::put_object;
pub use objects::{store_object, summary_of};
use parameters::Parameters;
pub use parameters::{allow, allowed, conditions, hash, via};
use refusals::unexpected;
pub use refusals::{expect_object, not_stored, without_node};
use target::site_of;
pub use target::{Target, is_action, may_change, operator, target};

/// Maximum size of a value in KV that this API stores, in bytes: an instance has it in memory.
pub const MAX_VALUE_BYTES: usize = 8 << 20;
/// Maximum size of an object in one request, in bytes; /admin/uploads takes larger ones. Cloudflare accepts 100 MB.
pub const MAX_OBJECT_BYTES: u64 = 95 << 20;

/// Maximum size of a startup-config whose secrets are removed, in bytes: more takes too much time.
const MAX_REDACTED_BYTES: u64 = 1 << 20;

/// GET /admin/content?prefix=&cursor=&limit=: keys with their descriptions, and the cursor of the next page. An
/// operator with sites does not see the records of other nodes.
///
/// 400 if a parameter is invalid; 503 if storage fails.
pub async fn list(context: Context<'_>) -> Result<Response, Error> {
    let parameter = |name| path::query_value(&context.request.url, name);
    let limit = limit(&context, MAX_PAGE, MAX_PAGE)?;
    let prefix = parameter("prefix").unwrap_or_default();
    let cursor = parameter("cursor").filter(|cursor| !cursor.is_empty());
    let listed = context
        .storage
        .list_content(&prefix, cursor.as_deref(), limit);
    let (mut content, cursor) = listed.await?;
    if operator(&context)?.sites.is_some() {
        let ids = content.iter().filter_map(|found| node_of(&found.key));
        let visible = context.visible_ids(ids).await?;
        content.retain(|found| node_of(&found.key).is_none_or(|id| visible.contains(id)));
    }
    Ok(respond(&json!({ "content": content, "cursor": cursor })))
}

/// GET /admin/content/{key}: the bytes. Without the right to see secrets, a startup-config has none.
///
/// 400 if the key is invalid; 404 if it is not stored, or belongs to a node of another site; 503 if storage fails.
pub async fn get(context: Context<'_>) -> Result<Response, Error> {
    let key = key_in_path(&context);
    let target = target(&key)?;
    if let Target::Object(object) = &target {
        let found = if context.head {
            let state = context.storage.object_state(object).await?;
            state.map(|state| {
                (
                    Body::Head {
                        length: Some(state.size),
                    },
                    state,
                )
            })
        } else {
            let found = context.storage.object_value(object).await?;
            found.map(|(state, body)| {
                let length = Some(state.size);
                (Body::Stream { body, length }, state)
            })
        };
        let (body, state) = found.ok_or_else(|| not_stored(&key))?;
        return Ok(bytes(body, &state.etag, state.sha1.as_deref()));
    }
    let found = match &target {
        Target::Record(node, record) => {
            context.log.node = Some(node.to_string());
            let (records, found) = context.storage.record_value(node, *record).await?;
            let site = site_of(*record, &records, found.as_ref())?;
            let visible = context.expect_visible(node, site.as_deref()).await;
            visible.map_err(|error| without_node(&key, error))?;
            found
        }
        _ => context.storage.document_value(&key).await?,
    };
    let FoundValue { sha1, size, body } = found.ok_or_else(|| not_stored(&key))?;
    let operator = operator(&context)?;
    let is_config = matches!(target, Target::Record(_, Record::StartupConfig));
    if is_config && !operator.secrets && operator.role < Role::Admin {
        let bytes = match body {
            StoredBody::Buffer(bytes) if size <= MAX_REDACTED_BYTES => bytes,
            _ => {
                return Err(Error::TooLarge(format!(
                    "{key} has {size} bytes, too many to remove its secrets, which {} may not see",
                    operator.name
                )));
            }
        };
        let text = without_secrets(&String::from_utf8_lossy(&bytes.to_vec()));
        let body = Body::Bytes(text.into_bytes());
        let response = Response::new(200, content_type::PLAIN, body);
        return Ok(response.with_header("Cache-Control", "no-store, no-transform"));
    }
    let length = Some(size);
    let body = match body {
        _ if context.head => Body::Head { length },
        StoredBody::Buffer(bytes) => Body::Buffer(bytes),
        StoredBody::Stream(body) => Body::Stream { body, length },
    };
    Ok(bytes(body, &etag(&sha1), Some(&sha1)))
}

fn bytes(body: Body, etag: &str, sha1: Option<&str>) -> Response {
    let response = Response::new(200, content_type::PLAIN, body)
        .with_header("Cache-Control", "no-store, no-transform")
        .with_header("ETag", etag.to_owned());
    match sha1 {
        Some(sha1) => response.with_header("X-Content-Sha1", sha1.to_owned()),
        None => response,
    }
}

/// PUT /admin/content/{key}: stores the body.
///
/// 1. Check the key and the role, before the body is read.
/// 2. Refuse a document that is broken by itself, unless `force=1`.
/// 3. A document in KV is written by the object `Site`, a record by the object of its node, an object conditionally: each
///    compares `If-Match` and `If-None-Match` with the value that is current. The value before is kept for an undo.
///
/// 200 or 201 with the number of the entry in the audit log; 200 with none if the value is the same already. 400 if the
/// key, a parameter or a hash is invalid; 403 if the role does not suffice; 404 for a node of another site; 412 if a
/// condition does not hold; 413 if the body is too large; 422 with the findings; 503 if storage fails.
pub async fn put(mut context: Context<'_>) -> Result<Response, Error> {
    let request = context.request;
    let key = key_in_path(&context);
    let accepted = target(&key).and_then(|target| {
        may_change(&context, &key, &target)?;
        Ok((target, Parameters::of(&context)?))
    });
    let (target, parameters) = match accepted {
        Ok(accepted) => accepted,
        Err(refusal) => return Err(request.refuse(refusal).await),
    };
    if let Target::Object(object) = &target {
        return put_object(&context, &key, object, &parameters).await;
    }
    let body = request.body(&key, MAX_VALUE_BYTES).await?;
    let failed = |cause| Error::storage(format!("hashing {key}"), cause);
    let sha1 = body.sha1().await.map_err(failed)?;
    parameters.expect_sha1(&sha1)?;
    let size = body.len() as u64;
    let findings = findings(&context, &key, &target, &body, &parameters)?;
    let stored = match target {
        Target::Record(node, record) => {
            if record == Record::Site {
                expect_site(&body)?;
            }
            let mut value = RecordValue::new(body.clone()).await?;
            value.via.clone_from(&parameters.via);
            let mut intent = context.intent(Action::Store, key.as_str(), None);
            parameters.overrides(&mut intent, &findings);
            let value = Some(value);
            let conditions = &parameters.conditions;
            change_record(&mut context, intent, &node, record, value, conditions).await?
        }
        _ => {
            let kept = context.storage.keep_bytes(&body, &sha1).await?;
            drop(body);
            let mut intent = context.intent(Action::Store, key.as_str(), None);
            parameters.overrides(&mut intent, &findings);
            let value = StoredValue {
                kept: Some(kept.clone()),
                sha1: sha1.clone(),
                size,
                modified: Some(iso_time(now())),
                by: Some(context.operator_name().to_owned()),
                via: parameters.via.clone(),
            };
            let changed = change_document(
                &context,
                ValueChange {
                    intent,
                    value: Some(value),
                    conditions: parameters.conditions.clone(),
                },
            );
            let changed = changed.await;
            let is_unused = match &changed {
                Ok(stored) => stored.audit.is_none(),
                // The object may have made the change: then it serves these bytes until KV shows them.
                Err(error) => !error.is_uncertain(),
            };
            if is_unused {
                context.storage.discard_unused(&kept).await;
            }
            changed?
        }
    };
    let tag = etag(&sha1);
    let body = stored_json(&key, "kv", size, &sha1, &tag, stored.audit, &findings);
    Ok(stored_response(stored.created, &body))
}

/// The result of storing a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The number of the entry; `None`: the value is the same already.
    pub audit: Option<u64>,
    pub created: bool,
}

/// The response to a stored value.
pub fn stored_json(
    key: &str,
    store: &str,
    size: u64,
    sha1: &str,
    etag: &str,
    audit: Option<u64>,
    findings: &[Finding],
) -> Value {
    json!({
        "key": key,
        "store": store,
        "size": size,
        "sha1": sha1,
        "etag": etag,
        "audit": audit,
        "findings": findings.iter().map(display_finding).collect::<Vec<_>>(),
    })
}

/// 200 or 201 with that response.
pub fn stored_response(created: bool, body: &Value) -> Response {
    let status = if created { 201 } else { 200 };
    let body = Body::Bytes(body.to_string().into_bytes());
    Response::new(status, content_type::JSON, body).with_header("Cache-Control", "no-store")
}

/// DELETE /admin/content/{key}.
///
/// 200 with the number of the entry in the audit log; 400 if the key is invalid; 403 if the role does not suffice; 404
/// if it is not stored, or belongs to a node of another site; 412 if `If-Match` does not hold; 503 if storage fails.
pub async fn delete(mut context: Context<'_>) -> Result<Response, Error> {
    let key = key_in_path(&context);
    let target = target(&key)?;
    may_change(&context, &key, &target)?;
    let conditions = conditions(&context);
    let number = remove(&mut context, &key, &target, conditions, None).await?;
    Ok(respond(&json!({ "key": key, "audit": number })))
}

/// Deletes a value or object. Returns the number of the entry.
pub async fn remove(
    context: &mut Context<'_>,
    key: &str,
    target: &Target,
    conditions: Preconditions,
    undo_of: Option<u64>,
) -> Result<u64, Error> {
    let mut intent = context.intent(Action::Delete, key, None);
    intent.undo_of = undo_of;
    match target {
        Target::Document => {
            let change = ValueChange {
                intent,
                value: None,
                conditions,
            };
            let stored = change_document(context, change).await?;
            stored.audit.ok_or_else(|| unexpected(key))
        }
        Target::Object(object) => {
            let state = context.storage.object_state(object).await?;
            let mut state = state.ok_or_else(|| not_stored(key))?;
            expect_object(key, &conditions, Some(&state))?;
            context.storage.complete_state(object, &mut state).await?;
            let deleted = context.storage.audited(intent, async {
                let former = context.storage.keep_object(object, &state).await?;
                context.storage.delete_object(object).await?;
                Ok(Change {
                    value: (),
                    before: Some(summary_of(&state)),
                    after: None,
                    former: Some(former),
                    detail: None,
                })
            });
            let (number, ()) = deleted.await?;
            Ok(number)
        }
        Target::Record(node, record) => {
            let stored = change_record(context, intent, node, *record, None, &conditions).await?;
            stored.audit.ok_or_else(|| not_stored(key))
        }
    }
}

/// The key in the path of a request.
fn key_in_path(context: &Context<'_>) -> String {
    context.parameters.get("key").to_owned()
}
