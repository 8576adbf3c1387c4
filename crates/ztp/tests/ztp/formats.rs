//! The output formats for programs, colours, and exit statuses.

use crate::scratch::Scratch;

fn broken(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.write("root/definitions/leaf", "actions:\n- action: nothing\n");
    scratch
}

#[test]
fn json_has_all_parts_of_the_text_format() {
    let (status, text) = broken("json").ztp(&["validate", "root", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let finding = &report["findings"][0];
    assert_eq!(status, 1);
    assert_eq!(report["files"], 1);
    assert_eq!(finding["kind"], "missing-action");
    // The action may be on the server.
    assert_eq!(finding["severity"], "warning");
    assert_eq!(finding["file"], "definitions/leaf");
    assert_eq!(
        (&finding["line"], &finding["column"]),
        (&2.into(), &3.into())
    );
    assert_eq!(finding["source"], "- action: nothing");
    assert!(finding["help"].as_str().unwrap().contains("stock actions"));
}

#[test]
fn github_commands_have_file_and_line() {
    let (status, text) = broken("github").ztp(&["validate", "root", "--format", "github"]);
    assert_eq!(status, 1);
    assert!(
        text.starts_with(
            "::warning file=root/definitions/leaf,line=2,col=3,title=missing-action::"
        ),
        "{text}"
    );
}

#[test]
fn output_to_a_pipe_has_no_colours() {
    let (_, text) = broken("plain").ztp(&["validate", "root"]);
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_command_that_cannot_run_ends_with_2() {
    let scratch = Scratch::new("nowhere");
    let (status, text) = scratch.ztp(&["validate", "nowhere"]);
    assert_eq!(status, 2);
    assert!(text.contains("cannot read the folder nowhere"), "{text}");
    let (status, _) = scratch.ztp(&["validate"]);
    assert_eq!(status, 2);
}

#[test]
fn a_clean_data_root_ends_with_0() {
    let scratch = Scratch::new("clean");
    scratch.write("root/definitions/leaf", "actions: []\n");
    scratch.write("root/README.md", "ours\n");
    scratch.write("root/plugins/mysql_vars", "x");
    scratch.write(
        "root/ztpserver.conf",
        "[default]\nserver_url = http://ztp.example.net/x\nidentifier = systemmac\n",
    );
    let (status, text) = scratch.ztp(&["validate", "root"]);
    assert_eq!(status, 0, "{text}");
    for part in [
        "README.md is left alone",
        "plugins/ is left alone",
        "SERVER_URL = \"auto\"  # the URL that was requested; ZTPServer had http://ztp.example.net/x",
        "IDENTIFIER = \"systemmac\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn completions_contain_the_commands() {
    let (status, text) = Scratch::new("completions").ztp(&["completions", "bash"]);
    assert_eq!(status, 0);
    assert!(text.contains("validate") && text.contains("overwrite-startup-configs"));
}

#[test]
fn every_kind_is_documented_with_its_severity() {
    let documentation = include_str!("../../../../docs/kinds.md");
    let (_, kinds) = Scratch::new("documented").ztp(&["kinds"]);
    for line in kinds.lines() {
        let mut words = line.split_whitespace();
        let (Some(id), Some(severity)) = (words.next(), words.next()) else {
            panic!("{line}");
        };
        let row = format!("| `{id}` | {severity} |");
        assert_eq!(documentation.matches(&row).count(), 1, "{row}");
    }
    let rows = documentation.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(rows.count(), kinds.lines().count());
}
