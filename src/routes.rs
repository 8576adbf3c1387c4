//! The table of routes, and the dispatch of every request.

mod access;
mod actions;
mod admin;
mod bootstrap;
mod console;
mod definition;
mod events;
mod files;
mod meta;
mod nodes;
mod noted;
mod openapi;
#[cfg(feature = "panics")]
mod panics;
mod published;
mod similar;
mod startup_config;

use std::cell::OnceCell;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use worker::{Env, console_error, console_warn, web_sys};
use ztp_core::credentials::Caller;
use ztp_core::operators::{Operator, Role};
use ztp_core::path;
use ztp_core::settings::Settings;

use crate::access::{admit, base_url, check_origin, limit_rate, operator};
use crate::error::Error;
use crate::log;
use crate::request::Request;
use crate::response::Response;
use crate::storage::{Storage, now};
use Access::{Admin, Open, SignIn, Switch};
use noted::Noted;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Switches: with the credential of a site or node in the path, if sites are configured.
    Switch,
    /// Operators with at least this role.
    Admin(Role),
    /// Anyone: the credential is in the body. Else the response is the 404 of unknown paths.
    SignIn,
    /// Anyone, if there is a way to identify operators: static files.
    Open,
}

/// Who calls: the routes of the others do not exist for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    Switches,
    Operators,
}

impl Access {
    fn area(self) -> Area {
        match self {
            Self::Switch => Area::Switches,
            Self::Admin(_) | Self::SignIn | Self::Open => Area::Operators,
        }
    }
}

/// A row of the table.
struct Route {
    /// GET also serves HEAD.
    method: &'static str,
    /// `{name}` matches one segment, `{*name}` the rest of at least one, `{*name?}` any rest.
    path: &'static str,
    access: Access,
    handler: Handler,
}

type Handler = for<'a> fn(Context<'a>) -> LocalBoxFuture<'a, Result<Response, Error>>;

#[rustfmt::skip]
const ROUTES: &[Route] = &[
    route("GET", "/bootstrap", Switch, |context| Box::pin(bootstrap::script(context))),
    route("GET", "/bootstrap/config", Switch, |context| Box::pin(bootstrap::config(context))),
    route("POST", "/nodes", Switch, |context| Box::pin(nodes::create(context))),
    route("GET", "/nodes/{id}", Switch, |context| Box::pin(definition::get(context))),
    route("GET", "/nodes/{id}/startup-config", Switch, |context| Box::pin(startup_config::get(context))),
    route("PUT", "/nodes/{id}/startup-config", Switch, |context| Box::pin(startup_config::put(context))),
    route("POST", "/nodes/{id}/events", Switch, |context| Box::pin(events::report(context))),
    route("GET", "/actions/{name}", Switch, |context| Box::pin(actions::get(context))),
    route("GET", "/files/{*path}", Switch, |context| Box::pin(files::get(context))),
    route("GET", "/meta/actions/{*name}", Switch, |context| Box::pin(meta::action(context))),
    route("GET", "/meta/files/{*path}", Switch, |context| Box::pin(meta::file(context))),
    route("GET", "/meta/nodes/{id}/{*record?}", Switch, |context| Box::pin(meta::record(context))),
    route("GET", "/openapi.yaml", Switch, |context| Box::pin(openapi::get(context))),
    route("GET", "/admin", Open, |context| Box::pin(console::get(context))),
    route("GET", "/admin/", Open, |context| Box::pin(console::get(context))),
    route("GET", "/admin/console/{*path}", Open, |context| Box::pin(console::get(context))),
    route("GET", "/admin/nodes/{id}/events", Admin(Role::Viewer), |context| Box::pin(admin::events::get(context))),
    route("GET", "/admin/session", Admin(Role::Viewer), |context| Box::pin(admin::session::show(context))),
    route("POST", "/admin/session", SignIn, |context| Box::pin(admin::session::open(context))),
    route("DELETE", "/admin/session", Admin(Role::Viewer), |context| Box::pin(admin::session::close(context))),
    route("GET", "/admin/sites", Admin(Role::Viewer), |context| Box::pin(admin::fleet::sites(context))),
    route("GET", "/admin/events", Admin(Role::Viewer), |context| Box::pin(admin::fleet::events(context))),
    route("GET", "/admin/nodes", Admin(Role::Viewer), |context| Box::pin(admin::fleet::nodes(context))),
    route("GET", "/admin/nodes/{id}", Admin(Role::Viewer), |context| Box::pin(admin::nodes::show(context))),
    route("POST", "/admin/nodes/{id}/assign", Admin(Role::Operator), |context| Box::pin(admin::assign::assign(context))),
    route("POST", "/admin/nodes/{id}/reprovision", Admin(Role::Operator), |context| Box::pin(admin::changes::reprovision(context))),
    route("POST", "/admin/nodes/{id}/forget", Admin(Role::Operator), |context| Box::pin(admin::changes::forget(context))),
    route("POST", "/admin/nodes/{id}/move", Admin(Role::Operator), |context| Box::pin(admin::changes::to_site(context))),
    route("GET", "/admin/allocations", Admin(Role::Viewer), |context| Box::pin(admin::allocations::list(context))),
    route("PUT", "/admin/allocations", Admin(Role::Admin), |context| Box::pin(admin::allocations::import(context))),
    route("POST", "/admin/explain", Admin(Role::Viewer), |context| Box::pin(admin::explain::explain(context))),
    route("GET", "/admin/check", Admin(Role::Viewer), |context| Box::pin(admin::check::last(context))),
    route("POST", "/admin/check", Admin(Role::Operator), |context| Box::pin(admin::check::run(context))),
    route("GET", "/admin/audit", Admin(Role::Viewer), |context| Box::pin(admin::audit::list(context))),
    route("GET", "/admin/content", Admin(Role::Viewer), |context| Box::pin(admin::content::list(context))),
    route("GET", "/admin/content/{*key}", Admin(Role::Viewer), |context| Box::pin(admin::content::get(context))),
    route("PUT", "/admin/content/{*key}", Admin(Role::Operator), |context| Box::pin(admin::content::put(context))),
    route("DELETE", "/admin/content/{*key}", Admin(Role::Operator), |context| Box::pin(admin::content::delete(context))),
    route("POST", "/admin/uploads", Admin(Role::Admin), |context| Box::pin(admin::uploads::create(context))),
    route("PUT", "/admin/uploads/{upload}/{part}", Admin(Role::Admin), |context| Box::pin(admin::uploads::put_part(context))),
    route("POST", "/admin/uploads/{upload}/complete", Admin(Role::Admin), |context| Box::pin(admin::uploads::complete(context))),
    route("DELETE", "/admin/uploads/{upload}", Admin(Role::Admin), |context| Box::pin(admin::uploads::abort(context))),
    route("POST", "/admin/audit/{n}/undo", Admin(Role::Operator), |context| Box::pin(admin::undo::undo(context))),
    route("GET", "/admin/pools", Admin(Role::Viewer), |context| Box::pin(admin::pools::list(context))),
    route("DELETE", "/admin/pools", Admin(Role::Operator), |context| Box::pin(admin::pools::release_all(context))),
    route("GET", "/admin/pools/{pool}", Admin(Role::Viewer), |context| Box::pin(admin::pools::show(context))),
    route("GET", "/admin/pools/{pool}/{*value}", Admin(Role::Viewer), |context| Box::pin(admin::pools::show(context))),
    route("DELETE", "/admin/pools/{pool}", Admin(Role::Operator), |context| Box::pin(admin::pools::release_node(context))),
    route("PUT", "/admin/pools/{pool}/{*value}", Admin(Role::Operator), |context| Box::pin(admin::pools::assign(context))),
    route("DELETE", "/admin/pools/{pool}/{*value}", Admin(Role::Operator), |context| Box::pin(admin::pools::release_value(context))),
    #[cfg(feature = "panics")]
    route("GET", "/panics/{*when}", Switch, |context| Box::pin(panics::get(context))),
];

const fn route(
    method: &'static str,
    path: &'static str,
    access: Access,
    handler: Handler,
) -> Route {
    Route {
        method,
        path,
        access,
        handler,
    }
}

impl Route {
    /// Its path as the specification and docs/endpoints.md write it: `/files/{path}`.
    fn shape(&self) -> String {
        self.path.replace(['*', '?'], "")
    }

    /// The parameters of a path; `None` if the path does not match this route.
    fn parameters(&self, segments: &[&str]) -> Option<Parameters> {
        let mut parameters = Parameters::default();
        let mut rest = segments;
        for wanted in self.path.split('/').skip(1) {
            if let Some(name) = wanted.strip_prefix("{*") {
                if rest.is_empty() && !name.ends_with("?}") {
                    return None;
                }
                parameters.add(name, rest.join("/"));
                return Some(parameters);
            }
            let (segment, others) = rest.split_first()?;
            match wanted.strip_prefix('{') {
                Some(_) if segment.is_empty() => return None,
                Some(name) => parameters.add(name, (*segment).to_owned()),
                None if *segment == wanted => {}
                None => return None,
            }
            rest = others;
        }
        rest.is_empty().then_some(parameters)
    }

    fn serves(&self, method: &str) -> bool {
        self.method == method || (self.method == "GET" && method == "HEAD")
    }
}

/// The decoded values of a path's parameters.
#[derive(Debug, Default, PartialEq)]
pub struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    fn add(&mut self, name: &'static str, value: String) {
        self.0.push((name.trim_end_matches(['}', '?']), value));
    }

    /// The value of a parameter; empty if the route does not have it.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The route of a request.
///
/// # Errors
/// [`Error::NotFound`] if no path matches; [`Error::MethodNotAllowed`] if one matches with another method.
fn find(
    area: Area,
    method: &str,
    segments: &[&str],
    log: &mut log::RequestLog,
) -> Result<(&'static Route, Parameters), Error> {
    let routes = ROUTES.iter().filter(|route| route.access.area() == area);
    let matches: Vec<(&Route, Parameters)> = routes
        .filter_map(|route| Some((route, route.parameters(segments)?)))
        .collect();
    // Of two paths that match, the one with fewer parameters: `/admin/uploads/{upload}/complete`, not `{part}`.
    let path = matches
        .iter()
        .min_by_key(|(_, parameters)| parameters.0.len())
        .map(|(route, _)| route.path);
    let mut allow = Vec::new();
    for (route, parameters) in matches {
        if Some(route.path) != path {
            continue;
        }
        log.route = Some(route.shape());
        if route.serves(method) {
            return Ok((route, parameters));
        }
        allow.push(route.method);
        if route.method == "GET" {
            allow.push("HEAD");
        }
    }
    if allow.is_empty() {
        return Err(Error::unknown_path());
    }
    Err(Error::MethodNotAllowed {
        allow: allow.join(", "),
    })
}

/// The request and everything that a handler needs for it.
pub struct Context<'a> {
    pub request: &'a Request,
    pub parameters: &'a Parameters,
    /// The decoded path, without the server's prefix and the caller's credential.
    pub segments: &'a [&'a str],
    pub settings: &'a Settings,
    pub storage: &'a Storage,
    pub caller: &'a Caller<'a>,
    /// Who calls a route of operators; `None` for a switch.
    pub operator: Option<&'a Operator>,
    /// The server URL: absolute, with its path prefix, without a trailing slash.
    pub server_url: &'a str,
    /// The base of URLs for this caller: the server URL, with the caller's credential if it has one.
    pub base_url: &'a str,
    /// Whether the method is HEAD: the handler need not read the body.
    pub head: bool,
    pub log: &'a mut log::RequestLog,
    pub noted: &'a mut Noted,
}

/// Responds to a request, and logs it once. Its events reach the node's object after the response.
pub async fn respond(
    request: Request,
    env: Env,
    context: worker::Context,
) -> worker::Result<web_sys::Response> {
    let started = now();
    let mut noted = Noted::default();
    let mut entry = log::RequestLog {
        method: request.method.clone(),
        ..log::RequestLog::default()
    };
    let mut response = match handle(&request, &env, &mut entry, &mut noted).await {
        Ok(response) => response,
        Err(error) => {
            entry.expected = error.is_expected();
            if let Error::Storage { doing, cause } = &error {
                // The cause is for the operator; the client receives only the operation.
                console_error!("{doing}: {cause}");
            }
            match entry.operator {
                Some(_) => Response::refusal_to_operator(error),
                None => Response::from(error),
            }
        }
    };
    if request.method == "HEAD" {
        response = response.without_body();
    }
    entry.status = response.status;
    entry.reason = response.reason.take();
    entry.duration_ms = now().saturating_sub(started);
    entry.write();
    // 409 of POST /nodes is a success.
    let is_refused = entry.status >= 400 && entry.status != 409;
    let refusal = is_refused.then(|| {
        let route = entry.route.unwrap_or_default();
        let request = format!("{} {route}", entry.method);
        (request, entry.status, entry.reason.unwrap_or_default())
    });
    if let Some(follow_up) = noted.follow_up(refusal) {
        context.wait_until(follow_up.send(env));
    }
    Ok(response.into_web()?)
}

/// Checks the content: what the cron trigger of wrangler.toml runs.
pub async fn check(env: Env) {
    let checked = async {
        let settings = settings(&env)?;
        admin::check::scheduled(&Storage::open(&env)?, settings.identifier).await
    };
    if let Err(error) = checked.await {
        console_error!("the scheduled check failed: {}", error.detail());
    }
}

thread_local! {
    /// The settings: they do not change while an instance lives.
    static SETTINGS: OnceCell<Rc<Settings>> = const { OnceCell::new() };
}

fn settings(env: &Env) -> Result<Rc<Settings>, Error> {
    if let Some(settings) = SETTINGS.with(|known| known.get().cloned()) {
        return Ok(settings);
    }
    // The runtime presents a secret as a variable.
    let settings = Settings::read(|name| env.var(name).ok().map(|value| value.to_string()));
    let settings = settings.map_err(|error| Error::Misconfigured(error.to_string()))?;
    if settings.sites.is_none() && settings.allow_anyone {
        console_warn!(
            "{{\"warning\":\"the secret ZTP_TOKENS is not set and ALLOW_ANYONE is True: anyone who reaches this URL \
             can read and write every node's records\"}}"
        );
    }
    let settings = Rc::new(settings);
    Ok(SETTINGS.with(|known| Rc::clone(known.get_or_init(|| settings))))
}

async fn handle(
    request: &Request,
    env: &Env,
    log: &mut log::RequestLog,
    noted: &mut Noted,
) -> Result<Response, Error> {
    let settings = settings(env)?;
    if settings.is_closed() {
        return Err(Error::Closed);
    }
    let storage = Storage::open(env)?;
    let result = dispatch(request, &settings, &storage, log, noted).await;
    let operations = storage.operations();
    log.kv_reads = operations.kv_reads;
    log.kv_writes = operations.kv_writes;
    log.r2_reads = operations.r2_reads;
    log.r2_writes = operations.r2_writes;
    log.object_calls = operations.object_calls;
    for warning in storage.warnings() {
        log.warn(warning);
    }
    result
}

/// 1. Decode the path, and identify the caller by its credential.
/// 2. Limit the rate: before routing, so that invalid tokens and unknown paths count, too.
/// 3. Authorize the caller, find the route, call its handler.
async fn dispatch(
    request: &Request,
    settings: &Settings,
    storage: &Storage,
    log: &mut log::RequestLog,
    noted: &mut Noted,
) -> Result<Response, Error> {
    let prefix = settings.server_url.prefix();
    let path = path::of_url(&request.url);
    let path = path
        .strip_prefix(prefix)
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path);
    // A path that cannot be decoded has no segments: not found.
    let segments = path::segments(path).unwrap_or_default();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let admitted = admit(settings, &segments);
    let caller = admitted.as_ref().ok().map(|(caller, ..)| caller);
    log.site = caller.and_then(Caller::site).map(str::to_owned);
    limit_rate(request, storage, caller, log).await?;

    let method = request.method.as_str();
    let (found, operator, caller, credential, segments) = match segments.first() {
        Some(&"admin") => {
            let found = find(Area::Operators, method, &segments, log);
            let is_open = matches!(&found, Ok((route, _)) if matches!(route.access, SignIn | Open));
            let operator = match is_open {
                true => None,
                false => Some(operator(request, settings, storage, log).await?),
            };
            if let Some(operator) = &operator {
                log.operator = Some(operator.name.clone());
                check_origin(request, operator.method)?;
                // A condition that cannot be read must not count as missing.
                if !path::has_valid_query(&request.url) {
                    return Err(Error::BadRequest(
                        "the query of the URL is not valid: its values must be percent-encoded UTF-8"
                            .to_owned(),
                    ));
                }
            }
            let segments = segments.as_slice();
            (found, operator, Caller::Anyone, None, segments)
        }
        _ => {
            let (caller, credential, segments) = admitted?;
            let found = find(Area::Switches, method, segments, log);
            (found, None, caller, credential, segments)
        }
    };
    let (route, parameters) = found?;
    if let (Access::Admin(wanted), Some(operator)) = (route.access, &operator)
        && operator.role < wanted
    {
        return Err(Error::Forbidden(format!(
            "this request needs at least the role {wanted}, and {} has the role {}; the document `operators` \
             assigns roles",
            operator.name, operator.role
        )));
    }
    let server_url = settings
        .server_url
        .resolve(&request.url)
        .ok_or_else(|| Error::BadRequest("the Host header is not a valid host name".to_owned()))?;
    let base_url = base_url(server_url, credential);
    (route.handler)(Context {
        request,
        parameters: &parameters,
        segments,
        settings,
        storage,
        caller: &caller,
        operator: operator.as_ref(),
        server_url,
        base_url: &base_url,
        head: method == "HEAD",
        log,
        noted,
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use ztp_core::assets::OPENAPI;
    use ztp_core::settings::RESERVED_ROOTS;
    use ztp_core::yaml::{self, Value};

    fn found(area: Area, method: &str, segments: &[&str]) -> Result<(String, Parameters), Error> {
        let mut log = log::RequestLog::default();
        let (route, parameters) = find(area, method, segments, &mut log)?;
        Ok((route.shape(), parameters))
    }

    #[test]
    fn the_openapi_description_has_exactly_the_routes_of_the_table() {
        let description = yaml::parse(OPENAPI).unwrap();
        let Value::Mapping(paths) = &description.get("paths").unwrap().value else {
            panic!("no paths");
        };
        let methods = ["get", "put", "post", "delete"];
        let mut described = BTreeSet::new();
        for (path, item) in paths {
            for method in methods.iter().filter(|method| item.get(method).is_some()) {
                let path = path.as_name().unwrap();
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let routes = ROUTES.iter();
        let routes = routes.map(|route| format!("{} {}", route.method, route.shape()));
        assert_eq!(routes.collect::<BTreeSet<_>>(), described);
    }

    #[test]
    fn the_page_of_endpoints_has_every_route_and_no_other() {
        let page = include_str!("../docs/endpoints.md");
        let rows = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
        let requests = rows.flat_map(|cell| cell.split("`, `"));
        let listed: BTreeSet<_> = requests
            .map(|one| one.trim_end_matches('`').to_owned())
            .collect();
        let routes = ROUTES.iter();
        let routes = routes.map(|route| format!("{} {}", route.method, route.shape()));
        assert_eq!(routes.collect::<BTreeSet<_>>(), listed);
    }

    #[test]
    fn the_first_segments_of_routes_are_reserved_in_server_urls() {
        let roots = ROUTES.iter().map(|route| route.path.split('/').nth(1));
        let mut roots: BTreeSet<_> = roots.flatten().collect();
        roots.insert("t");
        assert_eq!(roots, RESERVED_ROOTS.into_iter().collect());
    }

    #[test]
    fn a_path_matches_its_route_and_parameters() {
        for (method, segments, shape, parameters) in [
            ("GET", &["bootstrap"][..], "/bootstrap", &[][..]),
            ("HEAD", &["nodes", "a/b"], "/nodes/{id}", &[("id", "a/b")]),
            (
                "PUT",
                &["nodes", "JPE1", "startup-config"],
                "/nodes/{id}/startup-config",
                &[("id", "JPE1")],
            ),
            (
                "GET",
                &["files", "a", "", "b"],
                "/files/{path}",
                &[("path", "a//b")],
            ),
            ("GET", &["files", ""], "/files/{path}", &[("path", "")]),
            (
                "GET",
                &["meta", "nodes", "JPE1"],
                "/meta/nodes/{id}/{record}",
                &[("id", "JPE1"), ("record", "")],
            ),
        ] {
            let (found, values) = found(Area::Switches, method, segments).unwrap();
            assert_eq!(found, shape);
            for (name, value) in parameters {
                assert_eq!(values.get(name), *value, "{segments:?}");
            }
        }
    }

    #[test]
    fn a_path_without_a_route_is_not_found() {
        for segments in [
            &[][..],
            &[""],
            &["nodes", ""],
            &["nodes", "JPE1", "other"],
            &["files"],
            &["bootstrap", ""],
            &["admin", "pools"],
        ] {
            let result = found(Area::Switches, "GET", segments);
            assert!(matches!(result, Err(Error::NotFound(_))), "{segments:?}");
        }
    }

    #[test]
    fn of_two_paths_that_match_the_one_with_fewer_parameters_counts() {
        let segments = &["admin", "uploads", "x", "complete"];
        let (shape, _) = found(Area::Operators, "POST", segments).unwrap();
        assert_eq!(shape, "/admin/uploads/{upload}/complete");
        let result = found(Area::Operators, "PUT", segments);
        assert!(matches!(result, Err(Error::MethodNotAllowed { allow }) if allow == "POST"));
    }

    #[test]
    fn a_405_lists_the_methods_of_the_path() {
        let result = found(
            Area::Switches,
            "PATCH",
            &["nodes", "JPE1", "startup-config"],
        );
        let Err(Error::MethodNotAllowed { allow }) = result else {
            panic!("found");
        };
        assert_eq!(allow, "GET, HEAD, PUT");
    }
}
