//! /admin/content: the values in KV and the objects in R2 that switches receive.

use serde_json::{Map, Value, json};
use ztp_core::audit::{Action, Intent, Summary};
use ztp_core::check::{self, Finding};
use ztp_core::content::{ContentKind, NotContent};
use ztp_core::credentials::is_site_name;
use ztp_core::event::Event;
use ztp_core::key::{NODES, ObjectKey, Record};
use ztp_core::node::NodeId;
use ztp_core::operators::{Operator, Role};
use ztp_core::path;
use ztp_core::printable::Printable;
use ztp_core::secrets::without_secrets;
use ztp_core::yaml::MAX_TEXT;

use super::{Context, display_finding, respond};
use crate::conditions::Preconditions;
use crate::error::Error;
use crate::objects::site::protocol::{Reply, StoredValue, ValueChange, etag};
use crate::response::{Body, Response, content_type, iso_time};
use crate::storage::{
    Change, Edit, FoundValue, MAX_PAGE, NewValue as RecordValue, ObjectChange, ObjectState,
    Records, ValueBody, is_hex, now,
};
use crate::stream;

/// Maximum size of a value in KV that this API stores, in bytes: an instance has it in memory.
pub const MAX_VALUE_BYTES: usize = 8 << 20;
/// Maximum size of an object in one request, in bytes; /admin/uploads takes larger ones. Cloudflare accepts 100 MB.
pub const MAX_OBJECT_BYTES: u64 = 95 << 20;

/// Maximum size of a startup-config whose secrets are removed, in bytes: more takes too much time.
const MAX_REDACTED_BYTES: u64 = 1 << 20;
/// Maximum size of the name of a program, in bytes.
const MAX_VIA_BYTES: usize = 32;
/// Maximum size of the kinds of findings that an operator allows, in bytes.
const MAX_ALLOWED_BYTES: usize = 512;

/// A key of content, by the way in which it is stored.
#[derive(Debug, Clone)]
pub enum Target {
    /// A value in KV.
    Document,
    Record(NodeId, Record),
    Object(ObjectKey),
}

/// GET /admin/content?prefix=&cursor=&limit=: keys with their descriptions, and the cursor of the next page. An
/// operator with sites does not see the records of other nodes.
///
/// 400 if a parameter is invalid; 503 if storage fails.
pub async fn list(context: Context<'_>) -> Result<Response, Error> {
    let parameter = |name| path::query_value(&context.request.url, name);
    let limit = match parameter("limit") {
        None => MAX_PAGE,
        Some(limit) => match limit.parse() {
            Ok(limit) if (1..=MAX_PAGE).contains(&limit) => limit,
            _ => {
                return Err(Error::BadRequest(format!(
                    "limit is {limit:?}, but must be a number from 1 to {MAX_PAGE}"
                )));
            }
        },
    };
    let prefix = parameter("prefix").unwrap_or_default();
    let cursor = parameter("cursor").filter(|cursor| !cursor.is_empty());
    let listed = context
        .storage
        .list_content(&prefix, cursor.as_deref(), limit);
    let (mut content, cursor) = listed.await?;
    if let Some(operator) = context.operator.filter(|operator| operator.sites.is_some()) {
        let mut nodes: Vec<&str> = content
            .iter()
            .filter_map(|found| node_of(&found.key))
            .collect();
        // The keys of a page are in order.
        nodes.dedup();
        let nodes: Vec<NodeId> = nodes.iter().filter_map(|node| node.parse().ok()).collect();
        let mut hidden = Vec::new();
        // KV reads a hundred keys at once.
        for nodes in nodes.chunks(100) {
            let nodes: Vec<&NodeId> = nodes.iter().collect();
            let sites = context.storage.sites_of(&nodes).await?;
            let with_sites = nodes.iter().zip(sites);
            hidden.extend(
                with_sites
                    .filter(|(_, site)| !operator.may_see(site.as_deref()))
                    .map(|(node, _)| node.to_string()),
            );
        }
        content.retain(|found| {
            node_of(&found.key).is_none_or(|node| !hidden.iter().any(|hidden| hidden == node))
        });
    }
    Ok(respond(&json!({ "content": content, "cursor": cursor })))
}

/// The node in the key of a record.
fn node_of(key: &str) -> Option<&str> {
    key.strip_prefix(NODES)?.split('/').next()
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
            site_of(operator(&context)?, &key, *record, &records, found.as_ref())?;
            found
        }
        _ => context.storage.document_value(&key).await?,
    };
    let FoundValue { sha1, size, body } = found.ok_or_else(|| not_stored(&key))?;
    let operator = operator(&context)?;
    let is_config = matches!(target, Target::Record(_, Record::StartupConfig));
    if is_config && !operator.secrets && operator.role < Role::Admin {
        let bytes = match body {
            ValueBody::Buffer(bytes) if size <= MAX_REDACTED_BYTES => bytes,
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
        ValueBody::Buffer(bytes) => Body::Buffer(bytes),
        ValueBody::Stream(body) => Body::Stream { body, length },
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
                expect_site(&context, &body)?;
            }
            let value = RecordValue::new(body.clone()).await?;
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
            if !matches!(changed, Ok(Stored { audit: Some(_), .. })) {
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

/// The findings of a document by itself.
///
/// # Errors
/// 422 if one is an error, unless `force=1`.
fn findings(
    context: &Context<'_>,
    key: &str,
    target: &Target,
    body: &stream::Body,
    parameters: &Parameters,
) -> Result<Vec<Finding>, Error> {
    let identifier = context.settings.identifier;
    // A startup-config is only checked for emptiness: a large one does not enter wasm memory.
    let is_config = matches!(target, Target::Record(_, Record::StartupConfig));
    let findings = match body.len() > 2 * MAX_TEXT && is_config {
        true => Vec::new(),
        false => check::document(key, &body.to_vec(), identifier),
    };
    if findings.iter().any(Finding::is_error) && !parameters.force {
        return Err(broken(key, &findings));
    }
    Ok(findings)
}

fn broken(key: &str, findings: &[Finding]) -> Error {
    let first = findings.iter().find(|finding| finding.is_error());
    let first = first.map(|finding| {
        let at = finding.position.map(|at| format!("line {}: ", at.line));
        format!("{}{}", at.unwrap_or_default(), finding.message)
    });
    let list: Vec<_> = findings.iter().map(display_finding).collect();
    Error::Refused {
        status: 422,
        reason: format!(
            "{key} is not valid, and was not stored: {}; correct it, or store it anyway with force=1",
            first.unwrap_or_default()
        ),
        fields: Map::from_iter([("findings".to_owned(), Value::Array(list))]),
    }
}

/// Checks that the body is the name of a site whose nodes this operator may see.
fn expect_site(context: &Context<'_>, body: &stream::Body) -> Result<(), Error> {
    let text = String::from_utf8_lossy(&body.to_vec()).into_owned();
    let site = text.trim();
    if !is_site_name(site) {
        return Err(Error::BadRequest(format!(
            "{:?} is not a valid name of a site; send one name of ZTP_TOKENS, or delete the record",
            Printable(site).to_string()
        )));
    }
    let operator = operator(context)?;
    match operator.may_see(Some(site)) {
        true => Ok(()),
        false => Err(Error::Forbidden(format!(
            "{} may not assign a node to the site {site}",
            operator.name
        ))),
    }
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

/// Sends a change to the object that decides about values in KV.
pub async fn change_document(context: &Context<'_>, change: ValueChange) -> Result<Stored, Error> {
    let key = change.intent.target.clone();
    match context.storage.call_site_to(change).await? {
        Reply::Changed { number, created } => Ok(Stored {
            audit: Some(number),
            created,
        }),
        Reply::Unchanged => Ok(Stored {
            audit: None,
            created: false,
        }),
        Reply::Refused(current) => Err(other_value(&key, current.as_ref())),
        Reply::Missing => Err(not_stored(&key)),
        Reply::Busy => Err(Error::Busy(format!(
            "{key} is being changed by other requests; retry in a few seconds"
        ))),
        _ => Err(unexpected(&key)),
    }
}

/// Stores or deletes (`value` is `None`) a record of a node, through the object of the node.
///
/// # Errors
/// As [`put`].
pub async fn change_record(
    context: &mut Context<'_>,
    mut intent: Intent,
    node: &NodeId,
    record: Record,
    value: Option<RecordValue>,
    conditions: &Preconditions,
) -> Result<Stored, Error> {
    context.log.node = Some(node.to_string());
    let operator = operator(context)?;
    let storage = context.storage;
    let key = intent.target.clone();
    let records = storage.hashed_records(node).await?;
    let before = records.summary(record)?;
    let changes = [(record, value.clone())];
    let plan = |records: &Records| {
        if !operator.may_see(records.get(Record::Site)?) {
            return Err(not_stored(&key));
        }
        let current = records.summary(record)?;
        expect_value(&key, conditions, current.as_ref())?;
        if current != before {
            return Err(Error::Busy(format!(
                "{key} was not changed: another request changed it meanwhile; retry in a few seconds"
            )));
        }
        records.differing(&changes)
    };
    if plan(&records)?.is_empty() {
        return match value {
            Some(_) => Ok(Stored {
                audit: None,
                created: false,
            }),
            None => Err(not_stored(&key)),
        };
    }
    intent.site = records
        .get(Record::Site)?
        .map(|site| site.trim().to_owned());
    let edit = Edit {
        node,
        by: &operator.name,
        event: Event::OperatorChanged,
        without_history: false,
    };
    let stored = storage.audited(intent, async {
        let former = match &before {
            Some(before) => Some(storage.keep_record(node, record, before).await?),
            None => None,
        };
        if let Err(error) = storage.change_records(edit, records, &plan).await {
            if let Some(kept) = &former {
                storage.discard_unused(kept).await;
            }
            return Err(error);
        }
        Ok(Change {
            value: (),
            before: before.clone(),
            after: value.map(|value| value.summary),
            former,
            detail: None,
        })
    });
    let (number, ()) = stored.await?;
    Ok(Stored {
        audit: Some(number),
        created: before.is_none(),
    })
}

/// Stores an object, as a stream.
async fn put_object(
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
                if let Some(kept) = &former {
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

/// Whether an object is an action.
pub fn is_action(object: &ObjectKey) -> bool {
    object.as_str().starts_with("actions/")
}

/// The query parameters and conditions of a change.
pub struct Parameters {
    pub conditions: Preconditions,
    pub force: bool,
    /// The kinds of findings that the operator allows.
    pub allowed: Option<String>,
    pub via: Option<String>,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
}

impl Parameters {
    fn of(context: &Context<'_>) -> Result<Self, Error> {
        let parameter = |name| path::query_value(&context.request.url, name);
        let via = via(context)?;
        Ok(Self {
            conditions: conditions(context),
            force: context.forces(),
            allowed: allowed(context)?,
            via,
            sha1: hash("sha1", parameter("sha1"), 40)?,
            sha256: hash("sha256", parameter("sha256"), 64)?,
        })
    }

    fn expect_sha1(&self, sha1: &str) -> Result<(), Error> {
        match &self.sha1 {
            Some(expected) if expected != sha1 => Err(Error::BadRequest(format!(
                "the SHA-1 of the bytes is {sha1}, not {expected}: nothing was stored; send the same bytes that were hashed"
            ))),
            _ => Ok(()),
        }
    }

    /// Marks a change that overrides findings: those of this document, or those that the operator allows.
    fn overrides(&self, intent: &mut Intent, findings: &[Finding]) {
        intent.forced = self.force && findings.iter().any(Finding::is_error);
        allow(intent, self.allowed.as_deref());
    }
}

/// Marks a change with the kinds of findings that its operator allows. Those that need other documents are known to the
/// program only that sends the request.
pub fn allow(intent: &mut Intent, allowed: Option<&str>) {
    if let Some(allowed) = allowed {
        intent.forced = true;
        intent.detail = Some(format!("in spite of {allowed}"));
    }
}

/// The kinds of findings that the operator of a request allows: their names, with commas.
///
/// # Errors
/// [`Error::BadRequest`] if it is too long, or not a list of names.
pub fn allowed(context: &Context<'_>) -> Result<Option<String>, Error> {
    let allowed = path::query_value(&context.request.url, "allowed");
    let is_name = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b',');
    match allowed {
        Some(kinds)
            if kinds.is_empty()
                || kinds.len() > MAX_ALLOWED_BYTES
                || !kinds.bytes().all(is_name) =>
        {
            Err(Error::BadRequest(format!(
                "allowed must be names of kinds of findings with commas, of at most {MAX_ALLOWED_BYTES} bytes"
            )))
        }
        kinds => Ok(kinds),
    }
}

/// A hash in hexadecimal, in lower case.
pub fn hash(name: &str, value: Option<String>, length: usize) -> Result<Option<String>, Error> {
    let value = value.map(|value| value.to_ascii_lowercase());
    match value {
        Some(value) if !is_hex(&value, length) => Err(Error::BadRequest(format!(
            "{name} is {value:?}, but must have {length} hexadecimal digits"
        ))),
        value => Ok(value),
    }
}

/// The name of the program that sends a request.
///
/// # Errors
/// [`Error::BadRequest`] if it is too long.
pub fn via(context: &Context<'_>) -> Result<Option<String>, Error> {
    let via = path::query_value(&context.request.url, "via");
    match via {
        Some(via) if !(1..=MAX_VIA_BYTES).contains(&via.len()) => Err(Error::BadRequest(format!(
            "via has {} bytes, but must have 1 to {MAX_VIA_BYTES}: it is the name of a program",
            via.len()
        ))),
        via => Ok(via),
    }
}

/// The conditions of a request.
pub fn conditions(context: &Context<'_>) -> Preconditions {
    Preconditions {
        if_match: context.request.header("If-Match"),
        if_none_match: context.request.header("If-None-Match"),
    }
}

/// The key in the path of a request.
fn key_in_path(context: &Context<'_>) -> String {
    context.parameters.get("key").to_owned()
}

/// How a key is stored.
///
/// # Errors
/// [`Error::BadRequest`] if it is not a key of content.
pub fn target(key: &str) -> Result<Target, Error> {
    let invalid = |reason: &str| {
        Error::BadRequest(format!(
            "{:?} is not a key of content: {reason}",
            Printable(key).to_string()
        ))
    };
    let kind = ContentKind::of(key).map_err(|reason| match reason {
        NotContent::Foreign => invalid("the server reads nothing of this name"),
        NotContent::Misplaced(reason) | NotContent::InvalidNodeId(reason) => invalid(&reason),
        NotContent::Plugin => invalid("plugins do not run here"),
        NotContent::ServerConf => invalid("settings are [vars] in wrangler.toml"),
        NotContent::BadName => invalid(
            "no part of it between '/' may be empty, '.' or '..', or have a control character",
        ),
    })?;
    let limit = kind.store().max_key_bytes();
    if key.len() > limit {
        return Err(invalid(&format!(
            "it has {} bytes, over the limit of {limit}",
            key.len()
        )));
    }
    let object = match kind {
        ContentKind::Action(name) => ObjectKey::action(&name),
        ContentKind::File(path) => ObjectKey::file(&path),
        ContentKind::Record(node, record) => {
            let node = node.parse().map_err(|error| invalid(&format!("{error}")))?;
            return Ok(Target::Record(node, record));
        }
        _ => return Ok(Target::Document),
    };
    let object = object.ok_or_else(|| invalid("it is not a valid name of an object"))?;
    Ok(Target::Object(object))
}

/// Checks that this operator may change a key. For a record of a node, its site decides later.
///
/// # Errors
/// [`Error::Forbidden`].
pub fn may_change(context: &Context<'_>, key: &str, target: &Target) -> Result<(), Error> {
    let operator = operator(context)?;
    if matches!(target, Target::Record(..)) {
        return Ok(());
    }
    if operator.role < Role::Admin {
        return Err(Error::Forbidden(format!(
            "to change {key} needs the role {}, and {} has the role {}; the document `operators` assigns roles",
            Role::Admin,
            operator.name,
            operator.role
        )));
    }
    if operator.sites.is_some() {
        return Err(Error::Forbidden(format!(
            "{key} concerns all sites, and {} may change only the nodes of some",
            operator.name
        )));
    }
    Ok(())
}

/// The site of a node whose record was read; `current` is that record.
///
/// # Errors
/// The 404 of a record that is not stored, if this operator may not see the node.
fn site_of(
    operator: &Operator,
    key: &str,
    record: Record,
    records: &Records,
    current: Option<&FoundValue>,
) -> Result<Option<String>, Error> {
    let site = match (record, current.map(|current| &current.body)) {
        (Record::Site, Some(ValueBody::Buffer(bytes))) => {
            Some(String::from_utf8_lossy(&bytes.to_vec()).into_owned())
        }
        (Record::Site, _) => None,
        _ => records.get(Record::Site)?.map(str::to_owned),
    };
    match operator.may_see(site.as_deref()) {
        true => Ok(site),
        false => Err(not_stored(key)),
    }
}

/// Who asks.
pub fn operator<'a>(context: &Context<'a>) -> Result<&'a Operator, Error> {
    // The table has these routes for operators only.
    context.operator.ok_or_else(|| not_stored("this path"))
}

/// The 404 of a key that is not stored.
pub fn not_stored(key: &str) -> Error {
    Error::NotFound(format!("{key} is not stored"))
}

fn unexpected(key: &str) -> Error {
    Error::storage(format!("changing {key}"), "unexpected reply")
}

/// An object for the audit log. Its SHA-1 is empty if nobody knows it.
pub fn summary_of(state: &ObjectState) -> Summary {
    Summary {
        sha1: state.sha1.clone().unwrap_or_default(),
        size: state.size,
    }
}

fn expect_value(
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

fn other_value(key: &str, current: Option<&StoredValue>) -> Error {
    let current = current.map(|current| {
        let (modified, by) = (current.modified.as_deref(), current.by.as_deref());
        let sha1 = Some(current.sha1.as_str());
        described(&current.etag(), sha1, current.size, modified, by)
    });
    precondition_failed(key, current)
}

fn other_object(key: &str, current: Option<&ObjectState>) -> Error {
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
