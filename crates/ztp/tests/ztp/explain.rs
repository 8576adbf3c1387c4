//! `ztp explain` with files.

use crate::scratch::Scratch;

const NEIGHBORDB: &str = "\
patterns:
- {name: alone, definition: leaf, node: JPE9}
- {name: spine, definition: spine, model: DCS-75}
- name: leaf
  definition: leaf
  interfaces:
  - Ethernet1: regex('spine\\d')
- {name: rest, definition: spine, interfaces: []}
";

fn root(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.write("root/neighbordb", NEIGHBORDB);
    scratch.write(
        "root/definitions/leaf",
        "attributes: {domain: example.net}\nactions:\n- action: a\n  attributes: {ip: allocate('mgmt')/24, d: $domain}\n",
    );
    scratch.write("root/definitions/spine", "actions: []\n");
    scratch.write(
        "root/resources/mgmt",
        "192.0.2.1-192.0.2.9: null\n192.0.2.7: JPE7\n",
    );
    scratch
}

#[test]
fn explain_shows_the_matching_pattern_and_why_earlier_ones_do_not_match() {
    let scratch = root("explain-winner");
    let (status, text) = scratch.ztp(&[
        "explain",
        "root",
        "--serial",
        "JPE7",
        "--model",
        "DCS-7050",
        "--neighbor",
        "Ethernet1=spine1:Ethernet3",
    ]);
    assert_eq!(status, 0, "{text}");
    for part in [
        "pattern 'spine': requires model regex('DCS-75'), saw 'DCS-7050'",
        "pattern 'leaf' matches: definitions/leaf",
        "\"ip\": \"192.0.2.7/24\"",
        "\"d\": \"example.net\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("rest") && !text.contains("alone"), "{text}");
}

#[test]
fn a_pattern_for_one_node_is_its_only_candidate() {
    let scratch = root("explain-alone");
    scratch.write("facts.json", r#"{"serialnumber": "JPE9", "neighbors": {}}"#);
    let (status, text) = scratch.ztp(&["explain", "root", "--node", "facts.json"]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("only 'alone' is checked"), "{text}");
    assert!(text.contains("<a value of mgmt>/24"), "{text}");
}

#[test]
fn a_known_node_that_no_longer_matches_its_pattern_is_refused() {
    let scratch = root("explain-refused");
    scratch.write("root/nodes/JPE1/definition", "actions: []\n");
    scratch.write(
        "root/nodes/JPE1/pattern",
        "interfaces:\n- Ethernet1: spine1\n",
    );
    scratch.write(
        "root/nodes/JPE1/.node",
        r#"{"serialnumber": "JPE1", "neighbors": {}}"#,
    );
    let (status, text) = scratch.ztp(&["explain", "root", "--id", "JPE1"]);
    assert_eq!(status, 1);
    assert!(text.contains("409"), "{text}");
    assert!(
        text.contains("Ethernet1 requires device 'spine1', saw no neighbor"),
        "{text}"
    );
}

#[test]
fn none_none_none_matches_a_node_without_neighbors() {
    let scratch = Scratch::new("explain-lonely");
    scratch.write(
        "root/neighbordb",
        "patterns:\n- {name: nothing connected, definition: all, interfaces: [none: 'none:none']}\n- {name: anything connected, definition: all, interfaces: [any: 'any:any']}\n",
    );
    scratch.write("root/definitions/all", "actions: []\n");
    scratch.write("root/nodes/KNOWN01/startup-config", "hostname known01\n");
    scratch.write(
        "root/nodes/KNOWN01/pattern",
        "name: stored\ninterfaces:\n  - none: none:none\n",
    );
    let facts = |serial: &str, neighbors: &str| {
        format!(r#"{{"serialnumber": "{serial}", "neighbors": {{{neighbors}}}}}"#)
    };
    let sees = r#""Ethernet1": [{"device": "spine1", "port": "Ethernet1"}]"#;
    for (serial, neighbors, status, part) in [
        ("NEW01", "", 0, "pattern 'nothing connected' matches"),
        ("NEW02", sees, 0, "pattern 'anything connected' matches"),
        ("KNOWN01", "", 0, "the node matches its pattern"),
        (
            "KNOWN01",
            sees,
            1,
            "pattern 'stored': Ethernet1 must not see a neighbor, saw 'spine1' port 'Ethernet1'",
        ),
    ] {
        scratch.write("facts.json", facts(serial, neighbors));
        let (code, text) = scratch.ztp(&["explain", "root", "--node", "facts.json"]);
        assert_eq!(code, status, "{text}");
        assert!(text.contains(part), "{part}: {text}");
    }
    let (status, text) = scratch.ztp(&["validate", "root"]);
    assert_eq!(status, 0, "{text}");
}

#[test]
fn the_value_of_a_name_is_the_reserved_one_else_shown_with_the_name() {
    let scratch = root("explain-names");
    scratch.write(
        "root/definitions/leaf",
        "actions:\n- action: a\n  attributes: {a: \"allocate('mgmt', 'up 1')\", b: \"allocate('mgmt', 'up 2')\"}\n",
    );
    scratch.write(
        "root/resources/mgmt",
        "192.0.2.1: null\n192.0.2.7: JPE9/up 1\n192.0.2.8: JPE9\n",
    );
    let args = ["explain", "root", "--serial", "JPE9"];
    let (status, text) = scratch.ztp(&args);
    assert_eq!(status, 0, "{text}");
    for part in [
        "\"a\": \"192.0.2.7\"",
        "\"b\": \"<a value of mgmt with the name up 2>\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    scratch.write(
        "root/definitions/leaf",
        "actions:\n- action: a\n  attributes: {a: \"allocate('mgmt', '')\"}\n",
    );
    let (status, text) = scratch.ztp(&args);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("the name of the value is empty"), "{text}");
}

#[test]
fn an_error_shows_the_valid_notation() {
    let scratch = root("explain-usage");
    let args = ["explain", "root", "--serial", "A", "--neighbor", "spine1"];
    let (status, text) = scratch.ztp(&args);
    assert_eq!(status, 2);
    assert!(text.contains("INTERFACE=DEVICE:PORT"), "{text}");
}
