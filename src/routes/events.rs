//! POST /nodes/{id}/events: reports of the client.

use ztp_core::event::{MAX_HOURLY, MAX_REPORT, MAX_REPORTS, parse_report};
use ztp_core::key::Record;

use super::Context;
use crate::error::Error;
use crate::objects::node::protocol::{Owner, Reported};
use crate::response::Response;

/// Stores a report of the client about its boot.
///
/// 400 if the id or the report is invalid; 403 if this caller has no access, or `READ_ONLY` is set; 404 if the node has
/// made no request for its records at this site, or belongs to another site; 413 over [`MAX_REPORT`]; 429 after
/// [`MAX_REPORTS`] of one boot, or [`MAX_HOURLY`] of the node in an hour; 503 if storage fails.
pub async fn report(mut context: Context<'_>) -> Result<Response, Error> {
    let node = match context.node_in_path(context.parameters.get("id")) {
        Ok(node) => node,
        Err(refusal) => return Err(context.request.refuse(refusal).await),
    };
    if let Err(refusal) = context.may_write() {
        return Err(context.request.refuse(refusal).await);
    }
    let body = context.request.body("the report", MAX_REPORT).await?;
    let credential = context.base_url.rsplit_once("/t/");
    let credential = credential.filter(|_| context.caller.site().is_some());
    let parsed = parse_report(&body.to_vec(), credential.map(|(_, credential)| credential));
    let (report, event) = parsed.map_err(|error| Error::BadRequest(error.to_string()))?;
    let (boot, seq) = (report.boot.clone(), report.seq);
    let (storage, site) = (&context.storage, context.caller.site());
    let (again, same) = (report.clone(), event.clone());
    let mut reported = storage.report_of(&node, site, None, report, event).await?;
    if reported == Reported::OwnerUnknown {
        let records = storage.records(&node, &[Record::Site]).await?;
        let owner = match records.get(Record::Site)? {
            Some(site) => Owner::Site(site.to_owned()),
            None => Owner::Nobody,
        };
        reported = storage
            .report_of(&node, site, Some(owner), again, same)
            .await?;
    }
    match reported {
        Reported::Stored => Ok(Response::no_content()),
        // The same response for a node of another site.
        Reported::Unknown | Reported::OwnerUnknown => Err(Error::NotFound(format!(
            "nothing is known of the node {node}: its reports come after its POST /nodes"
        ))),
        Reported::TooMany => Err(Error::TooMany(format!(
            "the report {seq} of the boot {boot} of the node {node} is rejected: a boot has at most {MAX_REPORTS} \
             reports, and one more for its end"
        ))),
        Reported::TooManyInHour => Err(Error::TooMany(format!(
            "the node {node} has {MAX_HOURLY} reports in this hour; more are rejected until the next one"
        ))),
    }
}
