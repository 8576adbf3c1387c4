//! Prints the most expensive content and facts within the limits, as JSON: one case on each line, for
//! `tests/security/cpu.mjs`.

mod cases;

use std::io::{self, Write};

use serde_json::json;
use ztp_core::neighbordb::Neighbordb;
use ztp_core::node::{Identifier, NodeFacts};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (name, text) in cases::documents() {
        writeln!(
            out,
            "{}",
            json!({"kind": "yaml", "name": name, "text": text})
        )?;
    }
    for (name, body) in cases::bodies() {
        writeln!(
            out,
            "{}",
            json!({"kind": "facts", "name": name, "body": body})
        )?;
    }
    for (name, text, facts) in cases::decisions() {
        let facts = NodeFacts {
            serialnumber: Some("SN1".to_owned()),
            ..facts
        };
        // The pattern as it is stored with a node.
        let stored = Neighbordb::parse(&text, Identifier::SerialNumber).ok();
        let stored = stored
            .as_ref()
            .and_then(|neighbordb| neighbordb.entries().first());
        let case = json!({
            "kind": "neighbordb",
            "name": name,
            "text": text,
            "facts": facts.to_json()?,
            "pattern": stored.map(|entry| entry.pattern.to_yaml()),
        });
        writeln!(out, "{case}")?;
    }
    for (name, text, attributes) in cases::definitions() {
        let case =
            json!({"kind": "definition", "name": name, "text": text, "attributes": attributes});
        writeln!(out, "{case}")?;
    }
    out.flush()
}
