//! /admin/session: who the caller is, and the session cookie of the console.

use serde_json::{Value, json};
use ztp_core::operators::{Method, Operator};
use ztp_core::session;

use super::{Context, respond};
use crate::access::{check_admin_token, check_origin};
use crate::error::Error;
use crate::response::Response;
use crate::storage::now;

/// Maximum size of a request that opens a session, in bytes.
pub const MAX_SESSION_BODY: usize = 4096;

/// GET /admin/session: the name, the role and the sites of the operator, and the credential that identified it.
pub async fn show(context: Context<'_>) -> Result<Response, Error> {
    let operator = context.operator.ok_or_else(Error::unknown_path)?;
    Ok(respond(&json!({
        "name": operator.name,
        "role": operator.role,
        "sites": operator.sites,
        "secrets": operator.secrets,
        "method": operator.method,
    })))
}

/// POST /admin/session: opens a session with the admin token, `{"token": "..."}`.
///
/// 204 with the cookie; the 404 of unknown paths if the token is wrong or none is configured, as for every path of
/// operators. The log has the reason.
pub async fn open(context: Context<'_>) -> Result<Response, Error> {
    match cookie(&context).await {
        Ok(cookie) => {
            context.log.operator = Some(Operator::with_admin_token().name);
            Ok(with_cookie(&cookie))
        }
        Err(reason) => {
            context.log.warn(format!("no session was opened: {reason}"));
            Err(context.request.refuse(Error::unknown_path()).await)
        }
    }
}

/// DELETE /admin/session: deletes the cookie in the browser. 204.
pub async fn close(_context: Context<'_>) -> Result<Response, Error> {
    Ok(with_cookie(""))
}

fn with_cookie(value: &str) -> Response {
    Response::no_content()
        .with_header("Cache-Control", "no-store")
        .with_header("Set-Cookie", session::set_cookie(value))
}

/// A new session; else what is wrong with the request, for the log.
async fn cookie(context: &Context<'_>) -> Result<String, String> {
    let Some(admin_token) = &context.settings.admin_token else {
        return Err("the secret ZTP_ADMIN_TOKEN is not set".to_owned());
    };
    // A page of another origin must not sign its visitors in.
    check_origin(context.request, Method::Access).map_err(|refusal| refusal.to_string())?;
    let body = context.request.body("the body", MAX_SESSION_BODY).await;
    let body = body.map_err(|refusal| refusal.to_string())?;
    let text = String::from_utf8(body.to_vec()).unwrap_or_default();
    let parsed: Option<Value> = serde_json::from_str(&text).ok();
    let token = parsed.as_ref().and_then(|body| body.get("token")?.as_str());
    let token = token.ok_or("the body is not a JSON object with the string `token`")?;
    check_admin_token(token, context.settings).map_err(|reason| format!("the token: {reason}"))?;
    Ok(session::open(admin_token, now() / 1000))
}
