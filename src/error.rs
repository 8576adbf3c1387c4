//! The one error type. `response.rs` maps it to a status.

use std::fmt;

/// Why a request is rejected or fails.
///
/// `Display` is the reason as a sentence, for the client and the log.
#[derive(Debug, Clone)]
pub enum Error {
    /// The request, or content that it depends on, is invalid.
    BadRequest(String),
    /// No pattern of neighbordb matches. `log` contains fewer of the reasons than `response`.
    NoPattern { response: String, log: String },
    /// The caller has no access, or a setting forbids the request.
    Forbidden(String),
    /// The resource does not exist.
    NotFound(String),
    /// The path does not support the method; `allow` lists the methods that it supports.
    MethodNotAllowed { allow: String },
    /// An operator's request contradicts the stored state.
    Conflict(String),
    /// A refusal to an operator with fields of its own.
    Refused {
        /// 409, 410, 412 or 422.
        status: u16,
        reason: String,
        fields: serde_json::Map<String, serde_json::Value>,
    },
    /// The body exceeds a limit.
    TooLarge(String),
    /// There is no memory for its body now. A retry may succeed.
    Busy(String),
    /// The range starts past the end of a file of `size` bytes.
    RangeNotSatisfiable { size: u64 },
    /// Too many requests from one caller.
    RateLimited,
    /// There is no place for more of this kind.
    TooMany(String),
    /// Metadata of a resource that does not exist: the specification requires status 500.
    MetaNotFound(String),
    /// A binding or setting is wrong; the message says how to fix it.
    Misconfigured(String),
    /// Nobody has access yet: the secret with the tokens of sites is not set.
    Closed,
    /// KV, R2 or an object failed. A retry may succeed.
    Storage { doing: String, cause: String },
}

impl Error {
    /// The 404 for unknown paths and for missing credentials: identical, so that neither can be probed.
    pub fn unknown_path() -> Self {
        Self::NotFound("there is nothing at this path".to_owned())
    }

    /// `cause` is the runtime's message about what failed while `doing` something ("reading neighbordb").
    pub fn storage(doing: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self::Storage {
            doing: doing.into(),
            cause: cause.to_string(),
        }
    }

    /// The error of a call that an object answered with the reply to another command.
    pub fn unexpected_reply(doing: impl Into<String>) -> Self {
        Self::storage(doing, "unexpected reply")
    }

    /// The operation that failed and its cause, for the log: clients do not receive the cause.
    pub fn detail(&self) -> String {
        match self {
            Self::Storage { doing, cause } => format!("{doing} failed ({cause})"),
            other => other.to_string(),
        }
    }

    /// Whether a change that fails with it may have been made: a store or an object may have done it, and only its response
    /// is missing.
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Storage { .. })
    }

    /// Whether the specification requires this response from a server without a fault.
    pub fn is_expected(&self) -> bool {
        matches!(self, Self::MetaNotFound(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(reason)
            | Self::NoPattern {
                response: reason, ..
            }
            | Self::Forbidden(reason)
            | Self::Conflict(reason)
            | Self::Refused { reason, .. }
            | Self::NotFound(reason)
            | Self::TooLarge(reason)
            | Self::Busy(reason)
            | Self::TooMany(reason)
            | Self::MetaNotFound(reason)
            | Self::Misconfigured(reason) => f.write_str(reason),
            Self::RangeNotSatisfiable { size } => {
                write!(f, "range starts past the end of the file ({size} bytes)")
            }
            Self::Closed => f.write_str(
                "this server is not set up yet: store the tokens of sites with `npx wrangler secret put ZTP_TOKENS` \
                 (lines of site=token), or run `npm run deploy`, which makes them; or set ALLOW_ANYONE to True, and \
                 anyone who reaches this URL can read and write every node's records",
            ),
            Self::RateLimited => f.write_str("rate limit exceeded; retry in a minute"),
            Self::MethodNotAllowed { allow } => write!(f, "method not allowed; use {allow}"),
            Self::Storage { doing, .. } => write!(f, "{doing} failed; retry in a few seconds"),
        }
    }
}
