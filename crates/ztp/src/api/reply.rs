//! A response of the API, and the meaning of a refusal.

use std::io::Read;

use serde_json::Value as Json;
use ureq::Body;
use ureq::http::Response;

use super::retry::Problem;
use crate::{Failure, html};

/// The longest JSON of a response, in bytes: a list has at most 1,000 entries.
const MAX_JSON_BYTES: u64 = 16 << 20;
/// The part of a response without a sentence that a message quotes, in characters.
const MAX_SHOWN: usize = 300;

pub struct Reply {
    doing: String,
    pub status: u16,
    /// `Null` if the body is not JSON.
    pub json: Json,
    /// The body.
    text: String,
    /// Whether it is a sentence of the Worker: an error that is not one of the API, such as an invalid setting.
    is_ours: bool,
}

impl Reply {
    /// Reads a response completely.
    ///
    /// # Errors
    /// It is broken, or another one may follow later: 408, 429 or 5xx.
    pub(super) fn read(doing: &str, response: Response<Body>) -> Result<Self, Problem> {
        let content_type = header(&response, "content-type").unwrap_or_default();
        // A date, the other form of Retry-After, counts as missing.
        let retry_after = header(&response, "retry-after");
        let retry_after = retry_after.and_then(|value| value.trim().parse().ok());
        let status = response.status().as_u16();
        let is_ours = html::is_ours(|name| {
            let value = response.headers().get(name);
            let value = value.and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        });
        let mut bytes = Vec::new();
        let body = response.into_body().into_with_config();
        let mut body = body.limit(MAX_JSON_BYTES).reader();
        body.read_to_end(&mut bytes).map_err(Problem::broken)?;
        let json = match content_type.starts_with("application/json") {
            true => serde_json::from_slice(&bytes).map_err(|error| {
                Problem::broken(format!("the response is not valid JSON: {error}"))
            })?,
            false => Json::Null,
        };
        if (200..300).contains(&status) && json.is_null() && status != 204 {
            let problem = "the response is not JSON, so it is not from ztp-edge; check the URL";
            return Err(Problem::Permanent(problem.to_owned()));
        }
        let reply = Self {
            doing: doing.to_owned(),
            status,
            json,
            text: String::from_utf8_lossy(&bytes).into_owned(),
            is_ours,
        };
        match status {
            // Without Retry-After, too, the server limits the rate.
            429 => Err(Problem::Transient(
                reply.sentence(),
                retry_after.or(Some(0)),
            )),
            408 | 500.. => Err(Problem::Transient(reply.sentence(), retry_after)),
            _ => Ok(reply),
        }
    }

    /// The JSON of a success, or the sentence of a refusal.
    pub fn ok(self) -> Result<Json, Failure> {
        match self.status {
            200..300 => Ok(self.json),
            _ => Err(self.failure()),
        }
    }

    /// The error for the operator.
    pub fn failure(&self) -> Failure {
        let message = format!("{} failed: {}", self.doing, self.sentence());
        match self.status {
            // The present state or the contents do not allow it.
            404 | 409 | 410 | 412 | 422 if self.is_explained() => Failure::refused(message),
            _ => Failure::new(message),
        }
    }

    /// The reason that the server gives.
    pub fn sentence(&self) -> String {
        match (self.json["error"].as_str(), self.status) {
            (Some(sentence), _) => sentence.to_owned(),
            (None, 404) => "the server has no /admin, or does not accept this token (404); check the URL, and run \
                            `ztp login` with a valid token; a service token of Cloudflare Access needs an entry in \
                            `operators`"
                .to_owned(),
            // Cloudflare Access redirects to its page for signing in.
            (None, status @ 300..400) => format!(
                "the server redirects to another page ({status}); if Cloudflare Access protects it, set \
                 CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET"
            ),
            (None, status) if self.is_ours => {
                let sentence = html::unescaped(self.text.trim());
                format!("the server responded {status}: {sentence}")
            }
            (None, status) => {
                let start: String = self.text.trim().chars().take(MAX_SHOWN).collect();
                format!("the server responded {status}: {start}; this is not a response of ztp-edge: check the URL")
            }
        }
    }

    /// Whether the server itself gives a reason.
    pub fn is_explained(&self) -> bool {
        self.json.get("error").is_some()
    }
}

pub(super) fn header(response: &Response<Body>, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}
