//! Names and foreign texts are escaped in the output, for terminals and CIs.

use std::process::Command;

use crate::scratch::Scratch;
use crate::server::{JSON, serve};

/// Terminal sequences that clear the screen, hide text, move the cursor and reverse the text, and commands
/// of GitHub Actions in both forms, Azure Pipelines and TeamCity.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}[8m\r\u{9b}31m\u{7f}\u{202e}\u{2028}\n::error::forged\n  ::add-mask::x\n\
                       ##[error]forged ##vso[task.complete]x ##teamcity[message text='x'] y";

/// Asserts that a terminal and a CI interpret nothing. `commands`: workflow commands of `ztp` itself are allowed.
fn assert_harmless(output: &str, commands: bool) {
    for c in output.chars().filter(|c| *c != '\n') {
        assert!(
            !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'),
            "{c:?} in {output:?}"
        );
    }
    for line in output.lines() {
        let line = line.trim_start();
        assert!(commands || !line.starts_with("::"), "{line:?}");
        assert!(
            !line.starts_with("::error::") && !line.starts_with("::add-mask"),
            "{line:?}"
        );
        for command in ["##[", "##vso[", "##teamcity["] {
            assert!(!line.contains(command), "{line:?}");
        }
    }
}

/// A data_root with hostile names of every kind, and some hostile texts.
fn root(scratch: &Scratch) {
    let name = HOSTILE.replace('/', "-");
    for folder in ["definitions", "files", "actions", "unknown", "resources"] {
        scratch.write(&format!("root/{folder}/{name}"), "actions: [");
    }
    scratch.write(&format!("root/{name}"), "left alone");
    scratch.write(&format!("root/nodes/{name}/definition"), "actions: []\n");
    scratch.write("root/actions/hostile", format!("#{HOSTILE}\ndef main(:\n"));
    scratch.write(
        "root/definitions/hostile",
        format!("{}: [\n", serde_json::Value::from(HOSTILE)),
    );
    scratch.write(
        "root/definitions/one-line",
        "actions: []\n'##vso[a] ##[b]': 1\n'##vso[a] ##[b]': 2\n",
    );
    scratch.write(
        "root/ztpserver.conf",
        format!("[default]\nserver_url = http://x/{HOSTILE}\n::error::x\n"),
    );
    std::os::unix::fs::symlink(HOSTILE, scratch.path().join("root/files/link")).unwrap();
}

#[test]
fn validate_escapes_names_and_texts_in_every_format() {
    let scratch = Scratch::new("escapes-validate");
    root(&scratch);
    for format in ["text", "json", "github"] {
        let (status, output) = scratch.ztp(&["validate", "root", "--format", format]);
        assert_eq!(status, 1, "{output}");
        assert_harmless(&output, format == "github");
        assert!(
            output.contains("u{1b}[2J") || output.contains("u001b[2J"),
            "{output}"
        );
    }
}

#[test]
fn forced_colours_are_the_only_escape_sequences() {
    let scratch = Scratch::new("escapes-colours");
    root(&scratch);
    for format in ["text", "json", "github"] {
        let done = Command::new(env!("CARGO_BIN_EXE_ztp"))
            .args(["validate", "root", "--format", format])
            .env("CLICOLOR_FORCE", "1")
            .current_dir(scratch.path())
            .output()
            .unwrap();
        let output = String::from_utf8(done.stdout).unwrap();
        assert_eq!(output.contains('\u{1b}'), format == "text", "{output}");
        let mut plain = output.split('\u{1b}');
        let mut text = plain.next().unwrap_or_default().to_owned();
        for part in plain {
            let (colour, rest) = part.split_once('m').unwrap();
            let ours = |c: char| c.is_ascii_digit() || c == ';';
            assert!(
                colour.strip_prefix('[').unwrap().chars().all(ours),
                "{colour}"
            );
            // [8m hides text.
            assert_ne!(colour, "[8");
            text += rest;
        }
        assert_harmless(&text, format == "github");
    }
}

#[test]
fn parsed_json_has_the_original_names_and_texts() {
    let scratch = Scratch::new("escapes-json");
    root(&scratch);
    let (_, output) = scratch.ztp(&["validate", "root", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&output).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let file = format!("definitions/{HOSTILE}");
    assert!(
        findings.iter().any(|found| found["file"] == file.as_str()),
        "{output}"
    );
    let source = "'##vso[a] ##[b]': 2";
    assert!(
        findings.iter().any(|found| found["source"] == source),
        "{output}"
    );
}

#[test]
fn a_path_cannot_inject_a_workflow_command() {
    let scratch = Scratch::new("escapes-github");
    scratch.write("root/definitions/a,b\n::error::c", "actions: []\n");
    let (status, output) = scratch.ztp(&["validate", "root", "--format", "github"]);
    assert_eq!(status, 1);
    assert_eq!(output.lines().count(), 1, "{output}");
    let start = "::warning file=root/definitions/a%2Cb%0A%3A%3Aerror%3A%3Ac,title=bad-name::";
    assert!(output.starts_with(start), "{output}");
}

#[test]
fn an_error_escapes_arguments() {
    let scratch = Scratch::new("escapes-arguments");
    scratch.write("neighbordb", "patterns: []\n");
    for args in [
        vec!["validate", HOSTILE],
        vec![HOSTILE],
        vec!["validate", "root", "--format", HOSTILE],
        vec!["explain", HOSTILE, "--serial", HOSTILE],
        vec!["push", ".", "--url", HOSTILE],
        vec!["pull", ".", "--url", HOSTILE],
    ] {
        let (status, output) = scratch.ztp(&args);
        assert_eq!(status, 2, "{output}");
        assert_harmless(&output, false);
        assert!(output.contains("forged"), "{output}");
    }
}

#[test]
fn explain_escapes_texts_of_files() {
    let scratch = Scratch::new("escapes-explain");
    let escaped: String = HOSTILE
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect();
    let text = format!("\"{escaped}\"");
    scratch.write(
        "root/nodes/JPE1/definition",
        format!("name: {text}\nactions: [{{action: a, attributes: {{b: {text}}}}}]\n"),
    );
    scratch.write(
        "root/nodes/JPE1/.node",
        r#"{"serialnumber": "JPE1", "neighbors": {}}"#,
    );
    let (status, output) = scratch.ztp(&["explain", "root", "--id", "JPE1"]);
    assert_eq!(status, 0, "{output}");
    assert_harmless(&output, false);
}

#[test]
fn explain_escapes_responses_of_a_server() {
    let explanation = serde_json::json!({
        "node": HOSTILE, "known": false, "status": 201, "error": null, "definition_error": null,
        "selection": {"pattern": HOSTILE, "candidates": [{"pattern": HOSTILE, "outcome": HOSTILE, "reason": HOSTILE}]},
        "definition": {"name": HOSTILE}, "pools": [{"pool": HOSTILE, "value": HOSTILE, "held": true}],
        "warnings": [HOSTILE],
    });
    let refusal = serde_json::json!({"error": HOSTILE});
    let (url, server) = serve(vec![
        ("200 OK", JSON, explanation.to_string()),
        ("200 OK", JSON, explanation.to_string()),
        ("404 Not Found", JSON, refusal.to_string()),
        ("403 Forbidden", "", HOSTILE.to_owned()),
    ]);
    let scratch = Scratch::new("escapes-server");
    let mut outputs = Vec::new();
    for (expected, json) in [(0, &["--json"][..]), (0, &[]), (1, &[]), (2, &[])] {
        let args = [&["explain", "--url", &url, "--id", "JPE1"], json].concat();
        let (status, output) = scratch.ztp_with(&args, &[("ZTP_TOKEN", "t")], "");
        assert_eq!(status, expected, "{output}");
        assert_harmless(&output, false);
        outputs.push(output);
    }
    let asked = server.join().unwrap();
    assert!(
        asked[0].starts_with("POST /admin/explain HTTP/1.1\r\n"),
        "{asked:?}"
    );
    assert!(asked[0].ends_with(r#"{"node":"JPE1"}"#), "{asked:?}");
    let printed: serde_json::Value = serde_json::from_str(&outputs[0]).unwrap();
    assert_eq!(printed, explanation);
}
