//! Input that would take too long, or too much memory, is rejected with a clear error.

use ztp_core::definition::{Attributes, Definition};
use ztp_core::interface::MAX_INTERFACES;
use ztp_core::neighbordb::{MAX_LOGGED_REFUSAL, MAX_MISMATCHES, MAX_REFUSAL, Neighbordb};
use ztp_core::node::{
    FactsError, Identifier, MAX_FACTS, MAX_NEIGHBORS, MAX_NODE_INTERFACES, MAX_VALUES, Neighbor,
    NodeFacts, Post,
};
use ztp_core::pattern::{
    MAX_EXPRESSIONS, MAX_HINT_STEPS, MAX_NAMED_INTERFACES, MAX_SEEN, MAX_STEPS, MAX_WRITTEN_OUT,
    Pattern, PatternError, Reason,
};
use ztp_core::pyregex::{Indeterminate, MAX_CLASS_PARTS, MAX_PATTERN, MAX_SUBJECT, PyRegex};
use ztp_core::record::{MAX_RECORD_NODES, MAX_RECORD_TEXT};
use ztp_core::yaml::{self, MAX_DEPTH, MAX_TEXT};

fn yaml_error(text: &str) -> String {
    yaml::parse(text)
        .expect_err("the text is refused")
        .to_string()
}

#[test]
fn a_yaml_text_over_512_kib_is_refused() {
    assert_eq!(
        yaml_error(&"a".repeat(MAX_TEXT + 1)),
        "line 1, column 1: the text has 524289 bytes; the limit is 524288"
    );
    assert!(yaml::parse(&"a".repeat(MAX_TEXT)).is_ok());
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
        let nested = |depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
        assert!(yaml::parse(&nested(MAX_DEPTH)).is_ok(), "{open}");
        assert!(
            yaml_error(&nested(MAX_DEPTH + 2)).contains("nested more than 64 levels deep"),
            "{open}"
        );
        assert!(
            yaml_error(&nested(MAX_TEXT / 8)).contains("nested more than 64 levels deep"),
            "{open}"
        );
    }
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let before = level - 1;
        bomb += &format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{before}"); 9].join(", ")
        );
    }
    assert!(yaml_error(&bomb).contains("more than 25000 values once its aliases are expanded"));
}

#[test]
fn anchors_within_anchors_are_bounded() {
    let open: String = (0..60).map(|level| format!("&a{level} [")).collect();
    let nested = format!("{open}{}{}", "x,".repeat(20_000), "]".repeat(60));
    assert!(
        yaml_error(&nested).contains("the anchors of the document contain more than 25000 values")
    );
}

#[test]
fn a_bomb_of_long_strings_is_refused() {
    let bomb = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(MAX_TEXT / 2),
        vec!["*a"; 100].join(", ")
    );
    assert!(yaml_error(&bomb).contains("bytes of text once its aliases are expanded"));
}

#[test]
fn a_value_inside_its_own_anchor_is_refused() {
    assert_eq!(
        yaml_error("a: &x [*x]"),
        "line 1, column 8: the alias 'x' is inside its own anchor"
    );
}

#[test]
fn an_expression_that_grows_too_large_is_refused() {
    assert!(PyRegex::new("((((((a{10}){10}){10}){10}){10}){10})").is_err());
    assert!(PyRegex::new(&"a".repeat(MAX_PATTERN + 1)).is_err());
    assert!(PyRegex::new(&"(".repeat(MAX_PATTERN)).is_err());
}

fn one_neighbor(device: String) -> NodeFacts {
    NodeFacts {
        neighbors: vec![(
            "Ethernet1".to_owned(),
            vec![Neighbor {
                device,
                port: String::new(),
            }],
        )],
        ..NodeFacts::default()
    }
}

#[test]
fn an_indeterminate_match_ends_the_search_without_a_match() {
    let text = "patterns:\n- name: slow\n  definition: a\n  interfaces:\n  - none: regex('(a*)*(a*)*(a*)*\\1\\2\\3b')\n- name: any\n  definition: b\n  node: SN2\n- name: later\n  definition: b\n  interfaces: []\n";
    let neighbordb = Neighbordb::parse(text, Identifier::SerialNumber).unwrap();
    for (device, why) in [
        ("a".repeat(100), Indeterminate::TooManySteps),
        (
            "a".repeat(MAX_SUBJECT + 1),
            Indeterminate::TooLong(MAX_SUBJECT + 1),
        ),
    ] {
        let facts = one_neighbor(device);
        let id = "SN1".parse().unwrap();
        let trace = neighbordb.trace(&id, &facts);
        assert_eq!(trace.chosen(), None);
        assert_eq!(trace.candidates().len(), 1);
        let mismatch = trace.mismatches().next().unwrap();
        assert!(
            matches!(&mismatch.reason, Reason::Indeterminate { why: actual, .. } if *actual == why),
            "{trace}"
        );
    }
}

#[test]
fn interfaces_are_bounded_over_all_patterns() {
    let pattern =
        format!("- name: p\n  definition: d\n  interfaces:\n  - Ethernet1-{MAX_INTERFACES}: any\n");
    let neighbordb = |patterns: usize| format!("patterns:\n{}", pattern.repeat(patterns));
    let most = MAX_NAMED_INTERFACES / MAX_INTERFACES;
    assert!(Neighbordb::parse(&neighbordb(most), Identifier::SerialNumber).is_ok());
    assert!(Neighbordb::parse(&neighbordb(most + 1), Identifier::SerialNumber).is_err());
}

#[test]
fn node_facts_are_bounded() {
    let body = |neighbors: usize| {
        format!(
            "{{\"neighbors\": {{\"Ethernet1\": [{}]}}}}",
            vec!["{\"device\": \"a\", \"port\": \"b\"}"; neighbors].join(",")
        )
    };
    assert!(Post::parse(body(MAX_NEIGHBORS).as_bytes()).is_ok());
    assert_eq!(
        Post::parse(body(MAX_NEIGHBORS + 1).as_bytes()),
        Err(FactsError::TooManyNeighbors)
    );
    assert_eq!(
        Post::parse(&vec![b' '; MAX_FACTS + 1]),
        Err(FactsError::TooLarge(MAX_FACTS + 1))
    );
    assert!(matches!(
        Post::parse("[".repeat(10_000).as_bytes()),
        Err(FactsError::Malformed(_))
    ));
}

/// A neighbordb of patterns that a node without model and neighbors does not match.
fn patterns(count: usize, name: &str) -> Neighbordb {
    let patterns: String = (0..count)
        .map(|index| {
            format!("- {{name: {name}{index}, definition: a, interfaces: [Ethernet1: spine1]}}\n")
        })
        .collect();
    Neighbordb::parse(&format!("patterns:\n{patterns}"), Identifier::SerialNumber).unwrap()
}

fn refusal(neighbordb: &Neighbordb, facts: &NodeFacts, max: usize) -> String {
    let id = "SN1".parse().unwrap();
    let trace = neighbordb.trace(&id, facts);
    assert_eq!(trace.chosen(), None);
    trace.refusal(max, char::len_utf8)
}

#[test]
fn a_refusal_is_bounded_and_counts_the_omitted_patterns() {
    let facts = NodeFacts::default();
    let line = "pattern 'p0': Ethernet1 requires device 'spine1', saw no neighbor";
    assert_eq!(refusal(&patterns(1, "p"), &facts, MAX_LOGGED_REFUSAL), line);
    for max in [MAX_LOGGED_REFUSAL, MAX_REFUSAL] {
        let text = refusal(&patterns(2_400, "p"), &facts, max);
        let lines: Vec<_> = text.lines().collect();
        assert!(text.len() <= max, "{}", text.len());
        assert!(text.len() > max - 2 * line.len(), "{}", text.len());
        assert_eq!(lines[0], line);
        let shown = lines.len() - 1;
        assert_eq!(lines[shown], format!("and {} more patterns", 2_400 - shown));
    }
    // The largest number within the limit, and one more.
    let three = refusal(&patterns(3, "p"), &facts, MAX_REFUSAL);
    let ending = "\nand 3 more patterns".len();
    let room = three.len() + "\n".len() + ending;
    assert_eq!(refusal(&patterns(3, "p"), &facts, room), three);
    let cut = refusal(&patterns(3, "p"), &facts, room - 1);
    assert_eq!(cut.lines().count(), 3);
    assert!(cut.ends_with("\nand 1 more pattern"), "{cut}");
}

#[test]
fn a_refusal_keeps_no_more_mismatches_than_it_can_show() {
    let facts = NodeFacts::default();
    for (count, more) in [(MAX_MISMATCHES, 0), (MAX_MISMATCHES + 1, 1)] {
        let neighbordb = patterns(count, "");
        let id = "SN1".parse().unwrap();
        let trace = neighbordb.trace(&id, &facts);
        assert_eq!(trace.chosen(), None);
        assert_eq!(trace.mismatches().count(), MAX_MISMATCHES);
        assert_eq!(trace.omitted(), more);
        let refusal = trace.refusal(MAX_REFUSAL, char::len_utf8);
        assert!(refusal.len() <= MAX_REFUSAL);
        assert!(refusal.lines().count() < MAX_MISMATCHES);
    }
}

#[test]
fn a_refusal_is_bounded_for_names_of_any_length() {
    let long = |c: char| c.to_string().repeat(1024 / c.len_utf8());
    for c in ['x', '\u{1b}', '\u{10ffff}', '<'] {
        let neighbor = Neighbor {
            device: long(c),
            port: long(c),
        };
        let facts = NodeFacts {
            neighbors: vec![("Ethernet1".to_owned(), vec![neighbor; 3])],
            ..NodeFacts::default()
        };
        let neighbordb = patterns(1_000, &"n".repeat(200));
        for max in [MAX_LOGGED_REFUSAL, MAX_REFUSAL] {
            let text = refusal(&neighbordb, &facts, max);
            assert!(text.len() <= max, "{}", text.len());
            assert!(text.ends_with("more patterns"), "{text}");
        }
        let id = "SN1".parse().unwrap();
        let trace = neighbordb.trace(&id, &facts);
        assert_eq!(trace.chosen(), None);
        let escaped = trace.refusal(MAX_REFUSAL, |c| if c == '<' { 4 } else { c.len_utf8() });
        assert!(escaped.replace('<', "&lt;").len() <= MAX_REFUSAL);
    }
}

#[test]
fn a_line_that_is_longer_than_the_refusal_is_cut() {
    let requires = "w".repeat(2_000);
    let text = format!(
        "patterns:\n- {{name: p, definition: a, interfaces: [Ethernet1: {{device: {requires}, port: {requires}}}]}}\n- {{name: q, definition: a, interfaces: [any: any]}}\n"
    );
    let neighbordb = Neighbordb::parse(&text, Identifier::SerialNumber).unwrap();
    let text = refusal(&neighbordb, &NodeFacts::default(), 1_000);
    assert!(text.len() <= 1_000 && text.len() > 900, "{}", text.len());
    assert!(text.ends_with("…\nand 1 more pattern"), "{text}");
}

#[test]
fn a_refusal_always_shows_the_indeterminate_pattern() {
    let before = patterns(MAX_MISMATCHES + 10, "p");
    let text: String = (0..before.entries().len())
        .map(|index| {
            format!("- {{name: p{index}, definition: a, interfaces: [Ethernet2: spine1]}}\n")
        })
        .collect();
    let slow = "- name: slow\n  definition: a\n  interfaces:\n  - none: regex('(a*)*(a*)*(a*)*\\1\\2\\3b')\n";
    let neighbordb = Neighbordb::parse(
        &format!("patterns:\n{text}{slow}"),
        Identifier::SerialNumber,
    )
    .unwrap();
    let facts = one_neighbor("a".repeat(100));
    for max in [MAX_LOGGED_REFUSAL, MAX_REFUSAL] {
        let text = refusal(&neighbordb, &facts, max);
        assert!(text.len() <= max);
        assert!(
            text.contains("\npattern 'slow': cannot decide on none"),
            "{text}"
        );
        assert!(text.ends_with("more patterns"), "{text}");
    }
}

#[test]
fn interfaces_without_a_neighbor_are_dropped_over_the_limit() {
    let facts = |empty: usize| {
        let empty: String = (1..=empty)
            .map(|port| format!("\"Ethernet2/{port}\": [], "))
            .collect();
        let seen = r#""Ethernet1": [{"device": "spine1", "port": "Ethernet7"}]"#;
        let body = format!("{{\"serialnumber\": \"SN1\", \"neighbors\": {{{empty}{seen}}}}}");
        Post::parse(body.as_bytes()).unwrap().facts
    };
    assert_eq!(
        facts(MAX_NODE_INTERFACES - 1).neighbors.len(),
        MAX_NODE_INTERFACES
    );
    assert_eq!(facts(MAX_NODE_INTERFACES).neighbors.len(), 1);
    let many = facts(30_000);
    assert_eq!(many.neighbors.len(), 1);
    let pattern = Pattern::parse_stored("interfaces: [any: spine1, none: none]").unwrap();
    assert_eq!(pattern.check(&many), Ok(()));
    assert_eq!(pattern.check(&facts(100)), Ok(()));
}

/// Matches a pattern with many lines and interfaces.
fn decides(lines: usize, interfaces: usize) -> Result<(), Reason<'static>> {
    let lines: String = (0..lines).map(|_| "- any: any\n").collect();
    let pattern = Pattern::parse_stored(&format!("interfaces:\n{lines}")).unwrap();
    let neighbors = (0..interfaces).map(|port| {
        let neighbor = Neighbor {
            device: "spine1".to_owned(),
            port: String::new(),
        };
        (format!("Ethernet{}", port + 1), vec![neighbor])
    });
    let facts = NodeFacts {
        neighbors: neighbors.collect(),
        ..NodeFacts::default()
    };
    match pattern.check(&facts) {
        Ok(()) => Ok(()),
        Err(mismatch) => Err(match mismatch.reason {
            Reason::Indeterminate { what, why } => Reason::Indeterminate { what, why },
            reason => panic!("{reason}"),
        }),
    }
}

#[test]
fn each_comparison_of_a_line_with_an_interface_is_a_step() {
    // The n-th interface meets the n-th line, after the earlier ones.
    let most = (1_usize..).find(|count| count * (count + 1) / 2 + 2 * count > MAX_STEPS as usize);
    let most = most.unwrap() - 1;
    assert_eq!(decides(most, most), Ok(()));
    assert!(decides(most + 50, most + 50).is_err());
}

#[test]
fn substituted_variables_are_bounded() {
    let neighbordb = |length: usize, uses: usize| {
        let lines: String = (0..uses).map(|_| "  - any: $long\n").collect();
        let long = "x".repeat(length);
        let text = format!(
            "variables: {{long: {long}}}\npatterns:\n- name: p\n  definition: d\n  interfaces:\n{lines}"
        );
        Neighbordb::parse(&text, Identifier::SerialNumber).map(drop)
    };
    // Once for each line with the `any` of its port, and once for the stored pattern.
    let uses = 2_000;
    let fits = (MAX_WRITTEN_OUT - 3 * uses) / (uses + 1);
    assert_eq!(neighbordb(fits, uses), Ok(()));
    let error = neighbordb(fits + 1, uses).unwrap_err();
    assert!(
        error
            .diagnostic
            .message
            .contains("more than 1048576 bytes of names"),
        "{error}"
    );
    assert!(neighbordb(100_000, 2_600).is_err());
}

#[test]
fn looking_up_a_variable_takes_constant_time() {
    let names: String = (0..1_600).map(|index| format!("  v{index}: x\n")).collect();
    let lines: String = (0..1_600)
        .map(|index| format!("  - any: $v{index}:$v{index}\n"))
        .collect();
    let text =
        format!("variables:\n{names}patterns:\n- name: p\n  definition: d\n  interfaces:\n{lines}");
    let neighbordb = Neighbordb::parse(&text, Identifier::SerialNumber).unwrap();
    assert_eq!(neighbordb.entries()[0].pattern.variables.len(), 1_600);
}

#[test]
fn the_expressions_of_all_patterns_are_bounded_together() {
    // 1,000 characters and the end.
    let size = PyRegex::new(".{1000}").unwrap().size();
    let neighbordb = |count: usize| {
        let lines: String = (0..count).map(|_| "  - any: regex('.{1000}')\n").collect();
        let text = format!("patterns:\n- name: p\n  definition: d\n  interfaces:\n{lines}");
        Neighbordb::parse(&text, Identifier::SerialNumber).map(drop)
    };
    let most = MAX_EXPRESSIONS / size;
    assert_eq!(neighbordb(most), Ok(()));
    let error = neighbordb(most + 1).unwrap_err();
    assert!(
        error
            .diagnostic
            .message
            .contains("too large: they have more than 200000 parts"),
        "{error}"
    );
}

#[test]
fn the_classes_of_an_expression_are_bounded() {
    let class = |parts: usize, times: usize| {
        let ranges: String = "a-zA-Z0-9_./+=".chars().collect();
        assert_eq!(parts, 8);
        PyRegex::new(&format!("[{ranges}]{{{times}}}"))
    };
    let most = MAX_CLASS_PARTS / 8;
    assert!(class(8, most).is_ok());
    assert!(class(8, most + 1).is_err());
}

#[test]
fn the_documentation_has_every_limit() {
    use ztp_core::{definition, neighbordb, node, pattern, pool, printable, pyregex, record, yaml};
    let documented = include_str!("../../../docs/limits.md");
    let rows = documented.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `MAX_")?.split(" | ");
        let name = cells.next()?.trim_end_matches('`');
        Some((name, cells.next()?.parse::<u64>().ok()?))
    });
    let known = [
        ("FACTS", node::MAX_FACTS),
        ("FACT", node::MAX_FACT),
        ("NEIGHBORS", node::MAX_NEIGHBORS),
        ("NODE_INTERFACES", node::MAX_NODE_INTERFACES),
        ("VALUES", node::MAX_VALUES),
        ("NODE_ID", node::MAX_NODE_ID),
        ("TEXT", yaml::MAX_TEXT),
        ("DEPTH", yaml::MAX_DEPTH),
        ("NODES", yaml::MAX_NODES),
        ("EXPANDED_TEXT", yaml::MAX_EXPANDED_TEXT),
        ("RECORD_TEXT", record::MAX_RECORD_TEXT),
        ("RECORD_NODES", record::MAX_RECORD_NODES),
        ("INTERFACES", MAX_INTERFACES),
        ("NAMED_INTERFACES", pattern::MAX_NAMED_INTERFACES),
        ("WRITTEN_OUT", pattern::MAX_WRITTEN_OUT),
        ("PATTERN", pyregex::MAX_PATTERN),
        ("PROGRAM", pyregex::MAX_PROGRAM),
        ("CLASS_PARTS", pyregex::MAX_CLASS_PARTS),
        ("GROUP_DEPTH", pyregex::MAX_GROUP_DEPTH),
        ("EXPRESSIONS", pattern::MAX_EXPRESSIONS),
        ("SUBJECT", pyregex::MAX_SUBJECT),
        ("MARKS", pyregex::MAX_MARKS),
        ("ALTERNATIVES", pyregex::MAX_ALTERNATIVES),
        ("STEPS", pattern::MAX_STEPS as usize),
        ("MISMATCHES", neighbordb::MAX_MISMATCHES),
        ("REFUSAL", neighbordb::MAX_REFUSAL),
        ("LOGGED_REFUSAL", neighbordb::MAX_LOGGED_REFUSAL),
        ("SHOWN", printable::MAX_SHOWN),
        ("SHOWN_EXPRESSION", printable::MAX_SHOWN_EXPRESSION),
        ("SEEN", pattern::MAX_SEEN),
        ("HINT_STEPS", pattern::MAX_HINT_STEPS as usize),
        ("RENDERED", definition::MAX_RENDERED),
        ("CALLS", definition::MAX_CALLS),
        ("NAMED_CALLS", definition::MAX_NAMED_CALLS),
        ("CALL_PLACES", definition::MAX_CALL_PLACES),
        ("VALUE_NAME", pool::MAX_VALUE_NAME),
    ];
    let known: Vec<_> = known.map(|(name, value)| (name, value as u64)).to_vec();
    assert_eq!(rows.collect::<Vec<_>>(), known);
    assert_eq!(printable::MAX_SHOWN_EXPRESSION, pyregex::MAX_PATTERN);
}

#[test]
fn a_message_names_three_neighbors_and_counts_the_others() {
    let pattern = Pattern::parse_stored("interfaces: [Ethernet1: spine1]").unwrap();
    let saw = |count: usize| {
        let neighbors = (1..=count).map(|index| Neighbor {
            device: format!("leaf{index}"),
            port: String::new(),
        });
        let facts = NodeFacts {
            neighbors: vec![("Ethernet1".to_owned(), neighbors.collect())],
            ..NodeFacts::default()
        };
        let text = pattern.check(&facts).unwrap_err().to_string();
        text.split_once("saw ").unwrap().1.to_owned()
    };
    assert_eq!(saw(MAX_SEEN), "'leaf1', 'leaf2', 'leaf3'");
    assert_eq!(saw(MAX_SEEN + 1), "'leaf1', 'leaf2', 'leaf3' and 1 more");
}

#[test]
fn the_search_for_a_similar_neighbor_is_bounded() {
    let pattern = Pattern::parse_stored("interfaces: [Ethernet1: spine1]").unwrap();
    // Two steps for each neighbor: one to look at it, and one to compare its name. The last one is similar.
    let text = |steps: u64| {
        let mut neighbors = vec![
            Neighbor {
                device: "leaf1".to_owned(),
                port: String::new(),
            };
            steps as usize / 2
        ];
        neighbors.last_mut().unwrap().device = "SPINE1".to_owned();
        let facts = NodeFacts {
            neighbors: vec![("Ethernet1".to_owned(), neighbors)],
            ..NodeFacts::default()
        };
        pattern.check(&facts).unwrap_err().to_string()
    };
    let advice = "'SPINE1' differs only in case";
    assert!(text(MAX_HINT_STEPS).contains(advice));
    let beyond = text(MAX_HINT_STEPS + 2);
    assert!(
        beyond.contains("requires device 'spine1'") && !beyond.contains(advice),
        "{beyond}"
    );
}

#[test]
fn the_records_of_a_node_are_smaller_than_a_document() {
    let definition = |text: &str| Definition::parse(text).map(drop);
    let attributes = |text: &str| Attributes::parse(text).map(drop);
    let pattern = |text: &str| match Pattern::parse_stored(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.diagnostic),
    };
    let padded = |text: &str, length: usize| text.to_owned() + &" ".repeat(length - text.len());
    // The mapping, its key and its list, and an action of three values in it.
    let actions = |values: usize| {
        let attributes = format!("{{k: [{}]}}", "a,".repeat(values - 10));
        format!("actions: [{{action: a, attributes: {attributes}}}]")
    };
    let keys = |values: usize| format!("k: [{}]", "a,".repeat(values - 3));
    // A line has three values, an attribute two.
    let lines = |values: usize| {
        let more = match values % 3 {
            0 => "",
            2 => "name: a\n",
            _ => "name: a\nmodel: b\n",
        };
        let lines = (values - 3 - 2 * more.lines().count()) / 3;
        format!("{more}interfaces:\n{}", "- any: a\n".repeat(lines))
    };
    let all = [
        (
            &definition as &dyn Fn(&str) -> _,
            "actions: []",
            &actions as &dyn Fn(usize) -> _,
        ),
        (&attributes, "a: b", &keys),
        (&pattern, "interfaces: []", &lines),
    ];
    for (parse, small, values) in all {
        assert_eq!(parse(&padded(small, MAX_RECORD_TEXT)), Ok(()), "{small}");
        let error = parse(&padded(small, MAX_RECORD_TEXT + 1)).unwrap_err();
        assert_eq!(
            error.message,
            "the text has 131073 bytes; the limit is 131072"
        );
        assert_eq!(parse(&values(MAX_RECORD_NODES)), Ok(()), "{small}");
        let error = parse(&values(MAX_RECORD_NODES + 1)).unwrap_err();
        assert!(error.message.contains("more than 8192 values"), "{error}");
    }
}

#[test]
fn every_pattern_of_a_neighbordb_can_be_stored_with_a_node() {
    let neighbordb = |name: &str, lines: &str| {
        let text = format!("patterns:\n- name: {name}\n  definition: d\n  interfaces:\n{lines}");
        Neighbordb::parse(&text, Identifier::SerialNumber)
    };
    let most = |parse: &dyn Fn(usize) -> bool| {
        let (mut fits, mut beyond) = (1_usize, 1_000_000);
        while beyond - fits > 1 {
            let middle = fits.midpoint(beyond);
            match parse(middle) {
                true => fits = middle,
                false => beyond = middle,
            }
        }
        fits
    };
    let lines = |count: usize| neighbordb("p", &"  - any: a\n".repeat(count));
    let named = |length: usize| neighbordb(&"n".repeat(length), "  - any: a\n");
    // Each of these is six bytes in the stored pattern.
    let escaped =
        |count: usize| neighbordb(&format!("\"{}\"", "\\x07".repeat(count)), "  - any: a\n");
    let all: [&dyn Fn(usize) -> Result<Neighbordb, PatternError>; 3] = [&lines, &named, &escaped];
    for neighbordb in all {
        let count = most(&|count| neighbordb(count).is_ok());
        let stored = neighbordb(count).unwrap().entries()[0].pattern.to_yaml();
        assert!(Pattern::parse_stored(&stored).is_ok(), "{count}");
        let error = neighbordb(count + 1).unwrap_err().to_string();
        assert!(
            error.contains("too large to be stored with a node"),
            "{error}"
        );
    }
    assert!(most(&|count| lines(count).is_ok()) > MAX_RECORD_NODES / 3 - 10);
    assert!(most(&|count| named(count).is_ok()) > MAX_RECORD_TEXT - 100);
}

#[test]
fn the_values_of_node_facts_are_bounded() {
    // The object, and the key's list with its items.
    let body = |values: usize| format!("{{\"a\": [{}]}}", vec!["0"; values - 2].join(","));
    assert_eq!(Post::parse(body(MAX_VALUES).as_bytes()).map(drop), Ok(()));
    assert_eq!(
        Post::parse(body(MAX_VALUES + 1).as_bytes()).map(drop),
        Err(FactsError::TooManyValues)
    );
}
