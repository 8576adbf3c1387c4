//! GET requests without a credential: to the ZTPServer, and as a switch sends them.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;

use crate::Failure;
use crate::terminal::line;

/// The timeout of a connection, and of each read.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout of a request with its response.
const TOTAL: Duration = Duration::from_secs(120);
/// The largest response, in bytes: a definition.
const MAX_BYTES: u64 = 16 << 20;

/// The answer to a request.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Whether it is JSON of ztp-edge.
    pub is_ours: bool,
}

/// A server.
pub struct Plain {
    agent: Agent,
    /// Without a slash at the end.
    pub url: String,
}

impl Plain {
    /// A server at an `http://` or `https://` URL, which may be that of its script.
    ///
    /// # Errors
    /// The URL has another scheme, a user name, or a query.
    pub fn new(url: &str) -> Result<Self, Failure> {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            let url = line(url);
            return Err(Failure::new(format!(
                "'{url}' is not a valid URL of a server; write it as http://HOST:PORT"
            )));
        }
        if url.contains(['@', '?', '#']) {
            // It may have a password.
            return Err(Failure::new(
                "the URL of a server must have no user name, query and fragment; write it as http://HOST:PORT",
            ));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(TIMEOUT))
            .timeout_per_read(Some(TIMEOUT))
            .timeout_global(Some(TOTAL))
            .user_agent(concat!("ztp/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let url = url.trim_end_matches('/');
        let url = url.strip_suffix("/bootstrap").unwrap_or(url).to_owned();
        Ok(Self { agent, url })
    }

    /// A response.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        let response = self.agent.get(format!("{}{path}", self.url)).call();
        let response = response.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name);
            let text = value.and_then(|value| value.to_str().ok());
            text.unwrap_or_default().to_owned()
        };
        let [media, sniffing] = ["content-type", "x-content-type-options"].map(header);
        // As the Worker sends JSON; ZTPServer adds a charset.
        let is_ours = sniffing == "nosniff" && media == "application/json";
        let body = response.into_body().into_with_config();
        let mut bytes = Vec::new();
        let read = body.limit(MAX_BYTES).reader().read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())?;
        Ok(Answer {
            status,
            body: bytes,
            is_ours,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_a_server_has_no_password() {
        for (url, server) in [
            ("http://ztp:8080", "http://ztp:8080"),
            ("http://ztp:8080/bootstrap", "http://ztp:8080"),
            ("https://ztp/a/", "https://ztp/a"),
        ] {
            assert_eq!(
                Plain::new(url).ok().map(|plain| plain.url).as_deref(),
                Some(server)
            );
        }
        for url in [
            "http://user:secret@ztp",
            "http://ztp?secret",
            "ftp://ztp",
            "ztp:8080",
        ] {
            let error = Plain::new(url).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
