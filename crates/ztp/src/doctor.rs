//! `ztp doctor URL`: the requests of a switch from outside, and why they would fail.
//!
//! `doctor/diagnose.rs` has the rules: which response is whose. `doctor/kind.rs` has every finding with its reason and
//! remedy.

mod check;
mod cloudflare;
mod diagnose;
mod exchange;
mod kind;
mod limits;
mod network;
mod requests;
mod target;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde_json::{Value as Json, json};

use crate::api::Stored;
use crate::cli::DoctorArgs;
use crate::report::count;
use crate::terminal::{self, line};
use crate::{CLEAN, FINDINGS, Failure, regular, servers};

use check::{Check, Outcome};
use exchange::Client;
use kind::{Kind, Level};
use network::Trust;
pub use network::tls_sentence;
use requests::Requests;
use target::Target;
pub use target::{MAX_BOOT_FILE, MAX_OPTION};

/// The largest standard input, in bytes.
const MAX_URL_BYTES: u64 = 16 << 10;
/// The variables with a proxy, which this command does not use.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// Checks the way of a switch to a server, and prints a line for each check.
///
/// # Errors
/// The URL is invalid, or the file of `--ca` cannot be used.
pub fn run(args: &DoctorArgs, json: bool) -> Result<u8, Failure> {
    let target = match args.target.as_str() {
        "-" => Target::parse(&regular::text(Path::new("-"), MAX_URL_BYTES)?)?,
        url => Target::parse(url)?,
    };
    let trust = Trust::load(args.ca.as_deref())?;
    let timeout = Duration::from_secs(args.timeout);
    let mut checks = checks(&target, &trust, timeout);
    for check in &mut checks {
        check.message = target.without_credential(&check.message);
    }
    let report = match json {
        true => terminal::lines(&format!("{:#}\n", document(&target, &checks))),
        false => text(&checks),
    };
    terminal::write(&report)?;
    Ok(match checks.iter().any(|check| check.kind().is_some()) {
        true => FINDINGS,
        false => CLEAN,
    })
}

/// All checks, in the order of a boot. After a failure that stops every later request, the rest is skipped.
fn checks(target: &Target, trust: &Trust, timeout: Duration) -> Vec<Check> {
    let mut checks = vec![target.check()];
    if target.is_of_node() {
        return stopped(checks);
    }
    let (check, addresses) = network::resolve(target);
    checks.push(check);
    if addresses.is_empty() {
        return stopped(checks);
    }
    let (mut check, address) = network::connect(&addresses, timeout);
    if let Some(proxy) = PROXIES.iter().find(|name| std::env::var_os(name).is_some())
        && address.is_none()
    {
        check.message +=
            &format!(" ({proxy} of this machine is not used, because switches do not use it)");
    }
    checks.push(check);
    let Some(address) = address else {
        return stopped(checks);
    };
    if target.is_https {
        let check = network::handshakes(target, address, trust, timeout);
        let goes_on = check.is_fine() || check.kind() == Some(Kind::Tls13Only);
        checks.push(check);
        if !goes_on {
            return stopped(checks);
        }
    }
    let client = Client::new(trust, timeout);
    let requests = Requests {
        client: &client,
        target,
    };
    let first = requests.first();
    let is_silent = matches!(first.kind(), Some(Kind::Timeout));
    checks.push(first);
    if is_silent {
        return stopped(checks);
    }
    let (check, script) = requests.script();
    checks.push(check);
    let Some(script) = script else {
        return stopped(checks);
    };
    let content = content(target);
    let file = content.as_ref().ok().and_then(limits::file);
    checks.extend([
        requests.server_url(&script),
        requests.tokens(),
        requests.config(),
        requests.head(),
        requests.range(file),
        requests.compression(file),
        requests.post(),
        requests.backup(),
        requests.plain_http(),
    ]);
    match &content {
        Ok(content) => checks.extend([
            limits::kv_writes(content, target),
            limits::first_hash(content),
        ]),
        Err(reason) => checks.push(Check::skipped("limits", reason.as_str())),
    }
    checks
}

/// Ends the checks after one that stops every later request.
fn stopped(mut checks: Vec<Check>) -> Vec<Check> {
    checks.push(Check::skipped(
        "requests",
        "the other requests were not sent: they would fail for the same reason",
    ));
    checks
}

/// The stored content, with the token of an operator.
///
/// # Errors
/// There is no token, or the server does not accept it: a sentence.
fn content(target: &Target) -> Result<BTreeMap<String, Stored>, String> {
    let api = servers::known(&target.root).map_err(|failure| failure.to_string())?;
    let api = api.ok_or_else(|| {
        format!(
            "the limits of the plan need the stored content: set ZTP_TOKEN, or run `ztp login --url {}`",
            target.root
        )
    })?;
    api.list()
        .map_err(|failure| format!("the limits of the plan were not checked: {failure}"))
}

/// A line for each check, in colour; two more for each finding.
fn text(checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        let style = match check.result {
            Outcome::Fine => AnsiColor::Green.on_default(),
            Outcome::Found(kind) if kind.level() == Level::Problem => {
                AnsiColor::Red.on_default().bold()
            }
            Outcome::Found(_) => AnsiColor::Yellow.on_default().bold(),
            Outcome::Skipped => Style::new().dimmed(),
        };
        let (result, message) = (check.result_name(), line(&check.message));
        let _ = write!(
            out,
            "{style}{result:8}{style:#} {:14} {message}",
            check.name
        );
        if let Some(kind) = check.kind() {
            let (id, why, remedy) = (kind.id(), kind.why(), kind.remedy());
            let _ = write!(
                out,
                " [{id}]\n           why: {why}\n           do:  {remedy}"
            );
        }
        out.push('\n');
    }
    let of = |level| {
        let kinds = checks.iter().filter_map(Check::kind);
        kinds.filter(|kind| kind.level() == level).count()
    };
    let (problems, warnings) = (of(Level::Problem), of(Level::Warning));
    let _ = writeln!(
        out,
        "{}: {}, {}",
        count(checks.len(), "check"),
        count(problems, "problem"),
        count(warnings, "warning")
    );
    out
}

fn document(target: &Target, checks: &[Check]) -> Json {
    json!({
        "url": target.without_credential(&target.bootstrap),
        "bytes": target.bootstrap.len(),
        "checks": checks.iter().map(Check::to_json).collect::<Vec<_>>(),
    })
}
