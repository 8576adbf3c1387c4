//! GET /admin and /admin/console/{path}: the operators' console. Its files are the same for everyone and contain no
//! data: the console reads all of it from the API, as the operator who is signed in.

use super::Context;
use crate::conditions::lists;
use crate::error::Error;
use crate::response::{Body, Response};
use crate::storage::Asset;

/// The files that are served, with their paths below /admin and their types. Nothing else of the assets can be requested.
/// `/admin` and `/admin/` are the same page, whose relative URLs begin one segment later.
const FILES: [(&str, &str, &str); 5] = [
    ("", "index.html", HTML),
    ("/", "slash.html", HTML),
    (
        "/console/console.js",
        "console.js",
        "text/javascript; charset=UTF-8",
    ),
    (
        "/console/console.css",
        "console.css",
        "text/css; charset=UTF-8",
    ),
    ("/console/icon.svg", "icon.svg", "image/svg+xml"),
];
const HTML: &str = "text/html; charset=UTF-8";

/// Code and styles come from this server alone, no text can become HTML, and no page can embed the console.
const HEADERS: [(&str, &str); 5] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    // A browser asks each time whether its copy is current: after a deployment all files are of one version.
    ("Cache-Control", "no-cache"),
];

/// GET /admin, /admin/ and /admin/console/{path}.
///
/// 304 to a browser that has the current file; 404 as an unknown path for any other one, and if there is no way to
/// identify operators; 503 if the assets cannot be read.
pub async fn get(context: Context<'_>) -> Result<Response, Error> {
    let settings = context.settings;
    if settings.admin_token.is_none() && settings.access.is_none() {
        return Err(Error::unknown_path());
    }
    let path = context.segments.join("/");
    let path = path.strip_prefix("admin").unwrap_or_default();
    let file = FILES.iter().find(|(wanted, ..)| *wanted == path);
    let (_, name, content_type) = file.ok_or_else(Error::unknown_path)?;
    let Asset { etag, body } = context.storage.asset(name).await?;
    let known = context.request.header("If-None-Match");
    let is_known = known
        .zip(etag.as_deref())
        .is_some_and(|(known, etag)| lists(&known, etag));
    let (status, body) = match is_known {
        false => (200, Body::Stream { body, length: None }),
        true => (304, Body::None),
    };
    let mut response = Response::new(status, content_type, body);
    for (header, value) in HEADERS {
        response = response.with_header(header, value);
    }
    Ok(match etag {
        Some(etag) => response.with_header("ETag", etag),
        None => response,
    })
}
