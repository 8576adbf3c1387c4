//! One document by itself.

use crate::content::{ContentKind, Store};
use crate::key::Record;
use crate::node::Identifier;

use super::Check;
use super::contents::{Contents, Index, Listed};
use super::finding::Finding;

/// A data_root with one file.
struct Alone<'d> {
    key: &'d str,
    store: Store,
    bytes: &'d [u8],
}

impl Contents for Alone<'_> {
    fn list(&self) -> Vec<Listed> {
        vec![Listed {
            key: self.key.to_owned(),
            store: self.store,
            size: self.bytes.len() as u64,
        }]
    }

    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(self.bytes.to_vec())
    }
}

/// Checks a document before it is stored: its key and size, whether it can be parsed, and whether the server and its
/// clients read everything in it. References to other documents are not checked, and patterns are not compared with
/// each other, which takes too much time for one request. A key that is not content has no findings.
pub fn document(key: &str, bytes: &[u8], identifier: Identifier) -> Vec<Finding> {
    let Ok(kind) = ContentKind::of(key) else {
        return Vec::new();
    };
    let alone = Alone {
        key,
        store: kind.store(),
        bytes,
    };
    let index = Index::of(&alone);
    let mut check = Check::new(&index, identifier, None);
    check.keys_and_sizes();
    match kind {
        ContentKind::Bootstrap
        | ContentKind::BootstrapConf
        | ContentKind::Operators
        | ContentKind::ConfigHandler(_) => {
            check.documents();
        }
        ContentKind::Neighbordb => drop(check.neighbordb_alone()),
        ContentKind::Definition(_) => {
            check.read_definitions();
            drop(check.definition_alone(key));
        }
        ContentKind::Pool(_) => check.read_pools(),
        ContentKind::Action(_) | ContentKind::File(_) => {}
        ContentKind::Record(node, record) => {
            check.id_is_sent(&node);
            match record {
                Record::Definition => {
                    check.read_definitions();
                    drop(check.definition_alone(key));
                }
                Record::Attributes => check.read_definitions(),
                Record::Pattern => drop(check.pattern(&node)),
                Record::Facts => drop(check.facts_of_node(&node)),
                Record::StartupConfig => check.startup_config(key),
                Record::ConfigHandler | Record::Site => drop(check.text(key)),
            }
        }
    }
    check.findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_is_broken_by_itself_has_an_error() {
        for (key, text, expected) in [
            ("neighbordb", "patterns: [", "bad-neighbordb"),
            (
                "neighbordb",
                "patterns:\n- name: a\n  definition: a\n  interfaces:\n  - any: regex('('):any\n",
                "bad-pattern",
            ),
            ("definitions/a", "actions: 1\n", "bad-definition"),
            ("definitions/a", "", "bad-definition"),
            ("nodes/JPE1/definition", "- a\n", "bad-definition"),
            ("nodes/JPE1/attributes", "- a\n", "bad-attributes"),
            ("nodes/JPE1/pattern", "- a\n", "bad-pattern"),
            ("nodes/JPE1/startup-config", "", "empty-startup-config"),
            (
                "nodes/JPE1/startup-config",
                " \n\t\n",
                "empty-startup-config",
            ),
            ("resources/a", "- b\n", "bad-pool"),
            ("operators", "- email: a\n", "bad-operators"),
            (
                "bootstrap/bootstrap.conf",
                "logging: 1\n",
                "bad-bootstrap-conf",
            ),
            (
                "bootstrap/bootstrap.conf",
                "logging:\n- {destination: 'udp://192.0.2.5:514', level: INFO}\n",
                "bad-destination",
            ),
        ] {
            let findings = document(key, text.as_bytes(), Identifier::SerialNumber);
            let errors = findings.iter().filter(|finding| finding.is_error());
            let kinds: Vec<_> = errors.map(|finding| finding.kind.id()).collect();
            assert_eq!(kinds, [expected], "{key}: {text:?}: {findings:?}");
        }
        // As Windows writes it, and as a banner in Latin-1.
        for (text, expected) in [
            (&b"\xff\xfeh\0\n\0"[..], &["not-utf8"][..]),
            (b"\xfe\xff\0h\0\n", &["not-utf8"]),
            (b"hostname \xe9\0\n", &[]),
        ] {
            let found = document("nodes/JPE1/startup-config", text, Identifier::SerialNumber);
            let kinds: Vec<_> = found.iter().map(|finding| finding.kind.id()).collect();
            assert_eq!(kinds, expected, "{text:?}");
        }
        let findings = document("definitions/a", b"\xff", Identifier::SerialNumber);
        assert_eq!(findings[0].kind.id(), "not-utf8");
        let long = format!("definitions/{}", "a".repeat(600));
        let findings = document(&long, b"actions: []\n", Identifier::SerialNumber);
        assert_eq!(findings[0].kind.id(), "key-too-long");
    }

    #[test]
    fn references_to_other_documents_are_not_checked() {
        for (key, text) in [
            (
                "neighbordb",
                "patterns:\n- name: a\n  definition: missing\n  interfaces:\n  - any: any:any\n",
            ),
            (
                "definitions/a",
                "actions:\n- name: a\n  action: missing\n  attributes: {url: files/missing, ip: \"allocate('x')\"}\n",
            ),
            (
                "nodes/JPE1/pattern",
                "name: a\ndefinition: b\ninterfaces: []\n",
            ),
            ("nodes/JPE1/startup-config", "hostname a\n"),
            ("nodes/JPE1/site", "berlin\n"),
            ("resources/a", "10.0.0.1/24: null\n"),
            ("files/a", "\u{0}"),
        ] {
            let findings = document(key, text.as_bytes(), Identifier::SerialNumber);
            assert_eq!(findings, [], "{key}");
        }
    }

    #[test]
    fn warnings_about_the_document_itself_are_found() {
        for (key, text, expected) in [
            (
                "definitions/a",
                "actions: []\nattribute: {}\n",
                "unknown-key",
            ),
            ("resources/a", "a: null\na: null\n", "duplicate-key"),
            ("neighbordb", "pattern: []\npatterns: []\n", "unknown-key"),
            // A node sends its facts anew with each POST.
            ("nodes/JPE1/.node", "{", "bad-facts"),
            (
                "nodes/JPE1/.node",
                "{\"serialnumber\": \"JPE2\"}",
                "facts-of-other-node",
            ),
            ("nodes/ JPE1/definition", "actions: []\n", "bad-node-id"),
            ("bootstrap/bootstrap", "print(1)\n", "no-server"),
            (
                "bootstrap/bootstrap",
                "#!/bin/sh\r\necho $SERVER\r\n",
                "line-ends",
            ),
            (
                "bootstrap/bootstrap",
                "\u{feff}#!/bin/sh\necho $SERVER\n",
                "byte-order-mark",
            ),
        ] {
            let findings = document(key, text.as_bytes(), Identifier::SerialNumber);
            assert!(!findings.iter().any(Finding::is_error), "{key}");
            let kinds: Vec<_> = findings.iter().map(|finding| finding.kind.id()).collect();
            assert_eq!(kinds, [expected], "{key}");
        }
    }
}
