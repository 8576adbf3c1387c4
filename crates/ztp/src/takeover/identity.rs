//! The fact that names a node: on the ZTPServer, in its data_root, and on the server.

use serde_json::json;

use ztp_core::check::Contents;
use ztp_core::content::ContentKind;
use ztp_core::key::Record;
use ztp_core::node::{Identifier, NodeFacts};

use crate::Failure;
use crate::api::{Api, Call};
use crate::data_root::DataRoot;

/// The facts of a switch that does not exist: the server answers with the one that is its id.
const PROBE_SERIAL: &str = "ZTP-TAKEOVER";
const PROBE_MAC: &str = "020000000000";

/// Checks that the server names nodes by the same fact as the ZTPServer, and has the site, if there is one.
pub fn of_server(api: &Api, identifier: Identifier, site: Option<&str>) -> Result<(), Failure> {
    let facts = json!({"serialnumber": PROBE_SERIAL, "systemmac": PROBE_MAC, "neighbors": {}});
    let mut body = json!({"facts": facts});
    if let Some(site) = site {
        body["site"] = json!(site);
    }
    let doing = "nothing is stored: asking the server for its identifier of nodes";
    let explained = api.json(&Call::post(doing, "/explain", &body))?;
    let found = match explained["node"].as_str() {
        Some(PROBE_SERIAL) => Identifier::SerialNumber,
        Some(PROBE_MAC) => Identifier::SystemMac,
        _ => {
            return Err(Failure::new(format!(
                "{doing} failed: the response {explained} is not valid"
            )));
        }
    };
    let (found, wanted) = (found.as_str(), identifier.as_str());
    match found == wanted {
        true => Ok(()),
        false => Err(Failure::refused(format!(
            "nothing is stored: the server names nodes by {found}, and the ZTPServer by {wanted}: set IDENTIFIER = \"{wanted}\" \
             under [vars] in wrangler.toml, deploy, and run this again"
        ))),
    }
}

/// Checks that the folders of nodes are named by a fact: the settings may be those of another ZTPServer, or missing. The
/// stored facts of each node tell which fact its folder is named by.
pub fn of_folders(root: &DataRoot, identifier: Identifier) -> Result<(), Failure> {
    let other = match identifier {
        Identifier::SerialNumber => Identifier::SystemMac,
        Identifier::SystemMac => Identifier::SerialNumber,
    };
    let mut by_other = None;
    for (key, file) in &root.files {
        let ContentKind::Record(node, Record::Facts) = &file.kind else {
            continue;
        };
        let text = root.read(key).ok();
        let text = text.and_then(|text| String::from_utf8(text).ok());
        let Some(Ok(facts)) = text.map(|text| NodeFacts::parse_stored(&text)) else {
            continue;
        };
        let is = |identifier: Identifier| {
            let id = facts.id(identifier);
            id.is_ok_and(|id| id.as_str() == identifier.canonical(node))
        };
        if is(identifier) {
            return Ok(());
        }
        if is(other) {
            by_other.get_or_insert(node);
        }
    }
    let Some(node) = by_other else {
        return Ok(());
    };
    let (identifier, other) = (identifier.as_str(), other.as_str());
    Err(Failure::refused(format!(
        "nothing is stored: nodes/{node} is named by {other}, and no folder by {identifier}, which is the setting or its \
         default: give the ztpserver.conf of this data_root with --conf"
    )))
}
