//! The examples in docs/ have the results that the pages show.
//!
//! A fenced block whose first line names a kind after its language is part of an example: ```` ```yaml neighbordb ````.
//! `neighbordb`, `definition`, `attributes` and `pool` are contents; `outcomes`, `sent`, `sent-with-startup-config`,
//! `values`, `grants` and `error` are the results of the contents above them. A block without a kind is not checked.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value as Json, json};
use ztp_core::definition::{Attributes, Definition};
use ztp_core::neighbordb::{MAX_REFUSAL, Neighbordb};
use ztp_core::node::{Identifier, Post};
use ztp_core::operators::Operators;
use ztp_core::pool::{Allocations, Grant, Holder, Pool};
use ztp_core::yaml::{self, Node, Value};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The largest number of values of a pool that an example lists.
const MAX_VALUES: usize = 100;

#[test]
fn every_example_of_neighbordb_has_its_documented_result() {
    check_page("neighbordb.md", 17);
}

#[test]
fn every_example_of_a_definition_has_its_documented_result() {
    check_page("definitions.md", 9);
}

#[test]
fn every_example_of_a_pool_has_its_documented_values() {
    check_page("pools.md", 6);
}

#[test]
fn the_example_of_operators_is_valid() {
    let page = include_str!("../../../docs/operators.md");
    let mut examples = page.split("```yaml operators\n").skip(1);
    let example = examples.next().unwrap().split("```").next().unwrap();
    assert_eq!(Operators::parse(example).unwrap().entries().len(), 4);
    assert!(examples.next().is_none());
}

#[test]
fn the_page_of_stock_actions_is_generated_from_their_docstrings() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/actions.py");
    let done = Command::new("python3")
        .arg(script)
        .arg("--check")
        .output()
        .unwrap();
    let problem = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{problem}");
    let page = include_str!("../../../docs/actions.md");
    let sections = page
        .lines()
        .filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
    for name in sections.clone() {
        assert!(ztp_core::assets::action(name).is_some(), "{name}");
    }
    assert_eq!(sections.count(), ztp_core::assets::action_names().count());
}

#[test]
fn every_link_leads_to_an_existing_file_and_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap();
    let mut pages: Vec<_> = docs.map(|page| page.unwrap().path()).collect();
    // Not the pictures.
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.extend(["README.md", "SECURITY.md"].map(|page| root.join(page)));
    let mut count = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1);
        for link in links.filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let shown = page.display();
            assert!(target.exists(), "{shown}: {link} does not exist");
            if !heading.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let known = text
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(anchor);
                assert!(
                    known.into_iter().any(|known| known == heading),
                    "{shown}: {link} has no such heading"
                );
            }
            count += 1;
        }
    }
    assert!(count >= 50, "only {count} links");
}

#[test]
fn the_readme_has_at_most_150_lines() {
    let lines = include_str!("../../../README.md").lines().count();
    assert!(lines <= 150, "{lines} lines: move some of them to docs/");
}

/// The anchor that GitHub generates for a heading.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn an_example_with_a_wrong_result_fails() {
    for page in [
        "```yaml neighbordb\npatterns: []\n```\n```yaml outcomes\n- {match: leaf}\n```\n",
        "```yaml neighbordb\npatterns: []\n```\n```text error\nline 1\n```\n",
        "```yaml definition\nactions: []\n```\n```json sent\n{}\n```\n",
        "```yaml pool\na: null\n```\n```yaml values\n[a, b]\n```\n",
        "```yaml pool\na: null\n```\n```yaml grants\n- {node: A, value: b}\n```\n",
        "```yaml neighbordb\npatterns: []\n```\n",
        "```yaml neighbourdb\npatterns: []\n```\n",
        "```yaml outcomes\n[]\n```\n",
        "```yaml neighbordb\npatterns: []\n",
    ] {
        assert!(check(page).is_err(), "{page}");
    }
}

fn check_page(name: &str, least: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    let page = std::fs::read_to_string(&path).unwrap();
    let count = check(&page).unwrap_or_else(|error| panic!("docs/{name}: {error}"));
    assert!(count >= least, "docs/{name}: only {count} examples");
}

/// Checks all examples of a page, and returns the number of results, or all differences.
fn check(page: &str) -> Result<usize> {
    let mut example = Example::default();
    let mut count = 0;
    let mut wrong = Vec::new();
    for Block { line, kind, text } in blocks(page)? {
        match example.take(kind, text) {
            Ok(is_outcome) => count += usize::from(is_outcome),
            Err(error) => wrong.push(format!("line {line}: {error}")),
        }
    }
    wrong.extend(example.end().err().map(|error| error.to_string()));
    match wrong.is_empty() {
        true => Ok(count),
        false => Err(wrong.join("\n").into()),
    }
}

/// A fenced block that has a kind.
struct Block<'p> {
    /// The number of its first line, from 1.
    line: usize,
    kind: &'p str,
    text: String,
}

fn blocks(page: &str) -> Result<Vec<Block<'_>>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let mut text = String::new();
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, line)) => text = text + line + "\n",
                None => return Err(format!("line {}: a block without an end", index + 1).into()),
            }
        }
        if let Some((_, kind)) = info.split_once(' ') {
            blocks.push(Block {
                line: index + 1,
                kind,
                text,
            });
        }
    }
    Ok(blocks)
}

/// The contents for the next result.
#[derive(Default)]
struct Example {
    neighbordb: Option<String>,
    definition: Option<String>,
    attributes: String,
    pool: Option<String>,
    /// Whether these contents have had a result.
    checked: bool,
}

impl Example {
    /// Reads a block; returns whether it is a result.
    fn take(&mut self, kind: &str, text: String) -> Result<bool> {
        match kind {
            "neighbordb" => {
                self.begin()?;
                self.neighbordb = Some(text);
            }
            "definition" => {
                self.begin()?;
                self.definition = Some(text);
            }
            "attributes" => self.attributes = text,
            // In the example of a definition, the pool of its calls.
            "pool" if self.definition.is_some() && !self.checked => self.pool = Some(text),
            "pool" => {
                self.begin()?;
                self.pool = Some(text);
            }
            "outcomes" | "sent" | "sent-with-startup-config" | "values" | "grants" | "error" => {
                self.checked = true;
                self.outcome(kind, text.trim_end())?;
                return Ok(true);
            }
            other => return Err(format!("'{other}' is not a kind of block").into()),
        }
        Ok(false)
    }

    fn begin(&mut self) -> Result<()> {
        std::mem::take(self).end()
    }

    fn end(self) -> Result<()> {
        let open = self.neighbordb.or(self.definition).or(self.pool);
        match open {
            Some(contents) if !self.checked => Err(format!("no outcome of:\n{contents}").into()),
            _ => Ok(()),
        }
    }

    fn outcome(&self, kind: &str, expected: &str) -> Result<()> {
        match (kind, &self.neighbordb, &self.definition, &self.pool) {
            ("outcomes", Some(neighbordb), None, None) => check_outcomes(neighbordb, expected),
            ("sent", None, Some(definition), _) => {
                let sent = self.sent(Definition::parse(definition)?)?;
                same_json(&sent, expected)
            }
            ("sent-with-startup-config", None, Some(definition), _) => {
                let url = "http://ztp.example.net/nodes/JPE1234/startup-config";
                let definition = Definition::parse(definition)?;
                let sent = self.sent(Definition::autogenerated(url, Some(definition)))?;
                same_json(&sent, expected)
            }
            ("values", None, None, Some(pool)) => {
                let pool = Pool::parse(pool, Identifier::SerialNumber)?;
                let values: Vec<_> = pool.open().take(MAX_VALUES).collect();
                let expected = list(&yaml::parse(expected)?, |value| {
                    value.as_name().map(str::to_owned)
                })?;
                same(&values.join("\n"), &expected.join("\n"))
            }
            ("grants", None, None, Some(pool)) => check_grants(pool, expected),
            ("error", Some(neighbordb), None, None) => {
                let parsed = Neighbordb::parse(neighbordb, Identifier::SerialNumber);
                same_error(parsed, expected)
            }
            ("error", None, Some(definition), _) => {
                let parsed = Definition::parse(definition);
                same_error(parsed, expected)
            }
            ("error", None, None, Some(pool)) => {
                let parsed = Pool::parse(pool, Identifier::SerialNumber);
                same_error(parsed, expected)
            }
            _ => Err(format!("'{kind}' is not an outcome of the contents above it").into()),
        }
    }

    /// The definition that the node JPE1234 receives, with the values of the pool.
    fn sent(&self, definition: Definition) -> Result<Json> {
        let rendered = definition.render(&Attributes::parse(&self.attributes)?)?;
        let pool = self.pool.as_deref().unwrap_or("{}");
        let pool = Pool::parse(pool, Identifier::SerialNumber);
        let holders: Vec<Holder> = rendered
            .calls()
            .iter()
            .map(|call| {
                let name = call.value_name().map_err(|error| error.to_string())?;
                Ok(Holder::new("JPE1234", name.as_ref()))
            })
            .collect::<Result<_>>()?;
        let grants = match &pool {
            Ok(pool) => Allocations::default().grants(pool, &holders),
            Err(_) => Vec::new(),
        };
        let mut grants = grants.into_iter();
        let sent = rendered.resolve(|_| match grants.next() {
            Some(Ok(Grant::New(value) | Grant::Held(value))) => Ok(value),
            Some(Err(refusal)) => Err(refusal.to_string()),
            None => Err("the example has no pool".to_owned()),
        });
        Ok(sent.map_err(|error| format!("{error:?}"))?)
    }
}

fn check_outcomes(neighbordb: &str, expected: &str) -> Result<()> {
    let neighbordb = Neighbordb::parse(neighbordb, Identifier::SerialNumber)?;
    let nodes = list(&yaml::parse(expected)?, |node| Some(node.clone()))?;
    for node in nodes {
        let facts = Post::parse(body(&node)?.to_string().as_bytes())?.facts;
        let id = facts.id(Identifier::SerialNumber)?;
        let text = |key: &str| node.get(key).and_then(Node::as_str);
        let trace = neighbordb.trace(&id, &facts);
        match (trace.chosen(), text("match"), text("refused")) {
            (Some(entry), Some(expected), None) => {
                same(&entry.pattern.name, expected)?;
            }
            (None, None, Some(expected)) => {
                let refusal = trace.refusal(MAX_REFUSAL, char::len_utf8);
                same(&refusal, expected.trim_end())?;
            }
            _ => {
                return Err(format!("{trace} is not what {} says", node.shown()).into());
            }
        }
    }
    Ok(())
}

/// The POST of a node; `neighbors` is written as `{interface: [device:port]}`.
fn body(node: &Node) -> Result<Json> {
    let fact = |key: &str| node.get(key).and_then(Node::as_name);
    let mut neighbors = Map::new();
    for (interface, peers) in node.get("neighbors").map(Node::entries).unwrap_or_default() {
        let interface = interface
            .as_str()
            .ok_or("the name of an interface is missing")?;
        let peers = list(peers, |peer| {
            let (device, port) = peer.as_str()?.split_once(':')?;
            Some(json!({"device": device, "port": port}))
        })?;
        neighbors.insert(interface.to_owned(), peers.into());
    }
    Ok(json!({
        "serialnumber": fact("serialnumber").unwrap_or("JPE1234"),
        "model": fact("model"),
        "neighbors": neighbors,
    }))
}

fn check_grants(pool: &str, expected: &str) -> Result<()> {
    let pool = Pool::parse(pool, Identifier::SerialNumber)?;
    let mut allocations = Allocations::default();
    for request in list(&yaml::parse(expected)?, |node| Some(node.clone()))? {
        let text = |key: &str| request.get(key).and_then(Node::as_name);
        let node = text("node").ok_or("'node' is missing")?;
        let name = text("name").map(str::parse).transpose()?;
        let holder = Holder::new(node, name.as_ref());
        let grant = allocations
            .grants(&pool, std::slice::from_ref(&holder))
            .pop();
        match (grant.ok_or("no grant")?, text("value"), text("refused")) {
            (Ok(Grant::Held(value)), Some(expected), None) => same(&value, expected)?,
            (Ok(Grant::New(value)), Some(expected), None) => {
                same(&value, expected)?;
                allocations.insert(value, holder);
            }
            (Err(refusal), None, Some(expected)) => same(&refusal.to_string(), expected)?,
            (grant, ..) => {
                return Err(format!("{grant:?} is not what {} says", request.shown()).into());
            }
        }
    }
    Ok(())
}

fn list<T>(node: &Node, read: impl Fn(&Node) -> Option<T>) -> Result<Vec<T>> {
    let Value::List(items) = &node.value else {
        return Err(format!("{} is not a list", node.shown()).into());
    };
    let items: Option<Vec<T>> = items.iter().map(read).collect();
    Ok(items.ok_or_else(|| format!("{} has an item that cannot be read", node.shown()))?)
}

fn same_error<T>(
    parsed: std::result::Result<T, impl std::fmt::Display>,
    expected: &str,
) -> Result<()> {
    match parsed {
        Ok(_) => Err(format!("no error, and '{expected}' was expected").into()),
        Err(error) => same(&error.to_string(), expected),
    }
}

/// Compares, including the order of keys.
fn same_json(actual: &Json, expected: &str) -> Result<()> {
    let expected: Json = serde_json::from_str(expected)?;
    same(&actual.to_string(), &expected.to_string())
}

fn same(actual: &str, expected: &str) -> Result<()> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("\n  is       {actual}\n  expected {expected}").into())
    }
}
