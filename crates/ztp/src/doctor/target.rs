//! The URL that DHCP announces, in parts.

use std::net::IpAddr;

use ureq::http::Uri;

use ztp_core::path::encode_segment;

use crate::Failure;

use super::check::Check;
use super::kind::Kind;

/// The largest DHCP option, in bytes (RFC 2132).
pub const MAX_OPTION: usize = 255;
/// The largest name in the boot file field of BOOTP, in bytes: 128 with the final zero (RFC 2131, section 2).
pub const MAX_BOOT_FILE: usize = 127;

/// The shortest credential that is removed also where it is not in a URL, in bytes: a shorter one is in many words.
const MIN_SECRET: usize = 6;

/// The URL of a server, and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub is_https: bool,
    /// Without brackets.
    pub host: String,
    pub port: u16,
    /// The URL of the script, as DHCP carries it.
    pub bootstrap: String,
    /// The start of every URL of a switch: without a slash at the end.
    pub base: String,
    /// The start of the URLs of operators: `base` without the credential.
    pub root: String,
    /// The credential of a site or a node.
    pub credential: Option<String>,
}

impl Target {
    /// Reads the URL of a script, or the start of it.
    ///
    /// # Errors
    /// It is not an http or https URL of a server.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let text = text.trim();
        // It may have a password or a token.
        let invalid = |why: &str| {
            Failure::new(format!(
                "this is not a valid URL of a server: {why}; write the URL of DHCP option 67, \
                 https://HOST/t/TOKEN/bootstrap"
            ))
        };
        let uri: Uri = text.parse().map_err(|_| invalid("it cannot be read"))?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(invalid("it does not begin with https:// or http://")),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| invalid("it has no host"))?;
        if text.contains(['@', '?', '#']) {
            return Err(invalid("it must have no user name, query and fragment"));
        }
        let usual = if is_https { 443 } else { 80 };
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let after_host = authority.strip_prefix(host).unwrap_or_default();
        let port = match after_host.trim_start_matches(':') {
            "" => Some(usual),
            port => port.parse().ok().filter(|port| *port > 0),
        };
        let port = port.ok_or_else(|| invalid("its port is not a number from 1 to 65535"))?;
        let start = text.trim_end_matches('/');
        let base = start.strip_suffix("/bootstrap").unwrap_or(start);
        let (root, credential) = match base.rsplit_once("/t/") {
            Some((root, credential)) if !credential.is_empty() && !credential.contains('/') => {
                (root, Some(credential.to_owned()))
            }
            _ => (base, None),
        };
        Ok(Self {
            is_https,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            bootstrap: format!("{base}/bootstrap"),
            base: base.to_owned(),
            root: root.to_owned(),
            credential,
        })
    }

    /// Whether only this machine can reach the server.
    pub fn is_local(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.is_loopback())
    }

    /// Whether it is the URL of one node: `{site}.{id}.{mac}`.
    pub fn is_of_node(&self) -> bool {
        let credential = self.credential.as_deref().unwrap_or_default();
        credential.contains('.')
    }

    /// A text without the credential, wherever a server repeats it, also if it is encoded.
    pub fn without_credential(&self, text: &str) -> String {
        let Some(credential) = &self.credential else {
            return text.to_owned();
        };
        let text = text.replace(&format!("/t/{credential}"), "/t/…");
        let encoded = encode_segment(credential);
        [encoded.as_str(), credential]
            .into_iter()
            .filter(|form| form.len() >= MIN_SECRET)
            .fold(text, |text, form| text.replace(form, "…"))
    }

    /// Whether a script names the server: as the Worker writes a URL, with the host in lower case, and without the port
    /// that the scheme has by itself.
    pub fn is_named_in(&self, script: &str) -> bool {
        if script.contains(&self.base) {
            return true;
        }
        let (scheme, usual) = match self.is_https {
            true => ("https", 443),
            false => ("http", 80),
        };
        let host = self.host.to_ascii_lowercase();
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host,
        };
        let port = match self.port == usual {
            true => String::new(),
            false => format!(":{}", self.port),
        };
        let after_scheme = self.base.split_once("://").map_or("", |(_, rest)| rest);
        let path = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
        script.contains(&format!("{scheme}://{host}{port}{path}"))
    }

    /// Its length within the limits of DHCP, and whether it is one that DHCP should announce.
    pub fn check(&self) -> Check {
        let (url, bytes) = (&self.bootstrap, self.bootstrap.len());
        let message = format!("{url} has {bytes} bytes");
        if self.is_of_node() {
            return Check::found(
                "url",
                Kind::NodeUrl,
                format!("{url} is the URL of one switch"),
            );
        }
        let (kind, fits) = if bytes <= MAX_BOOT_FILE {
            let fits = format!(
                "fits into the boot file field ({MAX_BOOT_FILE}) and option 67 ({MAX_OPTION})"
            );
            return Check::fine("url", format!("{message}: it {fits}"));
        } else if bytes <= MAX_OPTION {
            let fits = format!(
                "fits into option 67 ({MAX_OPTION}), not into the boot file field ({MAX_BOOT_FILE})"
            );
            (Kind::UrlOver127, fits)
        } else {
            (
                Kind::UrlOver255,
                format!("does not fit into option 67 ({MAX_OPTION})"),
            )
        };
        Check::found("url", kind, format!("{message}: it {fits}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_the_script_and_the_start_of_it_are_the_same_target() {
        let parts = |text: &str| {
            let target = Target::parse(text).unwrap();
            let credential = target.credential.clone().unwrap_or_default();
            (target.bootstrap, target.root, credential, target.port)
        };
        for (text, bootstrap, root, credential, port) in [
            (
                "https://z.example",
                "https://z.example/bootstrap",
                "https://z.example",
                "",
                443,
            ),
            (
                "https://z.example/bootstrap",
                "https://z.example/bootstrap",
                "https://z.example",
                "",
                443,
            ),
            (
                "http://[::1]:8787/",
                "http://[::1]:8787/bootstrap",
                "http://[::1]:8787",
                "",
                8787,
            ),
            (
                "https://z.example/t/abc/bootstrap\n",
                "https://z.example/t/abc/bootstrap",
                "https://z.example",
                "abc",
                443,
            ),
            (
                "https://z.example/ztp/t/abc/",
                "https://z.example/ztp/t/abc/bootstrap",
                "https://z.example/ztp",
                "abc",
                443,
            ),
        ] {
            let expected = (
                bootstrap.to_owned(),
                root.to_owned(),
                credential.to_owned(),
                port,
            );
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn a_credential_is_removed_wherever_a_server_repeats_it() {
        let target = Target::parse("https://z.example/t/a+token-0123/bootstrap").unwrap();
        for (text, shown) in [
            ("/t/a+token-0123/bootstrap", "/t/…/bootstrap"),
            (
                "next=%2Ft%2Fa+token-0123%2Fbootstrap",
                "next=%2Ft%2F…%2Fbootstrap",
            ),
            (
                "the token a%2Btoken-0123 of a+token-0123",
                "the token … of …",
            ),
        ] {
            assert_eq!(target.without_credential(text), shown);
        }
    }

    #[test]
    fn a_script_names_the_server_as_the_worker_writes_its_url() {
        for (url, script, named) in [
            ("https://z.example/t/abc", "https://z.example/t/abc", true),
            (
                "HTTPS://Z.Example:443/t/abc/bootstrap",
                "https://z.example/t/abc",
                true,
            ),
            ("http://[::1]:80/x", "http://[::1]/x", true),
            ("https://z.example:8443", "https://z.example:8443", true),
            (
                "https://z.example:8443/t/abc",
                "https://z.example/t/abc",
                false,
            ),
            ("https://z.example/t/Abc", "https://z.example/t/abc", false),
            ("http://z.example:443", "http://z.example", false),
        ] {
            let script = format!("SERVER = \"{script}\"\n");
            assert_eq!(
                Target::parse(url).unwrap().is_named_in(&script),
                named,
                "{url}"
            );
        }
    }

    #[test]
    fn an_invalid_url_is_rejected_without_a_part_of_it() {
        for text in [
            "z.example/t/secret/bootstrap",
            "ftp://z.example/secret",
            "https://user:secret@z.example",
            "https://z.example/bootstrap?secret",
            "https:///t/secret",
            "https://z.example:65536/t/secret",
            "https://z.example:0/t/secret",
            "",
        ] {
            let message = Target::parse(text).unwrap_err().to_string();
            assert!(
                message.contains("write the URL of DHCP option 67"),
                "{message}"
            );
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn only_a_name_or_address_of_this_machine_is_local() {
        for (host, is_local) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("127.0.0.2", true),
            ("[::1]", true),
            ("127.example", false),
            ("192.0.2.1", false),
        ] {
            let target = Target::parse(&format!("http://{host}/bootstrap")).unwrap();
            assert_eq!(target.is_local(), is_local, "{host}");
        }
    }

    #[test]
    fn the_limits_of_dhcp_are_127_and_255_bytes() {
        let url = |bytes: usize| {
            let rest = "https://z.example/t//bootstrap".len();
            let token = "x".repeat(bytes - rest);
            Target::parse(&format!("https://z.example/t/{token}/bootstrap")).unwrap()
        };
        for (bytes, kind) in [
            (127, None),
            (128, Some(Kind::UrlOver127)),
            (255, Some(Kind::UrlOver127)),
            (256, Some(Kind::UrlOver255)),
        ] {
            assert_eq!(url(bytes).check().kind(), kind, "{bytes}");
        }
        let node = Target::parse("https://z.example/t/berlin.JPE1.0123/bootstrap").unwrap();
        assert_eq!(node.check().kind(), Some(Kind::NodeUrl));
        assert_eq!(
            node.without_credential(&node.bootstrap),
            "https://z.example/t/…/bootstrap"
        );
    }
}
