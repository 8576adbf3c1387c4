//! What would take for ever, or more memory than there is, ends in a clear error.

use ztp_core::interface::MAX_INTERFACES;
use ztp_core::neighbordb::{Neighbordb, Selection};
use ztp_core::node::{FactsError, Identifier, MAX_FACTS, MAX_NEIGHBORS, Neighbor, NodeFacts, Post};
use ztp_core::pattern::{MAX_NAMED_INTERFACES, Reason};
use ztp_core::pyregex::{Indeterminate, MAX_SUBJECT};
use ztp_core::yaml::{self, MAX_DEPTH, MAX_TEXT};

fn yaml_error(text: &str) -> String {
    yaml::parse(text)
        .expect_err("the text is refused")
        .to_string()
}

#[test]
fn a_yaml_text_over_1_mib_is_refused() {
    assert_eq!(
        yaml_error(&"a".repeat(MAX_TEXT + 1)),
        "line 1, column 1: the text has 1048577 bytes; the limit is 1048576"
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
    assert!(yaml_error(&bomb).contains("more than 50000 values once its aliases are expanded"));
}

#[test]
fn anchors_within_anchors_are_bounded() {
    let open: String = (0..60).map(|level| format!("&a{level} [")).collect();
    let nested = format!("{open}{}{}", "x,".repeat(40_000), "]".repeat(60));
    assert!(
        yaml_error(&nested).contains("the anchors of the document contain more than 50000 values")
    );
}

#[test]
fn a_bomb_of_long_texts_is_refused() {
    let bomb = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(MAX_TEXT / 2),
        vec!["*a"; 100].join(", ")
    );
    assert!(yaml_error(&bomb).contains("bytes of text once its aliases are expanded"));
}

#[test]
fn a_value_inside_of_its_own_anchor_is_refused() {
    assert_eq!(
        yaml_error("a: &x [*x]"),
        "line 1, column 8: the alias 'x' is inside its own anchor"
    );
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
fn what_cannot_be_decided_is_no_match_and_stops_the_search() {
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
        let Selection::Refused(refusal) = neighbordb.select(&"SN1".parse().unwrap(), &facts) else {
            panic!("a pattern matched");
        };
        let [mismatch] = &refusal.mismatches[..] else {
            panic!("{refusal}")
        };
        assert!(
            matches!(&mismatch.reason, Reason::Undecided { why: actual, .. } if *actual == why),
            "{refusal}"
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
