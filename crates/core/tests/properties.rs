//! Parsers and the matcher return for any input, without a panic or a hang. `PROPTEST_CASES` sets the number of cases.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use ztp_core::definition::{Attributes, Definition};
use ztp_core::neighbordb::Neighbordb;
use ztp_core::node::{Identifier, Neighbor, NodeFacts, Post};
use ztp_core::pattern::Pattern;
use ztp_core::template::Template;
use ztp_core::{bootstrap_conf, plugin, yaml};

/// Pieces of YAML, of neighbordb and of definitions, in any order.
fn soup() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "a",
        "1",
        "~",
        "yes",
        ": ",
        ":",
        "- ",
        "-",
        "? ",
        ", ",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "\\",
        "#",
        " #",
        "&x ",
        "*x",
        "!!str ",
        "!",
        "!!set ",
        "!a,",
        "|",
        "|\n",
        ">2\n",
        "%",
        "@",
        "\t",
        "\r",
        "\n",
        "\n  ",
        "\n- ",
        "---\n",
        "...\n",
        "<<: ",
        "=",
        "é",
        "\u{2028}",
        "\u{feff}",
        "\0",
        "\u{85}",
        "patterns:\n- ",
        "name: a\n  ",
        "definition: b\n  ",
        "node: 1\n  ",
        "model: x\n  ",
        "interfaces:\n  - ",
        "Ethernet1: ",
        "any: ",
        "none: ",
        "regex('",
        "')",
        "spine1:Ethernet1\n",
        "{device: a}",
        "variables: {v: a}\n",
        "$v",
        "Ethernet1-3,5: ",
        "actions:\n- ",
        "action: a\n  ",
        "attributes:\n    ",
        "x: allocate('p')",
        "logging:\n- ",
        "destination: file:/a",
        "level: b",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

fn facts() -> impl Strategy<Value = NodeFacts> {
    let neighbor = (
        select(vec!["spine1", "leaf1", "", "é", "aaaaaaaaaaaaaaaaaaaaaaaa"]),
        select(vec!["Ethernet1", "Ethernet2"]),
    )
        .prop_map(|(device, port)| Neighbor {
            device: device.to_owned(),
            port: port.to_owned(),
        });
    let interface = select(vec![
        "Ethernet1",
        "Ethernet2",
        "Ethernet3",
        "Management1",
        "Port-Channel1",
        "",
    ]);
    prop::collection::vec(
        (
            interface.prop_map(str::to_owned),
            prop::collection::vec(neighbor, 0..3),
        ),
        0..6,
    )
    .prop_map(|neighbors| NodeFacts {
        model: Some("DCS-7050".to_owned()),
        serialnumber: Some("SN1".to_owned()),
        neighbors,
        ..NodeFacts::default()
    })
}

/// A neighbordb, valid in most cases.
fn neighbordb() -> impl Strategy<Value = String> {
    let interface = select(vec!["any", "none", "Ethernet1", "Ethernet1-2", "et3,Ma1"]);
    let name = select(vec![
        "any",
        "none",
        "spine1",
        "regex('(a*)*\\\\1b')",
        "regex('spine.')",
        "includes('e')",
        "excludes('1')",
        "$v",
    ]);
    let line = (interface, name.clone(), name).prop_map(|(interface, device, port)| {
        format!("  - {interface}: {{device: \"{device}\", port: \"{port}\"}}\n")
    });
    let head = select(vec![
        "",
        "  node: SN1\n",
        "  model: DCS\n",
        "  model: '(D|C)*S'\n",
    ]);
    let pattern = (head, prop::collection::vec(line, 1..4)).prop_map(|(head, lines)| {
        format!(
            "- name: p\n  definition: d\n{head}  interfaces:\n{}",
            lines.concat()
        )
    });
    prop::collection::vec(pattern, 1..5)
        .prop_map(|patterns| format!("variables: {{v: spine1}}\npatterns:\n{}", patterns.concat()))
}

proptest! {
    #[test]
    fn any_text_returns(text in soup()) {
        let _ = yaml::parse(&text).map(|node| node.to_json());
        let _ = bootstrap_conf::parse(&text);
        let _ = Attributes::parse(&text);
        let _ = Pattern::parse_stored(&text);
        for identifier in [Identifier::SerialNumber, Identifier::SystemMac] {
            let _ = Neighbordb::parse(&text, identifier);
        }
        if let Ok(definition) = Definition::parse(&text) {
            prop_assert!(definition.render(&Attributes::default()).unwrap().resolve(|_| Ok::<_, ()>(String::new())).is_ok());
        }
    }

    #[test]
    fn any_bytes_return(bytes in prop::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
        let _ = Post::parse(&bytes);
        let _ = NodeFacts::parse_stored(&text);
        let _ = yaml::parse(&text);
        let _ = Template::parse(text.clone()).render("$SERVER");
    }

    #[test]
    fn quoting_keeps_any_text(text in any::<String>()) {
        let quoted = yaml::quoted(&text);
        let read = yaml::parse(&quoted).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(read.as_str(), Some(text.as_str()));
    }

    #[test]
    fn stored_facts_parse_to_the_same_facts(facts in facts()) {
        let read = |text: String| NodeFacts::parse_stored(&text).map_err(|error| TestCaseError::fail(error.to_string()));
        // Of two interfaces with one name, which no switch has, one remains.
        let stored = read(facts.to_json().unwrap())?;
        prop_assert_eq!(read(stored.to_json().unwrap())?, stored);
    }

    #[test]
    fn a_stored_pattern_matches_the_same_nodes_as_its_source(text in neighbordb(), facts in facts()) {
        if let Ok(neighbordb) = Neighbordb::parse(&text, Identifier::SerialNumber) {
            for entry in neighbordb.entries() {
                let stored = Pattern::parse_stored(&entry.pattern.to_yaml()).map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(stored.check(&facts), entry.pattern.check(&facts));
            }
            if let Some(entry) = neighbordb.trace(&"SN1".parse().unwrap(), &facts).chosen() {
                prop_assert_eq!(entry.pattern.check(&facts), Ok(()));
            }
        }
    }

    #[test]
    fn the_pieces_of_a_string_concatenate_to_it(text in "[alocte('\"p)/ é_]{0,30}") {
        let together: String = plugin::pieces(&text).iter().map(|piece| match piece {
            plugin::Piece::Text(text) => (*text).to_owned(),
            // The source may have either quote.
            plugin::Piece::Call(call) => call.to_string(),
        }).collect();
        prop_assert_eq!(together.replace('"', "'"), text.replace('"', "'"));
    }

    #[test]
    fn posts_of_any_shape_return(
        serial in select(vec![json!(null), json!(""), json!("A"), json!(7), json!(1.5), json!(["a"]), json!("a/b"), json!("..")]),
        peer in select(vec![json!({"device": "a", "port": "b"}), json!({"device": "a", "remote_interface": "b"}), json!({"device": null, "port": null}), json!({"device": "a"}), json!("a"), json!([])]),
    ) {
        let body = json!({"serialnumber": serial, "neighbors": {"Ethernet1": [peer]}}).to_string();
        if let Ok(post) = Post::parse(body.as_bytes()) {
            let _ = post.facts.id(Identifier::SerialNumber);
        }
    }
}
