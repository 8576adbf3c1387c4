//! GET /files/{path}.

use ztp_core::key::ObjectKey;

use super::Context;
use crate::byte_range::ByteRange;
use crate::conditions::{Conditions, Outcome, Representation};
use crate::error::Error;
use crate::response::{Body, Response, content_type};
use crate::storage::{Description, FoundObject};

/// A file of any content, as `text/plain`.
///
/// 304, 206 and 416 as [`object`]; 404 if it is not stored; 503 if storage fails.
pub async fn get(mut context: Context<'_>) -> Result<Response, Error> {
    context.note_own();
    let path = context.parameters.get("path");
    if let Some(key) = ObjectKey::file(path)
        && let Some(response) = object(&mut context, &key, content_type::PLAIN, false).await?
    {
        return Ok(response);
    }
    Err(Error::NotFound(format!(
        "file {path:?} not found: a file is an R2 object named files/<path>"
    )))
}

/// An R2 object, or the part of it that the request asks for; `None` if it is not stored. Under a node's own URL, the
/// node's object learns whether the client received all of it, and in which time.
///
/// 1. Without conditions: one read. A large body is passed through, a small one is cached.
/// 2. With `If-None-Match` or `Range`: first the description, then 304, 416, or a part of the same upload.
///    If an upload replaces the object in between, the client receives the new one as a whole.
///
/// `has_stock` is `cache_missing` of [`Storage::object`](crate::storage::Storage::object).
pub async fn object(
    context: &mut Context<'_>,
    key: &ObjectKey,
    content_type: &'static str,
    has_stock: bool,
) -> Result<Option<Response>, Error> {
    let found = find(context, key, content_type, has_stock).await?;
    let noted = found.map(|response| context.noted.file(key.as_str(), response));
    noted.transpose()
}

async fn find(
    context: &Context<'_>,
    key: &ObjectKey,
    content_type: &'static str,
    has_stock: bool,
) -> Result<Option<Response>, Error> {
    let conditions = conditions(context);
    if context.head || conditions.any() {
        let Some(description) = context.storage.object_description(key).await? else {
            return Ok(None);
        };
        let stored = Representation {
            size: description.size,
            etag: &description.etag,
            last_modified: &description.last_modified,
        };
        let respond =
            |status, body| describe(Response::new(status, content_type, body), &description);
        match conditions.decide(stored) {
            Outcome::NotModified => return Ok(Some(respond(304, Body::None))),
            Outcome::Send(ByteRange::Unsatisfiable) => {
                return Err(Error::RangeNotSatisfiable {
                    size: description.size,
                });
            }
            Outcome::Send(ByteRange::Whole) if context.head => {
                let length = Some(description.size);
                return Ok(Some(respond(200, Body::Head { length })));
            }
            Outcome::Send(ByteRange::Whole) => {}
            Outcome::Send(ByteRange::Part { first, last }) => {
                let range = (first, last);
                let part = context.storage.object_part(key, &description, range);
                if let Some(body) = part.await? {
                    let length = Some(last - first + 1);
                    let range = format!("bytes {first}-{last}/{}", description.size);
                    let response = respond(206, Body::Stream { body, length });
                    return Ok(Some(response.with_header("Content-Range", range)));
                }
            }
        }
    }
    let found = context.storage.object(key, has_stock).await?;
    Ok(found.map(|found| match found {
        FoundObject::Small(object) => {
            let body = Body::Buffer(object.bytes.clone());
            describe(Response::new(200, content_type, body), &object.description)
        }
        FoundObject::Large(description, body) => {
            let length = Some(description.size);
            let body = Body::Stream { body, length };
            describe(Response::new(200, content_type, body), &description)
        }
    }))
}

/// Adds the headers of every response with an object. No proxy may compress the body: the client compares
/// its size with /meta.
fn describe(response: Response, description: &Description) -> Response {
    response
        .with_header("Cache-Control", "no-transform")
        .with_header("ETag", description.etag.clone())
        .with_header("Last-Modified", description.last_modified.clone())
        .with_header("Accept-Ranges", "bytes")
}

fn conditions(context: &Context<'_>) -> Conditions {
    let header = |name| context.request.header(name);
    Conditions {
        if_none_match: header("If-None-Match"),
        // A range applies only to GET (RFC 9110, 14.2).
        range: header("Range").filter(|_| !context.head),
        if_range: header("If-Range"),
    }
}
