//! The result of one check.

use serde_json::{Value as Json, json};

use super::kind::Kind;

/// A check and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its stable name.
    pub name: &'static str,
    pub result: Outcome,
    /// The observation.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Fine,
    Found(Kind),
    /// It could not be done.
    Skipped,
}

impl Check {
    pub fn fine(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Outcome::Fine, message)
    }

    pub fn found(name: &'static str, kind: Kind, message: impl Into<String>) -> Self {
        Self::new(name, Outcome::Found(kind), message)
    }

    pub fn skipped(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Outcome::Skipped, message)
    }

    fn new(name: &'static str, result: Outcome, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            name,
            result,
            message,
        }
    }

    /// The kind of its finding.
    pub fn kind(&self) -> Option<Kind> {
        match self.result {
            Outcome::Found(kind) => Some(kind),
            Outcome::Fine | Outcome::Skipped => None,
        }
    }

    pub fn is_fine(&self) -> bool {
        self.result == Outcome::Fine
    }

    /// `ok`, `warning`, `problem` or `skipped`.
    pub fn result_name(&self) -> &'static str {
        match self.result {
            Outcome::Fine => "ok",
            Outcome::Found(kind) => kind.level().name(),
            Outcome::Skipped => "skipped",
        }
    }

    pub fn to_json(&self) -> Json {
        let kind = self.kind();
        json!({
            "check": self.name,
            "result": self.result_name(),
            "kind": kind.map(Kind::id),
            "message": self.message,
            "why": kind.map(Kind::why),
            "remedy": kind.map(Kind::remedy),
        })
    }
}
