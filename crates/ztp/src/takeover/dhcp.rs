//! The URL for DHCP option 67.

use super::plain::Plain;
use crate::Failure;
use crate::doctor::{MAX_BOOT_FILE, MAX_OPTION};

/// The length of the tokens that `npm run deploy` makes, in bytes.
const USUAL_TOKEN: usize = 32;
const PLACEHOLDER: &str = "TOKEN";

/// The URL that a switch boots from.
pub struct BootUrl {
    /// With a placeholder for the token of a site, if the server wants one.
    pub url: String,
    has_token: bool,
}

impl BootUrl {
    /// That of a server: without a token, if it answers without one.
    ///
    /// # Errors
    /// It does not answer.
    pub fn of(url: &str) -> Result<Self, Failure> {
        let server = Plain::new(url)?;
        let answer = server.get("/bootstrap/config");
        let answer = answer.map_err(|error| {
            Failure::new(format!(
                "asking for the bootstrap configuration failed: {error}"
            ))
        })?;
        Ok(Self::new(&server.url, answer.status != 200))
    }

    fn new(server: &str, has_token: bool) -> Self {
        let prefix = match has_token {
            true => format!("/t/{PLACEHOLDER}"),
            false => String::new(),
        };
        let url = format!("{server}{prefix}/bootstrap");
        Self { url, has_token }
    }

    /// Its length in bytes, with a token as `npm run deploy` makes it.
    pub fn length(&self) -> usize {
        match self.has_token {
            true => self.url.len() - PLACEHOLDER.len() + USUAL_TOKEN,
            false => self.url.len(),
        }
    }

    /// Remarks for the operator.
    pub fn advice(&self) -> String {
        let length = self.length();
        let fits = if length <= MAX_BOOT_FILE {
            format!(
                "it fits into the boot file field ({MAX_BOOT_FILE}) and option 67 ({MAX_OPTION})"
            )
        } else if length <= MAX_OPTION {
            format!(
                "it fits into option 67 ({MAX_OPTION}), not into the boot file field ({MAX_BOOT_FILE})"
            )
        } else {
            format!(
                "it does not fit into option 67 ({MAX_OPTION}): give the server a shorter address"
            )
        };
        match self.has_token {
            true => format!(
                "TOKEN is the token of the site, which `npm run deploy` showed once; with one of {USUAL_TOKEN} characters \
                 the URL has {length} bytes: {fits}"
            ),
            false => format!("it has {length} bytes: {fits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_boot_has_a_length() {
        let open = BootUrl::new("https://ztp.example.net", false);
        assert_eq!(
            (open.url.as_str(), open.length()),
            ("https://ztp.example.net/bootstrap", 33)
        );
        let closed = BootUrl::new("https://ztp.example.net", true);
        assert_eq!(closed.url, "https://ztp.example.net/t/TOKEN/bootstrap");
        assert_eq!(closed.length(), 68);
        for (length, expected) in [
            (
                127,
                "it fits into the boot file field (127) and option 67 (255)",
            ),
            (
                128,
                "it fits into option 67 (255), not into the boot file field (127)",
            ),
            (
                256,
                "it does not fit into option 67 (255): give the server a shorter address",
            ),
        ] {
            let host = "x".repeat(length - "https:///bootstrap".len());
            let url = BootUrl::new(&format!("https://{host}"), false);
            assert_eq!(url.advice(), format!("it has {length} bytes: {expected}"));
        }
    }
}
