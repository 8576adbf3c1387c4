//! Who asks. A switch has a credential in its path. An operator has the admin token, a token of Cloudflare Access, or
//! the session cookie of the console, and is looked for in that order.

mod cloudflare;

use ztp_core::access_token::Token;
use ztp_core::credentials::{self, Caller};
use ztp_core::key::Document;
use ztp_core::operators::{Method, Operator, Operators};
use ztp_core::path;
use ztp_core::session;
use ztp_core::settings::Settings;

use crate::error::Error;
use crate::log;
use crate::request::Request;
use crate::storage::{Documents, Storage, documents, now};

thread_local! {
    static OPERATORS: Documents<Operators> = documents();
}

/// The header with a token of Cloudflare Access, which Access adds to each request that it lets through.
const ACCESS_HEADER: &str = "Cf-Access-Jwt-Assertion";

/// The caller, the credential in the path, and the rest of the path.
///
/// # Errors
/// The 404 of unknown paths, if sites are configured and the credential is missing or invalid.
pub fn admit<'a, 'p>(
    settings: &'a Settings,
    segments: &'p [&'p str],
) -> Result<(Caller<'a>, Option<&'p str>, &'p [&'p str]), Error> {
    let Some(sites) = &settings.sites else {
        return Ok((Caller::Anyone, None, segments));
    };
    let ["t", credential, rest @ ..] = segments else {
        return Err(Error::unknown_path());
    };
    let caller = sites
        .caller(credential, settings.identifier)
        .ok_or_else(Error::unknown_path)?;
    Ok((caller, Some(credential), rest))
}

/// The server URL for the owner of a credential.
pub fn base_url(server_url: &str, credential: Option<&str>) -> String {
    match credential {
        Some(credential) => format!("{server_url}/t/{credential}"),
        None => server_url.to_owned(),
    }
}

/// Applies the rate-limiting binding, if it is configured. The key is site and node for a node's URL, site
/// and IP address for a site's URL, and the IP address alone without a valid credential. An unverified id
/// is never a key: a caller could invent a new id for each request, or exhaust the limit of another node.
/// If the limiter fails, the request is accepted with a warning.
///
/// # Errors
/// [`Error::RateLimited`].
pub async fn limit_rate(
    request: &Request,
    storage: &Storage,
    caller: Option<&Caller<'_>>,
    log: &mut log::RequestLog,
) -> Result<(), Error> {
    let Some(limiter) = storage.rate_limiter() else {
        return Ok(());
    };
    let who = match caller {
        Some(Caller::Node { id, .. }) => format!("node {id}"),
        _ => request.header("CF-Connecting-IP").unwrap_or_default(),
    };
    let key = format!(
        "{}/{who}",
        caller.and_then(Caller::site).unwrap_or_default()
    );
    match limiter.limit(key).await {
        Ok(outcome) if outcome.success => Ok(()),
        Ok(_) => Err(Error::RateLimited),
        Err(cause) => {
            log.warn(format!(
                "calling the rate limiter failed ({cause}); the request was accepted"
            ));
            Ok(())
        }
    }
}

/// Why a credential does not identify an operator.
enum Refused {
    /// The reason, without any part of it.
    Credential(String),
    /// It could not be checked.
    Failed(Error),
}

impl Refused {
    fn because(reason: impl ToString) -> Self {
        Self::Credential(reason.to_string())
    }
}

/// The operator who sends the request.
///
/// 1. A token in `Authorization: Bearer` counts alone: it is the admin token, or wrong.
/// 2. A token of Access that is valid identifies the operator that the document `operators` makes of its owner.
/// 3. Else the session cookie counts: its owner has the admin token.
///
/// The log has a warning with the reason for each credential that is rejected.
///
/// # Errors
/// The 404 of unknown paths if no credential identifies an operator: neither switches nor strangers can probe for
/// operators' paths. [`Error::Storage`] if a token that may be valid cannot be checked.
pub async fn operator(
    request: &Request,
    settings: &Settings,
    storage: &Storage,
    log: &mut log::RequestLog,
) -> Result<Operator, Error> {
    let mut rejected = |credential: &str, reason: String| {
        log.warn(format!("{credential} was rejected: {reason}"));
    };
    if let Some(header) = request.header("Authorization") {
        let found = match credentials::bearer_token(&header) {
            Some(token) => check_admin_token(token, settings),
            None => Err("its scheme is not Bearer".to_owned()),
        };
        let found = found.map(|()| Operator::with_admin_token());
        return found.map_err(|reason| {
            rejected("the header Authorization", reason);
            Error::unknown_path()
        });
    }
    if let Some(token) = request.header(ACCESS_HEADER) {
        match by_access(&token, settings, storage).await {
            Ok(operator) => return Ok(operator),
            Err(Refused::Credential(reason)) => {
                rejected("the token of Cloudflare Access", reason);
            }
            Err(Refused::Failed(error)) => return Err(error),
        }
    }
    let cookies = request.header("Cookie").unwrap_or_default();
    if let Some(value) = session::of_header(&cookies) {
        match by_session(value, settings) {
            Ok(operator) => return Ok(operator),
            Err(reason) => rejected("the session cookie", reason),
        }
    }
    Err(Error::unknown_path())
}

/// Checks that a token is the admin token, in constant time.
///
/// # Errors
/// The reason, for the log.
pub fn check_admin_token(presented: &str, settings: &Settings) -> Result<(), String> {
    let Some(token) = &settings.admin_token else {
        return Err("the secret ZTP_ADMIN_TOKEN is not set".to_owned());
    };
    if credentials::same_token(presented, token) {
        return Ok(());
    }
    let sites = settings.sites.as_ref();
    let of_site = sites.and_then(|sites| sites.caller(presented, settings.identifier));
    Err(match of_site {
        Some(_) => "it is a credential of switches, not the admin token".to_owned(),
        None => "it is not the admin token".to_owned(),
    })
}

async fn by_access(
    token: &str,
    settings: &Settings,
    storage: &Storage,
) -> Result<Operator, Refused> {
    let application = settings.access.as_ref();
    let application = application.ok_or_else(|| {
        Refused::because("the settings ACCESS_TEAM_DOMAIN and ACCESS_AUD are missing")
    })?;
    let token = Token::parse(token).map_err(Refused::because)?;
    // Before the keys are read: a stranger knows neither the application nor the team.
    token
        .check(application, now() / 1000)
        .map_err(Refused::because)?;
    let identity = token.identity().map_err(Refused::because)?;
    cloudflare::verify(&token, application, storage).await?;
    let parse = |text: String| Operators::parse(&text).map_err(|error| error.to_string());
    let operators = storage.document(&OPERATORS, Document::Operators, true, parse);
    let operators = match operators.await {
        Ok(operators) => operators.unwrap_or_default(),
        Err(Error::BadRequest(reason)) => {
            return Err(Refused::because(format!(
                "it is valid, but the document `operators` is not: {reason}"
            )));
        }
        Err(error) => return Err(Refused::Failed(error)),
    };
    operators.operator(&identity).ok_or_else(|| {
        let name = identity.name().unwrap_or_default();
        Refused::because(format!(
            "it is valid, but no entry of the document `operators` matches {name}"
        ))
    })
}

fn by_session(value: &str, settings: &Settings) -> Result<Operator, String> {
    let Some(token) = &settings.admin_token else {
        return Err("the secret ZTP_ADMIN_TOKEN is not set".to_owned());
    };
    session::check(value, token, now() / 1000).map_err(|reason| reason.to_string())?;
    Ok(Operator {
        method: Method::Cookie,
        ..Operator::with_admin_token()
    })
}

/// Checks that a request that changes something does not come from a page of another origin.
///
/// # Errors
/// [`Error::Forbidden`].
pub fn check_origin(request: &Request, method: Method) -> Result<(), Error> {
    if matches!(request.method.as_str(), "GET" | "HEAD") {
        return Ok(());
    }
    let origin = request.header("Origin");
    session::check_origin(method, origin.as_deref(), path::origin_of(&request.url))
        .map_err(|reason| Error::Forbidden(reason.to_string()))
}
