use serde_json::json;

use super::{FactsError, Neighbor, NodeFacts, Post};
use crate::node::Identifier::{self, SerialNumber, SystemMac};
use crate::node::NodeId;

fn parse(body: &str) -> Result<NodeFacts, FactsError> {
    Post::parse(body.as_bytes()).map(|post| post.facts)
}

fn neighbor(device: &str, port: &str) -> Neighbor {
    Neighbor {
        device: device.to_owned(),
        port: port.to_owned(),
    }
}

#[test]
fn neighbors_may_have_the_keys_of_clients_or_of_the_specification() {
    let body = r#"{"neighbors": {"Ethernet2": [{"device": "a", "port": "b"}], "Ethernet1": [{"device": "c", "remote_interface": "d"}, {"device": null, "port": 1}]}}"#;
    let neighbors = vec![
        ("Ethernet2".to_owned(), vec![neighbor("a", "b")]),
        (
            "Ethernet1".to_owned(),
            vec![neighbor("c", "d"), neighbor("", "1")],
        ),
    ];
    assert_eq!(parse(body).unwrap().neighbors, neighbors);
}

#[test]
fn the_stored_facts_are_those_of_the_reference() {
    let body = r#"{"version": "4.30", "model": null, "serialnumber": 42, "systemmac": "00:1C:73.aa-bb:cc", "extra": [1], "neighbors": {"Ethernet1": [{"device": "a", "remote_interface": "b"}]}}"#;
    let facts = parse(body).unwrap();
    let stored = r#"{"systemmac":"001c73aabbcc","serialnumber":"42","version":"4.30","neighbors":{"Ethernet1":[{"device":"a","port":"b"}]}}"#;
    assert_eq!(facts.to_json().unwrap(), stored);
    assert_eq!(NodeFacts::parse_stored(stored).unwrap(), facts);
}

#[test]
fn the_config_of_a_post_is_a_string() {
    assert_eq!(
        Post::parse(br#"{"config": "hostname a\n"}"#)
            .unwrap()
            .config
            .as_deref(),
        Some("hostname a\n")
    );
    assert_eq!(Post::parse(b"{}").unwrap().config, None);
    assert_eq!(
        Post::parse(br#"{"config": null}"#).unwrap_err().to_string(),
        "config must be a string, not null"
    );
}

#[test]
fn the_id_is_the_fact_that_the_setting_names() {
    let facts = parse(r#"{"serialnumber": "SN1", "systemmac": "00:1c:73:AA:bb:cc"}"#).unwrap();
    assert_eq!(facts.id(SerialNumber).unwrap().as_str(), "SN1");
    assert_eq!(facts.id(SystemMac).unwrap().as_str(), "001c73aabbcc");
}

#[test]
fn blanks_around_a_serial_number_are_removed_everywhere() {
    let facts =
        parse(r#"{"serialnumber": " JPE1 \t", "systemmac": " 00:1c:73:AA:bb:cc "}"#).unwrap();
    assert_eq!(facts.serialnumber.as_deref(), Some("JPE1"));
    assert_eq!(facts.systemmac.as_deref(), Some("001c73aabbcc"));
    assert_eq!(facts.id(SerialNumber).unwrap().as_str(), "JPE1");
    assert_eq!(facts.id(SystemMac).unwrap().as_str(), "001c73aabbcc");
    assert_eq!("JPE1 ".parse::<NodeId>().unwrap().as_str(), "JPE1");
    assert_eq!(
        NodeId::try_from("\u{a0}JPE1".to_owned()).unwrap().as_str(),
        "JPE1"
    );
    let stored = r#"{"serialnumber":"JPE1 ","neighbors":{}}"#;
    assert_eq!(
        NodeFacts::parse_stored(stored)
            .unwrap()
            .serialnumber
            .as_deref(),
        Some("JPE1")
    );
    assert!(
        parse(r#"{"serialnumber": "  "}"#)
            .unwrap()
            .id(SerialNumber)
            .is_err()
    );
    assert!("  ".parse::<NodeId>().is_err());
}

#[test]
fn an_error_names_the_invalid_fact() {
    for (body, reason) in [
        (
            "",
            "the node facts are not JSON: EOF while parsing a value at line 1 column 0",
        ),
        ("[]", "the node facts must be a JSON object, not a list"),
        (r#"{"model": ["a"]}"#, "model must be a string, not a list"),
        (
            r#"{"serialnumber": 1.5}"#,
            "serialnumber must be a string, not a number",
        ),
        (
            r#"{"neighbors": []}"#,
            "neighbors must be an object, not a list",
        ),
        (
            r#"{"neighbors": {"Ethernet1": {}}}"#,
            "neighbors of Ethernet1 must be a list, not an object",
        ),
        (
            r#"{"neighbors": {"Ethernet1": ["a"]}}"#,
            "a neighbor of Ethernet1 must be an object, not a string",
        ),
        (
            r#"{"neighbors": {"Ethernet1": [{"port": "a"}]}}"#,
            "'device' of a neighbor of Ethernet1 is missing",
        ),
        (
            r#"{"neighbors": {"Ethernet1": [{"device": "a"}]}}"#,
            "'port' or 'remote_interface' of a neighbor of Ethernet1 is missing",
        ),
    ] {
        assert_eq!(parse(body).unwrap_err().to_string(), reason, "{body}");
    }
}

#[test]
fn an_error_names_the_missing_or_invalid_id() {
    let reason = |identifier: Identifier, serial: serde_json::Value| {
        let facts = parse(&json!({"serialnumber": serial}).to_string()).unwrap();
        facts.id(identifier).unwrap_err().to_string()
    };
    assert_eq!(
        reason(SerialNumber, json!("")),
        "the node sent no serialnumber; if its kind has none (vEOS), set IDENTIFIER to systemmac"
    );
    assert_eq!(
        reason(SystemMac, json!("a")),
        "the node sent no systemmac; if its kind has none, set IDENTIFIER to serialnumber"
    );
    for id in ["a/b", ".", "..", "a\nb", "\0"] {
        assert!(
            reason(SerialNumber, json!(id))
                .contains("'/', control characters, '.' and '..' are not allowed"),
            "{id}"
        );
    }
    assert!(
        reason(SerialNumber, json!("x".repeat(201))).contains("has 201 bytes; the limit is 200")
    );
}

#[test]
fn a_fact_is_bounded() {
    let long = "x".repeat(1025);
    for (body, what) in [
        (json!({"model": long}), "model"),
        (
            json!({"neighbors": {&long: []}}),
            "the name of an interface",
        ),
        (
            json!({"neighbors": {"Ethernet1": [{"device": long, "port": "a"}]}}),
            "'device' of a neighbor of Ethernet1",
        ),
    ] {
        assert_eq!(
            parse(&body.to_string()).unwrap_err().to_string(),
            format!("{what} has 1025 bytes; the limit is 1024")
        );
    }
    assert!(parse(&json!({"model": "x".repeat(1024)}).to_string()).is_ok());
}

#[test]
fn the_identifier_is_serialnumber_or_systemmac() {
    assert_eq!("systemmac".parse(), Ok(SystemMac));
    assert_eq!(
        "mac".parse::<Identifier>().unwrap_err().to_string(),
        "IDENTIFIER is 'mac': set it to serialnumber or systemmac"
    );
}
