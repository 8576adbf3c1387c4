//! GET /files/{path}.

use worker::ResponseBody;

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
        match conditions.decide(stored) {
            Outcome::NotModified => {
                return Ok(Some(describe(
                    Answer::new(304, content_type, Body::None),
                    &description,
                )));
            }
            Outcome::Send(Selected::Unsatisfiable) => {
                return Err(Error::RangeNotThere {
                    size: description.size,
                });
            }
            Outcome::Send(Selected::Whole) if context.head => {
                let body = Body::Head {
                    length: description.size,
                };
                return Ok(Some(describe(
                    Answer::new(200, content_type, body),
                    &description,
                )));
            }
            Outcome::Send(Selected::Whole) => {}
            Outcome::Send(Selected::Part { first, last }) => {
                let range = (first, last);
                if let Some(body) = context
                    .storage
                    .object_part(key, &description, range)
                    .await?
                {
                    let answer = Answer::new(206, content_type, passed(body, last - first + 1));
                    let size = description.size;
                    return Ok(Some(describe(answer, &description).with_header(
                        "Content-Range",
                        format!("bytes {first}-{last}/{size}"),
                    )));
                }
            }
        }
    }
    Ok(context.storage.object(key).await?.map(|found| match found {
        Found::Small(object) => describe(
            Answer::ok(content_type, object.bytes.clone()),
            &object.description,
        ),
        Found::Large(description, body) => {
            let answer = Answer::new(200, content_type, passed(body, description.size));
            describe(answer, &description)
        }
    }))
}

fn passed(body: ResponseBody, length: u64) -> Body {
    Body::Object { body, length }
}

/// The headers that every answer about an object has. The client compares what it got with meta's
/// size: nothing may compress it on the way.
fn describe(answer: Answer, description: &Description) -> Answer {
    answer
        .with_header("Cache-Control", "no-transform")
        .with_header("ETag", description.etag.as_str())
        .with_header("Last-Modified", description.last_modified.as_str())
        .with_header("Accept-Ranges", "bytes")
}

fn conditions(context: &Context<'_>) -> Conditions {
    let header = |name| context.request.headers().get(name).ok().flatten();
    Conditions {
        if_none_match: header("If-None-Match"),
        // HEAD tells of the whole (RFC 9110, 14.2).
        range: header("Range").filter(|_| !context.head),
        if_range: header("If-Range"),
    }
}
