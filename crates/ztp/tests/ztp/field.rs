//! Content in the shape of what people who run ZTPServer have: each with the kinds that `ztp validate` finds. None of it
//! stops a push, but what refuses a switch.

use serde_json::Value as Json;

use crate::scratch::Scratch;

/// Files, and the findings: severity and kind, in their order.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
);

const ALL: &str = "patterns:\n- {name: all, definition: leaf, interfaces: [any: any:any]}\n";
const EMPTY: &str = "actions: []\n";
const FACTS: &str = r#"{"serialnumber": "NODE1", "model": "vEOS", "neighbors": {"Ethernet1": [{"device": "spine1", "port": "Ethernet1"}]}}"#;
const POOLED: &str = "actions:\n- action: add_config\n  attributes:\n    url: files/a\n    variables: {prefix: allocate('prefixes')}\n";

const CASES: [Case; 17] = [
    (
        "nobody is connected",
        &[
            (
                "neighbordb",
                "patterns:\n- name: nothing connected\n  definition: leaf\n  interfaces:\n  - none: none:none\n\
                 - {name: anything, definition: leaf, interfaces: [any: any:any]}\n",
            ),
            ("definitions/leaf", EMPTY),
            ("nodes/KNOWN1/pattern", "interfaces:\n- none: none:none\n"),
            ("nodes/KNOWN1/startup-config", "hostname known1\n"),
        ],
        &[],
    ),
    (
        "the image is in the store",
        &[
            ("neighbordb", ALL),
            (
                "definitions/leaf",
                "actions:\n- action: install_image\n  attributes: {url: files/EOS.swi, version: 4.31.1F}\n",
            ),
        ],
        &[("warning", "missing-file")],
    ),
    (
        "an action for Python 2",
        &[
            ("definitions/leaf", "actions:\n- action: set_mode\n"),
            (
                "actions/set_mode",
                "#!/usr/bin/env python\nimport os\ndef main(attributes):\n    print \"mode\"\n    os.chmod('/x', 0777)\n",
            ),
        ],
        &[("warning", "python-2-only")],
    ),
    (
        "a client in bash",
        &[(
            "bootstrap/bootstrap",
            "#!/bin/bash\nwanted=4.31.1F\nif [[ $have != $wanted ]]; then\n  exit 1\nfi\n",
        )],
        &[("warning", "no-server")],
    ),
    (
        "a client that knows its server",
        &[(
            "bootstrap/bootstrap",
            "#!/usr/bin/python\nURL = \"https://ztp.example.net\"\nprint(URL)\n",
        )],
        &[("warning", "no-server")],
    ),
    (
        "a pool of subnets with one value too few",
        &[
            ("files/a", "ip prefix-list RACK seq 10 permit $prefix\n"),
            ("nodes/RACK1/definition", POOLED),
            ("nodes/RACK2/definition", POOLED),
            ("resources/prefixes", "2001:db8:20:1::/64: null\n"),
        ],
        &[("error", "exhausted-pool")],
    ),
    (
        "copies and leftovers",
        &[
            ("actions/own", "def main(attributes):\n    pass\n"),
            ("actions/own.pyc", "\u{3}\r\n\0\0"),
            ("definitions/leaf", EMPTY),
            ("definitions/leaf.bak", EMPTY),
            ("definitions/leaf.orig", "# was empty\n"),
            ("nodes/NODE1/.node", FACTS),
            ("nodes/NODE1/pattern", "interfaces: [{Ethernet1: spine1}]\n"),
            ("nodes/NODE1/startup-config", "hostname leaf1\n"),
            ("nodes/NODE1-back/.node", FACTS),
            ("nodes/NODE1-back/startup-config", "hostname leaf1\n"),
        ],
        &[("warning", "leftover")],
    ),
    (
        "facts that are old",
        &[
            ("nodes/NODE1/.node", FACTS),
            ("nodes/NODE1/pattern", "interfaces: [{Ethernet1: spine9}]\n"),
            ("nodes/NODE1/startup-config", "hostname leaf1\n"),
        ],
        &[("warning", "refused-node")],
    ),
    (
        "a device without its domain",
        &[
            (
                "neighbordb",
                "patterns:\n- {name: leaf, definition: leaf, interfaces: [{Ethernet1: \"spine1:Ethernet1\"}]}\n",
            ),
            ("definitions/leaf", EMPTY),
        ],
        &[],
    ),
    (
        "Management0, and names as EOS prints them",
        &[
            (
                "neighbordb",
                "patterns:\n- name: leaf\n  definition: leaf\n  interfaces:\n  - Management0: regex('oob\\d+'):any\n  \
                 - Et49/1: host('spine1'):Po1\n",
            ),
            ("definitions/leaf", EMPTY),
        ],
        &[],
    ),
    (
        "a serial number in lower case",
        &[
            ("neighbordb", "patterns: []\n"),
            ("nodes/jpe12345678/startup-config", "hostname leaf3\n"),
        ],
        &[],
    ),
    (
        "always_execute among the attributes",
        &[
            (
                "definitions/leaf",
                "attributes: {swi_name: image}\nactions:\n- name: $swi_name\n  action: copy_file\n  attributes:\n    \
                 src_url: files/x\n    dst_url: /mnt/flash/x\n    always_execute: true\n",
            ),
            ("files/x", "x\n"),
        ],
        &[("warning", "not-looked-up"), ("warning", "misplaced-key")],
    ),
    (
        "the line ends of Windows",
        &[(
            "bootstrap/bootstrap",
            "#!/usr/bin/python\r\nSERVER = \"$SERVER\"\r\n",
        )],
        &[("warning", "line-ends")],
    ),
    (
        "a byte order mark",
        &[(
            "bootstrap/bootstrap",
            "\u{feff}#!/usr/bin/python\nSERVER = \"$SERVER\"\n",
        )],
        &[("warning", "byte-order-mark")],
    ),
    (
        "texts that name the old server",
        &[
            (
                "ztpserver.conf",
                "[default]\nidentifier = serialnum\nserver_url = http://192.0.2.10:8080\n",
            ),
            (
                "definitions/leaf",
                "actions:\n- action: install_image\n  attributes: {url: \"http://192.0.2.10:8080/files/EOS.swi\", version: a}\n\
                 - action: add_config\n  attributes: {url: files/push}\n",
            ),
            (
                "files/push",
                "event-handler configpush\n   action bash curl http://$ztpserver:8080/nodes/X/startup-config -T /mnt/flash/startup-config\n",
            ),
            (
                "nodes/OLD1/startup-config",
                "event-handler configpush\n   action bash curl http://192.0.2.10:8080/nodes/OLD1/startup-config --data-binary @/mnt/flash/startup-config -X PUT\n",
            ),
        ],
        &[
            ("warning", "old-server"),
            ("warning", "undefined-variable"),
            ("warning", "old-server"),
            ("warning", "old-server"),
        ],
    ),
    (
        "log destinations in another spelling",
        &[(
            "bootstrap/bootstrap.conf",
            "logging:\n- {destination: \"2001:db8::514\", level: INFO}\n- {destination: \"udp://192.0.2.5:514\", level: INFO}\n\
             - {destination: \"192.0.2.5:514\", level: INFO}\nxmpp: {}\n",
        )],
        &[("error", "bad-destination"), ("error", "bad-destination")],
    ),
    (
        "a pool twice",
        &[
            (
                "nodes/TWICE1/definition",
                "actions:\n- action: add_config\n  attributes:\n    url: files/p2p\n    variables:\n      first: allocate('p2p')\n      \
                 second: allocate('p2p')\n",
            ),
            ("files/p2p", "ip address $first\nip address $second\n"),
            ("resources/p2p", "192.0.2.1/31: null\n192.0.2.3/31: null\n"),
        ],
        &[("warning", "repeated-call")],
    ),
];

#[test]
fn content_from_the_field_has_the_findings_that_help() {
    for (number, (name, files, expected)) in CASES.into_iter().enumerate() {
        let scratch = Scratch::new(&format!("field-{number}"));
        for (path, content) in files {
            scratch.write(&format!("root/{path}"), content);
        }
        let (status, text) = scratch.ztp(&["validate", "root", "--json"]);
        let report: Json = serde_json::from_str(&text).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let found: Vec<_> = findings
            .iter()
            .map(|finding| {
                let text = |key: &str| finding[key].as_str().unwrap();
                (text("severity"), text("kind"))
            })
            .collect();
        assert_eq!(found, expected, "{name}: {text}");
        assert_eq!(status, i32::from(!expected.is_empty()), "{name}: {text}");
    }
}

#[test]
fn the_advice_says_what_to_write() {
    let scratch = Scratch::new("field-advice");
    for (path, content) in CASES.iter().flat_map(|case| case.1) {
        if path.starts_with("bootstrap/bootstrap.conf") || *path == "ztpserver.conf" {
            scratch.write(&format!("root/{path}"), content);
        }
    }
    let (_, text) = scratch.ztp(&["validate", "root"]);
    for part in [
        "write [2001:db8::514]",
        "write 192.0.2.5:514",
        "SERVER_URL = \"auto\"  # the URL that was requested; ZTPServer had http://192.0.2.10:8080",
        "IDENTIFIER = \"serialnumber\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
