//! Python's own `re.match` decides generated expressions (`differential.py`); this crate must decide in the same way.
//!
//! `PYREGEX_CASES` and `PYREGEX_SEED` choose how many and which. A syntax that only Python accepts is counted by the reason,
//! and must be one of [`UNSUPPORTED`].

use std::collections::BTreeMap;
use std::process::Command;

use pyregex::{Budget, PyRegex};
use serde_json::Value;

/// The reasons for which this crate rejects what Python accepts; each occurs in the README or in the documentation of a
/// limit.
const UNSUPPORTED: [&str; 4] = [
    "conditional groups are not supported",
    "atomic groups are not supported",
    "possessive quantifiers are not supported",
    "ignoring case is supported for ASCII letters only",
];

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(value) => value
            .parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not '{value}'")),
        Err(_) => default,
    }
}

#[test]
fn decides_as_python_does() {
    let cases = number("PYREGEX_CASES", 20_000);
    let output = Command::new("python3")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/differential.py"
        ))
        .args([cases, number("PYREGEX_SEED", 1)].map(|number| number.to_string()))
        .env("PYTHONUTF8", "1")
        .output()
        .expect("python3 starts; this test needs it on the PATH");
    assert!(
        output.status.success(),
        "differential.py failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).expect("differential.py prints UTF-8");

    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut failures = Vec::new();
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).expect("differential.py prints JSON");
        let field = |name: &str| case[name].as_str().expect("a string");
        let (pattern, text) = (field("pattern"), field("text"));
        let python = case["match"].as_bool();
        let mut fail = |problem: &str| {
            failures.push(format!(
                "{problem}: {pattern:?} on {text:?}; Python: {case}"
            ));
        };
        let outcome = match (PyRegex::new(pattern), python) {
            (Err(_), None) => "both reject".to_owned(),
            (Err(error), Some(_)) => {
                match UNSUPPORTED
                    .iter()
                    .find(|reason| error.reason.starts_with(**reason))
                {
                    Some(reason) => format!("only Python accepts: {reason}"),
                    None => {
                        fail(&format!("rejected for '{error}'"));
                        continue;
                    }
                }
            }
            (Ok(_), None) => {
                fail("accepted here, rejected by Python");
                continue;
            }
            (Ok(regex), Some(python)) => match regex.is_match(text, &mut Budget::new(1_000_000)) {
                Err(why) => format!("not decided: {why}"),
                Ok(decided) if decided == python => (if decided {
                    "both match"
                } else {
                    "neither matches"
                })
                .to_owned(),
                Ok(decided) => {
                    fail(&format!("decided as {decided}"));
                    continue;
                }
            },
        };
        *counts.entry(outcome).or_default() += 1;
    }
    println!("{counts:#?}");
    assert!(
        failures.is_empty(),
        "{} of {cases} cases differ:\n{}",
        failures.len(),
        failures[..failures.len().min(8)].join("\n")
    );
    // A generator whose expressions are all rejected would prove nothing.
    for outcome in ["both match", "neither matches", "both reject"] {
        let count = counts.get(outcome).copied().unwrap_or(0);
        assert!(count >= cases / 20, "only {count} cases: {outcome}");
    }
}
