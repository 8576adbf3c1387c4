//! GET /actions/{name}.

use ztp_core::assets;
use ztp_core::key::ObjectKey;

use super::{Context, files};
use crate::error::Error;
use crate::response::{Response, content_type};

/// The Python source of an action (specification, GET actions/(NAME)): the stored action, else the stock
/// action of that name.
///
/// 304, 206 and 416 as [`files::object`]; 404 if neither exists; 503 if storage fails.
pub async fn get(mut context: Context<'_>) -> Result<Response, Error> {
    context.note_own();
    let name = context.parameters.get("name");
    if let Some(key) = ObjectKey::action(name) {
        let stock = assets::action(name);
        let stored = files::object(&mut context, &key, content_type::PYTHON, stock.is_some());
        if let Some(response) = stored.await? {
            return Ok(response);
        }
        if let Some(text) = stock {
            let response = Response::ok(content_type::PYTHON, text);
            return context.noted.file(key.as_str(), response);
        }
    }
    Err(Error::NotFound(format!(
        "action {name:?} not found: an action is an R2 object named actions/<name>"
    )))
}
