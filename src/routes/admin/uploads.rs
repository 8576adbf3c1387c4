//! /admin/uploads: objects that are too large for one request, in parts.
//!
//! The parts become one object under another key. It is copied to its own key only after R2 has verified its SHA-1, so
//! that the object that is stored stays until then. An upload can be continued for seven days.

use serde_json::{Value, json};
use ztp_core::audit::Action;
use ztp_core::kv::digest;

use super::content::{self, MAX_OBJECT_BYTES, Stored, Target};
use super::{Context, fields, respond};
use crate::error::Error;
use crate::response::{Body, Response, content_type};
use crate::storage::{ObjectChange, Part, Upload};

/// The size of each part but the last, in bytes.
pub const PART_BYTES: u64 = 32 << 20;
/// Maximum size of an object, in bytes: R2 accepts 5 GiB at once.
pub const MAX_UPLOAD_BYTES: u64 = 5_000_000_000;

/// The number of parts of an object.
fn parts(upload: &Upload) -> u64 {
    upload.size.div_ceil(PART_BYTES)
}

/// The size of a part of an object; `None` if there is no such part.
fn size_of(upload: &Upload, part: u16) -> Option<u64> {
    let start = u64::from(part).checked_sub(1)? * PART_BYTES;
    let rest = upload.size.checked_sub(start).filter(|rest| *rest > 0)?;
    Some(rest.min(PART_BYTES))
}

/// POST /admin/uploads: begins an upload, or continues the same one.
///
/// 201, or 200 if it is under way, with the parts that were received; 400 if a field is invalid; 412 if a condition does
/// not hold; 413 if the object is too large; 503 if storage fails.
pub async fn create(context: Context<'_>) -> Result<Response, Error> {
    let conditions = content::conditions(&context);
    let fields = fields(&context, &["key", "size", "sha1", "sha256"]).await?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let missing =
        |name: &str| Error::BadRequest(format!("the field {name:?} is missing or invalid"));
    let key = text("key").ok_or_else(|| missing("key"))?;
    let size = fields.get("size").and_then(Value::as_u64);
    let size = size
        .filter(|size| *size > 0)
        .ok_or_else(|| missing("size"))?;
    let sha1 = content::hash("sha1", text("sha1"), 40)?.ok_or_else(|| missing("sha1"))?;
    let sha256 = content::hash("sha256", text("sha256"), 64)?;
    let target = content::target(&key)?;
    content::may_change(&context, &key, &target)?;
    let object = match &target {
        Target::Object(object) if !content::is_action(object) => object,
        _ => {
            return Err(Error::BadRequest(format!(
                "{key} is not a file: store it with PUT /admin/content/{key}"
            )));
        }
    };
    if size > MAX_UPLOAD_BYTES {
        return Err(Error::TooLarge(format!(
            "{key} has {size} bytes, over the limit of {MAX_UPLOAD_BYTES}: serve it from another server"
        )));
    }
    let storage = context.storage;
    let current = storage.object_state(object).await?;
    content::expect_object(&key, &conditions, current.as_ref())?;
    let id = digest(
        format!(
            "{key}\n{size}\n{sha1}\n{}",
            sha256.clone().unwrap_or_default()
        )
        .as_bytes(),
    );
    let known = storage
        .upload(&id)
        .await?
        .filter(|(upload, _)| upload.done.is_none());
    if let Some((mut upload, received)) = known {
        // Those of this request count: an earlier one may have been refused for its own.
        upload.conditions = conditions;
        storage.save_upload(&id, &upload).await?;
        return Ok(describe(200, &id, &received));
    }
    // A part that was sent beside an abort may have left an entry, which R2 would refuse.
    storage.remove_upload(&id).await?;
    let (staged, r2) = storage.begin_parts(&sha1).await?;
    let upload = Upload {
        key,
        size,
        sha1,
        sha256,
        conditions,
        staged,
        r2,
        done: None,
    };
    storage.save_upload(&id, &upload).await?;
    Ok(describe(201, &id, &[]))
}

fn describe(status: u16, id: &str, received: &[Part]) -> Response {
    let received: Vec<u16> = received.iter().map(|(part, _)| *part).collect();
    let body = json!({ "upload": id, "part_size": PART_BYTES, "received": received });
    let body = Body::Bytes(body.to_string().into_bytes());
    Response::new(status, content_type::JSON, body).with_header("Cache-Control", "no-store")
}

/// PUT /admin/uploads/{upload}/{part}: stores a part, also again.
///
/// 400 if the part does not exist or has another size; 404 if there is no such upload; 503 if storage fails.
pub async fn put_part(context: Context<'_>) -> Result<Response, Error> {
    let request = context.request;
    let (id, part, upload, size) = match part(&context).await {
        Ok(part) => part,
        Err(refusal) => return Err(request.refuse(refusal).await),
    };
    let body = request.stream()?;
    let storage = context.storage;
    let etag = match storage.put_part(&upload, part, body).await {
        Ok(etag) => etag,
        Err(error) => return Err(unless_deleted(&context, &id, &upload, error).await),
    };
    storage.save_part(&id, part, &etag).await?;
    Ok(respond(&json!({ "part": part, "size": size })))
}

async fn part(context: &Context<'_>) -> Result<(String, u16, Upload, u64), Error> {
    let (id, upload, _) = found(context).await?;
    let number = context.parameters.get("part");
    let part: u16 = number
        .parse()
        .ok()
        .filter(|part| *part > 0)
        .ok_or_else(|| {
            Error::BadRequest(format!(
                "{number:?} is not the number of a part: the first is 1"
            ))
        })?;
    let size = size_of(&upload, part).ok_or_else(|| {
        Error::BadRequest(format!(
            "the upload has no part {part}: it has {}",
            parts(&upload)
        ))
    })?;
    let sent = context
        .request
        .header("Content-Length")
        .and_then(|sent| sent.parse::<u64>().ok());
    if sent != Some(size) {
        return Err(Error::BadRequest(format!(
            "part {part} has {size} bytes, but the header Content-Length says {}",
            sent.map_or_else(|| "nothing".to_owned(), |sent| sent.to_string())
        )));
    }
    Ok((id, part, upload, size))
}

/// POST /admin/uploads/{upload}/complete: makes the object. Again, it returns the same.
///
/// 200 or 201 as PUT /admin/content; 400 if parts are missing, or the SHA-1 differs: then the upload is deleted, and the
/// object stays; 404 if there is no such upload; 412 if a condition does not hold; 503 if storage fails.
pub async fn complete(context: Context<'_>) -> Result<Response, Error> {
    let (id, mut upload, received) = found(&context).await?;
    if let Some(done) = &upload.done {
        return Ok(respond(done));
    }
    let missing = (1..=parts(&upload))
        .filter(|part| !received.iter().any(|(known, _)| u64::from(*known) == *part));
    let missing: Vec<_> = missing.take(20).map(|part| part.to_string()).collect();
    if !missing.is_empty() {
        return Err(Error::BadRequest(format!(
            "the upload of {} is not complete: the parts {} are missing; send them",
            upload.key,
            missing.join(", ")
        )));
    }
    let storage = context.storage;
    let Target::Object(object) = content::target(&upload.key)? else {
        return Err(Error::BadRequest(format!("{} is not a file", upload.key)));
    };
    let before = storage.object_state(&object).await?;
    content::expect_object(&upload.key, &upload.conditions, before.as_ref())?;
    let same = before
        .as_ref()
        .filter(|before| before.sha1.as_ref() == Some(&upload.sha1) && before.size == upload.size);
    let (stored, etag) = match same {
        Some(before) => (
            Stored {
                audit: None,
                created: false,
            },
            before.etag.clone(),
        ),
        None => {
            let (via, allowed) = (content::via(&context)?, content::allowed(&context)?);
            let kept = match storage.complete_parts(&upload, &received).await {
                Ok(kept) => kept,
                Err(error) => return Err(unless_deleted(&context, &id, &upload, error).await),
            };
            let mut intent = context.intent(Action::Store, upload.key.as_str(), None);
            content::allow(&mut intent, allowed.as_deref());
            let change = ObjectChange {
                body: kept.body()?,
                sha1: Some(&upload.sha1),
                sha256: upload.sha256.as_deref(),
                size: upload.size,
                by: context.operator_name(),
                via: via.as_deref(),
            };
            let stored = content::store_object(&context, intent, &object, before, change).await;
            if let Err(Error::BadRequest(_)) = &stored {
                storage.forget_upload(&id, &upload).await?;
            }
            let (audit, state, created) = match stored {
                Ok(stored) => stored,
                Err(error) => return Err(unless_deleted(&context, &id, &upload, error).await),
            };
            let audit = Some(audit);
            (Stored { audit, created }, state.etag)
        }
    };
    let body = content::stored_json(
        &upload.key,
        "r2",
        upload.size,
        &upload.sha1,
        &etag,
        stored.audit,
        &[],
    );
    storage.forget_upload(&id, &upload).await?;
    upload.done = Some(body.clone());
    storage.save_upload(&id, &upload).await?;
    Ok(content::stored_response(stored.created, &body))
}

/// DELETE /admin/uploads/{upload}: its parts are deleted. 404 if there is no such upload; 503 if storage fails.
pub async fn abort(context: Context<'_>) -> Result<Response, Error> {
    let (id, upload, _) = found(&context).await?;
    context.storage.forget_upload(&id, &upload).await?;
    Ok(respond(&json!({ "upload": id })))
}

fn no_upload(id: &str) -> Error {
    Error::NotFound(format!(
        "there is no upload {id:?}: begin it with POST /admin/uploads; an unfinished one is deleted after 7 days"
    ))
}

/// The error of a request for an upload: 404 if another request has deleted the upload meanwhile, so that a retry cannot
/// succeed. One that was completed meanwhile is not deleted.
async fn unless_deleted(context: &Context<'_>, id: &str, upload: &Upload, error: Error) -> Error {
    let storage = context.storage;
    let is_failure = matches!(error, Error::Storage { .. });
    if !is_failure || !matches!(storage.upload(id).await, Ok(None)) {
        return error;
    }
    let Ok(Target::Object(object)) = content::target(&upload.key) else {
        return error;
    };
    match storage.object_state(&object).await {
        Ok(Some(state)) if state.sha1.as_ref() == Some(&upload.sha1) => error,
        Ok(_) => no_upload(id),
        Err(_) => error,
    }
}

/// The upload in the path, with the parts that were received.
async fn found(context: &Context<'_>) -> Result<(String, Upload, Vec<Part>), Error> {
    let id = context.parameters.get("upload").to_owned();
    let found = context.storage.upload(&id).await?;
    let (upload, received) = found.ok_or_else(|| no_upload(&id))?;
    content::may_change(context, &upload.key, &content::target(&upload.key)?)?;
    Ok((id, upload, received))
}

const _: () = assert!(PART_BYTES <= MAX_OBJECT_BYTES && MAX_UPLOAD_BYTES / PART_BYTES < 10_000);
