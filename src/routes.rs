//! The table: which path is whose, and what every request goes through.

mod access;
mod actions;
mod admin;
mod body;
mod bootstrap;
mod definition;
mod files;
mod meta;
mod nodes;
mod prepared;
mod similar;
mod startup_config;

use std::cell::OnceCell;
use std::rc::Rc;

use worker::Env;
use worker::wasm_bindgen::JsValue;

use crate::access::Caller;
use crate::answer::{Answer, content_type};
use crate::error::Error;
use crate::log;
use crate::path;
use crate::runtime::{self, Content, Level, Request, now};
use crate::settings::Settings;
use crate::storage::Storage;

/// What a path names.
#[derive(Debug)]
enum Route<'a> {
    Bootstrap,
    BootstrapConfig,
    Nodes,
    Node(&'a str),
    StartupConfig(&'a str),
    Action(&'a str),
    File(String),
    Meta(meta::Target<'a>),
    OpenApi,
}

impl<'a> Route<'a> {
    fn find(segments: &[&'a str]) -> Option<Self> {
        Some(match segments {
            ["nodes" | "actions", "", ..] => return None,
            ["bootstrap"] => Self::Bootstrap,
            ["bootstrap", "config"] => Self::BootstrapConfig,
            ["nodes"] => Self::Nodes,
            ["nodes", id] => Self::Node(id),
            ["nodes", id, "startup-config"] => Self::StartupConfig(id),
            ["actions", name] => Self::Action(name),
            ["files", path @ ..] if !path.is_empty() => Self::File(path.join("/")),
            ["meta", "actions", path @ ..] if !path.is_empty() => {
                Self::Meta(meta::Target::Action(path.join("/")))
            }
            ["meta", "files", path @ ..] if !path.is_empty() => {
                Self::Meta(meta::Target::File(path.join("/")))
            }
            ["meta", "nodes", id, record @ ..] => Self::Meta(meta::Target::Record {
                id,
                record: record.join("/"),
            }),
            ["openapi.yaml"] => Self::OpenApi,
            _ => return None,
        })
    }

    /// Its shape, as the specification and the README write it.
    fn shape(&self) -> &'static str {
        match self {
            Self::Bootstrap => "/bootstrap",
            Self::BootstrapConfig => "/bootstrap/config",
            Self::Nodes => "/nodes",
            Self::Node(_) => "/nodes/{id}",
            Self::StartupConfig(_) => "/nodes/{id}/startup-config",
            Self::Action(_) => "/actions/{name}",
            Self::File(_) => "/files/{path}",
            Self::Meta(target) => target.shape(),
            Self::OpenApi => "/openapi.yaml",
        }
    }

    /// The methods it answers to.
    fn allow(&self) -> &'static str {
        match self {
            Self::Nodes => "POST",
            Self::StartupConfig(_) => "GET, HEAD, PUT",
            _ => "GET, HEAD",
        }
    }
}

/// What a handler works with.
pub struct Context<'a> {
    pub request: &'a Request,
    pub settings: &'a Settings,
    pub storage: &'a Storage,
    pub caller: &'a Caller<'a>,
    /// The server URL: absolute, with its path prefix, without a trailing slash.
    pub server_url: &'a str,
    /// Where this caller comes back to: the server URL, with the caller's credential if it has one.
    pub base_url: &'a str,
    /// Whether the body will not be sent: what is known without reading it is enough.
    pub head: bool,
    pub log: &'a mut log::Entry,
}

/// Answers a request, and logs it once.
pub async fn respond(request: Request, env: Env) -> JsValue {
    let started = now();
    let mut entry = log::Entry {
        method: request.method.clone(),
        ..log::Entry::default()
    };
    let mut answer = match handle(&request, &env, &mut entry).await {
        Ok(answer) => answer,
        Err(error) => {
            entry.expected = error.is_expected();
            error.into_answer()
        }
    };
    if request.method == "HEAD" {
        answer = answer.without_body();
    }
    entry.status = answer.status;
    entry.reason = answer.reason.take();
    entry.milliseconds = now().saturating_sub(started);
    entry.write();
    answer.respond().unwrap_or_else(|failure| {
        runtime::log(
            Level::Error,
            &format!("the answer cannot be sent: {failure}"),
        );
        runtime::respond("500".to_owned(), None, Content::Nothing).unwrap_or(JsValue::UNDEFINED)
    })
}

thread_local! {
    /// The settings of this instance: they cannot change while it lives.
    static SETTINGS: OnceCell<Rc<Settings>> = const { OnceCell::new() };
}

fn settings(env: &Env) -> Result<Rc<Settings>, Error> {
    if let Some(settings) = SETTINGS.with(|known| known.get().cloned()) {
        return Ok(settings);
    }
    // A secret is read like a variable: both are text in the environment.
    let settings = Settings::read(|name| env.var(name).ok().map(|value| value.to_string()))
        .map_err(|error| Error::Misconfigured(error.to_string()))?;
    if settings.sites.is_none() {
        let warning = "{\"warning\":\"the secret ZTP_TOKENS is not set: whoever reaches this URL can \
                       read and write every node's records\"}";
        runtime::log(Level::Warn, warning);
    }
    let settings = Rc::new(settings);
    Ok(SETTINGS.with(|known| Rc::clone(known.get_or_init(|| settings))))
}

async fn handle(request: &Request, env: &Env, log: &mut log::Entry) -> Result<Answer, Error> {
    let settings = settings(env)?;
    let storage = Storage::open(env)?;
    let result = dispatch(request, &settings, &storage, log).await;
    let operations = storage.operations();
    log.kv_reads = operations.kv_reads;
    log.kv_writes = operations.kv_writes;
    log.r2_reads = operations.r2_reads;
    log.pool_calls = operations.pool_calls;
    for warning in storage.warnings() {
        log.warn(warning);
    }
    result
}

async fn dispatch(
    request: &Request,
    settings: &Settings,
    storage: &Storage,
    log: &mut log::Entry,
) -> Result<Answer, Error> {
    let prefix = settings.server_url.prefix();
    let url = &request.url;
    let path = path::of_url(url);
    let path = path
        .strip_prefix(prefix)
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path);
    // A path that cannot be decoded has no segment, and nothing is there.
    let segments = path::segments(path).unwrap_or_default();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let admitted = access::admit(settings, &segments);
    let caller = admitted.as_ref().ok().map(|(caller, ..)| caller);
    log.site = caller.and_then(Caller::site).map(str::to_owned);
    // Before anything is told apart: also wrong tokens, paths that are none, and /admin count.
    access::limit_rate(request, storage, caller, log).await?;
    if let ["admin", "pools", rest @ ..] = segments.as_slice() {
        return admin::answer(request, settings, storage, log, rest).await;
    }

    let (caller, credential, segments) = admitted?;
    let route = Route::find(segments).ok_or_else(nothing_here)?;
    log.route = Some(route.shape());

    let method = request.method.as_str();
    let server_url = settings.server_url.resolve(url).ok_or_else(|| {
        Error::BadRequest("the Host header has characters that no host name has".to_owned())
    })?;
    let base_url = access::base_url(server_url, credential);
    let context = Context {
        request,
        settings,
        storage,
        caller: &caller,
        server_url,
        base_url: &base_url,
        head: method == "HEAD",
        log,
    };
    match (method, route) {
        ("GET" | "HEAD", Route::Bootstrap) => bootstrap::script(context).await,
        ("GET" | "HEAD", Route::BootstrapConfig) => bootstrap::config(context).await,
        ("POST", Route::Nodes) => nodes::create(context).await,
        ("GET" | "HEAD", Route::Node(id)) => definition::get(context, id).await,
        ("GET" | "HEAD", Route::StartupConfig(id)) => startup_config::get(context, id).await,
        ("PUT", Route::StartupConfig(id)) => startup_config::put(context, id).await,
        ("GET" | "HEAD", Route::Action(name)) => actions::get(context, name).await,
        ("GET" | "HEAD", Route::File(path)) => files::get(context, &path).await,
        ("GET" | "HEAD", Route::Meta(target)) => meta::get(context, target).await,
        ("GET" | "HEAD", Route::OpenApi) => {
            Ok(Answer::ok(content_type::YAML, crate::assets::OPENAPI))
        }
        (_, route) => Err(Error::MethodNotAllowed {
            allow: route.allow(),
        }),
    }
}

/// What an unknown path is told, and whoever has no credential where one is needed: nobody learns
/// from it whether there is something.
fn nothing_here() -> Error {
    Error::NotFound("there is nothing at this path".to_owned())
}
