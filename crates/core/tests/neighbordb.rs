//! Every rule of matching, one fixture each: `tests/fixtures/neighbordb/*.yaml`.
//!
//! A fixture has `rule` (its subject), `neighbordb`, optionally `identifier`, and either `error` or `nodes`: each with the
//! neighbors that it `sees` (interface: [device:port]), and `match` or `refused`.

use std::error::Error;
use std::path::Path;

use ztp_core::neighbordb::{MAX_REFUSAL, Neighbordb};
use ztp_core::node::{Identifier, Neighbor, NodeFacts, normalize_mac};
use ztp_core::pattern::Pattern;
use ztp_core::yaml::{self, Node, Value};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[test]
fn every_fixture_has_its_expected_result() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/neighbordb");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let fixture = yaml::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        if let Err(error) = check(&fixture) {
            panic!("{}: {error}", path.display());
        }
        count += 1;
    }
    assert!(
        count >= 100,
        "only {count} fixtures in {}",
        folder.display()
    );
}

#[test]
fn the_suggested_expression_matches_the_actual_and_the_required_name() {
    for (wanted, taken, saw) in [
        ("spine1", "spine1", "spine1.example.net"),
        ("spine1", "spine1", "SPINE1"),
        ("spine1.example.net", "spine1.example.net", "Spine1"),
        ("sw(1)+x", "sw(1)+x", "SW(1)+X"),
        (r"regex('spine\d+$')", "spine1", "spine1.example.net"),
        (r"regex('spine\d+\Z')", "spine1", "SPINE1.example.net"),
        ("regex('a$|b$')", "a", "B"),
        ("regex('a|b$')", "b", "b.example.net"),
    ] {
        let pattern = |peer: &str| {
            Pattern::parse_stored(&format!("interfaces:\n- Ethernet1: {peer}\n")).unwrap()
        };
        let node = |device: &str| NodeFacts {
            neighbors: vec![(
                "Ethernet1".to_owned(),
                vec![Neighbor {
                    device: device.to_owned(),
                    port: String::new(),
                }],
            )],
            ..NodeFacts::default()
        };
        let first = pattern(wanted);
        assert_eq!(first.check(&node(taken)), Ok(()), "{wanted}");
        let refused = first.check(&node(saw)).unwrap_err().to_string();
        let (_, advice) = refused.rsplit_once("write ").expect(&refused);
        for device in [taken, saw] {
            assert_eq!(pattern(advice).check(&node(device)), Ok(()), "{advice}");
        }
    }
}

fn check(fixture: &Node) -> Result<()> {
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::as_str).map(str::to_owned);
    let identifier: Identifier = text(fixture, "identifier")
        .as_deref()
        .unwrap_or("serialnumber")
        .parse()?;
    let source = text(fixture, "neighbordb").ok_or("no neighbordb")?;
    let neighbordb = match (
        Neighbordb::parse(&source, identifier),
        text(fixture, "error"),
    ) {
        (Err(error), Some(expected)) => return same(&error.to_string(), &expected),
        (Err(error), None) => return Err(error.into()),
        (Ok(_), Some(expected)) => {
            return Err(format!("no error, and '{expected}' was expected").into());
        }
        (Ok(neighbordb), None) => neighbordb,
    };
    let Some(Value::List(nodes)) = fixture.get("nodes").map(|nodes| &nodes.value) else {
        return Err("neither 'error' nor 'nodes'".into());
    };
    for node in nodes {
        let facts = facts(node)?;
        let id = facts.id(identifier)?;
        let trace = neighbordb.trace(&id, &facts);
        match (trace.chosen(), text(node, "match"), text(node, "refused")) {
            (Some(entry), Some(expected), None) => {
                same(&entry.pattern.name, &expected)?;
                // The stored pattern matches the same nodes.
                let stored = Pattern::parse_stored(&entry.pattern.to_yaml())?;
                for node in nodes {
                    let facts = self::facts(node)?;
                    assert_eq!(
                        stored.check(&facts),
                        entry.pattern.check(&facts),
                        "{}",
                        entry.pattern.to_yaml()
                    );
                }
            }
            (None, None, Some(expected)) => {
                same(&trace.refusal(MAX_REFUSAL, char::len_utf8), &expected)?
            }
            (_, expected, refused) => {
                return Err(format!("{trace}, expected {expected:?} {refused:?}").into());
            }
        }
    }
    Ok(())
}

fn same(actual: &str, expected: &str) -> Result<()> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("\n  is       {actual}\n  expected {expected}").into())
    }
}

fn facts(node: &Node) -> Result<NodeFacts> {
    let fact = |key: &str| node.get(key).and_then(Node::as_name);
    let sees = node.get("sees").map(Node::entries).unwrap_or_default();
    let neighbors = sees.iter().map(|(interface, peers)| {
        let Value::List(peers) = &peers.value else {
            return Err("'sees' must list <device>:<port>");
        };
        let peers = peers.iter().map(|peer| {
            let (device, port) = peer
                .as_str()
                .and_then(|peer| peer.split_once(':'))
                .ok_or("a peer must be <device>:<port>")?;
            Ok(Neighbor {
                device: device.to_owned(),
                port: port.to_owned(),
            })
        });
        Ok((
            interface.as_str().unwrap_or_default().to_owned(),
            peers.collect::<std::result::Result<_, &str>>()?,
        ))
    });
    Ok(NodeFacts {
        model: fact("model").map(str::to_owned),
        serialnumber: Some(fact("serialnumber").unwrap_or("SN1").to_owned()),
        systemmac: Some(normalize_mac(
            fact("systemmac").unwrap_or("00:1c:73:1a:2b:3c"),
        )),
        version: None,
        neighbors: neighbors.collect::<std::result::Result<_, &str>>()?,
    })
}
