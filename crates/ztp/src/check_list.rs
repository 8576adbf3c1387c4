//! `ztp check-list`: which switches of a list will boot, and why not the others.

use std::io::Read;
use std::path::Path;

use csv::StringRecord;
use serde_json::{Value as Json, json};

use crate::api::{Api, Call};
use crate::cli::CheckListArgs;
use crate::explain::neighbors;
use crate::fleet::{print, text};
use crate::parallel::{self, AT_ONCE};
use crate::servers::connect;
use crate::{CLEAN, FINDINGS, Failure, display, display_path};

/// The largest list, in bytes.
const MAX_BYTES: u64 = 16 << 20;
/// The columns, and other names for them.
const COLUMNS: [(&str, &[&str]); 5] = [
    ("serial", &["serialnumber", "serial number"]),
    ("mac", &["systemmac", "system mac"]),
    ("model", &[]),
    ("neighbors", &["neighbours"]),
    ("site", &[]),
];

/// A switch of the list.
#[derive(Debug, PartialEq)]
struct Device {
    /// The line in the file.
    line: u64,
    name: String,
    facts: Json,
    site: Option<String>,
}

/// Checks each switch of a list.
///
/// # Errors
/// The list is not valid, or the server fails.
pub fn run(args: &CheckListArgs, json: bool) -> Result<u8, Failure> {
    let devices = parse(&read(&args.file)?)
        .map_err(|problem| Failure::new(format!("{}: {problem}", display_path(&args.file))))?;
    let api = connect(&args.server)?;
    let site = args.site.as_deref();
    let results = parallel::map(devices, AT_ONCE, |device| check(&api, &device, site))?;
    let mut failed = 0;
    for result in &results {
        let boots = result["boots"] == true;
        failed += usize::from(!boots);
        let verdict = if boots { "boots" } else { "FAILS" };
        let reason = text(&result["reason"]);
        print(
            json,
            result,
            &format!("{verdict}  {:20} {reason}", text(&result["name"])),
        )?;
    }
    if !json {
        let boots = results.len() - failed;
        display(&format!(
            "{} switches: {boots} will boot, {failed} will not\n",
            results.len()
        ))?;
    }
    Ok(if failed == 0 { CLEAN } else { FINDINGS })
}

/// The result for one switch: `{"line", "name", "boots", "reason", "explanation"}`.
fn check(api: &Api, device: &Device, site: Option<&str>) -> Result<Json, Failure> {
    let mut body = json!({"facts": device.facts});
    if let Some(site) = device.site.as_deref().or(site) {
        body["site"] = json!(site);
    }
    let reply = api.send(&Call::post(
        format!("checking {}", device.name),
        "/explain",
        &body,
    ))?;
    // Facts that the server would refuse from the switch, too.
    if reply.status == 400 && reply.json.get("error").is_some() {
        let reason = reply.sentence();
        return Ok(json!({
            "line": device.line, "name": device.name, "boots": false, "reason": reason, "explanation": null,
        }));
    }
    let explanation = reply.ok()?;
    let (boots, reason) = verdict(&explanation);
    Ok(json!({
        "line": device.line, "name": device.name, "boots": boots, "reason": reason, "explanation": explanation,
    }))
}

/// Whether a switch will boot, and the reason.
fn verdict(explanation: &Json) -> (bool, String) {
    let name = |json: &Json| json.as_str().map(str::to_owned);
    if let Some(error) = name(&explanation["error"]) {
        return (false, error);
    }
    if let Some(error) = name(&explanation["definition_error"]) {
        return (false, error);
    }
    let pools = explanation["pools"].as_array().into_iter().flatten();
    if let Some(empty) = pools.clone().find(|pool| pool["value"].is_null()) {
        return (
            false,
            format!("the pool {} has no value for it", text(&empty["pool"])),
        );
    }
    let values: Vec<_> = pools
        .map(|pool| format!("{} {}", text(&pool["pool"]), text(&pool["value"])))
        .collect();
    let mut reason = match name(&explanation["selection"]["pattern"]) {
        Some(pattern) => format!("by the pattern '{pattern}'"),
        None => "it is known".to_owned(),
    };
    if let Some(definition) = name(&explanation["definition"]["name"]) {
        reason += &format!(", with the definition '{definition}'");
    }
    if !values.is_empty() {
        reason += &format!(", with {}", values.join(", "));
    }
    (true, reason)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::new(format!("cannot read {}: {error}", display_path(path)));
    if path != Path::new("-") {
        return crate::regular::read(path, MAX_BYTES).map_err(failed);
    }
    let mut bytes = Vec::new();
    let stdin = std::io::stdin().lock();
    stdin
        .take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

/// The switches of a list.
///
/// # Errors
/// It is not CSV, or a column or a field is not valid: which line, and what to write.
fn parse(bytes: &[u8]) -> Result<Vec<Device>, String> {
    // A spreadsheet may begin a file with a byte order mark, and separate fields by semicolons.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let first = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let delimiter = if first.contains(&b';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let headers = reader.headers().map_err(|error| error.to_string())?;
    let columns = columns(headers)?;
    let records = reader.into_records().map(|record| {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        device(&record, &columns, line).map_err(|problem| format!("line {line}: {problem}"))
    });
    let devices: Vec<Device> = records.collect::<Result<_, _>>()?;
    match devices.is_empty() {
        true => Err("the list has no switch after its first line".to_owned()),
        false => Ok(devices),
    }
}

/// The number of the column in `COLUMNS` of each column of the list.
fn columns(headers: &StringRecord) -> Result<Vec<usize>, String> {
    let known = headers.iter().map(|header| {
        let name = header.to_lowercase();
        let mut columns = COLUMNS.iter();
        let column = columns.position(|(column, others)| *column == name || others.contains(&name.as_str()));
        column.ok_or_else(|| {
            format!("the column '{header}' is unknown; the first line names the columns serial, mac, model, neighbors and site")
        })
    });
    let columns: Vec<usize> = known.collect::<Result<_, _>>()?;
    match columns.iter().any(|column| *column < 2) {
        true => Ok(columns),
        false => {
            Err("there is no column serial or mac; the first line must name the columns".to_owned())
        }
    }
}

fn device(record: &StringRecord, columns: &[usize], line: u64) -> Result<Device, String> {
    let mut fields: [Option<&str>; COLUMNS.len()] = [None; COLUMNS.len()];
    for (field, column) in record.iter().zip(columns) {
        if let Some(place) = fields.get_mut(*column).filter(|_| !field.is_empty()) {
            *place = Some(field);
        }
    }
    let [serial, mac, model, connected, site] = fields;
    let name = serial
        .or(mac)
        .ok_or("there is neither a serial number nor a MAC address")?;
    let connected = connected.unwrap_or_default();
    let connected = connected
        .split([' ', ';', '\n', '\r'])
        .filter(|part| !part.is_empty());
    Ok(Device {
        line,
        name: name.to_owned(),
        facts: json!({
            "serialnumber": serial,
            "systemmac": mac,
            "model": model,
            "neighbors": neighbors(connected)?,
        }),
        site: site.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_switch_in_each_line() {
        let list = "\u{feff}Serial,Model,Neighbors\nJPE1,DCS,Ethernet1=spine1:Ethernet7 Ethernet1=spine2:Ethernet1\n\
                    \"JPE2\",,\n";
        let devices = parse(list.as_bytes()).unwrap();
        assert_eq!((devices.len(), devices[1].line), (2, 3));
        assert_eq!(devices[0].facts["serialnumber"], "JPE1");
        assert_eq!(
            devices[0].facts["neighbors"],
            json!({"Ethernet1": [{"device": "spine1", "port": "Ethernet7"}, {"device": "spine2", "port": "Ethernet1"}]})
        );
        assert_eq!(devices[1].facts["neighbors"], json!({}));
        assert_eq!(devices[1].facts["model"], Json::Null);
        let spreadsheet = parse(b"site;mac\r\nberlin;00:1c:73:01:02:03\r\n").unwrap();
        assert_eq!(spreadsheet[0].site.as_deref(), Some("berlin"));
        assert_eq!(spreadsheet[0].name, "00:1c:73:01:02:03");
    }

    #[test]
    fn an_invalid_list_names_the_line_and_the_field() {
        for (list, problem) in [
            ("", "no column serial or mac"),
            ("serial\n", "no switch after its first line"),
            ("model\nDCS\n", "no column serial or mac"),
            ("serial,colour\nJPE1,red\n", "column 'colour' is unknown"),
            ("serial,model\n,DCS\n", "line 2: there is neither"),
            (
                "serial,neighbors\nJPE1,spine1\n",
                "line 2: 'spine1' is not a valid neighbor",
            ),
            ("serial,model\nJPE1\n", "found record with 1 field"),
        ] {
            let error = parse(list.as_bytes()).unwrap_err();
            assert!(error.contains(problem), "{list}: {error}");
        }
    }

    #[test]
    fn a_switch_boots_if_it_has_a_definition_and_a_value_of_each_pool() {
        let explanation = |changes: Json| {
            let mut all = json!({
                "node": "JPE1", "known": false, "selection": {"pattern": "leaf"}, "status": 201, "error": null,
                "definition": {"name": "leaf"}, "definition_error": null, "pools": [{"pool": "mgmt", "value": "10.0.0.1"}],
            });
            for (name, value) in changes.as_object().unwrap() {
                all[name] = value.clone();
            }
            verdict(&all)
        };
        assert_eq!(
            explanation(json!({})),
            (
                true,
                "by the pattern 'leaf', with the definition 'leaf', with mgmt 10.0.0.1".to_owned()
            )
        );
        assert_eq!(
            explanation(json!({"error": "no pattern matches"})),
            (false, "no pattern matches".to_owned())
        );
        assert_eq!(
            explanation(json!({"definition_error": "broken"})).1,
            "broken"
        );
        let empty = explanation(json!({"pools": [{"pool": "mgmt", "value": null}]}));
        assert_eq!(
            empty,
            (false, "the pool mgmt has no value for it".to_owned())
        );
        assert!(
            explanation(json!({"selection": null}))
                .1
                .starts_with("it is known")
        );
    }
}
