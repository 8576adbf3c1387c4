//! Registered nodes that an operator may have meant by a switch that is not known.
//!
//! Two mistakes are common: an id in another case than the switch sends it, and the MAC address of the
//! label, which may be that of the management port and some addresses away from the system's.

use super::NodeId;

/// The farthest that a label's MAC address is taken to be from the system's, in addresses.
pub const MAX_MAC_DISTANCE: u64 = 4;

/// How the id of a registered node resembles an unknown switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resemblance {
    /// It differs from the switch's id in case only.
    Case,
    /// It is a MAC address so many addresses away from the switch's, or its own.
    Mac { distance: u64 },
}

impl Resemblance {
    /// How `registered` resembles the switch that has the id `node` and the system MAC address `mac`.
    /// `None` if it does not, or is the switch's id itself.
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

/// Beginnings of ids that resemble a switch's: all ids that resemble it begin with one of them, but for those
/// that mix upper and lower case, or write a MAC address with separators.
pub fn beginnings(node: &NodeId, mac: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |text: String| {
        for text in [text.to_lowercase(), text.to_uppercase()] {
            if !found.contains(&text) {
                found.push(text);
            }
        }
    };
    // With what ends an id in a key: one that is only longer is another one.
    add(format!("{node}/"));
    for own in macs(node, mac) {
        let (low, high) = (own.saturating_sub(MAX_MAC_DISTANCE), own + MAX_MAC_DISTANCE);
        for number in [low, high] {
            // All but the last digit: sixteen addresses.
            add(format!("{:011x}", number >> 4));
        }
    }
    found
}

/// The MAC addresses that a switch is known by.
fn macs(node: &NodeId, mac: Option<&str>) -> impl Iterator<Item = u64> {
    let id = mac_number(node.as_str());
    let mac = mac.and_then(mac_number).filter(|mac| Some(*mac) != id);
    id.into_iter().chain(mac)
}

/// A MAC address as a number, however it is written.
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
    fn an_id_in_another_case_resembles() {
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
    fn a_mac_address_up_to_four_away_resembles_and_one_beyond_does_not() {
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
    fn every_resembling_id_in_one_case_begins_as_said() {
        for mac in [
            "001c73010203",
            "001c7301020e",
            "000000000000",
            "ffffffffffff",
            "001c73010fff",
        ] {
            for node in [id("JPE1"), id(mac)] {
                let beginnings = beginnings(&node, Some(mac));
                assert!(beginnings.len() <= 6, "{beginnings:?}");
                let own = u64::from_str_radix(mac, 16).unwrap();
                for number in own.saturating_sub(6)..=(own + 6).min(0xffff_ffff_ffff) {
                    for registered in [format!("{number:012x}"), format!("{number:012X}")] {
                        let found = beginnings
                            .iter()
                            .any(|text| format!("{registered}/").starts_with(text));
                        if Resemblance::of(&registered, &node, Some(mac)).is_some() {
                            assert!(found, "{registered} {beginnings:?}");
                        }
                    }
                }
            }
        }
        assert_eq!(beginnings(&id("Jpe1"), None), ["jpe1/", "JPE1/"]);
        assert_eq!(beginnings(&id("12"), None), ["12/"]);
    }
}
