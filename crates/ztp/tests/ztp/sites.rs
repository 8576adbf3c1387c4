//! Pools of sites, `resources/<site>/<pool>`, in `validate`, `explain` and `push`.

use crate::scratch::Scratch;
use crate::server::{JSON, serve};

const DEFINITION: &str = "\
actions:
- action: add_config
  attributes:
    url: files/base
    variables: {ip: allocate('mgmt')}
";

/// A data_root of which only the sites have the pool `mgmt`.
fn root(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.write(
        "root/neighbordb",
        "patterns:\n- {name: leaf, definition: leaf, interfaces: []}\n",
    );
    scratch.write("root/definitions/leaf", DEFINITION);
    scratch.write("root/files/base", "interface Management1\n");
    scratch.write(
        "root/resources/berlin/mgmt",
        "192.0.2.1/24: JPE1\n192.0.2.2/24: null\n",
    );
    scratch.write("root/resources/london/mgmt", "198.51.100.1/24: null\n");
    scratch
}

fn node(scratch: &Scratch, id: &str, site: Option<&str>) {
    scratch.write(&format!("root/nodes/{id}/definition"), DEFINITION);
    let facts = format!(r#"{{"serialnumber": "{id}", "neighbors": {{}}}}"#);
    scratch.write(&format!("root/nodes/{id}/.node"), facts);
    if let Some(site) = site {
        scratch.write(&format!("root/nodes/{id}/site"), format!("{site}\n"));
    }
}

#[test]
fn validate_accepts_a_pool_that_only_sites_have() {
    let scratch = root("sites-accepted");
    node(&scratch, "JPE1", Some("berlin"));
    node(&scratch, "JPE2", None);
    for args in [
        &["validate", "root"][..],
        &["validate", "root", "--site", "berlin"],
    ] {
        let (status, text) = scratch.ztp(args);
        assert_eq!(status, 0, "{args:?}: {text}");
    }
}

#[test]
fn validate_refuses_a_pool_that_the_site_does_not_have() {
    let scratch = root("sites-refused");
    let (status, text) = scratch.ztp(&["validate", "root", "--site", "paris"]);
    assert_eq!(status, 1, "{text}");
    let reason = "there is neither resources/paris/mgmt nor resources/mgmt";
    assert!(text.contains(reason), "{text}");
    scratch.write("root/resources/mgmt", "10.0.0.1/24: null\n");
    let (status, text) = scratch.ztp(&["validate", "root", "--site", "paris"]);
    assert_eq!(status, 0, "{text}");
}

#[test]
fn validate_counts_the_nodes_of_the_pool_of_a_site() {
    let scratch = root("sites-counted");
    node(&scratch, "JPE1", Some("berlin"));
    node(&scratch, "JPE2", Some("berlin"));
    node(&scratch, "JPE3", None);
    let (status, text) = scratch.ztp(&["validate", "root", "--site", "london"]);
    assert_eq!(status, 0, "{text}");
    let (status, text) = scratch.ztp(&["validate", "root", "--site", "berlin"]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains(
            "2 nodes without a reservation will ask for a value (JPE2, JPE3), and the pool has 1"
        ),
        "{text}"
    );
    assert!(text.contains("root/resources/berlin/mgmt"), "{text}");
}

#[test]
fn explain_shows_the_value_of_the_pool_of_the_site() {
    let scratch = root("sites-explain");
    node(&scratch, "JPE1", Some("berlin"));
    for (args, ip) in [
        (&["--id", "JPE1"][..], "192.0.2.1/24"),
        (&["--id", "JPE1", "--site", "berlin"], "192.0.2.1/24"),
        (&["--serial", "JPE1", "--site", "berlin"], "192.0.2.1/24"),
        (
            &["--serial", "JPE5", "--site", "berlin"],
            "<a value of berlin/mgmt>",
        ),
        (
            &["--serial", "JPE5", "--site", "london"],
            "<a value of london/mgmt>",
        ),
        (
            &["--serial", "JPE5"],
            "<a value of mgmt of the node's site>",
        ),
    ] {
        let all = [&["explain", "root"], args].concat();
        let (status, text) = scratch.ztp(&all);
        assert_eq!(status, 0, "{args:?}: {text}");
        assert!(
            text.contains(&format!("\"ip\": \"{ip}\"")),
            "{args:?}: {text}"
        );
    }
}

#[test]
fn explain_refuses_a_pool_that_the_site_does_not_have() {
    let scratch = root("sites-explain-refused");
    node(&scratch, "JPE1", Some("berlin"));
    for (args, reason) in [
        (
            &["--serial", "JPE5", "--site", "paris"][..],
            "no resources/paris/mgmt and no resources/mgmt",
        ),
        (
            &["--id", "JPE1", "--site", "london"],
            "belongs to the site 'berlin'",
        ),
    ] {
        let all = [&["explain", "root"], args].concat();
        let (status, text) = scratch.ztp(&all);
        assert_eq!(status, 1, "{args:?}: {text}");
        assert!(text.contains(reason), "{args:?}: {text}");
    }
}

#[test]
fn push_validates_for_the_site() {
    let scratch = root("sites-push");
    let push = |site: &[&str]| {
        let empty = r#"{"content": [], "cursor": null}"#.to_owned();
        let (url, server) = serve(vec![("200 OK", JSON, empty)]);
        let all = [&["push", "root", "--dry-run", "--url", &url], site].concat();
        let done = scratch.ztp_with(&all, &[("ZTP_TOKEN", "a-secret-token-0123")], "");
        server.join().unwrap();
        done
    };
    let (status, text) = push(&["--site", "paris"]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("neither resources/paris/mgmt nor resources/mgmt"),
        "{text}"
    );
    assert!(text.contains("nothing is stored"), "{text}");
    for site in [&[][..], &["--site", "berlin"]] {
        let (status, text) = push(site);
        assert_eq!(status, 0, "{text}");
        assert!(!text.contains("missing-pool"), "{text}");
    }
}

#[test]
fn the_name_of_a_site_has_letters_digits_hyphens_and_underscores() {
    let scratch = root("sites-name");
    let (status, text) = scratch.ztp(&["validate", "root", "--site", "../berlin"]);
    assert_eq!(status, 2, "{text}");
    assert!(
        text.contains("'../berlin' is not a valid name of a site"),
        "{text}"
    );
}

#[test]
fn a_node_is_found_by_its_mac_address_in_any_spelling() {
    let scratch = root("sites-mac-id");
    scratch.write("root/nodes/001c73aabb01/definition", DEFINITION);
    scratch.write(
        "root/nodes/001c73aabb01/.node",
        r#"{"systemmac": "00:1c:73:aa:bb:01", "neighbors": {}}"#,
    );
    scratch.write("root/nodes/001c73aabb01/site", "berlin\n");
    scratch.write(
        "root/resources/berlin/mgmt",
        "192.0.2.1/24: 00-1c-73-aa-bb-01\n",
    );
    for mac in ["001c73aabb01", "00:1C:73:AA:BB:01", "001c.73aa.bb01"] {
        let args = ["explain", "root", "--identifier", "systemmac", "--id", mac];
        let (status, text) = scratch.ztp(&args);
        assert_eq!(status, 0, "{mac}: {text}");
        assert!(text.contains("\"ip\": \"192.0.2.1/24\""), "{mac}: {text}");
    }
}

#[test]
fn a_reservation_accepts_a_mac_address_in_any_spelling() {
    let scratch = root("sites-mac");
    scratch.write(
        "root/resources/berlin/mgmt",
        "192.0.2.1/24: '00:1C:73:AA:BB:01'\n",
    );
    let args = [
        "explain",
        "root",
        "--identifier",
        "systemmac",
        "--mac",
        "001c.73aa.bb01",
        "--site",
        "berlin",
    ];
    let (status, text) = scratch.ztp(&args);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("\"ip\": \"192.0.2.1/24\""), "{text}");
}
