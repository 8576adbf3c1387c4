//! Texts that name the server that the content comes from: once it is gone, the switch that acts on them fails.

use ztp_core::check::{Finding, FindingKind, ServerConf};
use ztp_core::content::ContentKind;
use ztp_core::key::Record;
use ztp_core::yaml::Position;

use crate::data_root::DataRoot;
use crate::regular;

/// The largest text that is searched, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// The name of the server in ZTPServer's documentation and default settings.
const DEFAULT: &str = "ztpserver:8080";

/// Finds the lines that name the server `given`, or that of ztpserver.conf.
pub fn check(root: &DataRoot, given: Option<&str>) -> Vec<Finding> {
    let conf = root.server_conf();
    let conf = conf.map(|conf| ServerConf::parse(&String::from_utf8_lossy(&conf)));
    let url = conf.as_ref().and_then(ServerConf::server_url);
    let mut hosts: Vec<String> = given.or(url).into_iter().filter_map(host).collect();
    hosts.push(DEFAULT.to_owned());
    let mut findings = Vec::new();
    for (key, file) in &root.files {
        // The records of switches are what they sent.
        if file.size > MAX_BYTES || matches!(file.kind, ContentKind::Record(_, Record::Facts)) {
            continue;
        }
        let Ok(bytes) = regular::read(&file.path, MAX_BYTES) else {
            continue;
        };
        if bytes.contains(&0) {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        for (number, line) in text.lines().enumerate() {
            let found = hosts
                .iter()
                .find_map(|host| Some((host, find(line, host)?)));
            let Some((host, at)) = found else { continue };
            let host = host.split(':').next().unwrap_or(host);
            let position = Position {
                line: number + 1,
                column: line.get(..at).unwrap_or(line).chars().count() + 1,
            };
            let message = format!(
                "this names the old server, {host}: {}",
                effect(&file.kind, line)
            );
            findings.push(Finding::at(
                FindingKind::OldServer,
                key.as_str(),
                position,
                message,
            ));
        }
    }
    findings
}

/// The host of a URL, or of `HOST:PORT`; `None` for names that say nothing.
fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest).trim();
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or(address),
        None => authority.split(':').next().unwrap_or(authority),
    };
    let is_known = !matches!(
        host,
        "" | "localhost" | "127.0.0.1" | "0.0.0.0" | "ztpserver"
    );
    is_known.then(|| host.to_lowercase())
}

/// The place of a host in a line, in bytes: not as a part of a longer name or address.
fn find(line: &str, host: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.');
    let found = lower.match_indices(host).find(|(at, _)| {
        let before = lower.get(..*at).and_then(|text| text.chars().next_back());
        let after = lower.get(at + host.len()..).unwrap_or_default();
        let mut after = after.chars();
        let is_longer = match after.next() {
            // A full stop may end a sentence.
            Some('.') => after.next().is_some_and(char::is_alphanumeric),
            next => next.is_some_and(belongs),
        };
        !before.is_some_and(belongs) && !is_longer
    });
    found.map(|(at, _)| at)
}

/// The effect of the line on a switch.
fn effect(kind: &ContentKind, line: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
    let fetches = has(&["curl", "wget", "://", "http"]);
    if fetches
        && has(&["startup-config", "running-config"])
        && has(&["-T", "PUT", "--upload", "--data", " -d", "POST"])
    {
        return "the switch sends its configuration there, and this server has no backup of it";
    }
    match kind {
        ContentKind::Definition(_)
        | ContentKind::Record(_, Record::Definition | Record::Attributes) => {
            "the switch downloads from there"
        }
        ContentKind::Bootstrap => "the switch provisions itself there",
        ContentKind::BootstrapConf => "the client logs there",
        ContentKind::Action(_) | ContentKind::ConfigHandler(_) if fetches => "the script calls it",
        _ if fetches => "the switch calls it",
        _ => "the switch may depend on it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_as_a_whole() {
        for (line, host, expected) in [
            ("curl http://192.0.2.10:8080/x", "192.0.2.10", Some(12)),
            ("ntp server 192.0.2.10.", "192.0.2.10", Some(11)),
            ("ntp server 192.0.2.100", "192.0.2.10", None),
            ("x 1192.0.2.10", "192.0.2.10", None),
            ("http://ZTP.example.net/", "ztp.example.net", Some(7)),
            ("http://old-ztp.example.net/", "ztp.example.net", None),
            ("http://ztp.example.net.example/", "ztp.example.net", None),
            ("http://$ztpserver:8080/nodes", DEFAULT, Some(8)),
        ] {
            assert_eq!(find(line, host), expected, "{line}");
        }
    }

    #[test]
    fn the_host_of_a_url_is_read() {
        for (url, expected) in [
            ("http://192.0.2.10:8080", Some("192.0.2.10")),
            ("https://ZTP.example.net/a", Some("ztp.example.net")),
            ("192.0.2.10:8080", Some("192.0.2.10")),
            ("http://[2001:db8::1]:8080", Some("2001:db8::1")),
            ("http://ztpserver:8080", None),
            ("http://localhost:8080", None),
        ] {
            assert_eq!(host(url).as_deref(), expected, "{url}");
        }
    }
}
