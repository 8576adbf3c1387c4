//! GET /bootstrap and GET /bootstrap/config.

use std::rc::Rc;

use super::{Context, access};
use crate::access::Caller;
use crate::answer::{Answer, Body, content_type};
use crate::assets;
use crate::domain::bootstrap_conf;
use crate::domain::node::{Identifier, NodeId, normalize_mac};
use crate::domain::template::Template;
use crate::error::Error;
use crate::key::Document;
use crate::runtime::Held;
use crate::storage::text_of;

/// What clients are told while there is no `bootstrap.conf`.
const NO_CONFIG: &str = r#"{"logging":[],"xmpp":{}}"#;

thread_local! {
    /// The script that ships inside, looked through once.
    static BUILT_IN: Rc<Template> = Rc::new(Template::parse(assets::BOOTSTRAP.to_owned()));
}

/// The client script, with `$SERVER` replaced by the server URL (specification, GET /bootstrap).
///
/// 1. Load `bootstrap/bootstrap`, or the script that ships inside.
/// 2. Under the token of a site, a switch that names itself gets a URL for itself alone.
/// 3. Substitute. A script without `$SERVER` is served as it is, with a warning in the log.
///
/// 400 if the stored script is not text; 503 if storage fails.
pub async fn script(context: Context<'_>) -> Result<Answer, Error> {
    let storage = context.storage;
    let parse = |bytes: &Held| Ok(Template::parse(text_of(Document::Bootstrap, bytes)?));
    let stored = storage.document(Document::Bootstrap, parse);
    let script = match stored.await? {
        Some(script) => script,
        None => BUILT_IN.with(Rc::clone),
    };
    if !script.has_server() {
        context.log.warn(
            "bootstrap/bootstrap has no $SERVER: clients will not learn this server's URL from it",
        );
    }
    let render = |url: &str| script.render(url).into_bytes();
    let body = match node_url(&context) {
        Some(url) => Body::Bytes(render(&url)),
        None => {
            let url = context.base_url;
            let way = format!("bootstrap for {url}");
            Body::Held(context.storage.rendered(&way, &script, |_| render(url)))
        }
    };
    // The script may hold a URL that is one node's alone.
    Ok(Answer::new(200, content_type::PYTHON, body).with_header("Cache-Control", "no-store"))
}

/// The URL that a switch gets for itself alone.
///
/// EOS sends `X-Arista-Serial` and `X-Arista-SystemMAC` with its first request, and with no other. vEOS
/// may have no serial number: the client then takes the digits of its MAC address for one, and so does
/// this.
fn node_url(context: &Context<'_>) -> Option<String> {
    let Caller::Site(site) = context.caller else {
        return None;
    };
    let identifier = context.settings.identifier;
    let mac = || {
        let mac = context.request.header("X-Arista-SystemMAC")?;
        Some(normalize_mac(mac.trim()))
    };
    let id = match identifier {
        Identifier::SerialNumber => {
            let serial = context.request.header("X-Arista-Serial")?;
            match serial.trim() {
                "" => mac()?,
                serial => serial.to_owned(),
            }
        }
        Identifier::SystemMac => mac()?,
    };
    let id = id.parse::<NodeId>().ok()?;
    let credential = site.node_credential(identifier, &id);
    Some(access::base_url(context.server_url, Some(&credential)))
}

/// Where clients log to: always an object with `logging` and `xmpp` (specification, GET
/// /bootstrap/config).
///
/// 400 if `bootstrap.conf` cannot be understood; 503 if storage fails.
pub async fn config(context: Context<'_>) -> Result<Answer, Error> {
    let stored = context.storage.document(Document::BootstrapConf, prepare);
    let config = match stored.await? {
        Some(config) => Body::Held(Held::clone(&config)),
        None => Body::Bytes(NO_CONFIG.into()),
    };
    Ok(Answer::new(200, content_type::JSON, config))
}

/// `bootstrap.conf` as clients get it.
fn prepare(stored: &Held) -> Result<Held, Error> {
    match bootstrap_conf::parse(&text_of(Document::BootstrapConf, stored)?) {
        Ok(config) => Ok(Held::copy(config.to_string().as_bytes())),
        Err(error) => Err(Error::BadRequest(format!(
            "{} is broken: {error}",
            Document::BootstrapConf
        ))),
    }
}
