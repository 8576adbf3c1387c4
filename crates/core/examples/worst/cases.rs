//! The most expensive content and facts within the limits, each with a name.
//!
//! `cargo bench --bench limits` measures the steps of a request with them, `tests/security/cpu.mjs` the requests.

use ztp_core::definition::MAX_RENDERED;
use ztp_core::node::{MAX_NEIGHBORS, MAX_VALUES, Neighbor, NodeFacts};
use ztp_core::record::{MAX_RECORD_NODES, MAX_RECORD_TEXT};
use ztp_core::yaml::{self, MAX_NODES};

/// The size of a document: the largest, but for a comment at the end that makes each copy different.
const MAX_TEXT: usize = yaml::MAX_TEXT - 16;

/// A document of repeated parts, of the maximum size.
fn filled(part: &str) -> String {
    part.repeat(MAX_TEXT / part.len())
}

pub fn documents() -> Vec<(&'static str, String)> {
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
            format!("[{}]", "a,".repeat(MAX_NODES - 10)),
        ),
        ("longer items", filled("- abcdefghijklmnopqr\n")),
        ("mappings", filled("- {a: b, c: d, e: f, g: hijk}\n")),
        (
            "keys",
            (0..MAX_NODES / 2 - 10)
                .map(|key| format!("key-{key}: value-of-it-{key}\n"))
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
            format!("[{}]", filled("[{a: [{b: [c]}]}],").split_at(18 * 2_500).0),
        ),
        (
            "anchors",
            (0..MAX_NODES / 2 - 10)
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

pub fn bodies() -> Vec<(&'static str, String)> {
    let neighbors =
        |inside: String| format!("{{\"serialnumber\": \"SN1\", \"neighbors\": {{{inside}}}}}");
    let interfaces: String = (0..MAX_VALUES - 10)
        .map(|port| format!("\"Ethernet{port}\":[],"))
        .collect();
    let peers = vec!["{\"device\":\"a\",\"port\":\"b\"}"; MAX_NEIGHBORS].join(",");
    vec![
        (
            "interfaces without neighbors",
            neighbors(interfaces.trim_end_matches(',').to_owned()),
        ),
        (
            "as many neighbors as may be",
            neighbors(format!("\"Ethernet1\":[{peers}]")),
        ),
        (
            "empty lists",
            format!("[{}]", vec!["[]"; MAX_VALUES - 10].join(",")),
        ),
        (
            "unknown keys",
            format!(
                "{{{}}}",
                (0..MAX_VALUES - 10)
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

pub fn decisions() -> Vec<(&'static str, String, NodeFacts)> {
    let patterns = |count: usize, lines: &str| {
        let patterns: String = (0..count)
            .map(|index| format!("- {{name: p{index}, definition: d, interfaces: [{lines}]}}\n"))
            .collect();
        format!("patterns:\n{patterns}")
    };
    let one = |count: usize, line: &str| {
        format!(
            "- name: p\n  definition: d\n  interfaces:\n{}",
            format!("  - {line}\n").repeat(count)
        )
    };
    // As many lines as may be, in patterns that can be stored with a node.
    let lines = |count: usize, line: &str| {
        let each = MAX_RECORD_NODES / 3 - 10;
        let full = one(each, line).repeat(count / each);
        format!("patterns:\n{full}{}", one(count % each, line))
    };
    const LINES: usize = MAX_NODES / 3 - 50;
    const PATTERNS: usize = MAX_NODES / 10 - 5;
    let full = || node(MAX_NEIGHBORS, 1, "spine1.example.net");
    vec![
        (
            "an ordinary one",
            patterns(100, "Ethernet1: spine9, Ethernet2: \"regex('spine.*')\""),
            node(48, 1, "spine1"),
        ),
        (
            "many patterns, each misses at its first line",
            patterns(PATTERNS, "Ethernet1: spine9"),
            full(),
        ),
        (
            "many patterns for any interface",
            patterns(PATTERNS, "any: spine9"),
            full(),
        ),
        (
            "many patterns and names that are near",
            patterns(PATTERNS, "any: spine1"),
            full(),
        ),
        (
            "many patterns, and no step to spare",
            patterns(PATTERNS, "any: spine9"),
            node(100, 1, "spine1.example.net"),
        ),
        (
            "expressions for any interface",
            patterns(PATTERNS, "any: \"regex('spine[0-9]+$')\""),
            full(),
        ),
        (
            "long expressions",
            patterns(
                PATTERNS,
                &format!("any: \"regex('{}$')\"", "spine[0-9]+".repeat(7)),
            ),
            node(3, 1, "spine1"),
        ),
        (
            "lines that forbid",
            lines(LINES, "none: core1"),
            node(60, 1, "spine1"),
        ),
        ("lines for any interface", lines(LINES, "any: any"), full()),
        ("no neighbors", lines(LINES, "none: none:none"), full()),
        ("many interfaces", lines(90, "Ethernet1-1024: any"), full()),
        (
            "includes in long names",
            lines(LINES, "none: includes('y')"),
            node(1, 30, &"x".repeat(1_000)),
        ),
        (
            "large expressions",
            lines(480, "none: regex('.{1000}y')"),
            node(MAX_NEIGHBORS, 1, &"x".repeat(200)),
        ),
        (
            "a slow expression",
            lines(1, "none: regex('(a*)*(a*)*(a*)*\\1\\2\\3b')"),
            node(1, 1, &"a".repeat(1_000)),
        ),
        (
            "a class",
            lines(1, &format!("none: regex('([{}]|.)*y')", "\\d-".repeat(600))),
            node(MAX_NEIGHBORS, 1, &"x".repeat(200)),
        ),
        (
            "a look-behind",
            lines(100, "none: regex('((?<=x{900})x|x)*y')"),
            node(100, 1, &"x".repeat(1_000)),
        ),
        (
            "look-around with groups",
            lines(
                1,
                &format!("none: regex('({}x|(?=x)x)*\\1y')", "()".repeat(400)),
            ),
            node(100, 1, &"x".repeat(1_000)),
        ),
        (
            "variables",
            format!(
                "variables:\n{}patterns:\n{}",
                (0..4_500)
                    .map(|at| format!("  v{at}: regex('x{at}')\n"))
                    .collect::<String>(),
                (0..3)
                    .map(|pattern| {
                        let lines = (0..1_500).map(|line| pattern * 1_500 + line);
                        let lines = lines.map(|at| format!("  - none: $v{at}:$v{at}\n"));
                        let lines: String = lines.collect();
                        format!("- name: p\n  definition: d\n  interfaces:\n{lines}")
                    })
                    .collect::<String>(),
            ),
            node(60, 1, "spine1"),
        ),
        (
            "a long variable",
            format!(
                "variables: {{v: {}}}\n{}",
                "x".repeat(100_000),
                lines(LINES, "any: $v")
            ),
            full(),
        ),
        (
            "a long list of interfaces",
            lines(
                1,
                &format!("Ethernet1{}: any", ",1".repeat(MAX_RECORD_TEXT / 2 - 100)),
            ),
            full(),
        ),
        (
            "models",
            format!(
                "patterns:\n{}",
                (0..MAX_NODES / 7 - 10)
                    .map(|at| format!(
                        "- {{name: p{at}, definition: d, model: \".*(x|y|z){at}\"}}\n"
                    ))
                    .collect::<String>()
            ),
            full(),
        ),
    ]
}

pub fn definitions() -> Vec<(&'static str, String, String)> {
    const LINES: usize = MAX_RECORD_NODES / 2 - 10;
    const LONG: usize = MAX_RECORD_TEXT - 100;
    let action = |attributes: &str| format!("actions:\n- action: a\n  attributes:\n{attributes}");
    let lines = |count: usize, value: &str| {
        (0..count)
            .map(|at| format!("    k{at}: {value}\n"))
            .collect::<String>()
    };
    let long = format!("long: {}\n", "x".repeat(LONG));
    let attributes = |value: &str| {
        (0..LINES)
            .map(|at| format!("k{at}: {value}\n"))
            .collect::<String>()
    };
    vec![
        (
            "an ordinary one",
            action(&lines(20, "$long")),
            "long: x\n".to_owned(),
        ),
        (
            "as large as it may be sent",
            action(&lines(MAX_RENDERED / (LONG + 100), "$long")),
            long.clone(),
        ),
        ("a bomb of look-ups", action(&lines(LINES, "$long")), long),
        (
            "many small look-ups",
            action(&lines(LINES, "$long")),
            "long: {a: b, c: [d, e, f]}\n".to_owned(),
        ),
        (
            "many values",
            action(&lines(LINES, "text of an attribute")),
            attributes("text of an attribute"),
        ),
        (
            "many look-ups",
            action(
                &(0..LINES)
                    .map(|at| format!("    k{at}: $k{at}\n"))
                    .collect::<String>(),
            ),
            attributes("\"a \\x41ttribute\""),
        ),
        (
            "calls without an end",
            action(&format!("    k: \"{}\"\n", "allocate('".repeat(LONG / 10))),
            String::new(),
        ),
        (
            "calls",
            action(&format!(
                "    k: \"{}\"\n",
                "allocate('p')".repeat(LONG / 13)
            )),
            String::new(),
        ),
        (
            "calls of many pools",
            action(&format!(
                "    k: \"{}\"\n",
                (0..7_000)
                    .map(|at| format!("allocate('p{at}')"))
                    .collect::<String>()
            )),
            String::new(),
        ),
        (
            "one long text",
            action(&format!("    k: {}\n", "x".repeat(LONG))),
            String::new(),
        ),
    ]
}
