//! Equality of facts.

use ztp_core::node::NodeFacts;

fn facts(text: &str) -> NodeFacts {
    NodeFacts::parse_stored(text).unwrap()
}

#[test]
fn facts_are_equal_in_any_order_of_keys_interfaces_and_neighbors() {
    let one = facts(
        r#"{"model": "m", "version": "1", "neighbors":
            {"Ethernet1": [{"device": "a", "port": "1"}, {"device": "b", "port": "2"}], "Ethernet2": []}}"#,
    );
    let other = facts(
        r#"{"neighbors":
            {"Ethernet2": [], "Ethernet1": [{"port": "2", "device": "b"}, {"remote_interface": "1", "device": "a"}]},
            "version": "1", "serialnumber": "", "systemmac": null, "model": "m"}"#,
    );
    assert!(one.is_same(&other) && other.is_same(&one));
}

#[test]
fn facts_differ_in_any_value_or_neighbor() {
    let one = facts(
        r#"{"model": "m", "serialnumber": "s", "systemmac": "00:1c", "version": "1", "neighbors":
            {"Ethernet1": [{"device": "a", "port": "1"}]}}"#,
    );
    for change in [
        r#"{"model": "n", "serialnumber": "s", "systemmac": "001c", "version": "1", "neighbors": {"Ethernet1": [{"device": "a", "port": "1"}]}}"#,
        r#"{"model": "m", "serialnumber": "S", "systemmac": "001c", "version": "1", "neighbors": {"Ethernet1": [{"device": "a", "port": "1"}]}}"#,
        r#"{"model": "m", "serialnumber": "s", "systemmac": "001d", "version": "1", "neighbors": {"Ethernet1": [{"device": "a", "port": "1"}]}}"#,
        r#"{"model": "m", "serialnumber": "s", "systemmac": "001c", "neighbors": {"Ethernet1": [{"device": "a", "port": "1"}]}}"#,
        r#"{"model": "m", "serialnumber": "s", "systemmac": "001c", "version": "1", "neighbors": {"Ethernet2": [{"device": "a", "port": "1"}]}}"#,
        r#"{"model": "m", "serialnumber": "s", "systemmac": "001c", "version": "1", "neighbors": {"Ethernet1": [{"device": "a", "port": "2"}]}}"#,
        r#"{"model": "m", "serialnumber": "s", "systemmac": "001c", "version": "1", "neighbors": {"Ethernet1": [{"device": "a", "port": "1"}, {"device": "a", "port": "1"}]}}"#,
        r#"{"model": "m", "serialnumber": "s", "systemmac": "001c", "version": "1"}"#,
    ] {
        assert!(!one.is_same(&facts(change)), "{change}");
    }
    let spelled = r#"{"model": "m", "serialnumber": "s", "systemmac": "00.1C", "version": "1", "neighbors": {"Ethernet1": [{"device": "a", "port": "1"}]}}"#;
    assert!(one.is_same(&facts(spelled)));
}
