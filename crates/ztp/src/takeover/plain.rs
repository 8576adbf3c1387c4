//! GET requests without a credential: to the ZTPServer, and as a switch sends them.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;

use crate::Failure;
use crate::terminal::line;

/// The timeout of a connection, and of each read.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest response, in bytes: a definition.
const MAX_BYTES: u64 = 16 << 20;

/// A server.
pub struct Plain {
    agent: Agent,
    /// Without a slash at the end.
    pub url: String,
}

impl Plain {
    /// A server at an `http://` or `https://` URL.
    ///
    /// # Errors
    /// The URL has another scheme.
    pub fn new(url: &str) -> Result<Self, Failure> {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            let url = line(url);
            return Err(Failure::new(format!(
                "'{url}' is not a valid URL of a server; write it as http://HOST:PORT"
            )));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(TIMEOUT))
            .timeout_per_read(Some(TIMEOUT))
            .user_agent(concat!("ztp/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { agent, url })
    }

    /// The status and the body of a response.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, path: &str) -> Result<(u16, Vec<u8>), String> {
        let response = self.agent.get(format!("{}{path}", self.url)).call();
        let response = response.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = response.into_body().into_with_config();
        let mut bytes = Vec::new();
        let read = body.limit(MAX_BYTES).reader().read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())?;
        Ok((status, bytes))
    }
}
