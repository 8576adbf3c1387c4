//! GET /meta/{actions|files|nodes}/{path}.

use serde_json::json;
use sha1::{Digest, Sha1};

use super::Context;
use crate::answer::{Answer, Body, content_type};
use crate::assets;
use crate::error::Error;
use crate::hex;
use crate::key::{ObjectKey, Record};
use crate::storage::ObjectDigest;

/// What meta-data is asked of.
#[derive(Debug)]
pub enum Target<'a> {
    Action(String),
    File(String),
    Record { id: &'a str, record: String },
}

impl Target<'_> {
    /// The shape of its route.
    pub fn shape(&self) -> &'static str {
        match self {
            Self::Action(_) => "/meta/actions/{name}",
            Self::File(_) => "/meta/files/{path}",
            Self::Record { .. } => "/meta/nodes/{id}/{record}",
        }
    }
}

/// Size in bytes and SHA-1 of what GET would answer; SHA-256 too where it costs nothing.
///
/// 403 if the record is a node's and this caller may not; 500 with a JSON object if there is no such
/// thing (specification); 503 if storage fails.
pub async fn get(mut context: Context<'_>, target: Target<'_>) -> Result<Answer, Error> {
    let meta = match &target {
        Target::Action(name) => action(&context, name).await?,
        Target::File(path) => file(&context, path).await?,
        Target::Record { id, record } => self::record(&mut context, id, record).await?,
    };
    let meta = meta.ok_or_else(|| {
        let name = match &target {
            Target::Action(name) => format!("actions/{name}"),
            Target::File(path) => format!("files/{path}"),
            Target::Record { id, record } => format!("nodes/{id}/{record}"),
        };
        Error::NoMeta(format!(
            "there is no {name:?}, so there is no meta-data of it"
        ))
    })?;
    Ok(Answer::new(200, content_type::JSON, meta).with_header("Cache-Control", "no-store"))
}

/// What is told of a stored thing; hashes in hexadecimal.
fn told(size: u64, sha1: &str, sha256: Option<&str>) -> Vec<u8> {
    let mut answer = json!({ "size": size, "sha1": sha1 });
    if let Some(sha256) = sha256 {
        answer["sha256"] = sha256.into();
    }
    answer.to_string().into_bytes()
}

/// The same of something that is at hand.
fn told_of(bytes: &[u8]) -> Body {
    let sha1 = hex(&Sha1::digest(bytes));
    Body::Bytes(told(bytes.len() as u64, &sha1, None))
}

async fn action(context: &Context<'_>, name: &str) -> Result<Option<Body>, Error> {
    let Some(key) = ObjectKey::action(name) else {
        return Ok(None);
    };
    if let Some(meta) = object(context, &key).await? {
        return Ok(Some(meta));
    }
    Ok(assets::action(name).map(|text| told_of(text.as_bytes())))
}

async fn file(context: &Context<'_>, path: &str) -> Result<Option<Body>, Error> {
    match ObjectKey::file(path) {
        Some(key) => object(context, &key).await,
        None => Ok(None),
    }
}

async fn object(context: &Context<'_>, key: &ObjectKey) -> Result<Option<Body>, Error> {
    let digest = context.storage.object_digest(key).await?;
    Ok(digest.map(|digest| {
        let way = format!("meta of {}", key.as_str());
        let render = |digest: &ObjectDigest| {
            let ObjectDigest { size, sha1, .. } = digest;
            told(*size, sha1, digest.sha256.as_deref())
        };
        Body::Held(context.storage.rendered(&way, &digest, render))
    }))
}

async fn record(context: &mut Context<'_>, id: &str, record: &str) -> Result<Option<Body>, Error> {
    let node = match context.node_in_path(id) {
        Err(Error::BadRequest(_)) => return Ok(None),
        node => node?,
    };
    // Whose a node is, is nobody else's business, and no file of ztpserver's.
    let Some(record) = Record::named(record).filter(|record| *record != Record::Site) else {
        return Ok(None);
    };
    if !context.sees_node(&node).await? {
        return Ok(None);
    }
    let Some(bytes) = context.storage.record(&node, record).await? else {
        return Ok(None);
    };
    let failed = |cause| Error::storage(format!("hashing {}", record.key(&node)), cause);
    let sha1 = hex(&bytes.sha1().await.map_err(failed)?);
    Ok(Some(Body::Bytes(told(bytes.len() as u64, &sha1, None))))
}
