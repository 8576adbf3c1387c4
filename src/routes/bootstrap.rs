//! GET /bootstrap and GET /bootstrap/config.

use std::rc::Rc;

use ztp_core::assets;
use ztp_core::bootstrap_conf;
use ztp_core::credentials::Caller;
use ztp_core::event::Event;
use ztp_core::key::Document;
use ztp_core::node::{Identifier, MAX_FACT, NodeId, normalize_mac};

use super::Context;
use super::published::{BOOTSTRAP, BOOTSTRAP_CONF, Script};
use crate::access::base_url;
use crate::error::Error;
use crate::response::{Body, Response, content_type};
use crate::stream::Buffer;

/// The response without a `bootstrap.conf`.
const NO_CONFIG: &str = r#"{"logging":[],"xmpp":{}}"#;

thread_local! {
    static STOCK: Rc<Script> = Rc::new(Script::parse(assets::BOOTSTRAP.to_owned()));
}

/// The client script, with `$SERVER` replaced by the server URL (specification, GET /bootstrap).
///
/// 1. Load `bootstrap/bootstrap`, else the stock script.
/// 2. Under the token of a site, a switch that names itself receives a URL for itself alone.
/// 3. Remove a byte order mark and the line ends of Windows, which keep a switch from running it.
/// 4. Substitute. A script without `$SERVER` is served as it is, with a warning in the log.
///
/// 400 if the stored script is not UTF-8; 503 if storage fails.
pub async fn script(mut context: Context<'_>) -> Result<Response, Error> {
    let node = named_node(&context);
    if let Some(node) = &node {
        context.note(node);
        context.noted.event(fetched(&context));
    }
    let parse = |text| Ok(Script::parse(text));
    let stored = context
        .storage
        .document(&BOOTSTRAP, Document::Bootstrap, true, parse);
    let script = match stored.await? {
        Some(script) => script,
        None => STOCK.with(Rc::clone),
    };
    if !script.has_server() {
        context.log.warn(
            "bootstrap/bootstrap does not contain $SERVER: clients will not receive this server's URL",
        );
    }
    let body = match node.and_then(|node| node_url(&context, &node)) {
        Some(url) => Body::Bytes(script.render(&url)),
        None => Body::Buffer(script.rendered(context.base_url)),
    };
    // The script may contain the URL of one node.
    Ok(Response::new(200, content_type::PYTHON, body).with_header("Cache-Control", "no-store"))
}

/// The event of a switch that receives the script.
fn fetched(context: &Context<'_>) -> Event {
    let header = |name| {
        let value = context.request.header(name)?;
        let value = value.trim();
        (!value.is_empty() && value.len() <= MAX_FACT).then(|| value.to_owned())
    };
    Event::ScriptFetched {
        model: header("X-Arista-ModelName"),
        version: header("X-Arista-SoftwareVersion"),
    }
}

/// The node that the headers of the request name, or for which its URL was made.
///
/// EOS sends `X-Arista-Serial` and `X-Arista-SystemMAC` only with its first request. vEOS may have no serial
/// number: the client then sends the digits of its MAC address as its id.
fn named_node(context: &Context<'_>) -> Option<NodeId> {
    if let Caller::Node { id, .. } = context.caller {
        return Some((*id).clone());
    }
    let mac = || {
        let mac = context.request.header("X-Arista-SystemMAC")?;
        Some(normalize_mac(mac.trim()))
    };
    let id = match context.settings.identifier {
        Identifier::SerialNumber => {
            let serial = context.request.header("X-Arista-Serial")?;
            match serial.trim() {
                "" => mac()?,
                serial => serial.to_owned(),
            }
        }
        Identifier::SystemMac => mac()?,
    };
    id.parse().ok()
}

/// The URL for one switch only.
fn node_url(context: &Context<'_>, node: &NodeId) -> Option<String> {
    let Caller::Site(site) = context.caller else {
        return None;
    };
    let credential = site.node_credential(context.settings.identifier, node);
    Some(base_url(context.server_url, Some(&credential)))
}

/// The destinations of the clients' log: always an object with `logging` and `xmpp` (specification, GET
/// /bootstrap/config).
///
/// 400 if `bootstrap.conf` is broken; 503 if storage fails.
pub async fn config(context: Context<'_>) -> Result<Response, Error> {
    let document = Document::BootstrapConf;
    let parse = |text: String| match bootstrap_conf::parse(&text) {
        Ok(config) => Ok(Buffer::new(config.to_string().as_bytes())),
        Err(error) => Err(format!("{document} is broken: {error}")),
    };
    let stored = context
        .storage
        .document(&BOOTSTRAP_CONF, document, true, parse);
    let config = match stored.await? {
        Some(config) => Body::Buffer(Buffer::clone(&config)),
        None => Body::Bytes(NO_CONFIG.into()),
    };
    Ok(Response::new(200, content_type::JSON, config))
}
