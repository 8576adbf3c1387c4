//! GET /bootstrap and GET /bootstrap/config.

use super::Context;
use crate::answer::{Answer, content_type};
use crate::assets;
use crate::domain::bootstrap_conf;
use crate::domain::template;
use crate::error::Error;
use crate::key::Document;

/// The client script, with `$SERVER` replaced by the server URL (specification, GET /bootstrap).
///
/// 1. Load `bootstrap/bootstrap`, or the script that ships inside.
/// 2. Substitute. A script without `$SERVER` is served as it is, with a warning in the log.
///
/// 400 if the stored script is not text; 503 if storage fails.
pub async fn script(context: Context<'_>) -> Result<Answer, Error> {
    let stored = context.storage.document(Document::Bootstrap).await?;
    let script = stored.as_deref().unwrap_or(assets::BOOTSTRAP);
    let (script, found) = template::safe_substitute(script, context.server_url);
    if !found {
        context.log.warning = Some(
            "bootstrap/bootstrap has no $SERVER: clients will not learn this server's URL from it"
                .to_owned(),
        );
    }
    Ok(Answer::ok(content_type::PYTHON, script))
}

/// Where clients log to: always an object with `logging` and `xmpp` (specification, GET
/// /bootstrap/config).
///
/// 400 if `bootstrap.conf` cannot be understood; 503 if storage fails.
pub async fn config(context: Context<'_>) -> Result<Answer, Error> {
    let text = context
        .storage
        .document(Document::BootstrapConf)
        .await?
        .unwrap_or_default();
    let config = bootstrap_conf::parse(&text).map_err(|error| {
        Error::BadRequest(format!("{} is broken: {error}", Document::BootstrapConf))
    })?;
    Ok(Answer::json(&config))
}
