//! The session of the console: a cookie that says until when it is valid, signed with a key that is derived from the
//! admin token. Nothing is stored; a new admin token ends all sessions.

use std::fmt;

use crate::credentials::{hmac, same_token};
use crate::hex;
use crate::operators::Method;

/// The name of the cookie. The prefix makes browsers accept it only over HTTPS, from this host, for all paths.
pub const COOKIE: &str = "__Host-ztp-session";
/// How long a session is valid, in seconds.
pub const SESSION_S: u64 = 12 * 60 * 60;

/// Why a cookie is rejected. `Display` contains no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    Malformed,
    /// It was changed, or the admin token was.
    Signature,
    Expired {
        seconds: u64,
    },
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("it is malformed"),
            Self::Signature => {
                f.write_str("its signature is wrong: it was changed, or ZTP_ADMIN_TOKEN was")
            }
            Self::Expired { seconds } => write!(f, "it expired {seconds} s ago"),
        }
    }
}

/// A request that changes something, with a credential that a browser adds by itself, and that is not certain to come
/// from a page of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    OtherOrigin,
    NoOrigin,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherOrigin => {
                "the request comes from a page of another origin: its header Origin is not the origin of its URL"
            }
            Self::NoOrigin => {
                "a request with the session cookie that changes something needs the header Origin; a script sends \
                 `Authorization: Bearer` with the admin token"
            }
        })
    }
}

/// Checks the header `Origin` of a request that changes something, which was sent to the origin `own`. A browser adds a
/// cookie by itself, and Access adds its token for a cookie; a page of another origin cannot make it add the admin token.
///
/// # Errors
/// The origin is another one, or missing from a request with the session cookie: every browser sends it.
pub fn check_origin(method: Method, origin: Option<&str>, own: &str) -> Result<(), Foreign> {
    match (method, origin) {
        (Method::Token, _) | (Method::Access, None) => Ok(()),
        (Method::Cookie, None) => Err(Foreign::NoOrigin),
        (_, Some(origin)) if origin == own => Ok(()),
        (_, Some(_)) => Err(Foreign::OtherOrigin),
    }
}

/// The value of a new cookie at the time `now`, in seconds since 1970.
pub fn open(admin_token: &str, now: u64) -> String {
    let until = now + SESSION_S;
    format!("{until}.{}", signature(admin_token, until))
}

/// Checks the value of a cookie at the time `now`, in seconds since 1970. The signature is compared in constant time.
///
/// # Errors
/// It was not made by [`open`] with this admin token, or has expired.
pub fn check(value: &str, admin_token: &str, now: u64) -> Result<(), Rejected> {
    let (until, presented) = value.split_once('.').ok_or(Rejected::Malformed)?;
    let time: u64 = until.parse().map_err(|_| Rejected::Malformed)?;
    if time.to_string() != until {
        return Err(Rejected::Malformed);
    }
    if !same_token(presented, &signature(admin_token, time)) {
        return Err(Rejected::Signature);
    }
    match now.checked_sub(time) {
        Some(seconds) => Err(Rejected::Expired { seconds }),
        None => Ok(()),
    }
}

/// The value of the session cookie in a header `Cookie`.
pub fn of_header(cookies: &str) -> Option<&str> {
    let mut pairs = cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

/// The header `Set-Cookie` with a value; the empty value deletes the cookie.
pub fn set_cookie(value: &str) -> String {
    let age = match value {
        "" => 0,
        _ => SESSION_S,
    };
    format!("{COOKIE}={value}; Path=/; Max-Age={age}; HttpOnly; Secure; SameSite=Strict")
}

/// HMAC-SHA256 of the time, in hexadecimal. The key is the HMAC-SHA256 of a label, with the admin token as its key.
fn signature(admin_token: &str, until: u64) -> String {
    let key = hmac(admin_token.as_bytes(), b"ztp-edge session key");
    hex(&hmac(&key, format!("valid until {until}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "an-admin-token-0123";
    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_session_is_valid_for_twelve_hours() {
        let value = open(TOKEN, NOW);
        for (later, expected) in [
            (0, Ok(())),
            (SESSION_S - 1, Ok(())),
            (SESSION_S, Err(Rejected::Expired { seconds: 0 })),
            (SESSION_S + 5, Err(Rejected::Expired { seconds: 5 })),
        ] {
            assert_eq!(check(&value, TOKEN, NOW + later), expected, "{later}");
        }
    }

    #[test]
    fn a_changed_cookie_or_admin_token_ends_a_session() {
        let value = open(TOKEN, NOW);
        let (until, signature) = value.split_once('.').unwrap();
        let later = NOW + 2 * SESSION_S;
        for (changed, expected) in [
            (format!("{later}.{signature}"), Rejected::Signature),
            (format!("{until}."), Rejected::Signature),
            (format!("{value}0"), Rejected::Signature),
            (value.to_uppercase(), Rejected::Signature),
            (format!("{until}.{}", TOKEN), Rejected::Signature),
            (format!("0{value}"), Rejected::Malformed),
            (format!("+{value}"), Rejected::Malformed),
            (until.to_owned(), Rejected::Malformed),
            (String::new(), Rejected::Malformed),
            (format!(".{signature}"), Rejected::Malformed),
        ] {
            assert_eq!(check(&changed, TOKEN, NOW), Err(expected), "{changed}");
        }
        assert_eq!(
            check(&value, "another-admin-token", NOW),
            Err(Rejected::Signature)
        );
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        for (header, expected) in [
            ("__Host-ztp-session=a", Some("a")),
            ("x=1; __Host-ztp-session=a.b; y=2", Some("a.b")),
            ("x=1;__Host-ztp-session=", Some("")),
            ("ztp-session=a", None),
            ("__host-ztp-session=a", None),
            ("x=__Host-ztp-session=a", None),
            ("", None),
        ] {
            assert_eq!(of_header(header), expected, "{header}");
        }
    }

    #[test]
    fn a_page_of_another_origin_cannot_use_what_a_browser_adds_by_itself() {
        let own = "https://ztp.example.net";
        for origin in [
            "https://ztp.example.net.evil.example",
            "http://ztp.example.net",
            "https://ztp.example.net:8443",
            "https://ztp.example.net/",
            "https://evil.example",
            "null",
            "",
        ] {
            for method in [Method::Cookie, Method::Access] {
                let result = check_origin(method, Some(origin), own);
                assert_eq!(result, Err(Foreign::OtherOrigin), "{origin}");
            }
            assert_eq!(check_origin(Method::Token, Some(origin), own), Ok(()));
        }
        for method in [Method::Cookie, Method::Access, Method::Token] {
            assert_eq!(check_origin(method, Some(own), own), Ok(()));
        }
        assert_eq!(
            check_origin(Method::Cookie, None, own),
            Err(Foreign::NoOrigin)
        );
        assert_eq!(check_origin(Method::Access, None, own), Ok(()));
    }

    #[test]
    fn the_cookie_is_for_this_host_and_not_for_scripts() {
        let set = set_cookie("a");
        assert_eq!(
            set,
            "__Host-ztp-session=a; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Strict"
        );
        assert!(set_cookie("").contains("Max-Age=0;"));
    }
}
