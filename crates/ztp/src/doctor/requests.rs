//! The requests of a switch, and those that something on the way may treat in another way. None of them changes
//! anything on the server.

use serde_json::Value as Json;
use ureq::http::Method;

use ztp_core::node::MAX_NODE_ID;
use ztp_core::path::encode_segment;

use super::check::Check;
use super::diagnose::{Expected, diagnose, encoding, expect};
use super::exchange::{CLIENT, Call, Client, Failed, Seen};
use super::kind::Kind;
use super::target::Target;

/// The size of the body that stands for a startup-config, in bytes: more than the 1 MiB that nginx accepts by default.
const BODY_BYTES: u64 = 2 << 20;
/// The action that every server has.
const ACTION: &str = "actions/replace_config";
const PYTHON: &str = "text/x-python";
/// The headers of each request of the client script.
const CLIENT_HEADERS: [(&str, &str); 2] = [("Accept-Encoding", "identity"), ("User-Agent", CLIENT)];

/// The requests to one server.
pub struct Requests<'a> {
    pub client: &'a Client,
    pub target: &'a Target,
}

impl Requests<'_> {
    /// The first request of EOS: no `User-Agent`. It names no switch, so it leaves no event.
    pub fn first(&self) -> Check {
        let name = "first-request";
        let url = &self.target.bootstrap;
        let call = Call {
            method: Method::GET,
            url,
            headers: &[],
        };
        match self.expected(&call, &[200], PYTHON) {
            Ok(_) => Check::fine(
                name,
                "GET /bootstrap without User-Agent, as EOS sends it: the client script",
            ),
            Err((kind, message)) => Check::found(
                name,
                kind,
                format!("GET /bootstrap without User-Agent: {message}"),
            ),
        }
    }

    /// The same with the headers of the client script. Also returns the script.
    pub fn script(&self) -> (Check, Option<String>) {
        let name = "client";
        match self.get("bootstrap", &[200], PYTHON) {
            Ok(seen) => {
                let message = format!(
                    "GET /bootstrap as the client sends it: {} bytes",
                    seen.body.len()
                );
                (Check::fine(name, message), Some(seen.body))
            }
            Err((kind, message)) => {
                let message = format!("GET /bootstrap as the client sends it: {message}");
                (Check::found(name, kind, message), None)
            }
        }
    }

    /// The destinations of the client's log.
    pub fn config(&self) -> Check {
        let name = "config";
        let seen = match self.get("bootstrap/config", &[200], "application/json") {
            Ok(seen) => seen,
            Err((kind, message)) => {
                return Check::found(name, kind, format!("GET /bootstrap/config: {message}"));
            }
        };
        let config = serde_json::from_str::<Json>(&seen.body).unwrap_or_default();
        match config.get("logging") {
            Some(Json::Array(logging)) => {
                let message = format!("GET /bootstrap/config: {} log destinations", logging.len());
                Check::fine(name, message)
            }
            _ => Check::found(
                name,
                Kind::Unexpected,
                "GET /bootstrap/config is not JSON with a list `logging`",
            ),
        }
    }

    /// HEAD where GET works.
    pub fn head(&self) -> Check {
        let name = "head";
        let url = &self.target.bootstrap;
        let call = Call {
            method: Method::HEAD,
            url,
            headers: &CLIENT_HEADERS,
        };
        match self.expected(&call, &[200], PYTHON) {
            Ok(_) => Check::fine(name, "HEAD /bootstrap is answered as GET"),
            Err((
                Kind::OtherServer | Kind::Unexpected | Kind::WrongToken | Kind::MissingToken,
                message,
            )) => Check::found(
                name,
                Kind::NoHead,
                format!("HEAD /bootstrap, unlike GET: {message}"),
            ),
            Err((kind, message)) => Check::found(name, kind, format!("HEAD /bootstrap: {message}")),
        }
    }

    /// The first bytes of a stored file; of an action if none is known. A built-in action has no ranges.
    pub fn range(&self, file: Option<&str>) -> Check {
        let name = "range";
        let path = file.unwrap_or(ACTION);
        let headers = [("Range", "bytes=0-9")];
        let seen = match self.get_with(path, &headers, &[200, 206], "") {
            Ok(seen) => seen,
            Err((kind, message)) => {
                return Check::found(name, kind, format!("GET /{path} with Range: {message}"));
            }
        };
        match (seen.status, file) {
            (206, _) => Check::fine(
                name,
                format!("GET /{path} with Range: a part, so downloads can resume"),
            ),
            (_, None) => Check::fine(
                name,
                format!(
                    "GET /{path} with Range is answered; with an admin token, a stored file is asked for"
                ),
            ),
            (_, Some(_)) => Check::found(
                name,
                Kind::NoRange,
                format!("GET /{path} with Range: the complete file"),
            ),
        }
    }

    /// A request that accepts gzip: files and actions are sent as they are stored.
    pub fn compression(&self, file: Option<&str>) -> Check {
        let name = "compression";
        let path = file.unwrap_or(ACTION);
        let url = format!("{}/{path}", self.target.base);
        let headers = [("Accept-Encoding", "gzip"), ("User-Agent", CLIENT)];
        let call = Call {
            method: Method::GET,
            url: &url,
            headers: &headers,
        };
        let seen = match self.client.send(&call) {
            Ok(seen) => seen,
            Err((kind, message)) => {
                return Check::found(name, kind, format!("GET /{path} with gzip: {message}"));
            }
        };
        if let Some(encoding) = encoding(&seen) {
            let message =
                format!("GET /{path} with Accept-Encoding: gzip is compressed ({encoding})");
            return Check::found(name, Kind::Compresses, message);
        }
        match seen.status {
            200 => Check::fine(
                name,
                format!("GET /{path} with Accept-Encoding: gzip is not compressed"),
            ),
            _ => {
                let (kind, message) = diagnose(&seen, self.target);
                Check::found(name, kind, format!("GET /{path} with gzip: {message}"))
            }
        }
    }

    /// A POST of facts without an id, which the server refuses before it stores or notes anything.
    pub fn post(&self) -> Check {
        let name = "post";
        let url = format!("{}/nodes", self.target.base);
        let headers = [
            CLIENT_HEADERS[0],
            CLIENT_HEADERS[1],
            ("Content-Type", "application/json"),
        ];
        let call = Call {
            method: Method::POST,
            url: &url,
            headers: &headers,
        };
        let sent = self.client.send_body(&call, "{}");
        match sent.and_then(|seen| self.as_expected(seen, &[400, 403], "")) {
            Ok(_) => Check::fine(
                name,
                "POST /nodes arrives: facts without an id are refused, as they must be",
            ),
            Err((kind, message)) => Check::found(name, kind, format!("POST /nodes: {message}")),
        }
    }

    /// A PUT of 2 MiB with `Expect: 100-continue`, as curl backs up a startup-config. It is refused for two reasons,
    /// and nothing is stored: the id is too long, and the body is white space only.
    pub fn backup(&self) -> Check {
        let name = "backup";
        let id = format!("ztp-doctor-{}", "x".repeat(MAX_NODE_ID));
        let url = format!("{}/nodes/{id}/startup-config", self.target.base);
        let call = Call {
            method: Method::PUT,
            url: &url,
            headers: &CLIENT_HEADERS,
        };
        let what = "PUT of 2 MiB with Expect: 100-continue";
        let (seen, began) = match self.client.send_expecting(&call, BODY_BYTES) {
            Ok(sent) => sent,
            Err((Kind::NoResponse, message)) => {
                return Check::found(name, Kind::BodyRefused, format!("{what}: {message}"));
            }
            Err((kind, message)) => return Check::found(name, kind, format!("{what}: {message}")),
        };
        let status = seen.status;
        match self.as_expected(seen, &[400, 403], "") {
            Ok(_) => {
                let when = match began {
                    Some(seconds) if seconds < 0.9 => "the server asks for the body",
                    Some(_) => "the server does not ask for the body, which follows after a second",
                    None => "the server refuses it before the body",
                };
                Check::fine(
                    name,
                    format!("{what}: {when}; the id is refused, as it must be"),
                )
            }
            Err((_, message)) if matches!(status, 411 | 413 | 417) => {
                Check::found(name, Kind::BodyRefused, format!("{what}: {message}"))
            }
            Err((kind, message)) => Check::found(name, kind, format!("{what}: {message}")),
        }
    }

    /// The same host with plain http.
    pub fn plain_http(&self) -> Check {
        let name = "plain-http";
        let target = self.target;
        if !target.is_https {
            let message = format!("{} is plain http", target.bootstrap);
            return match target.is_local() {
                true => Check::fine(name, format!("{message}, on this machine only")),
                false => Check::found(name, Kind::PlainHttp, message),
            };
        }
        if target.port != 443 {
            return Check::skipped(
                name,
                "the port for plain http is not known, because that of https is not 443",
            );
        }
        let plain = target
            .bootstrap
            .replacen("https://", "http://", 1)
            .replacen(":443/", "/", 1);
        let call = Call {
            method: Method::GET,
            url: &plain,
            headers: &CLIENT_HEADERS,
        };
        let seen = match self.client.send(&call) {
            Ok(seen) => seen,
            Err((_, message)) => {
                return Check::fine(name, format!("there is no plain http: {message}"));
            }
        };
        match seen.status {
            200..300 => Check::found(name, Kind::PlainHttp, "the server answers plain http, too"),
            300..400 => Check::fine(
                name,
                "plain http is redirected; switches do not follow, so announce https",
            ),
            status => Check::fine(name, format!("plain http is refused ({status})")),
        }
    }

    /// Whether the URL protects anything.
    pub fn tokens(&self) -> Check {
        let name = "tokens";
        match &self.target.credential {
            Some(_) => Check::fine(
                name,
                "the URL has the token of a site, and the server accepts it",
            ),
            None if self.target.is_local() => Check::fine(
                name,
                "anyone has access (ALLOW_ANYONE), on this machine only",
            ),
            None => Check::found(
                name,
                Kind::AnyoneHasAccess,
                "the URL has no token, and the server accepts it",
            ),
        }
    }

    /// Whether the script leads to the same URL.
    pub fn server_url(&self, script: &str) -> Check {
        let name = "server-url";
        let base = &self.target.base;
        if self.target.is_named_in(script) {
            return Check::fine(name, format!("the script leads to {base}"));
        }
        let message = match server_of(script) {
            Some(url) => format!("the script leads to {url}, not to {base}"),
            None => format!("the script does not contain {base}"),
        };
        Check::found(name, Kind::ServerUrl, message)
    }

    fn get(&self, path: &str, statuses: &[u16], media: &str) -> Result<Seen, Failed> {
        self.get_with(path, &[], statuses, media)
    }

    fn get_with(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        statuses: &[u16],
        media: &str,
    ) -> Result<Seen, Failed> {
        let path: Vec<String> = path.split('/').map(encode_segment).collect();
        let url = format!("{}/{}", self.target.base, path.join("/"));
        let headers = [&CLIENT_HEADERS[..], headers].concat();
        let call = Call {
            method: Method::GET,
            url: &url,
            headers: &headers,
        };
        self.expected(&call, statuses, media)
    }

    fn expected(&self, call: &Call<'_>, statuses: &[u16], media: &str) -> Result<Seen, Failed> {
        self.as_expected(self.client.send(call)?, statuses, media)
    }

    fn as_expected(&self, seen: Seen, statuses: &[u16], media: &str) -> Result<Seen, Failed> {
        expect(&seen, Expected { statuses, media }, self.target)?;
        if seen.is_cut && !media.is_empty() {
            let message = format!("the response has {} bytes and more", seen.body.len());
            return Err((Kind::Unexpected, message));
        }
        Ok(seen)
    }
}

/// The URL in the line `SERVER = "…"` of a script.
fn server_of(script: &str) -> Option<&str> {
    let lines = script.lines().map(str::trim_start);
    let mut values =
        lines.filter_map(|line| line.strip_prefix("SERVER")?.trim_start().strip_prefix('='));
    let value = values.find(|value| value.contains("://"))?;
    value.split(['"', '\'']).nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_of_a_script_is_the_value_of_its_constant() {
        for (script, server) in [
            (
                "#!x\nSERVER = \"https://z.example/t/a\".rstrip(\"/\")\n",
                Some("https://z.example/t/a"),
            ),
            (
                "SERVER='http://z.example:8080'",
                Some("http://z.example:8080"),
            ),
            ("SERVER = os.environ['X']\n", None),
            ("print('https://z.example')", None),
        ] {
            assert_eq!(server_of(script), server, "{script}");
        }
        assert_eq!(
            server_of(ztp_core::assets::BOOTSTRAP),
            None,
            "the template has $SERVER"
        );
    }
}
