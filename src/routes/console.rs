//! GET /admin and /admin/console/{path}: the operators' console. Its files are the same for everyone and contain no
//! data: the console reads all of it from the API, as the operator who is signed in.

use super::Context;
use crate::conditions::lists;
use crate::error::Error;
use crate::response::{Body, Response};
use crate::storage::Asset;

/// The files that are served, with their types. Nothing else of the assets can be requested.
const FILES: [(&str, &str); 3] = [
    ("console.js", "text/javascript; charset=UTF-8"),
    ("console.css", "text/css; charset=UTF-8"),
    ("icon.svg", "image/svg+xml"),
];
const HTML: &str = "text/html; charset=UTF-8";

/// Code and styles come from this server alone, no text can become HTML, and no page can embed the console.
const HEADERS: [(&str, &str); 6] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    // A browser asks each time whether its copy is current: after a deployment all files are of one version.
    ("Cache-Control", "no-cache"),
];

/// GET /admin: the page. 404 as an unknown path if no operator can be identified; 503 if the assets cannot be read.
pub async fn page(context: Context<'_>) -> Result<Response, Error> {
    send(&context, "index.html", HTML).await
}

/// GET /admin/: the same page, whose relative URLs begin one segment later.
pub async fn page_with_slash(context: Context<'_>) -> Result<Response, Error> {
    send(&context, "slash.html", HTML).await
}

/// GET /admin/console/{path}: a file of the page. As [`page`]; 404 as an unknown path for any other one.
pub async fn file(context: Context<'_>) -> Result<Response, Error> {
    let path = context.parameters.get("path");
    match FILES.iter().find(|(name, _)| *name == path) {
        Some((name, content_type)) => send(&context, name, content_type).await,
        None => Err(Error::unknown_path()),
    }
}

async fn send(
    context: &Context<'_>,
    name: &str,
    content_type: &'static str,
) -> Result<Response, Error> {
    let settings = context.settings;
    if settings.admin_token.is_none() && settings.access.is_none() {
        return Err(Error::unknown_path());
    }
    let Asset { etag, body, length } = context.storage.asset(name).await?;
    let known = context.request.header("If-None-Match");
    let is_known = known
        .zip(etag.as_deref())
        .is_some_and(|(known, etag)| lists(&known, etag));
    let mut response = match body {
        Some(body) if !is_known => Response::new(200, content_type, Body::Stream { body, length }),
        _ => Response::new(304, content_type, Body::None),
    };
    for (header, value) in HEADERS {
        response = response.with_header(header, value);
    }
    Ok(match etag {
        Some(etag) => response.with_header("ETag", etag),
        None => response,
    })
}
