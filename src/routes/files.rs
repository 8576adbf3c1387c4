//! GET /files/{path}.

use super::Context;
use crate::answer::{Answer, Body, content_type};
use crate::conditions::{Conditions, Outcome, Stored};
use crate::error::Error;
use crate::key::ObjectKey;
use crate::range::Selected;
use crate::storage::{Description, Found};

/// A file, whatever it holds, as `text/plain`.
///
/// 304, 206 and 416 as [`object`]; 404 if it is not stored; 503 if storage fails.
pub async fn get(context: Context<'_>, path: &str) -> Result<Answer, Error> {
    if let Some(key) = ObjectKey::file(path)
        && let Some(answer) = object(&context, &key, content_type::PLAIN).await?
    {
        return Ok(answer);
    }
    Err(Error::NotFound(format!(
        "there is no file {path:?}: a file is an R2 object named files/<path>"
    )))
}

/// An R2 object, or the part of it that the request asks for; `None` if it is not stored.
///
/// 1. Without conditions: one read, the body passed through if it is large, remembered if not.
/// 2. With `If-None-Match` or `Range`: first what is stored, then 304, 416, or the part of just
///    that object. If it was replaced in between, the client gets the new one whole.
pub async fn object(
    context: &Context<'_>,
    key: &ObjectKey,
    content_type: &'static str,
) -> Result<Option<Answer>, Error> {
    let conditions = conditions(context);
    if context.head || conditions.any() {
        let Some(description) = context.storage.object_description(key).await? else {
            return Ok(None);
        };
        let stored = Stored {
            size: description.size,
            etag: &description.etag,
            last_modified: &description.last_modified,
        };
        let answer = |status, body| describe(Answer::new(status, content_type, body), &description);
        match conditions.decide(stored) {
            Outcome::NotModified => return Ok(Some(answer(304, Body::None))),
            Outcome::Send(Selected::Unsatisfiable) => {
                return Err(Error::RangeNotThere {
                    size: description.size,
                });
            }
            Outcome::Send(Selected::Whole) if context.head => {
                let length = description.size;
                return Ok(Some(answer(200, Body::Head { length })));
            }
            Outcome::Send(Selected::Whole) => {}
            Outcome::Send(Selected::Part { first, last }) => {
                let range = (first, last);
                let part = context.storage.object_part(key, &description, range);
                if let Some(body) = part.await? {
                    let length = last - first + 1;
                    let range = format!("bytes {first}-{last}/{}", description.size);
                    let answer = answer(206, Body::Stream { body, length });
                    return Ok(Some(answer.with_header("Content-Range", range)));
                }
            }
        }
    }
    Ok(context.storage.object(key).await?.map(|found| match found {
        Found::Small(object) => {
            let body = Body::Held(object.bytes.clone());
            describe(Answer::new(200, content_type, body), &object.description)
        }
        Found::Large(description, body) => {
            let length = description.size;
            let body = Body::Stream { body, length };
            describe(Answer::new(200, content_type, body), &description)
        }
    }))
}

/// The headers that every answer about an object has. The client compares what it got with meta's
/// size: nothing may compress it on the way.
fn describe(answer: Answer, description: &Description) -> Answer {
    answer
        .with_header("Cache-Control", "no-transform")
        .with_header("ETag", description.etag.clone())
        .with_header("Last-Modified", description.last_modified.clone())
        .with_header("Accept-Ranges", "bytes")
}

fn conditions(context: &Context<'_>) -> Conditions {
    let [if_none_match, range, if_range] = context.request.conditions().unwrap_or_default();
    Conditions {
        if_none_match,
        // HEAD tells of the whole (RFC 9110, 14.2).
        range: range.filter(|_| !context.head),
        if_range,
    }
}
