//! ztpserver.conf: the settings of a ZTPServer, and the `[vars]` of wrangler.toml with the same meaning.

use std::collections::{BTreeMap, BTreeSet};

use crate::node::Identifier;
use crate::settings::Settings;
use crate::yaml::{Diagnostic, Position};

use super::finding::{Finding, FindingKind, Note};

use super::Check;

use super::SERVER_CONF as KEY;

/// The values of a ztpserver.conf, by section and option.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ServerConf {
    options: BTreeMap<(String, String), (Position, String)>,
    sections: BTreeSet<String>,
    /// Lines that Python's RawConfigParser rejects.
    problems: Vec<Diagnostic>,
}

/// The section whose options every other section has, too, in Python's RawConfigParser.
const DEFAULTS: &str = "DEFAULT";
/// The settings with a counterpart here: ZTPServer's option in `[default]`, and our variable.
const VARS: [(&str, &str); 3] = [
    ("server_url", "SERVER_URL"),
    ("identifier", "IDENTIFIER"),
    ("disable_topology_validation", "DISABLE_TOPOLOGY_VALIDATION"),
];

impl ServerConf {
    /// Reads it as Python's RawConfigParser does: sections, `name = value` or `name: value`,
    /// comments with `#` or `;`, and lines that continue a value: those that are indented more than it.
    pub fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        let mut section: Option<String> = None;
        let mut last: Option<(String, String)> = None;
        let mut indent = 0;
        for (index, line) in text.lines().enumerate() {
            let at = |column| Position {
                line: index + 1,
                column,
            };
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            let indented = line.len() - line.trim_start().len();
            if indented > indent
                && let Some((_, value)) = last.as_ref().and_then(|last| conf.options.get_mut(last))
            {
                value.push('\n');
                value.push_str(trimmed);
                continue;
            }
            indent = indented;
            if let Some(name) = trimmed.strip_prefix('[') {
                match name.split_once(']') {
                    Some((name, _)) => {
                        conf.sections.insert(name.to_owned());
                        section = Some(name.to_owned());
                    }
                    None => conf.problem(at(1), "the name of this section does not end with ']'"),
                }
                last = None;
                continue;
            }
            let Some((name, value)) = trimmed.split_once(['=', ':']) else {
                conf.problem(at(1), "this is neither a section nor name = value");
                continue;
            };
            let Some(section) = &section else {
                conf.problem(at(1), "this line is before the first section");
                continue;
            };
            let option = (section.clone(), name.trim().to_lowercase());
            let column = line.find(['=', ':']).map_or(1, |before| before + 2);
            let blanks = value.len() - value.trim_start().len();
            let place = at(column + blanks);
            let value = (place, value.trim().to_owned());
            if conf.options.insert(option.clone(), value).is_some() {
                let message = format!("'{}' is set twice in [{}]", option.1, option.0);
                conf.problem(at(1), &message);
            }
            last = Some(option);
        }
        conf
    }

    fn problem(&mut self, at: Position, message: &str) {
        self.problems.push(Diagnostic::new(at, message));
    }

    fn get(&self, section: &str, option: &str) -> Option<&(Position, String)> {
        let of = |section: &str| self.options.get(&(section.to_owned(), option.to_owned()));
        let is_there = self.sections.contains(section);
        of(section).or_else(|| of(DEFAULTS).filter(|_| is_there))
    }

    /// Whether ZTPServer can read it, and it has a valid `identifier` or none.
    pub fn tells_identifier(&self) -> bool {
        let has_one = self.get("default", "identifier").is_some();
        self.problems.is_empty() && (self.identifier().is_some() || !has_one)
    }

    /// The fact that names a node, if the file has a valid value.
    pub fn identifier(&self) -> Option<Identifier> {
        let (_, value) = self.get("default", "identifier")?;
        meant("identifier", value).parse().ok()
    }

    /// The URL of the server.
    pub fn server_url(&self) -> Option<&str> {
        let (_, url) = self.get("default", "server_url")?;
        Some(url.as_str())
    }

    /// The folder of the content.
    pub fn data_root(&self) -> Option<&str> {
        let (_, folder) = self.get("default", "data_root")?;
        Some(folder.as_str())
    }

    /// The settings that have no counterpart here, in the order of their names: section, option and value.
    pub fn without_counterpart(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let is_known = |section: &str, option: &str| match section {
            "default" | DEFAULTS => {
                option == "data_root" || VARS.iter().any(|(var, _)| *var == option)
            }
            "bootstrap" | "neighbordb" => option == "filename",
            _ => false,
        };
        let options = self.options.iter();
        options
            .map(|((section, option), (_, value))| {
                (section.as_str(), option.as_str(), value.as_str())
            })
            .filter(move |(section, option, _)| !is_known(section, option))
    }
}

/// A value as it was meant: ZTPServer 1.0.0 has `serialnum`, and so have settings that people keep.
fn meant<'v>(option: &str, value: &'v str) -> &'v str {
    match (option, value) {
        ("identifier", "serialnum" | "serial" | "serial_number") => "serialnumber",
        _ => value,
    }
}

impl Check<'_> {
    /// Notes the [vars] that mean the same as ztpserver.conf.
    pub(super) fn server_conf(&mut self, read: Result<Vec<u8>, String>) {
        let Some(bytes) = self.bytes(KEY, read) else {
            return;
        };
        let conf = ServerConf::parse(&String::from_utf8_lossy(&bytes));
        for problem in &conf.problems {
            let kind = FindingKind::BadServerConf;
            self.add(Finding::of_diagnostic(kind, KEY, problem.clone()));
        }
        let mut vars = Vec::new();
        for (option, var) in VARS {
            let Some((position, value)) = conf.get("default", option) else {
                continue;
            };
            let value = meant(option, value);
            let read = Settings::read(|name| (name == var).then(|| value.to_owned()));
            if let Err(error) = read {
                // The rest of that sentence is how to fix a deployed Worker.
                let error = error.to_string();
                let problem = error.split(';').next().unwrap_or(&error);
                let message = format!("'{option}' cannot be used here: {problem}");
                let finding = Finding::at(FindingKind::BadServerConf, KEY, *position, message);
                self.add(finding);
                continue;
            }
            vars.push(match var {
                "SERVER_URL" => format!(
                    "{var} = \"auto\"  # the URL that was requested; ZTPServer had {}",
                    value.trim()
                ),
                _ => format!("{var} = {}", serde_json::Value::from(value)),
            });
        }
        for (section, usual) in [("bootstrap", "bootstrap"), ("neighbordb", "neighbordb")] {
            let Some((position, name)) = conf.get(section, "filename") else {
                continue;
            };
            if name != usual {
                let message = format!("the name of the {section} file is '{name}'");
                let key = match section {
                    "bootstrap" => "bootstrap/bootstrap",
                    _ => "neighbordb",
                };
                let finding = Finding::at(FindingKind::RenamedFile, KEY, *position, message);
                self.add(finding.with_help(format!(
                    "rename the file to {key}: its name cannot be configured here"
                )));
            }
        }
        if !vars.is_empty() {
            vars.insert(0, "[vars]".to_owned());
            self.notes.push(Note {
                text: "the settings of ztpserver.conf, for wrangler.toml:".to_owned(),
                lines: vars,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_conf_is_read_as_python_reads_it() {
        let conf = ServerConf::parse(
            "# comment\n[default]\nIdentifier: systemmac\nserver_url =\n  http://a\n; x\n[a]\nidentifier=b\n",
        );
        assert_eq!(conf.problems, []);
        assert_eq!(conf.identifier(), Some(Identifier::SystemMac));
        let (at, url) = conf.get("default", "server_url").unwrap();
        assert_eq!((at.line, url.as_str()), (4, "\nhttp://a"));
    }

    #[test]
    fn only_a_line_that_is_indented_more_continues_a_value() {
        let conf = ServerConf::parse(
            "[default]\n  identifier = systemmac\n  server_url = http://a\n    b\n[server]\nport = 1\n",
        );
        assert_eq!(conf.problems, []);
        assert_eq!(conf.identifier(), Some(Identifier::SystemMac));
        assert_eq!(conf.server_url(), Some("http://a\nb"));
        assert_eq!(
            conf.get("server", "port").map(|(_, port)| port.as_str()),
            Some("1")
        );
    }

    #[test]
    fn the_section_of_defaults_counts_for_sections_that_are_there() {
        let identifier = |text: &str| ServerConf::parse(text).identifier();
        let defaults = "[DEFAULT]\nidentifier = systemmac\n";
        assert_eq!(identifier(defaults), None);
        let with_section = format!("{defaults}[default]\n");
        assert_eq!(identifier(&with_section), Some(Identifier::SystemMac));
        let with_own = format!("{defaults}[default]\nidentifier = serialnumber\n");
        assert_eq!(identifier(&with_own), Some(Identifier::SerialNumber));
    }

    #[test]
    fn a_file_that_ztpserver_cannot_read_does_not_tell_the_identifier() {
        for (text, tells) in [
            ("", true),
            ("[default]\n", true),
            ("[default]\nidentifier = systemmac\n", true),
            ("[default]\nidentifier = serialnum\n", true),
            ("[default]\nidentifier = systemmac ; MAC\n", false),
            ("[default]\nidentifier =\n", false),
            ("\u{feff}[default]\nidentifier = systemmac\n", false),
            ("[default]\nidentifier systemmac\n", false),
        ] {
            assert_eq!(
                ServerConf::parse(text).tells_identifier(),
                tells,
                "{text:?}"
            );
        }
    }

    #[test]
    fn settings_without_a_counterpart_are_told() {
        let conf = ServerConf::parse(
            "[default]\ndata_root = /srv/ztp\nserver_url = http://a\nlogging = True\n[server]\nport = 8080\n[bootstrap]\nfilename = x\n",
        );
        assert_eq!(conf.data_root(), Some("/srv/ztp"));
        let rest: Vec<_> = conf.without_counterpart().collect();
        assert_eq!(
            rest,
            [("default", "logging", "True"), ("server", "port", "8080")]
        );
    }

    #[test]
    fn lines_that_python_rejects_are_problems() {
        let conf = ServerConf::parse("a = 1\n[b\n[c]\nd\ne = 1\ne = 2\n");
        let lines: Vec<_> = conf
            .problems
            .iter()
            .map(|problem| problem.position.line)
            .collect();
        assert_eq!(lines, [1, 2, 4, 6]);
    }
}
