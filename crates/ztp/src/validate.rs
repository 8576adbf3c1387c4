//! `ztp validate`: the rules of [`ztp_core::check`], and the checks that need this machine's files.

pub mod allow;
mod old_server;
mod python;
mod python2;
mod scripts;
mod templates;

use std::path::PathBuf;

use ztp_core::check::{self, Finding, FindingKind, Note, Validation};
use ztp_core::node::Identifier;

use crate::data_root::DataRoot;
use allow::Allow;

pub struct Checked {
    /// The folder that the keys of findings are relative to.
    pub folder: PathBuf,
    /// The number of files.
    pub files: usize,
    /// Without the findings that are allowed.
    pub validation: Validation,
    /// The findings that are allowed.
    pub allowed: Vec<Finding>,
}

/// Checks a data_root. `site`: the site of all nodes without a file `nodes/ID/site`. `old_server`: the host of the server
/// that the content comes from, if `ztpserver.conf` does not name it.
pub fn validate(
    root: &DataRoot,
    identifier: Identifier,
    site: Option<&str>,
    old_server: Option<&str>,
    allow: &Allow,
) -> Checked {
    let mut validation = check::check(root, identifier, site);
    if root.others.contains_key(check::SERVER_CONF) {
        let settings = check::server_conf(root);
        validation.notes.extend(settings.notes);
        validation.add(settings.findings);
    }
    let left_alone = root.left_alone.iter();
    let left_alone = left_alone.map(|(path, reason)| format!("{path} is left alone: {reason}"));
    let left_alone = left_alone.map(Note::from);
    validation
        .notes
        .splice(..0, left_alone.chain(stock(root)).chain(links(root)));
    let scripts = scripts::check(root);
    validation.notes.extend(scripts.notes);
    let found = root.findings.iter().cloned().chain(scripts.findings);
    let found = found.chain(leftovers(root)).chain(templates::check(root));
    validation.add(found.chain(old_server::check(root, old_server)));
    let allowed = validation
        .findings
        .extract_if(.., |finding| allow.allows(finding));
    let allowed: Vec<Finding> = allowed.collect();
    validation.notes.extend(allowed_note(&allowed));
    Checked {
        folder: root.path.clone(),
        files: root.files.len(),
        validation,
        allowed,
    }
}

/// One warning about all leftovers.
fn leftovers(root: &DataRoot) -> Option<Finding> {
    let all: Vec<&str> = root.leftovers.iter().map(String::as_str).collect();
    let first = *all.first()?;
    let message = match all.len() {
        1 => "it looks like a leftover, nothing names it, and it is left alone".to_owned(),
        number => format!(
            "{number} files look like leftovers, nothing names them, and they are left alone: {}",
            all.join(", ")
        ),
    };
    Some(Finding::of_file(FindingKind::Leftover, first, message))
}

/// One note about all stock files.
fn stock(root: &DataRoot) -> Option<Note> {
    let lines = root.stock.iter();
    let lines = lines.map(|(key, releases)| format!("{key}  of {}", releases.replace(' ', ", ")));
    (!root.stock.is_empty()).then(|| Note {
        text: "these files of ZTPServer are unchanged, and are left alone, because the server has its own, which are \
               better; `ztp push --with-stock` stores them:"
            .to_owned(),
        lines: lines.collect(),
    })
}

/// One note about all content that is elsewhere: a link may lead to what nobody means to store.
fn links(root: &DataRoot) -> Option<Note> {
    let lines = root.links.iter();
    let lines = lines.map(|(key, target)| format!("{key}  leads to {}", target.display()));
    (!root.links.is_empty()).then(|| Note {
        text: "these symbolic links lead out of DIR, and a push stores what they lead to:"
            .to_owned(),
        lines: lines.collect(),
    })
}

/// One note about all findings that are allowed.
fn allowed_note(allowed: &[Finding]) -> Option<Note> {
    let lines = allowed.iter().map(|finding| {
        let at = finding.position.map(|at| format!(":{}", at.line));
        let (kind, at) = (finding.kind.id(), at.unwrap_or_default());
        format!("{kind}  {}{at}: {}", finding.key, finding.message)
    });
    (!allowed.is_empty()).then(|| Note {
        text: "these findings are allowed, by validate.toml or --allow:".to_owned(),
        lines: lines.collect(),
    })
}
