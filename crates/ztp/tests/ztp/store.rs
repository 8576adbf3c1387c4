//! The findings that stop a push: errors only, with the content on the server, and without what the operator allows.

use serde_json::{Value as Json, json};

use crate::scratch::Scratch;
use crate::server::{JSON, Response, serve};

/// The list of the content on a server: keys of what was put there by hand, and of what a push has stored.
fn list(by_hand: &[&str], pushed: &[&str]) -> Response {
    let entry = |key: &&str, via: Option<&str>| {
        json!({
            "key": key, "size": 1, "sha1": "0".repeat(40), "etag": "\"a\"", "modified": null, "by": null, "via": via,
        })
    };
    let by_hand = by_hand.iter().map(|key| entry(key, None));
    let content: Vec<Json> = by_hand
        .chain(pushed.iter().map(|key| entry(key, Some("push"))))
        .collect();
    let body = json!({"content": content, "cursor": null}).to_string();
    ("200 OK", JSON, body)
}

/// A data_root whose image, second definition, action and pool are elsewhere.
fn root(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.write(
        "root/neighbordb",
        "patterns:\n- {name: a, definition: leaf, node: A}\n- {name: b, definition: spine, interfaces: []}\n",
    );
    scratch.write(
        "root/definitions/leaf",
        "actions:\n- action: own\n- action: install_image\n  attributes: {url: files/EOS.swi, version: \"allocate('v')\"}\n",
    );
    scratch
}

const ELSEWHERE: [&str; 4] = [
    "actions/own",
    "definitions/spine",
    "files/EOS.swi",
    "resources/v",
];

/// Runs a push that stores nothing.
fn push(scratch: &Scratch, args: &[&str], content: Response) -> (i32, String) {
    let (url, server) = serve(vec![content]);
    let args = [&["push", "root", "--dry-run", "--url", &url], args].concat();
    let done = scratch.ztp_with(&args, &[("ZTP_TOKEN", "a-secret-token-0123")], "");
    let requests = server.join().unwrap();
    assert!(
        requests[0].starts_with("GET /admin/content "),
        "{requests:?}"
    );
    done
}

#[test]
fn validate_warns_of_content_that_may_be_on_the_server() {
    let scratch = root("store-validate");
    let (status, text) = scratch.ztp(&["validate", "root"]);
    assert_eq!(status, 1, "{text}");
    for kind in ["file", "action", "definition", "pool"] {
        assert!(text.contains(&format!("warning[missing-{kind}]")), "{text}");
    }
    assert!(!text.contains("error["), "{text}");
    assert!(
        text.contains("`ztp push` stops if the server does not have it, either"),
        "{text}"
    );
}

#[test]
fn a_push_stops_only_for_content_that_the_server_does_not_have_either() {
    let scratch = root("store-push");
    let (status, text) = push(&scratch, &[], list(&ELSEWHERE, &[]));
    assert_eq!(status, 0, "{text}");
    assert!(!text.contains("missing-"), "{text}");
    for missing in ELSEWHERE {
        let there: Vec<&str> = ELSEWHERE
            .into_iter()
            .filter(|key| *key != missing)
            .collect();
        let (status, text) = push(&scratch, &[], list(&there, &[]));
        assert_eq!(status, 1, "{missing}: {text}");
        assert_eq!(
            text.matches("error[missing-").count(),
            1,
            "{missing}: {text}"
        );
        assert!(text.contains("nothing is stored"), "{text}");
    }
}

#[test]
fn content_that_the_push_deletes_does_not_count() {
    let scratch = root("store-prune");
    let (by_hand, pushed) = ELSEWHERE.split_at(2);
    let (status, text) = push(&scratch, &[], list(by_hand, pushed));
    assert_eq!(status, 0, "{text}");
    let (status, text) = push(&scratch, &["--prune"], list(by_hand, pushed));
    assert_eq!(status, 1, "{text}");
    assert_eq!(text.matches("error[missing-").count(), 2, "{text}");
}

#[test]
fn an_error_that_does_not_depend_on_the_server_stops_before_any_request() {
    let scratch = root("store-local");
    scratch.write("root/definitions/leaf", "actions: 1\n");
    let (status, text) = scratch.ztp(&["push", "root", "--url", "http://localhost:1"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("error[bad-definition]"), "{text}");
    assert!(text.contains("--allow KIND"), "{text}");
}

#[test]
fn an_allowed_kind_does_not_stop_a_push_and_is_in_its_plan() {
    let scratch = root("store-allow");
    let there = &ELSEWHERE[..2];
    let allow = ["--allow", "missing-file", "--allow", "missing-pool"];
    let (status, text) = push(&scratch, &allow, list(there, &[]));
    assert_eq!(status, 0, "{text}");
    let planned = text
        .lines()
        .find(|line| line.contains("definitions/leaf  "))
        .unwrap();
    assert!(
        planned.ends_with(": allowed in spite of missing-file,missing-pool"),
        "{text}"
    );
    assert!(text.contains("these findings are allowed"), "{text}");
    let (status, text) = push(&scratch, &allow[..2], list(there, &[]));
    assert_eq!(status, 1, "{text}");
    let (status, text) = scratch.ztp(&["push", "root", "--allow", "missing"]);
    assert_eq!(status, 2, "{text}");
    assert!(
        text.contains("'missing' is not a kind of finding"),
        "{text}"
    );
}

#[test]
fn validate_toml_allows_kinds_below_paths() {
    let scratch = root("store-toml");
    let entry = |kinds: &str, paths: &str| {
        format!("[[allow]]\nreason = \"the image is elsewhere\"\n{kinds}{paths}")
    };
    let all = r#"kinds = ["missing-file", "missing-pool", "missing-action"]"#.to_owned() + "\n";
    let run = |toml: &str| {
        scratch.write("root/validate.toml", toml);
        scratch.ztp(&["validate", "root", "--json"])
    };
    let count = |text: &str, name: &str| {
        let report: Json = serde_json::from_str(text).unwrap();
        report[name].as_array().unwrap().len()
    };
    for (paths, allowed) in [
        ("", 3),
        ("paths = [\"definitions/leaf\"]\n", 3),
        ("paths = [\"./definitions/\"]\n", 3),
        ("paths = [\"definitions/lea\", \"files\"]\n", 0),
    ] {
        let (status, text) = run(&entry(&all, paths));
        assert_eq!(status, 1, "{text}");
        assert_eq!(
            (count(&text, "allowed"), count(&text, "findings")),
            (allowed, 4 - allowed),
            "{paths}: {text}"
        );
    }
    let (status, text) = run("[[allow]]\npaths = [\"definitions\", \"neighbordb\"]\n");
    assert_eq!((status, count(&text, "allowed")), (0, 4), "{text}");
    for (toml, problem) in [
        (
            "[[allow]]\nkinds = [\"x\"]\n",
            "'x' is not a kind of finding",
        ),
        ("[[allow]]\nkind = [\"x\"]\n", "unknown field `kind`"),
        (
            "[[allow]]\nreason = \"x\"\n",
            "has neither 'kinds' nor 'paths'",
        ),
    ] {
        let (status, text) = run(toml);
        assert_eq!(status, 2, "{text}");
        assert!(text.contains(problem), "{text}");
    }
}

#[test]
fn the_facts_of_a_switch_never_stop_a_push() {
    let scratch = root("store-facts");
    scratch.write("root/nodes/JPE1/startup-config", "hostname one\n");
    scratch.write(
        "root/nodes/JPE1/pattern",
        "interfaces: [{Ethernet1: spine9}]\n",
    );
    for facts in [
        r#"{"serialnumber": "JPE1", "neighbors": {"Ethernet1": [{"device": "spine1", "port": "Ethernet1"}]}}"#,
        r#"{"serialnumber": "JPE2", "neighbors": {}}"#,
        "{",
    ] {
        scratch.write("root/nodes/JPE1/.node", facts);
        let (status, text) = push(&scratch, &[], list(&ELSEWHERE, &[]));
        assert_eq!(status, 0, "{facts}: {text}");
        assert!(text.contains("left alone  nodes/JPE1/.node"), "{text}");
    }
}

#[test]
fn leftovers_are_left_alone_unless_they_are_named_or_stored() {
    let scratch = root("store-leftovers");
    scratch.write("root/definitions/leaf.bak", "actions: []\n");
    scratch.write("root/files/base.new", "x\n");
    scratch.write("root/files/.profile", "x\n");
    let (status, text) = push(&scratch, &[], list(&ELSEWHERE, &["files/base.new"]));
    assert_eq!(status, 0, "{text}");
    assert_eq!(text.matches("warning[leftover]").count(), 1, "{text}");
    assert!(text.contains("change      files/base.new"), "{text}");
    for key in ["definitions/leaf.bak", "files/.profile"] {
        assert!(!text.contains(&format!("add         {key}")), "{text}");
    }
    let only = ["--only", "files/.profile"];
    let (status, text) = push(&scratch, &only, list(&ELSEWHERE, &[]));
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("add         files/.profile"), "{text}");
    // A file that is there is not deleted.
    let (_, text) = push(
        &scratch,
        &["--prune"],
        list(&ELSEWHERE, &["definitions/leaf.bak"]),
    );
    assert!(!text.contains("delete      definitions"), "{text}");
}

#[test]
fn a_record_of_a_node_of_another_site_stops_no_other_key() {
    let scratch = Scratch::new("store-other-site");
    scratch.write("root/nodes/A/startup-config", "hostname a\n");
    scratch.write("root/nodes/B/startup-config", "hostname b\n");
    let refused = json!({"error": "nodes/A/startup-config is not stored"}).to_string();
    let responses = vec![
        list(&[], &[]),
        ("404 Not Found", JSON, refused.clone()),
        ("404 Not Found", JSON, refused),
    ];
    let (url, server) = serve(responses);
    let token = [("ZTP_TOKEN", "a-secret-token-0123")];
    let (status, text) = scratch.ztp_with(&["push", "root", "--url", &url], &token, "");
    assert_eq!(status, 1, "{text}");
    for node in ["A", "B"] {
        let sentence = format!(
            "the server does not let you store nodes/{node}/startup-config: the node belongs to a site"
        );
        assert!(text.contains(&sentence), "{text}");
    }
    assert_eq!(server.join().unwrap().len(), 3);
}
