//! Tokens of Cloudflare Access: JSON Web Tokens (RFC 7519) in the header `Cf-Access-Jwt-Assertion`, signed with RS256.
//!
//! This file parses a token and checks its claims. The caller verifies the signature of [`Token::signed`] with the
//! key [`Token::key_id`]: only then is [`Token::identity`] true.

use std::fmt;

use serde_json::{Map, Value};

use crate::operators::Identity;

/// Maximum length of a token, in bytes.
pub const MAX_ACCESS_TOKEN: usize = 16 * 1024;
/// Maximum size of the keys of a team, in bytes.
pub const MAX_ACCESS_KEYS: u32 = 64 * 1024;
/// Maximum number of keys of a team. It has two.
const MAX_KEYS: usize = 16;
/// How far the clocks of Access and of the Worker may differ, in seconds.
pub const CLOCK_SKEW_S: u64 = 60;
/// Maximum length of a key id, in bytes.
const MAX_KEY_ID: usize = 256;
/// Maximum length of a name in a token: of an email address, a group, the id of a service token, in bytes.
const MAX_NAME: usize = 1024;

/// The Access application that guards /admin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The URL of the team, `https://<team>.cloudflareaccess.com`: the issuer of tokens.
    pub team_url: String,
    /// The application's audience tag.
    pub audience: String,
}

impl Application {
    /// The URL of the team's keys.
    pub fn keys_url(&self) -> String {
        format!("{}/cdn-cgi/access/certs", self.team_url)
    }
}

/// A token whose signature is not verified.
#[derive(Debug, PartialEq)]
pub struct Token<'t> {
    /// The id of the key that signed it.
    pub key_id: String,
    /// The bytes that are signed.
    pub signed: &'t str,
    pub signature: Vec<u8>,
    claims: Map<String, Value>,
}

/// Why a token is rejected. `Display` contains no part of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    TooLong,
    Malformed,
    Algorithm,
    CriticalHeader,
    NoKeyId,
    Issuer,
    Audience,
    NoExpiry,
    Expired { seconds: u64 },
    NotYetValid { seconds: u64 },
    NoName,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it has more than {MAX_ACCESS_TOKEN} bytes"),
            Self::Malformed => f.write_str("it is not a JSON Web Token"),
            Self::Algorithm => f.write_str("its algorithm is not RS256"),
            Self::CriticalHeader => f.write_str("its header has an extension (`crit`)"),
            Self::NoKeyId => f.write_str("its header has no valid key id (`kid`)"),
            Self::Issuer => f.write_str("its issuer (`iss`) is not the team in ACCESS_TEAM_DOMAIN"),
            Self::Audience => {
                f.write_str("its audience (`aud`) is not the application in ACCESS_AUD")
            }
            Self::NoExpiry => f.write_str("it has no valid time of expiry (`exp`)"),
            Self::Expired { seconds } => write!(f, "it expired {seconds} s ago"),
            Self::NotYetValid { seconds } => {
                write!(f, "it is not valid yet, but in {seconds} s (`nbf`)")
            }
            Self::NoName => f.write_str(
                "it names neither a person (`email`) nor a service token (`common_name`)",
            ),
        }
    }
}

impl<'t> Token<'t> {
    /// Parses a token in the compact form `header.payload.signature`. The algorithm is fixed: one that the token
    /// chooses could be `none`, or HMAC with the public key.
    ///
    /// # Errors
    /// It is too long or malformed, has another algorithm, an extension, or no key id.
    pub fn parse(token: &'t str) -> Result<Self, Rejected> {
        if token.len() > MAX_ACCESS_TOKEN {
            return Err(Rejected::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Rejected::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Rejected::Malformed)?;
        let header = object(header)?;
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return Err(Rejected::Algorithm);
        }
        if header.contains_key("crit") {
            return Err(Rejected::CriticalHeader);
        }
        let key_id = header.get("kid").and_then(Value::as_str);
        let key_id = key_id.filter(|id| !id.is_empty() && id.len() <= MAX_KEY_ID);
        Ok(Self {
            key_id: key_id.ok_or(Rejected::NoKeyId)?.to_owned(),
            signed,
            signature: base64url(signature).ok_or(Rejected::Malformed)?,
            claims: object(payload)?,
        })
    }

    /// Checks that the token was made for this application, and is valid at the time `now`, in seconds since 1970.
    ///
    /// # Errors
    /// The first claim that is missing or wrong.
    pub fn check(&self, application: &Application, now: u64) -> Result<(), Rejected> {
        if self.text("iss") != Some(application.team_url.as_str()) {
            return Err(Rejected::Issuer);
        }
        let is_ours = |audience: &Value| audience.as_str() == Some(application.audience.as_str());
        let ours = match self.claims.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(is_ours),
            Some(audience) => is_ours(audience),
            None => false,
        };
        if !ours {
            return Err(Rejected::Audience);
        }
        let expiry = self.claims.get("exp").and_then(seconds);
        let expiry = expiry.ok_or(Rejected::NoExpiry)?;
        if now >= expiry.saturating_add(CLOCK_SKEW_S) {
            let seconds = now - expiry;
            return Err(Rejected::Expired { seconds });
        }
        if let Some(start) = self.claims.get("nbf") {
            let start = seconds(start).ok_or(Rejected::Malformed)?;
            if now.saturating_add(CLOCK_SKEW_S) < start {
                let seconds = start - now;
                return Err(Rejected::NotYetValid { seconds });
            }
        }
        Ok(())
    }

    /// Who the token was made for.
    ///
    /// # Errors
    /// [`Rejected::NoName`].
    pub fn identity(&self) -> Result<Identity, Rejected> {
        let own = self.claims.get("groups");
        let of_provider = self.claims.get("custom").and_then(|all| all.get("groups"));
        let groups = [own, of_provider].into_iter().flatten().flat_map(names);
        let identity = Identity {
            email: self.text("email").map(str::to_owned),
            groups: groups.collect(),
            service_token: self.text("common_name").map(str::to_owned),
        };
        match identity.name() {
            Some(_) => Ok(identity),
            None => Err(Rejected::NoName),
        }
    }

    fn text(&self, claim: &str) -> Option<&str> {
        let text = self.claims.get(claim)?.as_str()?;
        is_name(text).then_some(text)
    }
}

/// A public key of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: String,
    /// The key as a JSON Web Key (RFC 7517).
    pub public: String,
}

/// The keys in a response of [`Application::keys_url`] that can verify RS256, at most [`MAX_KEYS`].
///
/// # Errors
/// The response is not a JSON object with the list `keys`.
pub fn keys(text: &str) -> Result<Vec<Key>, String> {
    let response: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let all = response.get("keys").and_then(Value::as_array);
    let all = all.ok_or("the response has no list `keys`")?;
    let mut keys = Vec::new();
    for key in all.iter().take(MAX_KEYS) {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let may_be = |name: &str, wanted: &str| key.get(name).is_none_or(|value| value == wanted);
        if let (Some("RSA"), Some(id), Some(n), Some(e)) =
            (text("kty"), text("kid"), text("n"), text("e"))
            && may_be("alg", "RS256")
            && may_be("use", "sig")
            && [n, e].iter().all(|number| base64url(number).is_some())
        {
            keys.push(Key {
                id: id.to_owned(),
                public: format!(r#"{{"kty":"RSA","alg":"RS256","n":"{n}","e":"{e}"}}"#),
            });
        }
    }
    Ok(keys)
}

/// The names in a claim that is a string or a list of strings.
fn names(claim: &Value) -> Vec<String> {
    let one = |value: &Value| {
        let text = value.as_str().filter(|text| is_name(text));
        text.map(str::to_owned)
    };
    match claim {
        Value::Array(all) => all.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME
}

/// A time in seconds since 1970. RFC 7519 allows fractions.
fn seconds(value: &Value) -> Option<u64> {
    let seconds = value.as_f64()?;
    (seconds >= 0.0).then_some(seconds as u64)
}

fn object(part: &str) -> Result<Map<String, Value>, Rejected> {
    let text = base64url(part).and_then(|bytes| String::from_utf8(bytes).ok());
    match serde_json::from_str(&text.ok_or(Rejected::Malformed)?) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(Rejected::Malformed),
    }
}

/// Decodes base64url without padding (RFC 7515, 2). Only the canonical form is accepted.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for &character in group {
            bits = bits << 6 | digit(character)?;
        }
        let unused = 6 * (4 - group.len() as u32);
        let [_, decoded @ ..] = (bits << unused).to_be_bytes();
        let (decoded, rest) = decoded.split_at(match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        });
        if rest.iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.extend_from_slice(decoded);
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const TEAM: &str = "https://team.cloudflareaccess.com";
    const AUDIENCE: &str = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";

    fn encode(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::new();
        for group in bytes.chunks(3) {
            let mut padded = [0; 4];
            padded[1..=group.len()].copy_from_slice(group);
            let bits = u32::from_be_bytes(padded);
            for at in 0..=group.len() {
                out.push(char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]));
            }
        }
        out
    }

    fn token(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| encode(value.to_string().as_bytes());
        format!("{}.{}.{}", part(header), part(claims), encode(b"signature"))
    }

    fn header() -> Value {
        json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" })
    }

    fn claims() -> Value {
        json!({ "iss": TEAM, "aud": [AUDIENCE], "exp": NOW + 600, "nbf": NOW, "email": "ada@example.net" })
    }

    fn with(mut object: Value, name: &str, value: Value) -> Value {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(name)),
            value => object[name] = value,
        }
        object
    }

    fn check(header: &Value, claims: &Value) -> Result<Identity, Rejected> {
        let application = Application {
            team_url: TEAM.to_owned(),
            audience: AUDIENCE.to_owned(),
        };
        let text = token(header, claims);
        let token = Token::parse(&text)?;
        token.check(&application, NOW)?;
        token.identity()
    }

    #[test]
    fn a_token_has_its_parts() {
        let text = token(&header(), &claims());
        let parsed = Token::parse(&text).unwrap();
        assert_eq!(parsed.key_id, "k1");
        assert_eq!(parsed.signature, b"signature");
        assert_eq!(text, format!("{}.{}", parsed.signed, encode(b"signature")));
    }

    #[test]
    fn a_header_with_another_algorithm_or_without_a_key_is_rejected() {
        let long = "k".repeat(MAX_KEY_ID + 1);
        for (name, value, expected) in [
            ("alg", json!("none"), Rejected::Algorithm),
            ("alg", json!("None"), Rejected::Algorithm),
            ("alg", json!("HS256"), Rejected::Algorithm),
            ("alg", json!("RS512"), Rejected::Algorithm),
            ("alg", json!(["RS256"]), Rejected::Algorithm),
            ("alg", Value::Null, Rejected::Algorithm),
            ("crit", json!(["b64"]), Rejected::CriticalHeader),
            ("kid", Value::Null, Rejected::NoKeyId),
            ("kid", json!(""), Rejected::NoKeyId),
            ("kid", json!(7), Rejected::NoKeyId),
            ("kid", json!(long), Rejected::NoKeyId),
        ] {
            let header = with(header(), name, value);
            assert_eq!(check(&header, &claims()), Err(expected), "{header}");
        }
    }

    #[test]
    fn a_claim_that_is_missing_or_wrong_is_rejected() {
        let skew = CLOCK_SKEW_S;
        for (name, value, expected) in [
            (
                "iss",
                json!("https://other.cloudflareaccess.com"),
                Some(Rejected::Issuer),
            ),
            ("iss", json!(format!("{TEAM}/")), Some(Rejected::Issuer)),
            ("iss", Value::Null, Some(Rejected::Issuer)),
            ("aud", json!("other"), Some(Rejected::Audience)),
            ("aud", json!(["other", 7]), Some(Rejected::Audience)),
            ("aud", json!([]), Some(Rejected::Audience)),
            ("aud", json!([[AUDIENCE]]), Some(Rejected::Audience)),
            ("aud", Value::Null, Some(Rejected::Audience)),
            ("aud", json!(AUDIENCE), None),
            ("aud", json!(["other", AUDIENCE]), None),
            ("exp", Value::Null, Some(Rejected::NoExpiry)),
            ("exp", json!("soon"), Some(Rejected::NoExpiry)),
            ("exp", json!(-1), Some(Rejected::NoExpiry)),
            (
                "exp",
                json!(NOW - skew),
                Some(Rejected::Expired { seconds: skew }),
            ),
            ("exp", json!(0), Some(Rejected::Expired { seconds: NOW })),
            ("exp", json!(NOW - skew + 1), None),
            ("exp", json!(1e300), None),
            ("nbf", json!(NOW + skew), None),
            ("nbf", json!(NOW as f64 + 0.5), None),
            (
                "nbf",
                json!(NOW + skew + 1),
                Some(Rejected::NotYetValid { seconds: skew + 1 }),
            ),
            (
                "nbf",
                json!(1e300),
                Some(Rejected::NotYetValid {
                    seconds: u64::MAX - NOW,
                }),
            ),
            ("nbf", json!("soon"), Some(Rejected::Malformed)),
            ("nbf", Value::Null, None),
            ("email", Value::Null, Some(Rejected::NoName)),
            ("email", json!(""), Some(Rejected::NoName)),
            ("email", json!(["ada@example.net"]), Some(Rejected::NoName)),
            (
                "email",
                json!("a".repeat(MAX_NAME + 1)),
                Some(Rejected::NoName),
            ),
        ] {
            let claims = with(claims(), name, value);
            assert_eq!(check(&header(), &claims).err(), expected, "{claims}");
        }
    }

    #[test]
    fn an_identity_has_the_groups_of_both_claims_or_is_a_service_token() {
        let claims = with(claims(), "groups", json!(["noc", 7, { "id": "x" }]));
        let claims = with(claims, "custom", json!({ "groups": "net-admins" }));
        assert_eq!(
            check(&header(), &claims),
            Ok(Identity {
                email: Some("ada@example.net".to_owned()),
                groups: vec!["noc".to_owned(), "net-admins".to_owned()],
                service_token: None,
            })
        );
        let claims = with(claims, "email", Value::Null);
        let claims = with(claims, "common_name", json!("abc.access"));
        let identity = check(&header(), &claims).unwrap();
        assert_eq!(identity.name(), Some("abc.access"));
        assert_eq!(identity.service_token.as_deref(), Some("abc.access"));
    }

    #[test]
    fn a_text_that_is_not_a_token_is_rejected() {
        let [head, body] = [header(), claims()].map(|part| encode(part.to_string().as_bytes()));
        for text in [
            "".to_owned(),
            ".".to_owned(),
            "..".to_owned(),
            head.clone(),
            format!("{head}.{body}"),
            format!("{head}.{body}.c2ln.c2ln"),
            format!("{head}=.{body}.c2ln"),
            format!("{head}.{body}.c2ln="),
            format!("{head}.{body}.c"),
            format!("{head}.{body}.c2+n"),
            format!("{head}.{body}.c2ln "),
            format!("{head}.W10.c2ln"),
            format!("{head}..c2ln"),
            format!("{}.{body}.c2ln", encode(b"\"RS256\"")),
            format!("{head}.{}.c2ln", encode(&[0xff, 0xfe])),
            format!("{head}.{}.c2ln", encode("[".repeat(5000).as_bytes())),
        ] {
            assert_eq!(Token::parse(&text), Err(Rejected::Malformed), "{text}");
        }
    }

    #[test]
    fn a_token_has_at_most_16_kib() {
        let text = token(&header(), &claims());
        let longest = format!(
            "{text}{}",
            "A".repeat((MAX_ACCESS_TOKEN - text.len()) / 4 * 4)
        );
        assert!(Token::parse(&longest).is_ok());
        let longer = format!("{longest}{}", "A".repeat(4));
        assert_eq!(Token::parse(&longer), Err(Rejected::TooLong));
    }

    #[test]
    fn base64url_has_one_form() {
        for length in 0..20 {
            let bytes: Vec<u8> = (0..length)
                .map(|at: u8| at.wrapping_mul(37) ^ 0xff)
                .collect();
            assert_eq!(base64url(&encode(&bytes)), Some(bytes));
        }
        assert_eq!(base64url("-_8"), Some(vec![0xfb, 0xff]));
        for text in ["-_9", "AB", "A", "AAAAA", "AA==", "AA\n", "+/8", "ü"] {
            assert_eq!(base64url(text), None, "{text}");
        }
    }

    #[test]
    fn only_keys_that_verify_rs256_are_used() {
        let key = |others: Value| {
            let mut key = json!({ "kid": "a", "kty": "RSA", "alg": "RS256", "use": "sig", "n": "AQ", "e": "AQAB" });
            for (name, value) in others.as_object().unwrap() {
                key = with(key, name, value.clone());
            }
            json!({ "keys": [key], "public_cert": {} }).to_string()
        };
        let public = r#"{"kty":"RSA","alg":"RS256","n":"AQ","e":"AQAB"}"#;
        for (others, used) in [
            (json!({}), true),
            (json!({ "alg": null, "use": null }), true),
            (json!({ "d": "AQ", "key_ops": ["sign"] }), true),
            (json!({ "kty": "oct" }), false),
            (json!({ "alg": "HS256" }), false),
            (json!({ "use": "enc" }), false),
            (json!({ "kid": 7 }), false),
            (json!({ "n": null }), false),
            (json!({ "n": "AQ\",\"d\":\"AQ" }), false),
            (json!({ "e": "!" }), false),
        ] {
            let expected = used.then(|| Key {
                id: "a".to_owned(),
                public: public.to_owned(),
            });
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(keys(&key(others.clone())), Ok(expected), "{others}");
        }
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
            assert!(keys(text).is_err(), "{text}");
        }
    }
}
