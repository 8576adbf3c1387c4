//! The one error type, and the only mapping from an error to a status.

use std::fmt;

use crate::answer::Answer;
use crate::runtime::{self, Level};

/// Why a request is not answered with what it asked for.
///
/// The text of a variant is the reason in a sentence: it goes to the client and into the log.
#[derive(Debug)]
pub enum Error {
    /// 400: the request, or the content it depends on, cannot be used.
    BadRequest(String),
    /// 400: no pattern of neighbordb fits. The log has fewer of the reasons.
    NoPattern { answer: String, log: String },
    /// 401: an operator's path without the operator's token.
    Unauthorized(String),
    /// 403: this caller may not, or nobody may now.
    Forbidden(String),
    /// 404: there is nothing of this name.
    NotFound(String),
    /// 405: the path exists, but not for this method; `allow` lists those it has.
    MethodNotAllowed { allow: &'static str },
    /// 409: an operator asks for what contradicts what is there.
    Conflict(String),
    /// 413: the body is larger than what is stored.
    TooLarge(String),
    /// 416: the file of `size` bytes has nothing in the range that was asked for.
    RangeNotThere { size: u64 },
    /// 429: too many requests from one caller.
    TooMany,
    /// 500 as the specification has it for meta-data of what is not there.
    NoMeta(String),
    /// 500: a binding or setting is wrong; the text says how to mend it.
    Misconfigured(String),
    /// 503: KV or R2 failed; asking again may help.
    Storage { doing: String, cause: String },
}

impl Error {
    /// Wraps what R2 or the runtime said while `doing` something ("reading R2 object …").
    pub fn storage(doing: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::Storage {
            doing: doing.into(),
            cause: cause.to_string(),
        }
    }

    /// What failed and why, for the log: more than a client is told.
    pub fn detail(&self) -> String {
        match self {
            Self::Storage { doing, cause } => format!("{doing} failed ({cause})"),
            other => other.to_string(),
        }
    }

    /// Whether this is what the specification wants where nothing is wrong with the server.
    pub fn is_expected(&self) -> bool {
        matches!(self, Self::NoMeta(_))
    }

    /// The answer for the client.
    pub fn into_answer(self) -> Answer {
        let reason = self.to_string();
        match self {
            Self::BadRequest(_) => Answer::refusal(400, reason),
            Self::NoPattern { log, .. } => Answer::refusal(400, reason).with_logged_reason(log),
            Self::Unauthorized(_) => {
                Answer::refusal(401, reason).with_header("WWW-Authenticate", "Bearer")
            }
            Self::Forbidden(_) => Answer::refusal(403, reason),
            Self::NotFound(_) => Answer::refusal(404, reason),
            Self::MethodNotAllowed { allow } => {
                Answer::refusal(405, reason).with_header("Allow", allow)
            }
            Self::Conflict(_) => Answer::refusal(409, reason),
            Self::RangeNotThere { size } => {
                Answer::refusal(416, reason).with_header("Content-Range", format!("bytes */{size}"))
            }
            Self::TooMany => Answer::refusal(429, reason).with_header("Retry-After", "60"),
            Self::TooLarge(_) => Answer::refusal(413, reason),
            Self::NoMeta(_) => Answer::refusal_as_json(500, reason),
            Self::Misconfigured(_) => Answer::refusal(500, reason),
            Self::Storage { doing, cause } => {
                // What the platform said helps whoever runs the Worker; a client gets the gist.
                runtime::log(Level::Error, &format!("{doing}: {cause}"));
                Answer::refusal(503, reason).with_header("Retry-After", "5")
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(reason)
            | Self::NoPattern { answer: reason, .. }
            | Self::Unauthorized(reason)
            | Self::Forbidden(reason)
            | Self::Conflict(reason)
            | Self::NotFound(reason)
            | Self::TooLarge(reason)
            | Self::NoMeta(reason)
            | Self::Misconfigured(reason) => f.write_str(reason),
            Self::RangeNotThere { size } => {
                write!(
                    f,
                    "the range begins behind the end of the file's {size} bytes"
                )
            }
            Self::TooMany => f.write_str("too many requests from here; ask again in a minute"),
            Self::MethodNotAllowed { allow } => write!(f, "this path answers to {allow} only"),
            Self::Storage { doing, .. } => write!(f, "{doing} failed; ask again in a moment"),
        }
    }
}
