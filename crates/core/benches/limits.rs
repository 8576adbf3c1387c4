//! The time of the most expensive content and facts within the limits: `cargo bench --bench limits`.
//!
//! Each line is one step of a request, the best of several runs: parsing a document, parsing facts, matching, rendering. A
//! request with all of its steps must stay below 50 ms of CPU in the Worker.

use std::time::{Duration, Instant};

use ztp_core::definition::{Attributes, Definition, MAX_RENDERED};
use ztp_core::neighbordb::{MAX_LOGGED_REFUSAL, MAX_REFUSAL, Neighbordb};
use ztp_core::node::{Identifier, MAX_FACTS, MAX_NEIGHBORS, Neighbor, NodeFacts, Post};
use ztp_core::yaml::{self, MAX_TEXT};

const RUNS: usize = 7;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    let measure = |name: &str, run: &mut dyn FnMut() -> String| {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            return;
        }
        let mut best = Duration::MAX;
        let mut what = String::new();
        for _ in 0..RUNS {
            let started = Instant::now();
            what = run();
            best = best.min(started.elapsed());
        }
        println!("{:8.2} ms  {name}: {what}", best.as_secs_f64() * 1000.0);
    };
    for (name, text) in documents() {
        measure(&format!("yaml, {name}"), &mut || {
            outcome(yaml::parse(&text).map(|_| ()))
        });
    }
    for (name, body) in bodies() {
        measure(&format!("facts, {name}"), &mut || {
            outcome(Post::parse(body.as_bytes()).map(|_| ()))
        });
    }
    for (name, text, facts) in decisions() {
        measure(&format!("neighbordb, {name}"), &mut || {
            outcome(Neighbordb::parse(&text, Identifier::SerialNumber).map(|_| ()))
        });
        let Ok(neighbordb) = Neighbordb::parse(&text, Identifier::SerialNumber) else {
            continue;
        };
        let id = "SN1".parse().expect("SN1 is an id");
        measure(&format!("select, {name}"), &mut || {
            let trace = neighbordb.trace(&id, &facts);
            if let Some(entry) = trace.chosen() {
                return format!("'{}' matches", entry.pattern.name);
            }
            let refusal = trace.refusal(MAX_REFUSAL, char::len_utf8);
            let log = trace.refusal(MAX_LOGGED_REFUSAL, char::len_utf8);
            format!("{} and {} bytes", refusal.len(), log.len())
        });
        if let Some(entry) = neighbordb.entries().first() {
            measure(&format!("store, {name}"), &mut || {
                format!("{} bytes", entry.pattern.to_yaml().len())
            });
        }
    }
    for (name, text, attributes) in definitions() {
        measure(&format!("definition, {name}"), &mut || {
            outcome(Definition::parse(&text).map(|_| ()))
        });
        let (Ok(definition), Ok(attributes)) =
            (Definition::parse(&text), Attributes::parse(&attributes))
        else {
            continue;
        };
        measure(&format!("render, {name}"), &mut || {
            let rendered = definition.render(&attributes);
            outcome(rendered.map(|rendered| {
                let sent = rendered.resolve(|_| Ok::<_, ()>("192.0.2.1/24".to_owned()));
                sent.map(|sent| sent.to_string().len()).unwrap_or_default()
            }))
        });
    }
}

fn outcome<T: std::fmt::Debug, E: std::fmt::Display>(result: Result<T, E>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => {
            let error = error.to_string();
            format!("refused, {}", error.chars().take(120).collect::<String>())
        }
    }
}

/// A document of repeated parts, of the maximum size.
fn filled(part: &str) -> String {
    part.repeat(MAX_TEXT / part.len())
}

fn documents() -> Vec<(&'static str, String)> {
    vec![
        ("one long plain text", "x".repeat(MAX_TEXT)),
        (
            "one long quoted text",
            format!("\"{}\"", "\\x41".repeat(MAX_TEXT / 4 - 1)),
        ),
        ("one long number", "1".repeat(MAX_TEXT)),
        ("sexagesimal", format!("1{}", ":1".repeat(MAX_TEXT / 2 - 1))),
        (
            "base64",
            format!("!!binary {}", "QUJD".repeat(MAX_TEXT / 4 - 10)),
        ),
        ("short items", filled("- a\n")),
        (
            "as many values as may be",
            format!("[{}]", "a,".repeat(49_000)),
        ),
        ("longer items", filled("- abcdefghijklmnopqr\n")),
        ("mappings", filled("- {a: b, c: d, e: f, g: hijk}\n")),
        (
            "keys",
            (0..24_000)
                .map(|key| format!("key-number-{key}: value-of-it-{key}\n"))
                .collect(),
        ),
        (
            "folded lines",
            format!(">\n{}", filled(" a\n").split_at(MAX_TEXT - 10).0),
        ),
        (
            "plain lines",
            format!("a:\n{}", filled(" b\n").split_at(MAX_TEXT - 10).0),
        ),
        ("comments", filled("#\n")),
        ("blank lines", filled("\n")),
        ("blanks", filled(" ")),
        ("flow brackets", filled("[[],[]],")),
        (
            "nested flow",
            format!("[{}]", filled("[{a: [{b: [c]}]}],").split_at(18 * 5_000).0),
        ),
        (
            "anchors",
            (0..20_000)
                .map(|at| format!("- &a{at} x\n- *a{at}\n"))
                .collect(),
        ),
        ("tags", filled("- !!str a\n")),
        (
            "letters that are not ASCII",
            format!("\"{}\"", "\u{e9}".repeat(MAX_TEXT / 2 - 1)),
        ),
        (
            "an alias bomb",
            (0..20).fold(
                "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned(),
                |text, level| {
                    let (name, before) = (
                        level + 1,
                        if level == 0 {
                            "a".to_owned()
                        } else {
                            format!("b{level}")
                        },
                    );
                    text + &format!(
                        "b{name}: &b{name} [{}]\n",
                        vec![format!("*{before}"); 9].join(", ")
                    )
                },
            ),
        ),
    ]
}

fn bodies() -> Vec<(&'static str, String)> {
    let neighbors =
        |inside: String| format!("{{\"serialnumber\": \"SN1\", \"neighbors\": {{{inside}}}}}");
    let interfaces: String = (0..50_000)
        .map(|port| format!("\"Ethernet{port}\":[],"))
        .collect();
    let peers = vec!["{\"device\":\"a\",\"port\":\"b\"}"; MAX_NEIGHBORS].join(",");
    vec![
        (
            "50,000 interfaces without neighbors",
            neighbors(interfaces.trim_end_matches(',').to_owned()),
        ),
        (
            "as many neighbors as may be",
            neighbors(format!("\"Ethernet1\":[{peers}]")),
        ),
        (
            "empty lists",
            format!("[{}]", vec!["[]"; MAX_FACTS / 3 - 2].join(",")),
        ),
        (
            "unknown keys",
            format!(
                "{{{}}}",
                (0..60_000)
                    .map(|key| format!("\"{key}\":[]"))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
        ),
        (
            "escapes",
            neighbors(format!(
                "\"E\":[{{\"device\":\"{}\",\"port\":\"b\"}}]",
                "\\u0041".repeat(170_000)
            )),
        ),
    ]
}

fn node(interfaces: usize, each: usize, device: &str) -> NodeFacts {
    let neighbors = (1..=interfaces).map(|port| {
        let neighbor = Neighbor {
            device: device.to_owned(),
            port: "Ethernet1".to_owned(),
        };
        (format!("Ethernet{port}"), vec![neighbor; each])
    });
    NodeFacts {
        model: Some("DCS-7050".to_owned()),
        neighbors: neighbors.collect(),
        ..NodeFacts::default()
    }
}

fn decisions() -> Vec<(&'static str, String, NodeFacts)> {
    let patterns = |count: usize, lines: &str| {
        let patterns: String = (0..count)
            .map(|index| format!("- {{name: p{index}, definition: d, interfaces: [{lines}]}}\n"))
            .collect();
        format!("patterns:\n{patterns}")
    };
    let one = |count: usize, line: &str| {
        format!(
            "patterns:\n- name: p\n  definition: d\n  interfaces:\n{}",
            format!("  - {line}\n").repeat(count)
        )
    };
    let full = || node(MAX_NEIGHBORS, 1, "spine1.example.net");
    vec![
        (
            "an ordinary one",
            patterns(100, "Ethernet1: spine9, Ethernet2: \"regex('spine.*')\""),
            node(48, 1, "spine1"),
        ),
        (
            "many patterns, each misses at its first line",
            patterns(4_500, "Ethernet1: spine9"),
            full(),
        ),
        (
            "many patterns for any interface",
            patterns(4_500, "any: spine9"),
            full(),
        ),
        (
            "many patterns and names that are near",
            patterns(4_500, "any: spine1"),
            full(),
        ),
        (
            "expressions for any interface",
            patterns(4_500, "any: \"regex('spine[0-9]+$')\""),
            full(),
        ),
        ("lines that forbid", one(16_000, "none: core1"), full()),
        ("lines for any interface", one(16_000, "any: any"), full()),
        ("no neighbors", one(16_000, "none: none:none"), full()),
        ("many interfaces", one(90, "Ethernet1-1024: any"), full()),
        (
            "includes in long names",
            one(16_000, "none: includes('y')"),
            node(1_000, 1, &"x".repeat(1_000)),
        ),
        (
            "large expressions",
            one(480, "none: regex('.{1000}y')"),
            node(MAX_NEIGHBORS, 1, &"x".repeat(200)),
        ),
        (
            "a slow expression",
            one(1, "none: regex('(a*)*(a*)*(a*)*\\1\\2\\3b')"),
            node(1, 1, &"a".repeat(1_000)),
        ),
        (
            "a class",
            one(1, &format!("none: regex('([{}]|.)*y')", "\\d-".repeat(600))),
            node(MAX_NEIGHBORS, 1, &"x".repeat(200)),
        ),
        (
            "a look-behind",
            one(100, "none: regex('((?<=x{900})x|x)*y')"),
            node(100, 1, &"x".repeat(1_000)),
        ),
        (
            "look-around with groups",
            one(
                1,
                &format!("none: regex('({}x|(?=x)x)*\\1y')", "()".repeat(400)),
            ),
            node(100, 1, &"x".repeat(1_000)),
        ),
        (
            "variables",
            format!(
                "variables:\n{}patterns:\n- name: p\n  definition: d\n  interfaces:\n{}",
                (0..8_000)
                    .map(|at| format!("  v{at}: regex('x{at}')\n"))
                    .collect::<String>(),
                (0..8_000)
                    .map(|at| format!("  - none: $v{at}:$v{at}\n"))
                    .collect::<String>(),
            ),
            full(),
        ),
        (
            "a long variable",
            format!(
                "variables: {{v: {}}}\n{}",
                "x".repeat(500_000),
                one(16_000, "any: $v")
            ),
            full(),
        ),
        (
            "a long list of interfaces",
            one(1, &format!("Ethernet1{}: any", ",1".repeat(500_000))),
            full(),
        ),
        (
            "models",
            format!(
                "patterns:\n{}",
                (0..7_000)
                    .map(|at| format!(
                        "- {{name: p{at}, definition: d, model: \".*(x|y|z){at}\"}}\n"
                    ))
                    .collect::<String>()
            ),
            full(),
        ),
    ]
}

fn definitions() -> Vec<(&'static str, String, String)> {
    let action = |attributes: &str| format!("actions:\n- action: a\n  attributes:\n{attributes}");
    let lines = |count: usize, value: &str| {
        (0..count)
            .map(|at| format!("    k{at}: {value}\n"))
            .collect::<String>()
    };
    let long = format!("long: {}\n", "x".repeat(500_000));
    vec![
        (
            "an ordinary one",
            action(&lines(20, "$long")),
            "long: x\n".to_owned(),
        ),
        (
            "as large as it may be sent",
            action(&lines(4, "$long")),
            format!("long: {}\n", "x".repeat(MAX_RENDERED / 4 - 100)),
        ),
        ("a bomb of look-ups", action(&lines(16_000, "$long")), long),
        (
            "many small look-ups",
            action(&lines(16_000, "$long")),
            "long: {a: b, c: [d, e, f]}\n".to_owned(),
        ),
        (
            "many values",
            action(&lines(24_000, "some text of an attribute")),
            String::new(),
        ),
        (
            "calls without an end",
            action(&format!("    k: \"{}\"\n", "allocate('".repeat(100_000))),
            String::new(),
        ),
        (
            "calls",
            action(&format!("    k: \"{}\"\n", "allocate('p')".repeat(75_000))),
            String::new(),
        ),
        (
            "calls of many pools",
            action(&format!(
                "    k: \"{}\"\n",
                (0..50_000)
                    .map(|at| format!("allocate('p{at}')"))
                    .collect::<String>()
            )),
            String::new(),
        ),
        (
            "one long text",
            action(&format!("    k: {}\n", "x".repeat(1_000_000))),
            String::new(),
        ),
    ]
}
