//! One example of each rule. `tests/reference/yaml_differential.py` compares thousands of texts with PyYAML.

use super::{Position, parse};

#[test]
fn reads_values_as_pyyaml_does() {
    for (text, json) in [
        ("", "null"),
        (
            "[yes, No, ON, off, y, 'yes']",
            r#"[true,false,true,false,"y","yes"]"#,
        ),
        (
            "[010, 0x1F, 0b11, 1_000, 1:30, 08, 12:30:45]",
            r#"[8,31,3,1000,90,"08",45045]"#,
        ),
        (
            "[1., .5, 1e5, 1.0e+5, 1:30.5, 1.5e3]",
            r#"[1.0,0.5,"1e5",100000.0,90.5,"1.5e3"]"#,
        ),
        ("[~, null, Null, '']", r#"[null,null,null,""]"#),
        (
            "[2001-01-02, 2001-1-2t3:04:05.6+5:30]",
            r#"["2001-01-02","2001-01-02T03:04:05.600000+05:30"]"#,
        ),
        (
            "{1: a, true: b, ~: c, 1.5: d, 1e16: e}",
            r#"{"1":"b","null":"c","1.5":"d","1e16":"e"}"#,
        ),
        ("{a: 1, b: 2, a: 3}", r#"{"a":3,"b":2}"#),
        (
            "x: &x {a: 1, b: 2}\ny: {c: 3, <<: *x, a: 4}",
            r#"{"x":{"a":1,"b":2},"y":{"a":4,"b":2,"c":3}}"#,
        ),
        ("<<: [{a: 1}, {a: 2, b: 3}]", r#"{"a":1,"b":3}"#),
        ("{=: 1, '<<': 2}", r#"{"=":1,"<<":2}"#),
        (
            "[!!str 1, !!int '7', !!float 1, !!bool 'ON', ! x]",
            r#"["1",7,1.0,true,"x"]"#,
        ),
        ("!!omap [a: 1, b: 2]", r#"[["a",1],["b",2]]"#),
        ("a: |\n x", r#"{"a":"x"}"#),
        (
            "{18446744073709551615: 18446744073709551615}",
            r#"{"18446744073709551615":18446744073709551615}"#,
        ),
    ] {
        assert_eq!(
            parse(text).unwrap().to_json().unwrap().to_string(),
            json,
            "{text}"
        );
    }
}

#[test]
fn a_tab_or_other_space_character_that_breaks_a_text_is_named_at_its_position() {
    for (text, error) in [
        (
            "a:\n\tb: 1\n",
            "line 2, column 1: a tab is used here, where YAML allows only spaces; replace it with spaces (found character that cannot start any token while scanning for the next token that begins at line 2)",
        ),
        (
            "a:\n  \tb: 1\n",
            "line 2, column 3: a tab is used here, where YAML allows only spaces; replace it with spaces (found character that cannot start any token while scanning for the next token that begins at line 2)",
        ),
        (
            "actions:\n- action:\u{a0}add_config\n  attributes: {}\n",
            "line 2, column 10: a no-break space (U+00A0) is used here, which YAML reads as a letter; replace it with a space (mapping values are not allowed in this context)",
        ),
        (
            "patterns:\n- name: x\n \u{a0}node: y\n",
            "line 3, column 2: a no-break space (U+00A0) is used here, which YAML reads as a letter; replace it with a space (did not find expected key while parsing a block mapping that begins at line 1)",
        ),
        (
            "a:\n-\u{2003}b: 1\n  c: 2\n",
            "line 2, column 2: the space character U+2003 is used here, which YAML reads as a letter; replace it with a space (mapping values are not allowed in this context)",
        ),
        // Inside of a scalar they are harmless.
        (
            "a: 'x\u{a0}y'\nb: [\n",
            "line 2, column 5: did not find expected node content while parsing a flow node that begins at line 2",
        ),
        (
            "banner: \"a\tb\"\nb: [\n",
            "line 2, column 5: did not find expected node content while parsing a flow node that begins at line 2",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), error, "{text:?}");
    }
}

#[test]
fn a_message_names_the_no_break_space_in_a_value() {
    let document = parse("\u{a0}- name: {a: b}\n").unwrap();
    let (key, _) = &document.entries()[0];
    assert_eq!(
        key.shown(),
        "'\\u{a0}- name' with a no-break space (U+00A0)"
    );
    let text = parse("action:\u{a0}add_config").unwrap();
    assert_eq!(text.value.kind(), "a string with a no-break space");
    assert_eq!(parse("a b").unwrap().shown(), "'a b'");
}

#[test]
fn rejects_with_the_position() {
    for (text, error) in [
        (
            "a: 1\nb: [",
            "line 2, column 5: did not find expected node content while parsing a flow node that begins at line 2",
        ),
        (
            "a: 1\n--- b",
            "line 2, column 1: a second document starts here; only one is allowed",
        ),
        (
            "- *x",
            "line 1, column 3: the alias 'x' has no anchor before it",
        ),
        (
            "[&a x, &a y]",
            "line 1, column 8: the anchor 'a' is defined twice",
        ),
        ("? [a]\n: b", "line 1, column 3: a list cannot be a key"),
        (
            "a: !!python/name:os x",
            "line 1, column 4: the tag '!!python/name:os' cannot be used here; remove it",
        ),
        (
            "a: !x y",
            "line 1, column 4: the tag '!x' cannot be used here; remove it",
        ),
        (
            "a: 2001-02-29",
            "line 1, column 4: '2001-02-29' is not a date or time",
        ),
        (
            "a: =",
            "line 1, column 4: '=' is reserved in YAML 1.1 (quote it if text is meant)",
        ),
        (
            "- <<",
            "line 1, column 3: '<<' is a merge key where a value is expected (quote it if text is meant)",
        ),
        (
            "<<: 1",
            "line 1, column 1: '<<' merges a mapping or a list of mappings, not a number",
        ),
        (
            "ü: 1\nb: \u{1}",
            "line 2, column 4: the character '\\u{1}' is not allowed",
        ),
        (
            "!!set [a]",
            "line 1, column 1: the tag '!!set' cannot be used here; remove it",
        ),
        (
            "!!pairs [a]",
            "line 1, column 10: a mapping of one pair is expected here, not a string",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn rejects_values_that_json_cannot_express() {
    for text in [
        ".inf",
        "[.nan]",
        "!!binary aGk=",
        "!!set {a}",
        "18446744073709551616",
        "{.inf: a}",
        "{!!binary aGk=: a}",
    ] {
        assert!(parse(text).unwrap().to_json().is_err(), "{text}");
    }
}

#[test]
fn every_value_has_its_position() {
    let document = parse("a: 1\nü:\n  - {b: x}\n").unwrap();
    let position = |line, column| Position { line, column };
    assert_eq!(document.get("a").unwrap().position, position(1, 4));
    assert_eq!(document.get("ü").unwrap().position, position(3, 3));
    assert_eq!(document.position, position(1, 1));
}

#[test]
fn a_scalar_keeps_its_source_text() {
    let document = parse("[010, 1:30, x, '7', yes, ~, 2001-01-02, 1.50]").unwrap();
    let super::Value::List(items) = document.value else {
        panic!("not a list")
    };
    let names: Vec<_> = items.iter().map(super::Node::as_name).collect();
    assert_eq!(
        names,
        [
            Some("010"),
            Some("1:30"),
            Some("x"),
            Some("7"),
            None,
            None,
            Some("2001-01-02"),
            Some("1.50")
        ]
    );
}
