//! The work of a check is bounded: its findings are complete, and its suggestions end.

use std::collections::BTreeMap;
use std::fmt::Write;

use ztp_core::check::{Contents, FindingKind, Listed, check};
use ztp_core::content::ContentKind;
use ztp_core::node::Identifier;

struct InMemory(BTreeMap<String, String>);

impl Contents for InMemory {
    fn list(&self) -> Vec<Listed> {
        let listed = self.0.iter().map(|(key, value)| Listed {
            key: key.clone(),
            store: ContentKind::of(key).expect("content").store(),
            size: value.len() as u64,
        });
        listed.collect()
    }

    fn read(&self, key: &str) -> Result<Vec<u8>, String> {
        Ok(self.0[key].clone().into_bytes())
    }
}

/// Of content with so many files, the missing files that definitions name: those with a suggestion, and all.
fn missing(files: usize, named: usize) -> (usize, usize) {
    let mut content = BTreeMap::new();
    for file in 0..files {
        content.insert(format!("files/EOS-4.30.{file:04}.swi"), "x".to_owned());
    }
    let mut text = "actions:\n".to_owned();
    for file in 0..named {
        writeln!(
            text,
            "- {{action: install_image, attributes: {{version: x, url: files/EOS-4-30-{file:04}.swi}}}}"
        )
        .expect("a string");
    }
    content.insert("definitions/leaf".to_owned(), text);
    let found = check(&InMemory(content), Identifier::SerialNumber, None).findings;
    let missing = found
        .iter()
        .filter(|finding| finding.kind == FindingKind::MissingFile);
    let suggested = missing.clone().filter(|finding| finding.help.is_some());
    (suggested.count(), missing.count())
}

#[test]
fn each_missing_file_of_some_has_a_suggestion() {
    assert_eq!(missing(50, 100), (100, 100));
}

#[test]
fn after_much_work_missing_files_are_found_without_suggestions() {
    let (suggested, all) = missing(5_000, 200);
    assert_eq!(all, 200);
    assert!((1..200).contains(&suggested), "{suggested}");
}

#[test]
fn values_are_looked_up_in_thousands_of_ranges_at_once() {
    let mut text = String::new();
    for range in 0..5_900 {
        let (high, low) = (range / 250, range % 250);
        writeln!(text, "10.{high}.{low}.1-10.{high}.{low}.9: null").expect("a string");
    }
    for value in 0..5_900 {
        let (high, low) = (value / 250, value % 250);
        writeln!(text, "11.{high}.{low}.1: null").expect("a string");
    }
    text += "10.1.2.3: null\n";
    let content = BTreeMap::from([("resources/mgmt".to_owned(), text)]);
    let found = check(&InMemory(content), Identifier::SerialNumber, None).findings;
    let messages: Vec<_> = found
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    assert_eq!(messages, ["'10.1.2.3' is also in '10.1.2.1-10.1.2.9'"]);
}

/// The number of patterns that are never reached, of patterns with one line each: its device.
fn shadowed(devices: &[String]) -> usize {
    let mut text = "patterns:\n".to_owned();
    for (index, device) in devices.iter().enumerate() {
        writeln!(
            text,
            "- {{name: p{index}, definition: leaf, interfaces: [{{Ethernet1: \"{device}\"}}]}}"
        )
        .expect("a string");
    }
    let content = BTreeMap::from([
        ("neighbordb".to_owned(), text),
        ("definitions/leaf".to_owned(), "actions: []\n".to_owned()),
    ]);
    let found = check(&InMemory(content), Identifier::SerialNumber, None).findings;
    assert!(
        found
            .iter()
            .all(|finding| finding.kind == FindingKind::Shadowed)
    );
    found.len()
}

#[test]
fn hundreds_of_patterns_are_compared_with_each_other() {
    let mut devices: Vec<String> = (0..600).map(|spine| format!("spine{spine}")).collect();
    devices.insert(0, "regex('spine1.*')".to_owned());
    // 1, 10 to 19, 100 to 199.
    assert_eq!(shadowed(&devices), 111);
}

#[test]
fn expressions_that_take_much_work_are_compared_until_the_budget_ends() {
    let expressions = (0..150).map(|end| format!("regex('(a|aa|aaa|b)+c{end}$')"));
    let names = (0..1_000).map(|end| format!("{}b{end}", "a".repeat(150)));
    let same = ["spine1".to_owned(), "spine1".to_owned()];
    let devices: Vec<String> = expressions.chain(names).chain(same).collect();
    assert_eq!(shadowed(&devices), 1);
}
