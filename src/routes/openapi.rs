//! GET /openapi.yaml.

use ztp_core::assets;

use super::Context;
use crate::error::Error;
use crate::response::{Response, content_type};

/// The OpenAPI description.
pub async fn get(_context: Context<'_>) -> Result<Response, Error> {
    Ok(Response::ok(content_type::YAML, assets::OPENAPI))
}
