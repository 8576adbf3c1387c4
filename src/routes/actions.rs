//! GET /actions/{name}.

use super::{Context, files};
use crate::answer::{Answer, content_type};
use crate::assets;
use crate::error::Error;
use crate::key::ObjectKey;

/// The Python of an action: the R2 object, else the stock action of that name.
///
/// 404 if there is neither; 503 if storage fails.
pub async fn get(context: Context<'_>, name: &str) -> Result<Answer, Error> {
    if let Some(key) = ObjectKey::action(name) {
        if let Some(answer) = files::object(&context, &key, content_type::PYTHON).await? {
            return Ok(answer);
        }
        if let Some(text) = assets::action(name) {
            return Ok(Answer::ok(content_type::PYTHON, text));
        }
    }
    Err(Error::NotFound(format!(
        "there is no action {name:?}: an action is an R2 object named actions/<name>"
    )))
}
