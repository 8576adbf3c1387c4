//! The check reads only the given contents: with a map in memory it has the same findings as `ztp validate` with the
//! files.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};
use ztp_core::check::{
    Contents, Elsewhere, Finding, Listed, SERVER_CONF, ServerConf, check, server_conf,
};
use ztp_core::content::{ContentKind, Store};
use ztp_core::node::Identifier;

use crate::broken::fixtures;
use crate::scratch::{Scratch, copy};

/// The kinds that only `ztp` finds, because it reads scripts and files.
const OF_THIS_MACHINE: [&str; 7] = [
    "bad-script",
    "no-main",
    "python-2-only",
    "new-python",
    "leftover",
    "old-server",
    "undefined-variable",
];
/// Fixtures without a file `make`: all of their root is plain files.
const AT_LEAST: usize = 120;

struct InMemory(BTreeMap<String, Vec<u8>>);

impl Contents for InMemory {
    fn list(&self) -> Vec<Listed> {
        let listed = self.0.iter().map(|(key, value)| Listed {
            key: key.clone(),
            store: ContentKind::of(key).map_or(Store::Kv, |kind| kind.store()),
            size: value.len() as u64,
        });
        listed.collect()
    }

    fn read(&self, key: &str) -> Result<Vec<u8>, String> {
        let value = self.0.get(key).cloned();
        value.ok_or_else(|| format!("{key} is not in the map"))
    }

    fn elsewhere(&self, _: &str) -> Elsewhere {
        Elsewhere::Unknown
    }
}

impl InMemory {
    fn of(root: &Path) -> Self {
        let files = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
        let files = files.filter(|entry| entry.file_type().is_file());
        let read = files.map(|entry| {
            let key = entry.path().strip_prefix(root).unwrap();
            let value = std::fs::read(entry.path()).unwrap();
            (key.to_str().unwrap().to_owned(), value)
        });
        Self(read.collect())
    }

    fn identifier(&self) -> Identifier {
        let conf = self.0.get(SERVER_CONF);
        let conf = conf.map(|conf| ServerConf::parse(&String::from_utf8_lossy(conf)));
        conf.and_then(|conf| conf.identifier()).unwrap_or_default()
    }
}

fn as_json(finding: &Finding) -> Json {
    json!({
        "kind": finding.kind.id(),
        "severity": finding.severity.name(),
        "file": finding.key,
        "line": finding.position.map(|at| at.line),
        "column": finding.position.map(|at| at.column),
        "message": finding.message,
        "help": finding.help(),
    })
}

fn is_of_this_machine(finding: &Json) -> bool {
    OF_THIS_MACHINE.iter().any(|kind| finding["kind"] == *kind)
}

#[test]
fn contents_in_memory_have_the_findings_of_the_same_files() {
    let mut compared = 0;
    for fixture in fixtures() {
        // Only `ztp` sets files aside.
        if fixture.join("make").exists() || fixture.ends_with("leftovers") {
            continue;
        }
        let name = fixture.file_name().unwrap().to_str().unwrap();
        let scratch = Scratch::new(&format!("memory-{name}"));
        let root = scratch.path().join("root");
        copy(&fixture.join("root"), &root);
        let contents = InMemory::of(&root);
        let mut validation = check(&contents, contents.identifier(), None);
        if contents.0.contains_key(SERVER_CONF) {
            validation.add(server_conf(&contents).findings);
        }
        let found: Vec<Json> = validation.findings.iter().map(as_json).collect();

        let (status, text) = scratch.ztp(&["validate", "root", "--format", "json"]);
        let report: Json = serde_json::from_str(&text).unwrap();
        let mut printed = report["findings"].as_array().unwrap().clone();
        for finding in &mut printed {
            finding.as_object_mut().unwrap().remove("source");
        }
        assert_eq!(status, 1, "{name}");
        printed.retain(|finding| !is_of_this_machine(finding));
        assert_eq!(found, printed, "{name}");
        compared += 1;
    }
    assert!(compared >= AT_LEAST, "only {compared}");
}

#[test]
fn a_key_in_the_wrong_store_is_misplaced_and_not_read() {
    struct Swapped(InMemory);
    impl Contents for Swapped {
        fn list(&self) -> Vec<Listed> {
            let swap = |listed: Listed| Listed {
                store: match listed.store {
                    Store::Kv => Store::R2,
                    Store::R2 => Store::Kv,
                },
                ..listed
            };
            self.0.list().into_iter().map(swap).collect()
        }

        fn read(&self, key: &str) -> Result<Vec<u8>, String> {
            panic!("{key} is read");
        }
    }
    let contents = [
        ("neighbordb", "patterns: ["),
        ("actions/a", "def main(attributes): pass\n"),
    ];
    let contents = contents.map(|(key, value)| (key.to_owned(), value.into()));
    let swapped = Swapped(InMemory(contents.into()));
    let found = check(&swapped, Identifier::default(), None).findings;
    let found: Vec<_> = found
        .iter()
        .map(|finding| {
            (
                finding.kind.id(),
                finding.key.as_str(),
                finding.message.as_str(),
                finding.help(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (
                "misplaced",
                "actions/a",
                "the key is in KV",
                "move it: the Worker reads it from R2"
            ),
            (
                "misplaced",
                "neighbordb",
                "the key is in R2",
                "move it: the Worker reads it from KV"
            ),
        ]
    );
}

#[test]
fn a_value_that_cannot_be_read_is_a_finding() {
    struct Unreadable;
    impl Contents for Unreadable {
        fn list(&self) -> Vec<Listed> {
            let keys = ["neighbordb", SERVER_CONF];
            let listed = keys.map(|key| Listed {
                key: key.to_owned(),
                store: Store::Kv,
                size: 1,
            });
            listed.into()
        }

        fn read(&self, _: &str) -> Result<Vec<u8>, String> {
            Err("KV does not respond".to_owned())
        }
    }
    let mut validation = check(&Unreadable, Identifier::default(), None);
    validation.add(server_conf(&Unreadable).findings);
    let found: Vec<_> = validation
        .findings
        .iter()
        .map(|finding| (finding.kind.id(), finding.key.as_str(), &finding.message))
        .collect();
    let message = "the file cannot be read: KV does not respond".to_owned();
    assert_eq!(
        found,
        [
            ("unreadable", "neighbordb", &message),
            ("unreadable", SERVER_CONF, &message),
        ]
    );
}
