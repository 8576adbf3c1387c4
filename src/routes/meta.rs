//! GET /meta/{actions|files|nodes}/{path}.

use serde_json::json;
use sha1::{Digest, Sha1};

use super::Context;
use crate::answer::Answer;
use crate::assets;
use crate::error::Error;
use crate::hex;
use crate::key::{ObjectKey, Record};

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

/// What is told of a stored thing; hashes in hexadecimal.
struct Meta {
    size: u64,
    sha1: String,
    sha256: Option<String>,
}

impl Meta {
    fn of(bytes: &[u8]) -> Self {
        Self {
            size: bytes.len() as u64,
            sha1: hex(&Sha1::digest(bytes)),
            sha256: None,
        }
    }
}

/// Size in bytes and SHA-1 of what GET would answer; SHA-256 too where it costs nothing.
///
/// 403 if the record is a node's and this caller may not; 500 with a JSON object if there is no such
/// thing (specification); 503 if storage fails.
pub async fn get(mut context: Context<'_>, target: Target<'_>) -> Result<Answer, Error> {
    let (meta, name) = match target {
        Target::Action(name) => (action(&context, &name).await?, format!("actions/{name}")),
        Target::File(path) => (file(&context, &path).await?, format!("files/{path}")),
        Target::Record { id, record } => (
            self::record(&mut context, id, &record).await?,
            format!("nodes/{id}/{record}"),
        ),
    };
    let meta = meta.ok_or_else(|| {
        Error::NoMeta(format!(
            "there is no {name:?}, so there is no meta-data of it"
        ))
    })?;
    let mut answer = json!({ "size": meta.size, "sha1": meta.sha1 });
    if let Some(sha256) = meta.sha256 {
        answer["sha256"] = sha256.into();
    }
    Ok(Answer::json(&answer).with_header("Cache-Control", "no-store"))
}

async fn action(context: &Context<'_>, name: &str) -> Result<Option<Meta>, Error> {
    let Some(key) = ObjectKey::action(name) else {
        return Ok(None);
    };
    if let Some(meta) = object(context, &key).await? {
        return Ok(Some(meta));
    }
    Ok(assets::action(name).map(|text| Meta::of(text.as_bytes())))
}

async fn file(context: &Context<'_>, path: &str) -> Result<Option<Meta>, Error> {
    match ObjectKey::file(path) {
        Some(key) => object(context, &key).await,
        None => Ok(None),
    }
}

async fn object(context: &Context<'_>, key: &ObjectKey) -> Result<Option<Meta>, Error> {
    let digest = context.storage.object_digest(key).await?;
    Ok(digest.map(|digest| Meta {
        size: digest.size,
        sha1: digest.sha1.clone(),
        sha256: digest.sha256.clone(),
    }))
}

async fn record(context: &mut Context<'_>, id: &str, record: &str) -> Result<Option<Meta>, Error> {
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
    Ok(context
        .storage
        .record(&node, record)
        .await?
        .map(|bytes| Meta::of(&bytes.to_vec())))
}
