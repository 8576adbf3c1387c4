//! GET and PUT /nodes/{id}/startup-config.

use futures_util::future::join;
use ztp_core::credentials::Caller;
use ztp_core::event::Event;
use ztp_core::key::Record;
use ztp_core::kv::Seen;
use ztp_core::node::NodeId;

use super::Context;
use crate::error::Error;
use crate::objects::node::protocol::{Claim, Commit, Contents, NewRecord};
use crate::response::{Body, Response, content_type};
use crate::storage::{Outcome, Records, StoredBody};
use crate::stream;

/// Maximum size of a startup-config that a switch stores, in bytes. An isolate has 128 MB for all its
/// requests, and buffers each body until KV has accepted it.
pub const MAX_STARTUP_CONFIG_BYTES: usize = 8 << 20;

/// The startup-config of a node, from its own backup or from an operator (specification, GET node
/// startup-config). It is passed through: an operator may store 25 MiB.
///
/// 400 if the id is invalid or the startup-config is missing (as ztpserver); 403 if this caller has no
/// access; 503 if storage fails.
pub async fn get(mut context: Context<'_>) -> Result<Response, Error> {
    let node = context.node_in_path(context.parameters.get("id"))?;
    context.note(&node);
    let event = Some(Event::StartupConfigFetched);
    let config = context.record(&node, Record::StartupConfig, event).await?;
    let config = config
        .ok_or_else(|| Error::BadRequest(format!("the node {node} has no startup-config here")))?;
    let body = match config {
        StoredBody::Buffer(bytes) => Body::Buffer(bytes),
        // KV does not return the size of a value: count the bytes of the stream.
        StoredBody::Stream(stream) if context.head => {
            let hashed = stream::sha1(&stream).await;
            let (length, _) = hashed.map_err(|cause| {
                Error::storage(format!("reading the startup-config of {node}"), cause)
            })?;
            Body::Head {
                length: Some(length),
            }
        }
        StoredBody::Stream(body) => Body::Stream { body, length: None },
    };
    Ok(Response::new(200, content_type::PLAIN, body)
        .with_header("Cache-Control", "no-store, no-transform"))
}

/// Stores the startup-config of a node, byte for byte (specification, PUT node startup-config). It is
/// always written: a read of KV may be stale, so a comparison would prove nothing.
///
/// Without sites it is accepted for any node, known or unknown. With sites, the node must be known, or the
/// URL made for it; the node then belongs to that site.
///
/// 400 if the id is invalid, or the body has only white space: the stored startup-config stays. 403 if this
/// caller has no access, decided before the body is read; 413 over [`MAX_STARTUP_CONFIG_BYTES`]; 503 if
/// storage fails.
pub async fn put(mut context: Context<'_>) -> Result<Response, Error> {
    let request = context.request;
    let (node, mut records, claim) = match authorize(&mut context).await {
        Ok(authorized) => authorized,
        Err(refusal) => return Err(request.refuse(refusal).await),
    };
    let storage = context.storage;
    let config = request.body("the startup-config", MAX_STARTUP_CONFIG_BYTES);
    let config = config.await?;
    if config.is_blank() {
        return Err(Error::BadRequest(format!(
            "the startup-config sent for {node} is empty, and is not stored: the client may have been \
             unable to read its own"
        )));
    }
    // The value that is replaced, so that the node's object recognizes a later edit. It is not read while the body
    // arrives: a slow client must not hold its memory.
    let key = Record::StartupConfig.key(&node);
    let (version, seen) = join(storage.put_version(&node, &config), storage.digest_of(&key)).await;
    drop(config);
    let version = version?;
    let stored = version.clone();
    let commit = Commit {
        base: None,
        claim,
        records: vec![NewRecord {
            record: Record::StartupConfig,
            contents: Contents::Version(version),
            seen: match seen {
                Ok(None) => Seen::Missing,
                Ok(Some(sha1)) => Seen::Value(sha1),
                // The object reads it later.
                Err(_) => Seen::Unknown,
            },
            via: None,
        }],
        event: Event::StartupConfigStored {
            sha1: Some(stored.sha1.clone()),
            size: Some(stored.size),
        },
        replaces: None,
        by: None,
        without_history: false,
        given: Vec::new(),
    };
    match storage.commit(&node, commit, &mut records).await? {
        Outcome::OtherSite => {
            storage.discard_version(&node, &stored).await;
            Err(not_accepted(&node))
        }
        Outcome::Committed => Ok(Response::empty(201)),
        // It depends on no revision. A 201 would promise what was not stored.
        Outcome::Conflict => Err(Error::storage(
            format!("storing the startup-config of {node}"),
            "unexpected conflict",
        )),
    }
}

/// The node whose startup-config this caller may store, its records, and the claim of the caller's site.
async fn authorize(context: &mut Context<'_>) -> Result<(NodeId, Records, Option<Claim>), Error> {
    let node = context.node_in_path(context.parameters.get("id"))?;
    context.note(&node);
    context.may_write()?;
    let Some(site) = context.caller.site() else {
        return Ok((node, Records::default(), None));
    };
    let is_own = matches!(context.caller, Caller::Node { .. });
    let known = [Record::Facts, Record::Definition, Record::StartupConfig];
    let wanted = context.with_site(if is_own { &[] } else { &known });
    let records = context.storage.records(&node, &wanted).await?;
    records.revision()?;
    if !context.may_see(&records)? || !(is_own || records.any()?) {
        return Err(not_accepted(&node));
    }
    let claim = records.claim(site)?;
    Ok((node, records, Some(claim)))
}

fn not_accepted(node: &NodeId) -> Error {
    Error::Forbidden(format!(
        "the node {node} is not known here; its startup-config is accepted only from the URL that was made \
         for it"
    ))
}
