//! The summary of a push.

use std::fmt;

use indicatif::HumanBytes;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::Push;
use crate::cli::PushArgs;
use crate::fleet::{findings, text};
use crate::terminal::line;

#[derive(Default)]
pub struct Report {
    pub stored: usize,
    pub bytes: u64,
    pub deleted: usize,
    /// The keys that are not stored: `{"key", "error", "diff"?, "findings"?}`.
    pub problems: Vec<Json>,
}

impl Report {
    pub(super) fn json(&self, args: &PushArgs, push: &Push<'_>, copies: &[Copies]) -> Json {
        json!({
            "url": push.api.url, "dry_run": args.dry_run, "steps": push.plan.json(args.verbose),
            "stored": self.stored, "stored_bytes": self.bytes, "deleted": self.deleted, "problems": self.problems,
            "copies": copies,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            f.write_str(&display_problem(problem))?;
        }
        let (stored, size) = (self.stored, HumanBytes(self.bytes));
        write!(f, "stored {stored} ({size}), deleted {}", self.deleted)?;
        match self.problems.len() {
            0 => writeln!(f),
            left => writeln!(f, ", not stored {left}: see above"),
        }
    }
}

/// Why a key is not stored, for people.
pub fn display_problem(problem: &Json) -> String {
    let diff = problem["diff"].as_str().unwrap_or_default();
    format!("{}\n{diff}{}", text(&problem["error"]), findings(problem))
}

/// The nodes that have a copy of a definition.
#[derive(Serialize)]
pub(super) struct Copies {
    pub definition: String,
    pub nodes: Vec<String>,
}

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, number) = (&self.definition, self.nodes.len());
        let nodes = line(&self.nodes.join(" "));
        writeln!(
            f,
            "the former {key} is the definition of {number} nodes, which keep their copy; after the push, this lets \
             them match neighbordb again:\n  ztp reprovision {nodes}"
        )
    }
}
