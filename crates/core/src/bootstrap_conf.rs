//! `bootstrap/bootstrap.conf`: the log destinations of the client script, and its XMPP account.

use serde_json::{Map, Value as Json, json};

use super::yaml::{self, Diagnostic, Node, Value};

/// Parses `bootstrap.conf` into the response of GET /bootstrap/config, which always has `logging` (a list) and `xmpp` (a
/// mapping); other keys are omitted.
///
/// # Errors
/// Invalid YAML and wrong types. Only errors that would stop the client are checked in a logging entry: both keys are
/// required, the destination is `file:<path>`, `<host>` or `<host>:<port>`, and the level a string or null.
pub fn parse(text: &str) -> Result<Json, Diagnostic> {
    let root = yaml::parse(text)?;
    if !matches!(root.value, Value::Null | Value::Mapping(_)) {
        return Err(wrong(
            &root,
            "bootstrap.conf",
            "a mapping with 'logging' and 'xmpp'",
        ));
    }
    let logging = match root.get("logging").map(|node| (node, &node.value)) {
        None | Some((_, Value::Null)) => json!([]),
        Some((node, Value::List(entries))) => {
            entries.iter().try_for_each(check_logging_entry)?;
            node.to_json()?
        }
        Some((node, _)) => return Err(wrong(node, "'logging'", "a list")),
    };
    let xmpp = match root.get("xmpp").map(|node| (node, &node.value)) {
        None | Some((_, Value::Null)) => json!({}),
        Some((node, Value::Mapping(_))) => node.to_json()?,
        Some((node, _)) => return Err(wrong(node, "'xmpp'", "a mapping")),
    };
    Ok(Json::Object(Map::from_iter([
        ("logging".to_owned(), logging),
        ("xmpp".to_owned(), xmpp),
    ])))
}

fn check_logging_entry(entry: &Node) -> Result<(), Diagnostic> {
    if !matches!(entry.value, Value::Mapping(_)) {
        return Err(wrong(
            entry,
            "an entry of 'logging'",
            "a mapping with 'destination' and 'level'",
        ));
    }
    let key = |key| {
        entry.get(key).ok_or_else(|| {
            Diagnostic::new(
                entry.position,
                format!("an entry of 'logging' has no '{key}'"),
            )
        })
    };
    let destination = key("destination")?;
    let level = key("level")?;
    if !level.is_null() && level.as_str().is_none() {
        return Err(wrong(level, "'level'", "the name of a level, as DEBUG"));
    }
    match destination.as_str() {
        Some(text) if is_destination(text) => Ok(()),
        _ => Err(wrong(
            destination,
            "'destination'",
            "file:<path>, <host> or <host>:<port>",
        )),
    }
}

fn is_destination(text: &str) -> bool {
    if let Some((_, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return port.is_empty() || is_port(port.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some(("file", path)) => !path.is_empty(),
        Some(_) => text
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && is_port(Some(port))),
        None => !text.is_empty(),
    }
}

fn is_port(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.parse::<u16>().is_ok())
}

/// The spelling of a destination that clients understand, if this is another one: an address of IPv6 without brackets, or
/// a URL. The reference sends both to its clients, and so does this server.
pub fn corrected(text: &str) -> Option<String> {
    if text.starts_with("file:") {
        return None;
    }
    let host = match text.split_once("://") {
        Some((_, rest)) => rest.split('/').next().unwrap_or(rest),
        None => text,
    };
    // More than one colon without brackets: hexadecimal digits make it an address of IPv6.
    let is_address = host.matches(':').count() > 1
        && host
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
    let host = match is_address {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    (host != text).then_some(host)
}

fn wrong(node: &Node, what: &str, expected: &str) -> Diagnostic {
    Diagnostic::new(
        node.position,
        format!("{what} must be {expected}, not {}", node.shown()),
    )
}

#[cfg(test)]
mod tests {
    use super::{corrected, parse};

    #[test]
    fn the_response_always_has_logging_and_xmpp() {
        for (text, expected) in [
            ("", r#"{"logging":[],"xmpp":{}}"#),
            ("logging:\nxmpp:\n", r#"{"logging":[],"xmpp":{}}"#),
            ("other: 1\n", r#"{"logging":[],"xmpp":{}}"#),
            (
                "xmpp: {server: x, port: 5222, rooms: [ztp]}\nlogging:\n- {destination: 'file:/tmp/ztp', level: DEBUG}\n- {destination: 'host:514', level: }\n- {destination: host, level: INFO}\n",
                r#"{"logging":[{"destination":"file:/tmp/ztp","level":"DEBUG"},{"destination":"host:514","level":null},{"destination":"host","level":"INFO"}],"xmpp":{"server":"x","port":5222,"rooms":["ztp"]}}"#,
            ),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn an_entry_that_would_stop_the_client_is_rejected() {
        for (text, reason) in [
            (
                "- a\n",
                "line 1, column 1: bootstrap.conf must be a mapping with 'logging' and 'xmpp', not a list",
            ),
            (
                "logging: a\n",
                "line 1, column 10: 'logging' must be a list, not 'a'",
            ),
            (
                "xmpp: []\n",
                "line 1, column 7: 'xmpp' must be a mapping, not a list",
            ),
            (
                "logging: [a]\n",
                "line 1, column 11: an entry of 'logging' must be a mapping with 'destination' and 'level', not 'a'",
            ),
            (
                "logging:\n- level: INFO\n",
                "line 2, column 3: an entry of 'logging' has no 'destination'",
            ),
            (
                "logging:\n- destination: host\n",
                "line 2, column 3: an entry of 'logging' has no 'level'",
            ),
            (
                "logging:\n- {destination: 'host:syslog', level: INFO}\n",
                "line 2, column 17: 'destination' must be file:<path>, <host> or <host>:<port>, not 'host:syslog'",
            ),
            (
                "logging:\n- {destination: 'file:', level: INFO}\n",
                "line 2, column 17: 'destination' must be file:<path>, <host> or <host>:<port>, not 'file:'",
            ),
            (
                "logging:\n- {destination: host, level: 7}\n",
                "line 2, column 30: 'level' must be the name of a level, as DEBUG, not '7'",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), reason, "{text}");
        }
    }

    #[test]
    fn a_destination_is_corrected_if_clients_do_not_understand_it() {
        for (text, expected) in [
            ("2001:db8::514", Some("[2001:db8::514]")),
            ("udp://192.0.2.5:514", Some("192.0.2.5:514")),
            ("tcp://[2001:db8::5]:514/", Some("[2001:db8::5]:514")),
            ("192.0.2.5:514", None),
            ("[2001:db8::514]", None),
            ("[2001:db8::514]:514", None),
            ("file:/tmp/a://b", None),
            ("host", None),
        ] {
            assert_eq!(corrected(text).as_deref(), expected, "{text}");
            if let Some(expected) = expected {
                let entry = format!("logging: [{{destination: '{expected}', level: INFO}}]");
                assert!(parse(&entry).is_ok(), "{expected}");
            }
        }
    }
}
