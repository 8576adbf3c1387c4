//! POST /nodes/{id}/events: reports of the client.

use ztp_core::event::{MAX_REPORT, MAX_REPORTS, parse_report};

use super::Context;
use crate::error::Error;
use crate::objects::node::protocol::Reported;
use crate::response::Response;

/// Stores a report of the client about its boot.
///
/// 400 if the id or the report is invalid; 403 if this caller has no access, or the node belongs to another site; 404 if
/// the node has made no request; 413 over [`MAX_REPORT`]; 429 after [`MAX_REPORTS`] of one boot; 503 if the node's object
/// fails.
pub async fn report(mut context: Context<'_>) -> Result<Response, Error> {
    let node = match context.node_in_path(context.parameters.get("id")) {
        Ok(node) => node,
        Err(refusal) => return Err(context.request.refuse(refusal).await),
    };
    let body = context.request.body("the report", MAX_REPORT).await?;
    let credential = context.base_url.rsplit_once("/t/");
    let credential = credential.filter(|_| context.caller.site().is_some());
    let parsed = parse_report(&body.to_vec(), credential.map(|(_, credential)| credential));
    let (report, event) = parsed.map_err(|error| Error::BadRequest(error.to_string()))?;
    let boot = report.boot.clone();
    let site = context.caller.site();
    match context
        .storage
        .report_of(&node, site, report, event)
        .await?
    {
        Reported::Stored => Ok(Response::no_content()),
        Reported::Unknown => Err(Error::NotFound(format!(
            "nothing is known of the node {node}: its reports come after its POST /nodes"
        ))),
        Reported::OtherSite => Err(Error::Forbidden(format!(
            "the node {node} is not known here; its reports are not accepted"
        ))),
        Reported::TooMany => Err(Error::TooMany(format!(
            "the boot {boot} of the node {node} has {MAX_REPORTS} reports; no other ones are accepted"
        ))),
    }
}
