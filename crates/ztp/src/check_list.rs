//! `ztp check-list`: which switches of a list will boot, and why not the others.

mod pools;

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::api::{Api, Call};
use crate::explain::{neighbors, refusal};
use crate::fleet::{entries, pool_of, print, text};
use crate::parallel::{self, AT_ONCE};
use crate::servers::connect;
use crate::terminal::line as clean;
use crate::{CLEAN, FINDINGS, Failure, display, display_path, regular};
use pools::Shared;

/// The largest list, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// A line of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(alias = "serialnumber")]
    serial: Option<String>,
    #[serde(alias = "systemmac")]
    mac: Option<String>,
    model: Option<String>,
    #[serde(alias = "neighbours")]
    neighbors: Option<String>,
    site: Option<String>,
}

/// A switch of the list: its line in the file, its name, and what the server is asked.
type Device = (u64, String, Json);

pub fn run(file: &Path, site: Option<&str>, url: Option<&str>, json: bool) -> Result<u8, Failure> {
    let devices = parse(&regular::input(file, MAX_BYTES)?, site);
    let devices = devices.map_err(|problem| format!("{}: {problem}", display_path(file)))?;
    let api = connect(url)?;
    let explained = parallel::map(devices, AT_ONCE, |device| explain(&api, device))?;
    let explanations: Vec<&Json> = explained.iter().map(|one| &one.explanation).collect();
    let shared = pools::share(&api, &explanations)?;
    let results = explained.iter().enumerate();
    let results: Vec<Json> = results.map(|(at, one)| one.result(at, &shared)).collect();
    let boots = |result: &Json| result["boots"] == true;
    for result in &results {
        let verdict = if boots(result) { "boots" } else { "FAILS" };
        let (name, reason) = (text(&result["name"]), text(&result["reason"]));
        print(json, result, &format!("{verdict}  {name:20} {reason}"))?;
    }
    let all = results.len();
    let failed = results.iter().filter(|result| !boots(result)).count();
    if !json {
        let good = all - failed;
        let summary = format!("{all} switches: {good} will boot, {failed} will not\n");
        display(&summary)?;
    }
    Ok(if failed == 0 { CLEAN } else { FINDINGS })
}

/// A switch of the list with the answer of the server.
struct Explained {
    line: u64,
    name: String,
    /// Null if the server refuses the request itself.
    explanation: Json,
    /// Why, if so.
    refused: Option<String>,
}

fn explain(api: &Api, (line, name, body): Device) -> Result<Explained, Failure> {
    let reply = api.send(&Call::post(format!("checking {name}"), "/explain", &body))?;
    // Facts that the server would refuse from the switch, too.
    let (explanation, refused) = match reply.status {
        400 => (Json::Null, Some(reply.sentence())),
        _ => (reply.ok()?, None),
    };
    Ok(Explained {
        line,
        name,
        explanation,
        refused,
    })
}

impl Explained {
    /// `{"line", "name", "boots", "reason", "explanation"}`. `at`: its place in the list.
    fn result(&self, at: usize, shared: &Shared) -> Json {
        let Self {
            line,
            name,
            explanation,
            refused,
        } = self;
        let (boots, reason) = match refused {
            Some(reason) => (false, reason.clone()),
            None => verdict(explanation, at, shared),
        };
        json!({
            "line": line, "name": name, "boots": boots, "reason": reason, "explanation": explanation,
        })
    }
}

/// Whether a switch will boot, and the reason.
fn verdict(explanation: &Json, at: usize, shared: &Shared) -> (bool, String) {
    if let Some(error) = refusal(explanation) {
        return (false, text(error));
    }
    let mut received = String::new();
    for (entry, promised) in entries(explanation, "pools").enumerate() {
        let pool = pool_of(promised);
        let (shared, own) = (shared.get(&(at, entry)), promised["value"].as_str());
        let Some(value) = shared.map_or(own, |value| value.as_deref()) else {
            let why = match shared {
                Some(_) => {
                    "left for it: other switches of the list receive the last ones; add values, or release some"
                }
                None => "for it",
            };
            return (false, format!("the pool {pool} has no value {why}"));
        };
        received += &format!(", with {pool} {}", clean(value));
    }
    let mut reason = match &explanation["selection"]["pattern"] {
        Json::Null => "it is known".to_owned(),
        pattern => format!("by the pattern '{}'", text(pattern)),
    };
    if let Some(name) = explanation["definition"].get("name") {
        reason += &format!(", with the definition '{}'", text(name));
    }
    (true, reason + &received)
}

/// The switches of a list.
///
/// # Errors
/// It is not CSV, or a column or a field is not valid: which line, and what to write.
fn parse(bytes: &[u8], site: Option<&str>) -> Result<Vec<Device>, String> {
    // A spreadsheet may begin a file with a byte order mark, and separate fields by semicolons.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut first = bytes.iter().take_while(|byte| **byte != b'\n');
    let delimiter = *first.find(|byte| **byte == b';').unwrap_or(&b',');
    let mut reader = csv::ReaderBuilder::new();
    let reader = reader.delimiter(delimiter).trim(csv::Trim::All);
    let mut reader = reader.from_reader(bytes);
    let headers = reader.headers().map_err(|error| error.to_string())?;
    let headers: csv::StringRecord = headers.iter().map(str::to_lowercase).collect();
    let records = reader.into_records().map(|record| {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = record.deserialize(Some(&headers)).map_err(|error| error.to_string());
        row.and_then(|row| device(row, line, site)).map_err(|problem| {
            format!("line {line}: {problem}; the first line names the columns serial, mac, model, neighbors and site")
        })
    });
    records.collect()
}

fn device(row: Row, line: u64, site: Option<&str>) -> Result<Device, String> {
    let name = row.serial.clone().or(row.mac.clone());
    let name = name.ok_or("there is neither a serial number nor a MAC address")?;
    let connected = row.neighbors.unwrap_or_default();
    let connected = connected.split([' ', ';', '\n', '\r']);
    let neighbors = neighbors(connected.filter(|part| !part.is_empty()))?;
    let mut body = json!({"facts": {
        "serialnumber": row.serial, "systemmac": row.mac, "model": row.model, "neighbors": neighbors,
    }});
    if let Some(site) = row.site.as_deref().or(site) {
        body["site"] = json!(site);
    }
    Ok((line, name, body))
}
