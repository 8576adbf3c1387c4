//! Python: whether the client's script and the actions compile.

use std::io::Write;
use std::process::{Command, Stdio};

use serde::Deserialize;

use ztp_core::yaml::Position;

use crate::content::Place;
use crate::finding::{Finding, Kind, Note};

use super::Check;

/// Compiles, and never runs, what it is told to.
const CHECK: &str = include_str!("check.py");

/// The largest action, in bytes: MAX_BODY of the client. check.py reads no more of any script than
/// KV takes.
const MAX_ACTION_BYTES: u64 = 8 << 20;

#[derive(Deserialize)]
struct Answer {
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

impl Check<'_> {
    /// Compiles every script with the python3 of this machine, all in one process.
    pub(super) fn scripts(&mut self) {
        let mut scripts = self.keys(|place| match place {
            Place::Action(_) => Some(true),
            Place::Bootstrap => Some(false),
            _ => None,
        });
        scripts.retain(|(key, is_action)| !*is_action || self.client_takes(key));
        if scripts.is_empty() {
            return;
        }
        let paths = scripts
            .iter()
            .filter_map(|(key, _)| self.root.files.get(key)?.path.to_str())
            .collect::<Vec<_>>();
        let answer = match ask_python(&paths) {
            Ok(answer) => answer,
            Err(problem) => {
                return self.notes.push(Note::from(format!(
                    "the scripts were not compiled: {problem}"
                )));
            }
        };
        for ((key, is_action), verdict) in scripts.iter().zip(answer.scripts) {
            match verdict {
                Verdict::Bad {
                    line,
                    column,
                    problem,
                } => {
                    let version = &answer.version;
                    let message = format!("this does not compile as Python {version}: {problem}");
                    let finding = Finding::of_file(Kind::BadScript, key, message);
                    let position = line.map(|line| Position {
                        line,
                        column: column.unwrap_or(1).max(1),
                    });
                    self.find(Finding {
                        position,
                        ..finding
                    });
                }
                Verdict::Good { main } if *is_action && !main => {
                    let message = "the action defines no main";
                    self.find(Finding::of_file(Kind::NoMain, key, message));
                }
                Verdict::Good { .. } => {}
            }
        }
    }
}

impl Check<'_> {
    /// Whether the client accepts the size of an action; a finding if not.
    fn client_takes(&mut self, key: &str) -> bool {
        let size = self.root.files.get(key).map_or(0, |file| file.size);
        if size <= MAX_ACTION_BYTES {
            return true;
        }
        let message =
            format!("the action has {size} bytes, and the client takes at most {MAX_ACTION_BYTES}");
        self.find(Finding::of_file(Kind::TooLarge, key, message));
        false
    }
}

fn ask_python(paths: &[&str]) -> Result<Answer, String> {
    let mut python = Command::new("python3")
        .args(["-I", "-B", "-c", CHECK])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("python3 cannot be run ({error}); install Python 3"))?;
    let failed = |error: std::io::Error| format!("python3 failed: {error}");
    let question = serde_json::to_vec(paths).map_err(|error| error.to_string())?;
    if let Some(mut stdin) = python.stdin.take() {
        stdin.write_all(&question).map_err(failed)?;
    }
    let done = python.wait_with_output().map_err(failed)?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let last = said.lines().last().unwrap_or_default();
        return Err(format!("python3 ended with {}: {last}", done.status));
    }
    serde_json::from_slice(&done.stdout)
        .map_err(|error| format!("python3 answered what is not understood: {error}"))
}
