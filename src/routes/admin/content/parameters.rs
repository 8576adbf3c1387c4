//! The query parameters and conditions of a change.

use ztp_core::check::Finding;
use ztp_core::path;

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
            force: context.forces(),
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

    /// Whether findings are overridden.
    pub(super) fn forced(&self, findings: &[Finding]) -> bool {
        self.force && findings.iter().any(Finding::is_error)
    }
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
