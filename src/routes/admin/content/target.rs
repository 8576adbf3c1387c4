//! The keys of content: how each is stored, and who may change it.

use ztp_core::content::{ContentKind, NotContent};
use ztp_core::key::{ObjectKey, Record};
use ztp_core::node::NodeId;
use ztp_core::operators::{Operator, Role};
use ztp_core::printable::Printable;

use super::refusals::not_stored;
use crate::error::Error;
use crate::routes::Context;
use crate::storage::{FoundValue, Records, StoredBody};

/// A key of content, by the way in which it is stored.
#[derive(Debug, Clone)]
pub enum Target {
    /// A value in KV.
    Document,
    Record(NodeId, Record),
    Object(ObjectKey),
}

/// How a key is stored.
///
/// # Errors
/// [`Error::BadRequest`] if it is not a key of content.
pub fn target(key: &str) -> Result<Target, Error> {
    let invalid = |reason: &str| {
        Error::BadRequest(format!(
            "{:?} is not a key of content: {reason}",
            Printable(key).to_string()
        ))
    };
    let kind = ContentKind::of(key).map_err(|reason| match reason {
        NotContent::Foreign => invalid("the server reads nothing of this name"),
        NotContent::Misplaced(reason) | NotContent::InvalidNodeId(reason) => invalid(&reason),
        NotContent::Plugin => invalid("plugins do not run here"),
        NotContent::ServerConf => invalid("settings are [vars] in wrangler.toml"),
        NotContent::BadName => invalid(
            "no part of it between '/' may be empty, '.' or '..', or have a control character",
        ),
    })?;
    let limit = kind.store().max_key_bytes();
    if key.len() > limit {
        return Err(invalid(&format!(
            "it has {} bytes, over the limit of {limit}",
            key.len()
        )));
    }
    let object = match kind {
        ContentKind::Action(name) => ObjectKey::action(&name),
        ContentKind::File(path) => ObjectKey::file(&path),
        ContentKind::Record(node, record) => {
            let node = node.parse().map_err(|error| invalid(&format!("{error}")))?;
            return Ok(Target::Record(node, record));
        }
        _ => return Ok(Target::Document),
    };
    let object = object.ok_or_else(|| invalid("it is not a valid name of an object"))?;
    Ok(Target::Object(object))
}

/// Whether an object is an action.
pub fn is_action(object: &ObjectKey) -> bool {
    object.as_str().starts_with("actions/")
}

/// Checks that this operator may change a key. For a record of a node, its site decides later.
///
/// # Errors
/// [`Error::Forbidden`].
pub fn may_change(context: &Context<'_>, key: &str, target: &Target) -> Result<(), Error> {
    let operator = operator(context)?;
    if matches!(target, Target::Record(..)) {
        return Ok(());
    }
    if operator.role < Role::Admin {
        return Err(Error::Forbidden(format!(
            "to change {key} needs the role {}, and {} has the role {}; the document `operators` assigns roles",
            Role::Admin,
            operator.name,
            operator.role
        )));
    }
    if operator.sites.is_some() {
        return Err(Error::Forbidden(format!(
            "{key} concerns all sites, and {} may change only the nodes of some; an admin without `sites` in the \
             document `operators` may",
            operator.name
        )));
    }
    Ok(())
}

/// The site of a node whose record was read; `current` is that record.
///
/// # Errors
/// As [`Records::get`].
pub(super) fn site_of(
    record: Record,
    records: &Records,
    current: Option<&FoundValue>,
) -> Result<Option<String>, Error> {
    Ok(match (record, current.map(|current| &current.body)) {
        (Record::Site, Some(StoredBody::Buffer(bytes))) => {
            Some(String::from_utf8_lossy(&bytes.to_vec()).into_owned())
        }
        (Record::Site, _) => None,
        _ => records.get(Record::Site)?.map(str::to_owned),
    })
}

/// Who asks.
pub fn operator<'a>(context: &Context<'a>) -> Result<&'a Operator, Error> {
    // The table has these routes for operators only.
    context.operator.ok_or_else(|| not_stored("this path"))
}
