//! GET /meta/{actions|files|nodes}/{path}: size in bytes and SHA-1 of the response to GET, and SHA-256 if
//! the uploader supplied it (specification, GET meta data).
//!
//! 403 if this caller may not access the node; 500 with a JSON object if the resource does not exist
//! (specification); 503 if storage fails.

use serde_json::json;
use ztp_core::key::{ObjectKey, Record};
use ztp_core::kv::digest;
use ztp_core::{assets, hex};

use super::Context;
use crate::error::Error;
use crate::response::{Body, Response, content_type};
use crate::storage::StoredBody;
use crate::stream;

/// The metadata of an action, stored or stock.
pub async fn action(context: Context<'_>) -> Result<Response, Error> {
    let name = context.parameters.get("name");
    let not_found = || not_found(format!("actions/{name}"));
    let key = ObjectKey::action(name).ok_or_else(not_found)?;
    let stock = assets::action(name);
    match context.storage.object_digest(&key, stock.is_some()).await? {
        Some(digest) => Ok(respond(Body::Buffer(digest.json.clone()))),
        None => {
            let stock = stock.ok_or_else(not_found)?;
            let sha1 = digest(stock.as_bytes());
            Ok(respond(meta(stock.len() as u64, &sha1)))
        }
    }
}

/// The metadata of a file.
pub async fn file(context: Context<'_>) -> Result<Response, Error> {
    let path = context.parameters.get("path");
    let not_found = || not_found(format!("files/{path}"));
    let key = ObjectKey::file(path).ok_or_else(not_found)?;
    let digest = context.storage.object_digest(&key, false).await?;
    let digest = digest.ok_or_else(not_found)?;
    Ok(respond(Body::Buffer(digest.json.clone())))
}

/// The metadata of a node's record. The record `site` is not public: ztpserver has no such file.
pub async fn record(mut context: Context<'_>) -> Result<Response, Error> {
    let (id, name) = (
        context.parameters.get("id"),
        context.parameters.get("record"),
    );
    let not_found = || not_found(format!("nodes/{id}/{name}"));
    let node = match context.node_in_path(id) {
        Err(Error::BadRequest(_)) => return Err(not_found()),
        node => node?,
    };
    let record = Record::named(name)
        .filter(|record| *record != Record::Site)
        .ok_or_else(not_found)?;
    let stored = context.record(&node, record, None).await?;
    let hashed = match stored.ok_or_else(not_found)? {
        StoredBody::Buffer(bytes) => {
            let size = bytes.len() as u64;
            bytes.sha1().await.map(|sha1| (size, sha1))
        }
        StoredBody::Stream(stream) => {
            let hashed = stream::sha1(&stream).await;
            hashed.map(|(size, sha1)| (size, hex(&sha1)))
        }
    };
    let (size, sha1) =
        hashed.map_err(|cause| Error::storage(format!("hashing {}", record.key(&node)), cause))?;
    Ok(respond(meta(size, &sha1)))
}

fn meta(size: u64, sha1: &str) -> Body {
    let meta = json!({ "size": size, "sha1": sha1 });
    Body::Bytes(meta.to_string().into_bytes())
}

fn respond(meta: Body) -> Response {
    Response::new(200, content_type::JSON, meta).with_header("Cache-Control", "no-store")
}

fn not_found(name: String) -> Error {
    Error::MetaNotFound(format!(
        "{name:?} not found: it is not stored and has no metadata"
    ))
}
