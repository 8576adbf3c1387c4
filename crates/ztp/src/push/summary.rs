//! The summary of a push.

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

    pub(super) fn text(&self) -> String {
        let problems: String = self.problems.iter().map(display_problem).collect();
        let (stored, size, deleted) = (self.stored, HumanBytes(self.bytes), self.deleted);
        let left = match self.problems.len() {
            0 => String::new(),
            left => format!(", not stored {left}: see above"),
        };
        format!("{problems}stored {stored} ({size}), deleted {deleted}{left}\n")
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

impl Copies {
    pub fn text(&self) -> String {
        let (key, number, nodes) = (&self.definition, self.nodes.len(), self.nodes.join(" "));
        format!(
            "the former {key} is the definition of {number} nodes, which keep their copy; after the push, this lets \
             them match neighbordb again:\n  ztp reprovision {}\n",
            line(&nodes)
        )
    }
}
