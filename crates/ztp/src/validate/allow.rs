//! Findings that the operator has read and allows: `--allow KIND`, and `validate.toml` in DIR.

use std::path::Path;

use serde::Deserialize;

use ztp_core::check::{Finding, FindingKind};

use crate::cli::is_below;
use crate::{Failure, display_path, regular};

/// The name of the file in DIR.
pub const FILE: &str = "validate.toml";
/// The largest file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Which findings are allowed.
#[derive(Debug, Default)]
pub struct Allow(Vec<Rule>);

/// An entry of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Missing: every kind.
    kinds: Option<Vec<String>>,
    /// Files and folders below DIR. Missing: every one.
    paths: Option<Vec<String>>,
    /// For people who read the file.
    #[serde(rename = "reason")]
    _reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    allow: Vec<Rule>,
}

impl Allow {
    /// The rules of a folder, and the kinds of the command line.
    ///
    /// # Errors
    /// The file cannot be read, or is not valid.
    pub fn load(folder: &Path, kinds: &[FindingKind]) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let mut document = match path.exists() {
            false => Document::default(),
            true => {
                let text = regular::text(&path, MAX_BYTES)?;
                let invalid =
                    |problem: String| Failure::new(format!("{}: {problem}", display_path(&path)));
                let document: Document =
                    toml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
                document.check().map_err(invalid)?;
                document
            }
        };
        if !kinds.is_empty() {
            document.allow.push(Rule {
                kinds: Some(kinds.iter().map(|kind| kind.id().to_owned()).collect()),
                ..Rule::default()
            });
        }
        Ok(Self(document.allow))
    }

    pub fn allows(&self, finding: &Finding) -> bool {
        self.0.iter().any(|rule| rule.allows(finding))
    }
}

impl Document {
    fn check(&self) -> Result<(), String> {
        for rule in &self.allow {
            if rule.kinds.is_none() && rule.paths.is_none() {
                return Err(
                    "an entry of 'allow' has neither 'kinds' nor 'paths': add one".to_owned(),
                );
            }
            for name in rule.kinds.iter().flatten() {
                kind(name)?;
            }
        }
        Ok(())
    }
}

impl Rule {
    fn allows(&self, finding: &Finding) -> bool {
        let of_kind = |kinds: &Vec<String>| kinds.iter().any(|kind| kind == finding.kind.id());
        let below = |path: &String| {
            let path = path.trim_start_matches("./").trim_end_matches('/');
            is_below(&finding.key, path)
        };
        self.kinds.as_ref().is_none_or(of_kind)
            && (self.paths.as_ref()).is_none_or(|paths| paths.iter().any(below))
    }
}

/// The kind of a name, as in `ztp kinds`.
///
/// # Errors
/// There is none.
pub fn kind(name: &str) -> Result<FindingKind, String> {
    let mut all = FindingKind::ALL.iter();
    let found = all.find(|kind| kind.id() == name).copied();
    found.ok_or_else(|| format!("'{name}' is not a kind of finding: `ztp kinds` lists them"))
}
