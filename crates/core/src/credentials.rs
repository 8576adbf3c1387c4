//! Credentials of callers: tokens of sites, and tokens derived from them for single nodes.
//!
//! A switch that boots can neither send a custom header nor present a certificate, but it requests the
//! URL that it receives. So the URL contains the credential: every path is under `/t/{credential}`, the
//! token of a site or one derived from it for a single node.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::hex;
use crate::node::{Identifier, NodeId};

/// Minimum length of a token, in characters.
pub const MIN_TOKEN_LENGTH: usize = 16;

/// The sites in `ZTP_TOKENS`, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sites(Vec<Site>);

/// A site and one of its tokens. A site has two lines while its token is rotated.
#[derive(Clone, PartialEq, Eq)]
pub struct Site {
    name: String,
    token: String,
}

impl std::fmt::Debug for Site {
    /// Without the token: it must not get into a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller<'a> {
    /// Any client: no tokens are configured.
    Anyone,
    /// A client with the token of a site.
    Site(&'a Site),
    /// A client with the URL made for one switch.
    Node { site: &'a Site, id: NodeId },
}

impl Sites {
    /// Parses lines of `site=token`; blank lines and lines that begin with `#` are skipped. `None`
    /// without any other line.
    ///
    /// # Errors
    /// The number of the invalid line and the reason. Any client receives the message, so it contains neither
    /// a token nor the name of a site.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let mut sites = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let Some((name, token)) = line.split_once('=') else {
                return Err(format!("line {number} is not site=token"));
            };
            let (name, token) = (name.trim(), token.trim());
            if !is_site_name(name) {
                return Err(format!(
                    "the site of line {number} must be letters, digits, - and _"
                ));
            }
            if !is_word(token) || token.len() < MIN_TOKEN_LENGTH {
                return Err(format!(
                    "the token of line {number} must be at least {MIN_TOKEN_LENGTH} letters, digits, \
                     - and _"
                ));
            }
            if sites
                .iter()
                .any(|site: &Site| site.token == token && site.name != name)
            {
                return Err(format!(
                    "the token of line {number} is also that of another site"
                ));
            }
            sites.push(Site {
                name: name.to_owned(),
                token: token.to_owned(),
            });
        }
        Ok((!sites.is_empty()).then_some(Self(sites)))
    }

    /// The names of the sites: twice of one with two tokens.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Site::name)
    }

    /// A site by its name.
    pub fn site(&self, name: &str) -> Option<&Site> {
        self.0.iter().find(|site| site.name == name)
    }

    /// The caller that a credential identifies. Every token is compared, each in constant time.
    pub fn caller(&self, credential: &str, identifier: Identifier) -> Option<Caller<'_>> {
        if credential.contains('.') {
            return self.node(credential, identifier);
        }
        let mut found = None;
        for site in &self.0 {
            if bool::from(site.token.as_bytes().ct_eq(credential.as_bytes())) {
                found = Some(Caller::Site(site));
            }
        }
        found
    }

    fn node(&self, credential: &str, identifier: Identifier) -> Option<Caller<'_>> {
        let mut parts = credential.split('.');
        let (name, id, mac) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let id: NodeId = decode_id(id)?
            .parse()
            .ok()
            .filter(|known| encode_id(known) == id)?;
        let mut found = None;
        for site in self.0.iter().filter(|site| site.name == name) {
            let expected = site.node_mac(identifier, &id);
            if bool::from(expected.as_bytes().ct_eq(mac.as_bytes())) {
                found = Some(site);
            }
        }
        found.map(|site| Caller::Node { site, id })
    }
}

impl Site {
    /// The name of the site.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The credential for one node of this site: `{site}.{id}.{mac}`. It contains only `[A-Za-z0-9_~-]` and
    /// two dots, so that it matches itself in clients that use the server URL as a regular expression (as
    /// ztpserver's).
    pub fn node_credential(&self, identifier: Identifier, id: &NodeId) -> String {
        format!(
            "{}.{}.{}",
            self.name,
            encode_id(id),
            self.node_mac(identifier, id)
        )
    }

    /// HMAC-SHA256 with the site's token as the key, in hexadecimal. The kind of the id (`serialnumber`,
    /// `systemmac`) is part of the message: a token is valid only under the setting that it was made under.
    fn node_mac(&self, identifier: Identifier, id: &NodeId) -> String {
        let message = format!("ztp-edge node token\0{}\0{id}", identifier.as_str());
        hex(&hmac(self.token.as_bytes(), message.as_bytes()))
    }
}

impl Caller<'_> {
    /// The site's name; `None` for [`Caller::Anyone`].
    pub fn site(&self) -> Option<&str> {
        match self {
            Self::Anyone => None,
            Self::Site(site) | Self::Node { site, .. } => Some(site.name()),
        }
    }

    /// Whether a node that belongs to `site` (`None`: to no site) is visible to this caller.
    pub fn may_see(&self, site: Option<&str>) -> bool {
        match (self.site(), site) {
            (None, _) | (_, None) => true,
            (Some(mine), Some(site)) => mine == site.trim(),
        }
    }
}

/// The token of a header `Authorization: Bearer …`; the scheme is case-insensitive (RFC 9110, 11.1). `None` for another
/// scheme.
pub fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// HMAC-SHA256 of a message.
pub(crate) fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Whether two tokens are equal, in constant time.
pub fn same_token(presented: &str, expected: &str) -> bool {
    presented.as_bytes().ct_eq(expected.as_bytes()).into()
}

/// Whether a string is a valid name of a site, in `ZTP_TOKENS` and under `resources/`.
pub fn is_site_name(text: &str) -> bool {
    is_word(text)
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// An id in a credential: unchanged if it is a word, else `~` and its bytes in hexadecimal.
fn encode_id(id: &NodeId) -> String {
    if is_word(id.as_str()) {
        id.to_string()
    } else {
        format!("~{}", hex(id.as_str().as_bytes()))
    }
}

fn decode_id(text: &str) -> Option<String> {
    let Some(digits) = text.strip_prefix('~') else {
        return is_word(text).then(|| text.to_owned());
    };
    if digits.len() % 2 != 0 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMS: &str = "0123456789abcdef";
    const OLD: &str = "old-old-old-old-old";
    const LON: &str = "London_London_London-1";

    fn sites() -> Sites {
        let text = format!("# ours\namsterdam={AMS}\n\n amsterdam = {OLD} \nlondon={LON}\n");
        Sites::parse(&text).unwrap().unwrap()
    }

    fn id(text: &str) -> NodeId {
        text.parse().unwrap()
    }

    #[test]
    fn each_token_of_a_site_identifies_it_and_no_other_string_does() {
        let sites = sites();
        for (credential, expected) in [
            (AMS, Some("amsterdam")),
            (OLD, Some("amsterdam")),
            (LON, Some("london")),
            ("", None),
            ("london", None),
            ("0123456789abcde", None),
            ("0123456789abcdef0", None),
            ("0123456789ABCDEF", None),
            ("london_london_london-1", None),
        ] {
            let caller = sites.caller(credential, Identifier::SerialNumber);
            assert_eq!(
                caller.as_ref().and_then(Caller::site),
                expected,
                "{credential}"
            );
        }
    }

    #[test]
    fn a_node_token_is_valid_for_one_node_of_one_site_under_one_setting() {
        let sites = sites();
        let serial = Identifier::SerialNumber;
        let Some(Caller::Site(london)) = sites.caller(LON, serial) else {
            panic!("no London")
        };
        for name in ["JPE1", "a b.ü", "~x", "00:1c"] {
            let credential = london.node_credential(serial, &id(name));
            assert!(
                credential
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b))
            );
            let caller = sites.caller(&credential, serial);
            assert_eq!(
                caller,
                Some(Caller::Node {
                    site: london,
                    id: id(name)
                }),
                "{name}"
            );

            assert_eq!(sites.caller(&credential, Identifier::SystemMac), None);
            let elsewhere = credential.replacen("london", "amsterdam", 1);
            assert_eq!(sites.caller(&elsewhere, serial), None);
            let (_, mac) = credential.rsplit_once('.').unwrap();
            for forged in [
                format!("london.JPE2.{mac}"),
                format!("london.{}.", encode_id(&id(name))),
                credential[..credential.len() - 1].to_owned(),
                format!("{credential}0"),
                credential.to_uppercase(),
                format!("london.~{}.{mac}", hex(name.as_bytes()).to_uppercase()),
                format!("{credential}.x"),
            ] {
                assert_eq!(sites.caller(&forged, serial), None, "{forged}");
            }
        }
    }

    #[test]
    fn the_bearer_scheme_is_case_insensitive() {
        for (header, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer abc", Some("abc")),
            ("BEARER  abc ", Some("abc")),
            (" bEaReR abc", Some("abc")),
            ("Bearer", None),
            ("Bearerabc", None),
            ("Bearer\u{a0}abc", None),
            ("Basic abc", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(bearer_token(header), token, "{header}");
        }
    }

    #[test]
    fn a_node_token_is_valid_as_long_as_the_site_token_it_was_derived_from() {
        let rotating = sites();
        let serial = Identifier::SerialNumber;
        let Some(Caller::Site(old)) = rotating.caller(OLD, serial) else {
            panic!("no Amsterdam")
        };
        let credential = old.node_credential(serial, &id("JPE1"));
        assert!(rotating.caller(&credential, serial).is_some());
        let rotated = Sites::parse(&format!("amsterdam={AMS}")).unwrap().unwrap();
        assert_eq!(rotated.caller(&credential, serial), None);
    }

    #[test]
    fn an_id_has_one_spelling_in_a_credential() {
        assert_eq!(decode_id("~612062").as_deref(), Some("a b"));
        for text in ["~", "~4", "~zz", "~ff", "", "a b", "~4a504531"] {
            let encoded = decode_id(text)
                .and_then(|id| id.parse().ok())
                .map(|id| encode_id(&id));
            assert_ne!(encoded.as_deref(), Some(text));
        }
    }

    #[test]
    fn an_error_names_the_line_and_contains_neither_token_nor_site() {
        for (text, reason) in [
            ("amsterdam", "line 1 is not site=token"),
            ("\nberlin=0123456789abcde", "token of line 2"),
            ("berlin=0123456789abcde!", "token of line 1"),
            ("a b=0123456789abcdef", "the site of line 1"),
            ("=0123456789abcdef", "the site of line 1"),
            ("a.b=0123456789abcdef", "the site of line 1"),
            (
                "berlin=0123456789abcdef\nparis=0123456789abcdef",
                "the token of line 2 is also that of another site",
            ),
        ] {
            let error = Sites::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
            for hidden in ["0123456789", "berlin", "paris"] {
                assert!(!error.contains(hidden), "{error}");
            }
        }
        assert_eq!(Sites::parse(" \n# none yet\n"), Ok(None));
    }

    #[test]
    fn a_node_is_visible_to_its_own_site_and_without_a_site_to_all() {
        let sites = sites();
        let london = sites.caller(LON, Identifier::SerialNumber).unwrap();
        assert!(
            london.may_see(Some("london"))
                && london.may_see(Some("london\n"))
                && london.may_see(None)
        );
        assert!(!london.may_see(Some("amsterdam")) && !london.may_see(Some("")));
        assert!(Caller::Anyone.may_see(Some("london")));
    }
}
