//! GET /bootstrap and GET /bootstrap/config.

use super::{Context, access};
use crate::access::Caller;
use crate::answer::{Answer, content_type};
use crate::assets;
use crate::domain::bootstrap_conf;
use crate::domain::node::{Identifier, NodeId, normalize_mac};
use crate::domain::template;
use crate::error::Error;
use crate::key::Document;

/// The client script, with `$SERVER` replaced by the server URL (specification, GET /bootstrap).
///
/// 1. Load `bootstrap/bootstrap`, or the script that ships inside.
/// 2. Under the token of a site, a switch that names itself gets a URL for itself alone.
/// 3. Substitute. A script without `$SERVER` is served as it is, with a warning in the log.
///
/// 400 if the stored script is not text; 503 if storage fails.
pub async fn script(context: Context<'_>) -> Result<Answer, Error> {
    let stored = context.storage.document(Document::Bootstrap, Ok).await?;
    let script = stored
        .as_ref()
        .map_or(assets::BOOTSTRAP, |script| script.as_str());
    let base_url = base_url(&context);
    let (script, found) = template::safe_substitute(script, &base_url);
    if !found {
        context.log.warning = Some(
            "bootstrap/bootstrap has no $SERVER: clients will not learn this server's URL from it"
                .to_owned(),
        );
    }
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
    let parse = |text: &str| {
        bootstrap_conf::parse(text)
            .map(|config| config.to_string())
            .map_err(|error| {
                Error::BadRequest(format!("{} is broken: {error}", Document::BootstrapConf))
            })
    };
    let stored = context
        .storage
        .document(Document::BootstrapConf, |text| parse(&text))
        .await?;
    let config = match stored {
        Some(config) => config.as_bytes().to_vec(),
        None => parse("")?.into_bytes(),
    };
    // It may hold the password of the XMPP account.
    Ok(Answer::ok(content_type::JSON, config).with_header("Cache-Control", "no-store"))
}
