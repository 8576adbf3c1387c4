//! Cloudflare's REST API: the credential, the account, and the envelope of responses.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use ureq::http::{Method, Request};
use ureq::{Agent, AsSendBody};

use ztp_core::path::encode_segment;

use crate::Failure;
use crate::http::{self, RequestError, TextResponse};
use crate::project::Project;

const BASE_URL: &str = "https://api.cloudflare.com/client/v4";

/// A client for one account.
pub struct Api {
    pub agent: Agent,
    base: String,
    token: String,
    pub account: String,
}

/// The paging information of a response.
#[derive(Debug, Default, Deserialize)]
pub struct ResultInfo {
    pub cursor: Option<String>,
    pub is_truncated: Option<bool>,
}

#[derive(Deserialize)]
struct Envelope {
    success: bool,
    #[serde(default)]
    errors: Option<Vec<Problem>>,
    #[serde(default)]
    result: Json,
    #[serde(default)]
    result_info: Option<ResultInfo>,
}

#[derive(Deserialize)]
struct Problem {
    code: i64,
    message: String,
}

impl Api {
    /// A client with the user's credential: CLOUDFLARE_API_TOKEN, else wrangler's login.
    ///
    /// # Errors
    /// There is no credential, or it has several accounts and none is configured.
    pub fn open(project: &Project) -> Result<Self, Failure> {
        let base = variable("CLOUDFLARE_API_BASE_URL").unwrap_or_else(|| BASE_URL.to_owned());
        let token = match variable("CLOUDFLARE_API_TOKEN") {
            Some(token) => token,
            None => login(project)?,
        };
        let mut api = Self {
            agent: http::agent(),
            base: base.trim_end_matches('/').to_owned(),
            token,
            account: String::new(),
        };
        api.account = match variable("CLOUDFLARE_ACCOUNT_ID") {
            Some(account) => account,
            None => match project.account()? {
                Some(account) => account,
                None => api.only_account()?,
            },
        };
        Ok(api)
    }

    fn only_account(&self) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Account {
            id: String,
        }
        let (accounts, _): (Vec<Account>, _) =
            self.call("listing your accounts", Method::GET, "/accounts", None)?;
        match <[Account; 1]>::try_from(accounts) {
            Ok([account]) => Ok(account.id),
            Err(accounts) => Err(Failure::new(format!(
                "you have {} accounts; choose one with CLOUDFLARE_ACCOUNT_ID, or with \
                 account_id in wrangler.toml",
                accounts.len()
            ))),
        }
    }

    /// A path below the account: `/storage/kv/namespaces`.
    pub fn of_account(&self, path: &str) -> String {
        format!("/accounts/{}{path}", encode_segment(&self.account))
    }

    /// Sends an idempotent request with retries, and parses the result.
    ///
    /// # Errors
    /// The request failed, or the response reports an error.
    pub fn call<T: DeserializeOwned>(
        &self,
        doing: &str,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> Result<(T, ResultInfo), Failure> {
        http::retry(doing, || self.call_once(method.clone(), path, body))
    }

    /// Sends a request once, and parses the result.
    ///
    /// # Errors
    /// The request failed, or the response reports an error.
    pub fn call_once<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> Result<(T, ResultInfo), RequestError> {
        let body = body.map(Json::to_string).unwrap_or_default();
        let request = self
            .request(method, path)
            .header("Content-Type", "application/json")
            .body(body.as_str());
        let response = self.send(request)?;
        let Ok(envelope) = serde_json::from_str::<Envelope>(&response.body) else {
            return Err(response.error());
        };
        let problems: Vec<_> = envelope
            .errors
            .unwrap_or_default()
            .into_iter()
            .map(|problem| format!("{} ({})", problem.message, problem.code))
            .collect();
        if response.status < 300 && envelope.success {
            let result = serde_json::from_value(envelope.result).map_err(|error| {
                RequestError::Permanent(format!("the response is not valid: {error}"))
            })?;
            return Ok((result, envelope.result_info.unwrap_or_default()));
        }
        Err(match response.error() {
            RequestError::Permanent(_) if !problems.is_empty() => RequestError::Permanent(format!(
                "the server responded {}: {}",
                response.status,
                problems.join("; ")
            )),
            error => error,
        })
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// The request failed, or the credential is not accepted.
    pub fn send<T: AsSendBody>(
        &self,
        request: Result<Request<T>, ureq::http::Error>,
    ) -> Result<TextResponse, RequestError> {
        let response = http::send(&self.agent, built(request)?)?;
        match response.status {
            401 | 403 => Err(RequestError::Permanent(format!(
                "the credential is not accepted ({}); log in with `npx wrangler login`, or set \
                 CLOUDFLARE_API_TOKEN to a token that may edit Workers KV and R2",
                response.status
            ))),
            _ => Ok(response),
        }
    }

    /// A request with the credential.
    pub fn request(&self, method: Method, path: &str) -> ureq::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("Authorization", format!("Bearer {}", self.token))
    }
}

/// A request that was built without an error.
pub fn built<T>(
    request: Result<Request<T>, ureq::http::Error>,
) -> Result<Request<T>, RequestError> {
    request.map_err(|error| RequestError::Permanent(format!("cannot build the request: {error}")))
}

/// An environment variable that is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The token of `wrangler login`, which wrangler renews if it has expired.
fn login(project: &Project) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Credential {
        token: Option<String>,
    }
    let advice = "log in with `npx wrangler login`, or set CLOUDFLARE_API_TOKEN";
    let done = project
        .npm_program("wrangler")?
        .args(["auth", "token", "--json"])
        .output()
        .map_err(|error| Failure::new(format!("cannot run wrangler: {error}; {advice}")))?;
    let credential: Option<Credential> = serde_json::from_slice(&done.stdout).ok();
    let token = credential.and_then(|credential| credential.token);
    token
        .filter(|_| done.status.success())
        .ok_or_else(|| Failure::new(format!("wrangler has no token of yours; {advice}")))
}
