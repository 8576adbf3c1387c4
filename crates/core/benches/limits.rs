//! The time of the most expensive content and facts within the limits: `cargo bench --bench limits`.
//!
//! Each line is one step of a request, the best of several runs: parsing a document, parsing facts, matching, rendering. A
//! request with all of its steps must stay below 50 ms of CPU in the Worker.

use std::time::{Duration, Instant};

use ztp_core::definition::{Attributes, Definition};
use ztp_core::neighbordb::{MAX_LOGGED_REFUSAL, MAX_REFUSAL, Neighbordb};
use ztp_core::node::{Identifier, Post};
use ztp_core::yaml;

#[path = "../examples/worst/cases.rs"]
mod cases;

use cases::{bodies, decisions, definitions, documents};

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
