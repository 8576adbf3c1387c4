//! `ztp check-list`: lists that are not valid. `tests/ztp/fleet.test.mjs` has valid ones.

use crate::scratch::Scratch;
use crate::server::{JSON, serve};

#[test]
fn an_invalid_list_names_the_line_and_the_columns() {
    let scratch = Scratch::new("list-invalid");
    for (list, problem) in [
        (
            "model\nDCS\n",
            "line 2: there is neither a serial number nor a MAC",
        ),
        ("serial,colour\nJPE1,red\n", "unknown field `colour`"),
        ("serial,model\n,DCS\n", "line 2: there is neither"),
        (
            "serial,neighbors\nJPE1,spine1\n",
            "line 2: 'spine1' is not a valid neighbor",
        ),
        ("serial,model\nJPE1\n", "found record with 1 field"),
    ] {
        let (status, text) = scratch.ztp_with(&["check-list", "-"], &[], list);
        assert_eq!(status, 2, "{text}");
        assert!(text.contains(problem), "{list}: {text}");
    }
}

#[test]
fn a_list_of_a_spreadsheet_is_sent_line_by_line() {
    let scratch = Scratch::new("list-spreadsheet");
    let explained = || {
        let body = r#"{"error": null, "definition_error": null, "pools": [{"pool": "mgmt", "value": null}]}"#;
        ("200 OK", JSON, body.to_owned())
    };
    let (url, server) = serve(vec![explained(), explained()]);
    let list = "\u{feff}Site;MAC;Neighbors\r\nberlin;00:1c:73:01:02:03;\"Ethernet1=a:b Ethernet1=c:d\"\r\n;00:1c:73:01:02:04;\r\n";
    let variables = [("ZTP_TOKEN", "t"), ("ZTP_URL", url.as_str())];
    let (status, text) = scratch.ztp_with(&["check-list", "-"], &variables, list);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("FAILS  00:1c:73:01:02:03    the pool mgmt has no value for it"),
        "{text}"
    );
    let mut asked = server.join().unwrap();
    asked.sort_by_key(|request| request.contains(":04"));
    let facts = r#"{"facts":{"serialnumber":null,"systemmac":"00:1c:73:01:02:03","model":null,"neighbors":{"Ethernet1":[{"device":"a","port":"b"},{"device":"c","port":"d"}]}},"site":"berlin"}"#;
    assert!(asked[0].ends_with(facts), "{}", asked[0]);
    assert!(asked[1].ends_with(r#""neighbors":{}}}"#), "{}", asked[1]);
}
