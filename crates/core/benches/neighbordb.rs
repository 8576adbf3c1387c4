//! The time of parsing a neighbordb and matching a node against it: `cargo bench`.
//!
//! The node has 48 neighbors and matches the last pattern only; of the earlier patterns a third require named interfaces, a
//! third any interface, a third a model.

use divan::Bencher;
use ztp_core::neighbordb::Neighbordb;
use ztp_core::node::{Identifier, Neighbor, NodeFacts, NodeId};

const SIZES: [usize; 3] = [10, 100, 1000];

fn main() {
    divan::main();
}

fn neighbordb(patterns: usize) -> String {
    let mut text = "variables:\n  spine: regex('spine\\d+-row1$')\npatterns:\n".to_owned();
    for index in 1..patterns {
        text += &format!("- name: rack {index}\n  definition: leaf-{index}\n");
        text += &match index % 3 {
            0 => format!(
                "  interfaces:\n  - Ethernet1: $spine:Ethernet{index}\n  - Ethernet2-4: regex('leaf(?!1\\d)\\d+-row{index}')\n"
            ),
            1 => format!(
                "  interfaces:\n  - any: regex('leaf{index}-row\\d+$'):any\n  - none: core{index}\n"
            ),
            _ => format!("  model: DCS-7{index:03}[SE]?-\\d+\n"),
        };
    }
    text + "- name: last\n  definition: leaf\n  interfaces:\n  - Ethernet48: spine48-row1\n"
}

fn node() -> (NodeId, NodeFacts) {
    let neighbors = (1..=48).map(|port| {
        let neighbor = Neighbor {
            device: format!("spine{port}-row1"),
            port: format!("Ethernet{port}"),
        };
        (format!("Ethernet{port}"), vec![neighbor])
    });
    let facts = NodeFacts {
        model: Some("DCS-9050S-64".to_owned()),
        serialnumber: Some("SN1".to_owned()),
        neighbors: neighbors.collect(),
        ..NodeFacts::default()
    };
    (
        facts.id(Identifier::SerialNumber).expect("SN1 is an id"),
        facts,
    )
}

#[divan::bench(args = SIZES)]
fn parse(bencher: Bencher, patterns: usize) {
    let text = neighbordb(patterns);
    bencher.bench(|| Neighbordb::parse(divan::black_box(&text), Identifier::SerialNumber));
}

#[divan::bench(args = SIZES)]
fn select(bencher: Bencher, patterns: usize) {
    let neighbordb = Neighbordb::parse(&neighbordb(patterns), Identifier::SerialNumber)
        .expect("the neighbordb is right");
    let (id, facts) = node();
    let chosen = neighbordb.trace(&id, &facts).chosen();
    assert!(chosen.is_some_and(|entry| entry.pattern.name == "last"));
    bencher.bench(|| {
        let trace = neighbordb.trace(divan::black_box(&id), &facts);
        trace.chosen().is_some()
    });
}
