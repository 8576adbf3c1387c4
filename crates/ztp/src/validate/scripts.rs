//! Checks that the client's script and the actions compile as Python.

use std::io::Write;
use std::process::{Command, Stdio};

use serde::Deserialize;

use ztp_core::check::{Finding, FindingKind, MAX_ACTION_BYTES, Note, Validation};
use ztp_core::content::ContentKind;
use ztp_core::yaml::Position;

use crate::data_root::{DataRoot, File};

/// Compiles scripts, and never runs them. It reads at most the size of a KV value of each.
const COMPILE: &str = include_str!("compile.py");

#[derive(Deserialize)]
struct CompileOutput {
    /// `3.11`
    version: String,
    scripts: Vec<Verdict>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Verdict {
    Bad {
        line: Option<usize>,
        column: Option<usize>,
        problem: String,
    },
    Good {
        main: bool,
    },
}

/// Compiles every script with the python3 of this machine, all in one process.
pub fn compile(root: &DataRoot) -> Validation {
    let mut result = Validation::default();
    let scripts: Vec<(&String, &File)> = root
        .files
        .iter()
        .filter(|(_, file)| match file.kind {
            // The client does not accept a larger one.
            ContentKind::Action(_) => file.size <= MAX_ACTION_BYTES,
            ContentKind::Bootstrap => true,
            _ => false,
        })
        .collect();
    if scripts.is_empty() {
        return result;
    }
    let paths = scripts.iter().filter_map(|(_, file)| file.path.to_str());
    let output = match run_python(&paths.collect::<Vec<_>>()) {
        Ok(output) => output,
        Err(problem) => {
            let note = format!("the scripts were not compiled: {problem}");
            result.notes.push(Note::from(note));
            return result;
        }
    };
    for ((key, file), verdict) in scripts.into_iter().zip(output.scripts) {
        let is_action = matches!(file.kind, ContentKind::Action(_));
        result.findings.extend(match verdict {
            Verdict::Bad {
                line,
                column,
                problem,
            } => {
                let version = &output.version;
                let message = format!("this does not compile as Python {version}: {problem}");
                Some(Finding {
                    position: line.map(|line| Position {
                        line,
                        column: column.unwrap_or(1).max(1),
                    }),
                    ..Finding::of_file(FindingKind::BadScript, key, message)
                })
            }
            Verdict::Good { main } if is_action && !main => {
                let message = "the action does not define main";
                Some(Finding::of_file(FindingKind::NoMain, key, message))
            }
            Verdict::Good { .. } => None,
        });
    }
    result
}

fn run_python(paths: &[&str]) -> Result<CompileOutput, String> {
    let mut python = Command::new("python3")
        .args(["-I", "-B", "-c", COMPILE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run python3 ({error}); install Python 3"))?;
    let failed = |error: std::io::Error| format!("python3 failed: {error}");
    let request = serde_json::to_vec(paths).map_err(|error| error.to_string())?;
    if let Some(mut stdin) = python.stdin.take() {
        stdin.write_all(&request).map_err(failed)?;
    }
    let done = python.wait_with_output().map_err(failed)?;
    if !done.status.success() {
        let stderr = String::from_utf8_lossy(&done.stderr);
        let last = stderr.lines().last().unwrap_or_default();
        return Err(format!("python3 ended with {}: {last}", done.status));
    }
    serde_json::from_slice(&done.stdout)
        .map_err(|error| format!("the output of python3 is not valid: {error}"))
}
