//! The resemblance of registered nodes to an unknown switch.
//!
//! Operators commonly register two wrong ids: one in another case than the switch sends, and the MAC address
//! on the label, which may be that of the management port, some addresses away from the system's.

use super::NodeId;

/// Maximum distance between the MAC addresses of a label and of the system, in addresses.
pub const MAX_MAC_DISTANCE: u64 = 4;

/// The resemblance of a registered node's id to an unknown switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resemblance {
    /// The id differs from the switch's only in case.
    Case,
    /// The id is a MAC address at this distance from the switch's; 0 for the same address.
    Mac { distance: u64 },
}

impl Resemblance {
    /// The resemblance of `registered` to the switch with the id `node` and the system MAC address `mac`.
    /// `None` without a resemblance, or for the switch's id itself.
    pub fn of(registered: &str, node: &NodeId, mac: Option<&str>) -> Option<Resemblance> {
        if registered == node.as_str() {
            return None;
        }
        if registered.to_lowercase() == node.as_str().to_lowercase() {
            return Some(Resemblance::Case);
        }
        let registered = mac_number(registered)?;
        let distances = macs(node, mac).map(|own| own.abs_diff(registered));
        let distance = distances.filter(|distance| *distance <= MAX_MAC_DISTANCE);
        distance.min().map(|distance| Resemblance::Mac { distance })
    }
}

/// Prefixes of the ids that resemble a switch. Every such id has one of them, except ids that mix upper and
/// lower case, and MAC addresses with separators.
pub fn id_prefixes(node: &NodeId, mac: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |text: String| {
        for text in [text.to_lowercase(), text.to_uppercase()] {
            if !found.contains(&text) {
                found.push(text);
            }
        }
    };
    // With the end of an id in a key: a longer id does not resemble this one.
    add(format!("{node}/"));
    for own in macs(node, mac) {
        let (low, high) = (own.saturating_sub(MAX_MAC_DISTANCE), own + MAX_MAC_DISTANCE);
        for number in [low, high] {
            // Without the last digit: sixteen addresses.
            add(format!("{:011x}", number >> 4));
        }
    }
    found
}

/// The MAC addresses that identify a switch.
fn macs(node: &NodeId, mac: Option<&str>) -> impl Iterator<Item = u64> {
    let id = mac_number(node.as_str());
    let mac = mac.and_then(mac_number).filter(|mac| Some(*mac) != id);
    id.into_iter().chain(mac)
}

/// The number of a MAC address in any notation.
fn mac_number(text: &str) -> Option<u64> {
    let digits = super::normalize_mac(text);
    let is_mac = digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_mac.then(|| u64::from_str_radix(&digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> NodeId {
        text.parse().unwrap()
    }

    fn of(registered: &str, node: &str, mac: Option<&str>) -> Option<Resemblance> {
        Resemblance::of(registered, &id(node), mac)
    }

    #[test]
    fn an_id_in_another_case_resembles_the_node() {
        assert_eq!(of("jpe1", "JPE1", None), Some(Resemblance::Case));
        assert_eq!(of("Jpe1", "JPE1", None), Some(Resemblance::Case));
        assert_eq!(of("JPÉ1", "jpé1", None), Some(Resemblance::Case));
        assert_eq!(
            of("001C73010203", "001c73010203", None),
            Some(Resemblance::Case)
        );
        for other in ["JPE1", "JPE2", "JPE11", "PE1"] {
            assert_eq!(of(other, "JPE1", None), None, "{other}");
        }
    }

    #[test]
    fn a_mac_address_resembles_the_node_up_to_a_distance_of_four() {
        for (registered, distance) in [
            ("001c730101ff", Some(4)),
            ("001c730101fe", None),
            ("001c73010202", Some(1)),
            ("001c73010207", Some(4)),
            ("001c73010208", None),
            ("00:1C:73:01:02:04", Some(1)),
            ("001c.7301.0203", Some(0)),
        ] {
            let expected = distance.map(|distance| Resemblance::Mac { distance });
            assert_eq!(
                of(registered, "001c73010203", None),
                expected,
                "{registered}"
            );
            assert_eq!(
                of(registered, "JPE1", Some("001c73010203")),
                expected,
                "{registered}"
            );
        }
        assert_eq!(of("JPE2", "JPE1", Some("001c73010203")), None);
        assert_eq!(of("001c73010203", "JPE1", Some("no MAC")), None);
    }

    #[test]
    fn every_resembling_id_in_one_case_has_one_of_the_prefixes() {
        for mac in [
            "001c73010203",
            "001c7301020e",
            "000000000000",
            "ffffffffffff",
            "001c73010fff",
        ] {
            for node in [id("JPE1"), id(mac)] {
                let prefixes = id_prefixes(&node, Some(mac));
                assert!(prefixes.len() <= 6, "{prefixes:?}");
                let own = u64::from_str_radix(mac, 16).unwrap();
                for number in own.saturating_sub(6)..=(own + 6).min(0xffff_ffff_ffff) {
                    for registered in [format!("{number:012x}"), format!("{number:012X}")] {
                        let found = prefixes
                            .iter()
                            .any(|text| format!("{registered}/").starts_with(text));
                        if Resemblance::of(&registered, &node, Some(mac)).is_some() {
                            assert!(found, "{registered} {prefixes:?}");
                        }
                    }
                }
            }
        }
        assert_eq!(id_prefixes(&id("Jpe1"), None), ["jpe1/", "JPE1/"]);
        assert_eq!(id_prefixes(&id("12"), None), ["12/"]);
    }
}
