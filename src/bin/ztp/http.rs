//! One HTTP client for everything: how long it waits, and what it says of itself.

use std::time::Duration;

use ureq::Agent;

use crate::Failure;

/// How long connecting, and any single answer, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The text of an answer, whatever its status.
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// A client that takes every status for an answer, and follows no redirect: credentials stay here.
pub fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .user_agent(concat!("ztp/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// GET, without any credential.
///
/// # Errors
/// There is no answer.
pub fn get_text(url: &str) -> Result<Answer, Failure> {
    let failed = |error: ureq::Error| Failure::new(format!("cannot ask {url}: {error}"));
    let mut response = agent().get(url).call().map_err(failed)?;
    let body = response.body_mut().read_to_string().map_err(failed)?;
    Ok(Answer {
        status: response.status().as_u16(),
        body,
    })
}
