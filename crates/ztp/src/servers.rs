//! The servers of the operator: URLs, and the credentials that `ztp login` stores.
//!
//! A token is never an argument, because other users of the machine see arguments, and never printed.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tempfile::NamedTempFile;
use ureq::http::Uri;

use crate::api::{Api, Call};
use crate::fleet::text;
use crate::{CLEAN, Failure, display, display_path, regular, unwritable};

/// The largest file of ours, in bytes.
const MAX_BYTES: u64 = 16 << 20;
/// The longest token, in bytes.
const MAX_TOKEN_BYTES: u64 = 16 << 10;

/// How `ztp` identifies itself to a server. Deliberately without Debug.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Credential {
    token: Option<String>,
    /// Client ID and secret of a service token of Cloudflare Access.
    access: Option<(String, String)>,
}

impl Credential {
    /// The headers of each request.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let token = self.token.iter();
        let token = token.map(|token| ("Authorization", format!("Bearer {token}")));
        let access = self.access.iter().flat_map(|(id, secret)| {
            let names = ["CF-Access-Client-Id", "CF-Access-Client-Secret"];
            names.into_iter().zip([id.clone(), secret.clone()])
        });
        token.chain(access).collect()
    }

    fn from_environment() -> Result<Option<Self>, Failure> {
        let [id, secret] = ["CF_ACCESS_CLIENT_ID", "CF_ACCESS_CLIENT_SECRET"].map(variable);
        if id.is_some() != secret.is_some() {
            return Err("only one of CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET is set; set both, or none".into());
        }
        let access = id.zip(secret);
        let token = variable("ZTP_TOKEN");
        let given = token.is_some() || access.is_some();
        Ok(given.then_some(Self { token, access }))
    }
}

/// The file of `ztp login`.
#[derive(Default, Serialize, Deserialize)]
struct Servers {
    default: Option<String>,
    servers: BTreeMap<String, Credential>,
}

impl Servers {
    const FILE: &str = "servers.json";

    fn load() -> Result<Self, Failure> {
        let Some((path, text)) = load(Self::FILE)? else {
            return Ok(Self::default());
        };
        check_mode(&path)?;
        Ok(serde_json::from_slice(&text).map_err(|error| {
            let path = display_path(&path);
            format!("{path} is not valid: {error}; delete it, and run `ztp login` again")
        })?)
    }

    /// The file.
    fn save(&self) -> Result<PathBuf, Failure> {
        let without =
            "there is no folder for settings; set HOME or XDG_CONFIG_HOME, or use ZTP_TOKEN";
        Ok(save(Self::FILE, &json!(self))?.ok_or(without)?)
    }
}

/// Connects to the server `url` of the command line, else of ZTP_URL, else of the last `ztp login`, with the token of
/// ZTP_TOKEN or of a service token of Access, else the stored one.
pub fn connect(url: Option<&str>) -> Result<Api, Failure> {
    let given = url.map(str::to_owned).or_else(|| variable("ZTP_URL"));
    let from_environment = Credential::from_environment()?;
    let mut stored = match (&given, &from_environment) {
        (Some(_), Some(_)) => Servers::default(),
        _ => Servers::load()?,
    };
    let url = given.or(stored.default).ok_or(
        "no server is given; run `ztp login --url https://HOST`, or give --url or ZTP_URL",
    )?;
    let url = parse_url(&url)?;
    let credential = from_environment.or_else(|| stored.servers.remove(&url));
    let credential = credential.ok_or_else(|| {
        format!("there is no token for {url}; run `ztp login --url {url}`, or set ZTP_TOKEN")
    })?;
    Ok(Api::new(url, credential))
}

/// The API of a server whose token is known: that of ZTP_TOKEN or of a service token of Access, unless ZTP_URL names
/// another server; else the stored one. `None` without a token, and for a URL that would show it to the network.
///
/// # Errors
/// The file with the tokens cannot be used.
pub fn known(url: &str) -> Result<Option<Api>, Failure> {
    let Ok(url) = parse_url(url) else {
        return Ok(None);
    };
    let is_meant =
        variable("ZTP_URL").is_none_or(|meant| parse_url(&meant).is_ok_and(|meant| meant == url));
    let from_environment = Credential::from_environment()?.filter(|_| is_meant);
    let credential = match from_environment {
        Some(credential) => Some(credential),
        None => Servers::load()?.servers.remove(&url),
    };
    Ok(credential.map(|credential| Api::new(url, credential)))
}

/// `ztp login`: verifies a token from standard input, and stores it.
pub fn login(url: Option<&str>, access: bool) -> Result<u8, Failure> {
    let url = parse_url(url.ok_or("give the server, as --url https://HOST")?)?;
    let mut credential = Credential::default();
    if access {
        let secret = secrets(["client ID", "client secret"])?;
        credential.access = Some(secret.into());
    } else {
        let [token] = secrets(["token"])?;
        credential.token = Some(token);
    }
    let api = Api::new(url.clone(), credential.clone());
    let session = api.json(&Call::get("verifying the token", "/session"))?;
    let mut servers = Servers::load()?;
    servers.servers.insert(url.clone(), credential);
    servers.default = Some(url.clone());
    let path = display_path(&servers.save()?);
    let (name, role) = (text(&session["name"]), text(&session["role"]));
    let done = format!("{url}: {name} with the role {role}; the token is in {path}\n");
    display(&done).map(|()| CLEAN)
}

/// `ztp logout`: removes the stored token of a server.
pub fn logout(url: Option<&str>) -> Result<u8, Failure> {
    let mut servers = Servers::load()?;
    let url = url.map(parse_url).transpose()?;
    let url = url.or_else(|| servers.default.clone()).unwrap_or_default();
    if servers.servers.remove(&url).is_none() {
        let known = Vec::from_iter(servers.servers.into_keys()).join(" ");
        let advice = match known.is_empty() {
            true => "there are no tokens to remove".to_owned(),
            false => format!("give --url with a server that has one: {known}"),
        };
        return Err(format!("no token is stored for '{url}'; {advice}").into());
    }
    if servers.default.as_ref() == Some(&url) {
        servers.default = servers.servers.keys().next().cloned();
    }
    servers.save()?;
    let default = servers.default.as_deref().unwrap_or("no server");
    let done = format!("the token for {url} is removed; the default is {default} now\n");
    display(&done).map(|()| CLEAN)
}

/// A URL without a slash at its end. Plain HTTP is for this machine only: it would show the token to the network.
fn parse_url(text: &str) -> Result<String, Failure> {
    // It may have a password.
    let shown = if text.contains('@') { "…" } else { text };
    let invalid =
        |why: &str| Failure::new(format!("'{shown}' is not a valid URL of a server: {why}"));
    let uri = text.parse::<Uri>();
    let uri = uri.map_err(|_| invalid("write it as https://HOST"))?;
    let local = ["localhost", "127.0.0.1", "[::1]"].contains(&uri.host().unwrap_or_default());
    if !(uri.scheme_str() == Some("https") || local && uri.scheme_str() == Some("http")) {
        return Err(invalid(
            "write it as https://HOST; without TLS, everyone on the way can read the token (plain http is for \
             localhost)",
        ));
    }
    if uri.query().is_some() || text.contains('@') {
        return Err(invalid("it must have no query and no user name"));
    }
    let url = text.trim_end_matches('/');
    Ok(url.strip_suffix("/admin").unwrap_or(url).to_owned())
}

/// Secrets from standard input, a line each: hidden on a terminal.
fn secrets<const N: usize>(names: [&str; N]) -> Result<[String; N], Failure> {
    let failed = |error| format!("cannot read standard input: {error}");
    let mut text = String::new();
    if std::io::stdin().is_terminal() {
        for name in names {
            eprint!("{name}: ");
            text += &console::Term::stderr().read_secure_line().map_err(failed)?;
            text.push('\n');
        }
    } else {
        let stdin = std::io::stdin().lock();
        let read = stdin.take(MAX_TOKEN_BYTES).read_to_string(&mut text);
        read.map_err(failed)?;
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    Ok(lines.try_into().map_err(|_| {
        let names = names.join(" and ");
        format!("standard input must have the {names}, a line each, and nothing else")
    })?)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A file in our folder for settings: that of the operating system. `None` if there is none, as in a container.
fn ours(name: &str) -> Option<PathBuf> {
    let (variable, below_home) = match std::env::consts::OS {
        "windows" => ("APPDATA", "AppData/Roaming"),
        "macos" => ("XDG_CONFIG_HOME", "Library/Application Support"),
        _ => ("XDG_CONFIG_HOME", ".config"),
    };
    let given = std::env::var_os(variable).map(PathBuf::from);
    let given = given.filter(|path| path.is_absolute());
    let folder = given.or_else(|| Some(std::env::home_dir()?.join(below_home)))?;
    Some(folder.join("ztp").join(name))
}

/// The path and the contents of a file of ours; `None` if it does not exist.
pub fn load(name: &str) -> Result<Option<(PathBuf, Vec<u8>)>, Failure> {
    match ours(name).filter(|path| path.exists()) {
        Some(path) => Ok(Some((path.clone(), regular::input(&path, MAX_BYTES)?))),
        None => Ok(None),
    }
}

/// Replaces a file of ours, atomically, readable by its owner only. Its path; `None` if there is no folder for it.
pub fn save(name: &str, content: &Json) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = ours(name) else {
        return Ok(None);
    };
    let folder = path.parent().unwrap_or(&path);
    let write = || {
        let mut folders = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
        folders.recursive(true).create(folder)?;
        // Its owner alone can read it.
        let mut new = NamedTempFile::new_in(folder)?;
        new.write_all(content.to_string().as_bytes())?;
        new.persist(&path).map_err(|error| error.error).map(drop)
    };
    write().map_err(|error| unwritable(&path, error))?;
    Ok(Some(path))
}

/// Checks that other users cannot read a file.
fn check_mode(path: &Path) -> Result<(), Failure> {
    #[cfg(unix)]
    if let Ok(found) = std::fs::metadata(path) {
        use std::os::unix::fs::PermissionsExt;
        let (mode, path) = (found.permissions().mode() & 0o777, display_path(path));
        let problem =
            format!("{path} has tokens, and its mode {mode:03o} lets other users read it");
        let advice =
            format!("run `chmod 600 {path}`, and replace the tokens if others may have read them");
        if mode & 0o077 != 0 {
            return Err(format!("{problem}; {advice}").into());
        }
    }
    Ok(())
}
