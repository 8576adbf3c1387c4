//! The one error type, and the only mapping from an error to a status.

use worker::{console_error, kv::KvError};

use crate::answer::Answer;

/// Why a request is not answered with what it asked for.
///
/// The text of a variant is the reason in a sentence: it goes to the client and into the log.
#[derive(Debug)]
pub enum Error {
    /// 400: the request, or the content it depends on, cannot be used.
    BadRequest(String),
    /// 404: there is nothing of this name.
    NotFound(String),
    /// 405: the path exists, but not for this method; `allow` lists those it has.
    MethodNotAllowed { allow: &'static str },
    /// 413: the body is larger than what is stored.
    TooLarge(String),
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

    /// As [`Error::storage`], for what KV said.
    pub fn kv(doing: impl Into<String>, cause: KvError) -> Self {
        Self::storage(doing, worker::Error::from(cause))
    }

    /// The answer for the client.
    pub fn into_answer(self) -> Answer {
        match self {
            Self::BadRequest(reason) => Answer::refusal(400, reason),
            Self::NotFound(reason) => Answer::refusal(404, reason),
            Self::MethodNotAllowed { allow } => {
                Answer::refusal(405, format!("this path answers to {allow} only"))
                    .with_header("Allow", allow)
            }
            Self::TooLarge(reason) => Answer::refusal(413, reason),
            Self::NoMeta(reason) => Answer::refusal_as_json(500, reason),
            Self::Misconfigured(reason) => Answer::refusal(500, reason),
            Self::Storage { doing, cause } => {
                // What the platform said helps whoever runs the Worker; a client gets the gist.
                console_error!("{doing}: {cause}");
                Answer::refusal(503, format!("{doing} failed; ask again in a moment"))
                    .with_header("Retry-After", "5")
            }
        }
    }
}
