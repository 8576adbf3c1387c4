//! GET /bootstrap and GET /bootstrap/config.

use std::sync::LazyLock;

use super::{Context, access};
use crate::access::Caller;
use crate::answer::{Answer, content_type};
use crate::assets;
use crate::domain::bootstrap_conf;
use crate::domain::node::{Identifier, NodeId, normalize_mac};
use crate::domain::template::Template;
use crate::error::Error;
use crate::key::Document;

/// What clients are told while there is no `bootstrap.conf`.
const NO_CONFIG: &str = r#"{"logging":[],"xmpp":{}}"#;

/// The script that ships inside, looked through once.
static BUILT_IN: LazyLock<Template> = LazyLock::new(|| Template::parse(assets::BOOTSTRAP));

/// The client script, with `$SERVER` replaced by the server URL (specification, GET /bootstrap).
///
/// 1. Load `bootstrap/bootstrap`, or the script that ships inside.
/// 2. Under the token of a site, a switch that names itself gets a URL for itself alone.
/// 3. Substitute. A script without `$SERVER` is served as it is, with a warning in the log.
///
/// 400 if the stored script is not text; 503 if storage fails.
pub async fn script(context: Context<'_>) -> Result<Answer, Error> {
    let parse = |text: String| Ok(Template::parse(&text));
    let stored = context.storage.document(Document::Bootstrap, parse).await?;
    let template = stored.as_deref().unwrap_or(&BUILT_IN);
    if !template.has_server() {
        context.log.warning = Some(
            "bootstrap/bootstrap has no $SERVER: clients will not learn this server's URL from it"
                .to_owned(),
        );
    }
    let script = template.render(&base_url(&context));
    // The script may hold a URL that is one node's alone.
    Ok(Answer::ok(content_type::PYTHON, script).with_header("Cache-Control", "no-store"))
}

/// The URL that the script gets.
///
/// EOS sends `X-Arista-Serial` and `X-Arista-SystemMAC` with its first request, and with no other.
fn base_url(context: &Context<'_>) -> String {
    let Caller::Site(site) = context.caller else {
        return context.base_url.to_owned();
    };
    let identifier = context.settings.identifier;
    let header = match identifier {
        Identifier::SerialNumber => "X-Arista-Serial",
        Identifier::SystemMac => "X-Arista-SystemMAC",
    };
    let named = context.request.headers().get(header).ok().flatten();
    let id = named.map(|id| match identifier {
        Identifier::SerialNumber => id.trim().to_owned(),
        Identifier::SystemMac => normalize_mac(id.trim()),
    });
    match id.and_then(|id| id.parse::<NodeId>().ok()) {
        Some(id) => {
            let credential = site.node_credential(identifier, &id);
            access::base_url(context.server_url, Some(&credential))
        }
        None => context.base_url.to_owned(),
    }
}

/// Where clients log to: always an object with `logging` and `xmpp` (specification, GET
/// /bootstrap/config).
///
/// 400 if `bootstrap.conf` cannot be understood; 503 if storage fails.
pub async fn config(context: Context<'_>) -> Result<Answer, Error> {
    let parse = |text: String| match bootstrap_conf::parse(&text) {
        Ok(config) => Ok(config.to_string()),
        Err(error) => Err(Error::BadRequest(format!(
            "{} is broken: {error}",
            Document::BootstrapConf
        ))),
    };
    let stored = context
        .storage
        .document(Document::BootstrapConf, parse)
        .await?;
    let config = stored.as_deref().map_or(NO_CONFIG, String::as_str);
    Ok(Answer::ok(content_type::JSON, config))
}
