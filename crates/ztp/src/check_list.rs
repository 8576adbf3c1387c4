//! `ztp check-list`: which switches of a list will boot, and why not the others.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::api::{Api, Call};
use crate::explain::{neighbors, refusal};
use crate::fleet::{entries, pool_of, print, text};
use crate::parallel::{self, AT_ONCE};
use crate::servers::connect;
use crate::{CLEAN, FINDINGS, Failure, display, display_path, regular};

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
    let results = parallel::map(devices, AT_ONCE, |device| check(&api, &device))?;
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

/// The result for one switch: `{"line", "name", "boots", "reason", "explanation"}`.
fn check(api: &Api, (line, name, body): &Device) -> Result<Json, Failure> {
    let reply = api.send(&Call::post(format!("checking {name}"), "/explain", body))?;
    // Facts that the server would refuse from the switch, too.
    let (explanation, (boots, reason)) = match reply.status {
        400 => (Json::Null, (false, reply.sentence())),
        _ => {
            let explanation = reply.ok()?;
            let verdict = verdict(&explanation);
            (explanation, verdict)
        }
    };
    Ok(json!({
        "line": line, "name": name, "boots": boots, "reason": reason, "explanation": explanation,
    }))
}

/// Whether a switch will boot, and the reason.
fn verdict(explanation: &Json) -> (bool, String) {
    if let Some(error) = refusal(explanation) {
        return (false, text(error));
    }
    if let Some(empty) = entries(explanation, "pools").find(|pool| pool["value"].is_null()) {
        let pool = pool_of(empty);
        return (false, format!("the pool {pool} has no value for it"));
    }
    let mut reason = match &explanation["selection"]["pattern"] {
        Json::Null => "it is known".to_owned(),
        pattern => format!("by the pattern '{}'", text(pattern)),
    };
    if let Some(name) = explanation["definition"].get("name") {
        reason += &format!(", with the definition '{}'", text(name));
    }
    for pool in entries(explanation, "pools") {
        reason += &format!(", with {} {}", pool_of(pool), text(&pool["value"]));
    }
    (true, reason)
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
