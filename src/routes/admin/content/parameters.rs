//! The query parameters and conditions of a change.

use ztp_core::audit::Intent;
use ztp_core::check::{Finding, FindingKind};
use ztp_core::path;
use ztp_core::printable::Printable;

use crate::conditions::Preconditions;
use crate::error::Error;
use crate::routes::Context;
use crate::storage::is_hex;

/// Maximum size of the name of a program, in bytes.
const MAX_VIA_BYTES: usize = 32;

/// The query parameters and conditions of a change.
pub struct Parameters {
    pub conditions: Preconditions,
    pub force: bool,
    /// The kinds of findings that the operator allows.
    pub allowed: Option<String>,
    pub via: Option<String>,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
}

impl Parameters {
    pub(super) fn of(context: &Context<'_>) -> Result<Self, Error> {
        let parameter = |name| path::query_value(&context.request.url, name);
        let via = via(context)?;
        Ok(Self {
            conditions: conditions(context),
            force: context.forces()?,
            allowed: allowed(context)?,
            via,
            sha1: hash("sha1", parameter("sha1"), 40)?,
            sha256: hash("sha256", parameter("sha256"), 64)?,
        })
    }

    pub(super) fn expect_sha1(&self, sha1: &str) -> Result<(), Error> {
        match &self.sha1 {
            Some(expected) if expected != sha1 => Err(Error::BadRequest(format!(
                "the SHA-1 of the bytes is {sha1}, not {expected}: nothing was stored; send the same bytes that were hashed"
            ))),
            _ => Ok(()),
        }
    }

    /// Marks a change that overrides findings: those of this document, or those that the operator allows.
    pub(super) fn overrides(&self, intent: &mut Intent, findings: &[Finding]) {
        intent.forced = self.force && findings.iter().any(Finding::is_error);
        allow(intent, self.allowed.as_deref());
    }
}

/// Marks a change with the kinds of findings that its operator allows. Those that need other documents are known to the
/// program only that sends the request.
pub fn allow(intent: &mut Intent, allowed: Option<&str>) {
    if let Some(allowed) = allowed {
        intent.forced = true;
        intent.detail = Some(format!("in spite of {allowed}"));
    }
}

/// The kinds of findings that the operator of a request allows: their names, with commas.
///
/// # Errors
/// [`Error::BadRequest`] if one is not the name of a kind.
pub fn allowed(context: &Context<'_>) -> Result<Option<String>, Error> {
    let allowed = path::query_value(&context.request.url, "allowed");
    let Some(kinds) = allowed else {
        return Ok(None);
    };
    let mut named = Vec::new();
    for name in kinds.split(',') {
        let kind = FindingKind::ALL.iter().find(|kind| kind.id() == name);
        let kind = kind.ok_or_else(|| {
            Error::BadRequest(format!(
                "allowed must be names of kinds of findings with commas, and {:?} is not one: `ztp kinds` lists them",
                Printable(name).to_string()
            ))
        })?;
        if !named.contains(&kind.id()) {
            named.push(kind.id());
        }
    }
    Ok(Some(named.join(",")))
}

/// A hash in hexadecimal, in lower case.
pub fn hash(name: &str, value: Option<String>, length: usize) -> Result<Option<String>, Error> {
    let value = value.map(|value| value.to_ascii_lowercase());
    match value {
        Some(value) if !is_hex(&value, length) => Err(Error::BadRequest(format!(
            "{name} is {value:?}, but must have {length} hexadecimal digits"
        ))),
        value => Ok(value),
    }
}

/// The name of the program that sends a request.
///
/// # Errors
/// [`Error::BadRequest`] if it is too long.
pub fn via(context: &Context<'_>) -> Result<Option<String>, Error> {
    let via = path::query_value(&context.request.url, "via");
    match via {
        Some(via) if !(1..=MAX_VIA_BYTES).contains(&via.len()) => Err(Error::BadRequest(format!(
            "via has {} bytes, but must have 1 to {MAX_VIA_BYTES}: it is the name of a program",
            via.len()
        ))),
        via => Ok(via),
    }
}

/// The conditions of a request.
pub fn conditions(context: &Context<'_>) -> Preconditions {
    Preconditions {
        if_match: context.request.header("If-Match"),
        if_none_match: context.request.header("If-None-Match"),
    }
}
