//! GET /files/{path}.

use super::Context;
use crate::answer::{Answer, Body, content_type};
use crate::error::Error;
use crate::key::ObjectKey;

/// A file, whatever it holds, as `text/plain`.
///
/// 404 if it is not stored; 503 if storage fails.
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

/// An R2 object, its body passed through unread; `None` if it is not stored.
pub async fn object(
    context: &Context<'_>,
    key: &ObjectKey,
    content_type: &'static str,
) -> Result<Option<Answer>, Error> {
    let object = if context.head {
        context.storage.object_head(key).await?
    } else {
        context.storage.object(key).await?
    };
    let Some(object) = object else {
        return Ok(None);
    };
    let length = object.size();
    let body = match object.body() {
        None => Body::Head { length },
        Some(body) => {
            let failed = |cause| Error::storage(format!("reading {}", key.as_str()), cause);
            Body::Object {
                body: body.response_body().map_err(failed)?,
                length,
            }
        }
    };
    // The client compares what it got with meta's size: nothing may compress it on the way.
    let answer = Answer::new(200, content_type, body)
        .with_header("Cache-Control", "no-transform")
        .with_header("ETag", object.http_etag());
    Ok(Some(answer))
}
