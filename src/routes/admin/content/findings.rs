//! Documents that are broken by themselves are not stored.

use serde_json::{Map, Value};
use ztp_core::check::{self, Finding};
use ztp_core::credentials::is_site_name;
use ztp_core::key::Record;
use ztp_core::printable::Printable;
use ztp_core::yaml::MAX_TEXT;

use super::parameters::Parameters;
use super::target::Target;
use crate::error::Error;
use crate::routes::Context;
use crate::routes::admin::display_finding;
use crate::stream;

/// The findings of a document by itself.
///
/// # Errors
/// 422 if one is an error, unless `force=1`.
pub(super) fn findings(
    context: &Context<'_>,
    key: &str,
    target: &Target,
    body: &stream::Body,
    parameters: &Parameters,
) -> Result<Vec<Finding>, Error> {
    let identifier = context.settings.identifier;
    // A startup-config is only checked for emptiness: a large one does not enter wasm memory.
    let is_config = matches!(target, Target::Record(_, Record::StartupConfig));
    let findings = match body.len() > 2 * MAX_TEXT && is_config {
        true => Vec::new(),
        false => check::document(key, &body.to_vec(), identifier),
    };
    if findings.iter().any(Finding::is_error) && !parameters.force {
        return Err(broken(key, &findings));
    }
    Ok(findings)
}

fn broken(key: &str, findings: &[Finding]) -> Error {
    let first = findings.iter().find(|finding| finding.is_error());
    let first = first.map(|finding| {
        let at = finding.position.map(|at| format!("line {}: ", at.line));
        format!("{}{}", at.unwrap_or_default(), finding.message)
    });
    let list: Vec<_> = findings.iter().map(display_finding).collect();
    Error::Refused {
        status: 422,
        reason: format!(
            "{key} is not valid, and was not stored: {}; correct it, or store it anyway with force=1",
            first.unwrap_or_default()
        ),
        fields: Map::from_iter([("findings".to_owned(), Value::Array(list))]),
    }
}

/// Checks that the body is the name of a site.
pub(super) fn expect_site(body: &stream::Body) -> Result<(), Error> {
    let text = String::from_utf8_lossy(&body.to_vec()).into_owned();
    let site = text.trim();
    match is_site_name(site) {
        true => Ok(()),
        false => Err(Error::BadRequest(format!(
            "{:?} is not a valid name of a site; send one name of ZTP_TOKENS, or delete the record",
            Printable(site).to_string()
        ))),
    }
}
