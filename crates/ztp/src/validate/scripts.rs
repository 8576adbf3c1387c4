//! Checks that a Python of EOS compiles the client's script and the actions, and that actions have `main`.

use std::collections::BTreeSet;

use ztp_core::check::{Contents, Finding, FindingKind, MAX_ACTION_BYTES, Note, Validation};
use ztp_core::content::ContentKind;
use ztp_core::definition::Definition;
use ztp_core::key::Record;

use super::python::{self, Problem, Verdict};
use crate::data_root::{DataRoot, File};
use crate::regular;

/// Checks every script.
pub fn check(root: &DataRoot) -> Validation {
    let mut result = Validation::default();
    let mut notes = Notes::default();
    let used = used_actions(root);
    for (key, file) in &root.files {
        let found = match &file.kind {
            ContentKind::Bootstrap => script(key, file, false, &mut notes),
            // The client accepts no larger one.
            ContentKind::Action(_) if file.size > MAX_ACTION_BYTES => continue,
            ContentKind::Action(name) => {
                let found = script(key, file, true, &mut notes);
                let is_used = used.as_ref().is_none_or(|used| used.contains(name));
                found
                    .into_iter()
                    .map(|finding| match is_used {
                        true => finding,
                        // No definition runs it.
                        false => finding.as_warning(),
                    })
                    .collect()
            }
            _ => continue,
        };
        result.findings.extend(found);
    }
    result.notes = notes.unknown;
    if !notes.only_3.is_empty() {
        result.notes.push(Note {
            text: "these scripts do not run on releases of EOS that have only Python 2:".to_owned(),
            lines: notes.only_3,
        });
    }
    result
}

/// Remarks that are not findings.
#[derive(Default)]
struct Notes {
    /// About scripts that could not be checked.
    unknown: Vec<Note>,
    /// A line for each script that needs Python 3.
    only_3: Vec<String>,
}

/// The actions that a definition names; `None` if the folder may not have all definitions.
fn used_actions(root: &DataRoot) -> Option<BTreeSet<String>> {
    root.files.get("neighbordb")?;
    let mut used = BTreeSet::new();
    for (key, file) in &root.files {
        if !matches!(
            file.kind,
            ContentKind::Definition(_) | ContentKind::Record(_, Record::Definition)
        ) {
            continue;
        }
        let text = root.read(key).ok();
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
        let definition = text.and_then(|text| Definition::parse(&text).ok())?;
        used.extend(
            definition
                .actions()
                .iter()
                .map(|action| action.action.clone()),
        );
    }
    Some(used)
}

/// The findings in one script.
fn script(key: &str, file: &File, is_action: bool, notes: &mut Notes) -> Vec<Finding> {
    let limit = python::MAX_BYTES as u64;
    let bytes = match regular::read(&file.path, limit) {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("the file cannot be read: {error}");
            return match is_action {
                true => vec![Finding::of_file(FindingKind::Unreadable, key, message)],
                // The check of the document reports it.
                false => Vec::new(),
            };
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    if !python::is_python(&text) {
        if !is_action {
            return Vec::new();
        }
        let interpreter = python::interpreter(&text).unwrap_or_default();
        let message =
            format!("the client loads an action as Python, and this is a script of {interpreter}");
        return vec![Finding::of_file(FindingKind::BadScript, key, message)];
    }
    let at = |kind, problem: Problem| Finding {
        position: problem.position,
        ..Finding::of_file(kind, key, problem.message)
    };
    let (names, found) = match python::check(&bytes) {
        Verdict::Good {
            names,
            too_new,
            not_python2,
        } => {
            if let (Some(problem), None) = (&not_python2, &too_new) {
                let line = problem.position.map_or(1, |at| at.line);
                notes
                    .only_3
                    .push(format!("{key}:{line}  {}", problem.message));
            }
            let too_new = too_new.map(|problem| at(FindingKind::NewPython, problem));
            (names, too_new)
        }
        Verdict::Python2 { names, problem } => {
            let message = format!("only Python 2 compiles this: {}", problem.message);
            let problem = Problem { message, ..problem };
            (names, Some(at(FindingKind::Python2, problem)))
        }
        Verdict::Bad(problem) => {
            let message = format!("no Python compiles this: {}", problem.message);
            let problem = Problem { message, ..problem };
            return vec![at(FindingKind::BadScript, problem)];
        }
        Verdict::Unknown(problem) => {
            let line = problem.position.map_or(1, |at| at.line);
            notes.unknown.push(Note::from(format!(
                "{key} could not be checked: it is for Python 2, and has syntax that is not checked; Python 3 stops in line {line}: {}",
                problem.message
            )));
            return Vec::new();
        }
    };
    let mut findings: Vec<Finding> = found.into_iter().collect();
    if is_action && !names.may_have_main() {
        let message = "the action does not define main";
        findings.push(Finding::of_file(FindingKind::NoMain, key, message));
    }
    findings
}
