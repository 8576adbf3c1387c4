//! Names of a switch's interfaces, and lists and ranges of them in patterns.

use std::fmt;

use super::printable::Printable;

/// Maximum number of interfaces that one list names.
pub const MAX_INTERFACES: usize = 1024;

/// A name in the notation of EOS: `Ethernet1`, `Ethernet5/35/1`, `Management1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    kind: InterfaceKind,
    /// One to three numbers of at least 1, then zeros; or zeros only, for `Management0`.
    numbers: [u32; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum InterfaceKind {
    Ethernet,
    Management,
}

impl InterfaceKind {
    const ALL: [InterfaceKind; 2] = [InterfaceKind::Ethernet, InterfaceKind::Management];

    fn as_str(self) -> &'static str {
        match self {
            InterfaceKind::Ethernet => "Ethernet",
            InterfaceKind::Management => "Management",
        }
    }

    /// Every spelling in a pattern, in lower case, longest first.
    fn spellings(self) -> &'static [&'static str] {
        match self {
            InterfaceKind::Ethernet => &["ethernet", "eth", "et", "e"],
            InterfaceKind::Management => &["management", "ma", "m"],
        }
    }
}

impl InterfaceName {
    /// Parses the full name that a switch sends; `None` for an interface that no pattern can name (`Port-Channel1`).
    pub fn from_switch(name: &str) -> Option<InterfaceName> {
        let (kind, numbers) = InterfaceKind::ALL
            .into_iter()
            .find_map(|kind| Some((kind, name.strip_prefix(kind.as_str())?)))?;
        // A switch never sends a leading zero.
        if numbers != "0" && numbers.split('/').any(|number| number.starts_with('0')) {
            return None;
        }
        InterfaceName::new(kind, Numbers::parse(numbers)?)
    }

    /// Only a management port has the number 0: `Management0` is the port that the supervisors of a chassis share, and the
    /// only one of cEOS.
    fn new(kind: InterfaceKind, numbers: Numbers) -> Option<InterfaceName> {
        let Numbers(numbers) = numbers;
        (numbers != [0; 3] || kind == InterfaceKind::Management)
            .then_some(InterfaceName { kind, numbers })
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third] = self.numbers;
        write!(f, "{}{first}", self.kind.as_str())?;
        for number in [second, third] {
            if number != 0 {
                write!(f, "/{number}")?;
            }
        }
        Ok(())
    }
}

/// The numbers of a name, each at least 1, then zeros; or zeros only.
#[derive(Clone, Copy)]
struct Numbers([u32; 3]);

impl Numbers {
    fn parse(text: &str) -> Option<Numbers> {
        let mut numbers = [0; 3];
        if text.bytes().all(|b| b == b'0') && !text.is_empty() {
            return Some(Numbers(numbers));
        }
        let mut parts = text.split('/');
        for number in &mut numbers {
            let Some(part) = parts.next() else { break };
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            *number = part.parse().ok().filter(|&number| digits && number > 0)?;
        }
        parts.next().is_none().then_some(Numbers(numbers))
    }

    /// The index of the last number, which a range increments.
    fn last(self) -> usize {
        self.0.iter().rposition(|&number| number != 0).unwrap_or(0)
    }
}

/// Parses a list of names and ranges: `Ethernet1`, `et1`, `E2`, `Ethernet1-2,4,6,8-9`, `Ethernet1/3-1/32`. A number without
/// a kind has the preceding kind. The result is sorted and has no duplicates.
///
/// # Errors
/// The reason, with the invalid part.
pub fn parse_list(list: &str) -> Result<Vec<InterfaceName>, String> {
    let mut names = Vec::new();
    let mut kind = None;
    for part in list.split(',').map(str::trim) {
        let shown = Printable(part);
        let (first, last) = match part.split('-').map(str::trim).collect::<Vec<_>>()[..] {
            [single] => (single, None),
            [first, last] => (first, Some(last)),
            _ => {
                return Err(format!(
                    "'{shown}' has more than one '-'; a range is <first>-<last>"
                ));
            }
        };
        let (written, numbers) = read(first).ok_or_else(|| {
            format!("'{shown}' is not a valid interface: write Ethernet1, Ethernet1/2, Ethernet1-4, Management1, any or none")
        })?;
        let Some(of_kind) = written.or(kind) else {
            return Err(format!(
                "'{shown}' has no kind; write Ethernet or Management before the number"
            ));
        };
        kind = Some(of_kind);
        let invalid = || {
            format!(
                "'{shown}' is not a valid interface: write Ethernet1, Ethernet1/2, Ethernet1-4, Management1, any or none"
            )
        };
        let first = InterfaceName::new(of_kind, numbers).ok_or_else(invalid)?;
        let too_many =
            || format!("the list has more than {MAX_INTERFACES} interfaces at '{shown}'");
        let Some(last) = last else {
            if names.len() >= MAX_INTERFACES {
                return Err(too_many());
            }
            names.push(first);
            continue;
        };
        let end = match read(last) {
            Some((None, end)) => end,
            Some((Some(end_kind), end)) if end_kind == of_kind && written.is_some() => end,
            _ => {
                return Err(format!(
                    "the range '{shown}' must end with a number, or with a name of the same kind"
                ));
            }
        };
        let place = numbers.last();
        let (from, to) = (numbers.0[place], end.0[place]);
        if end.last() != place || numbers.0[..place] != end.0[..place] {
            return Err(format!(
                "the ends of the range '{shown}' may differ only in their last number"
            ));
        }
        if from >= to {
            return Err(format!("the range '{shown}' does not increase"));
        }
        if names.len() + (to - from) as usize >= MAX_INTERFACES {
            return Err(too_many());
        }
        names.extend((from..=to).map(|number| {
            let mut name = first;
            name.numbers[place] = number;
            name
        }));
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Parses an optional kind, and numbers.
fn read(text: &str) -> Option<(Option<InterfaceKind>, Numbers)> {
    let lower = text.to_ascii_lowercase();
    let spelled = InterfaceKind::ALL.into_iter().find_map(|kind| {
        let numbers = kind
            .spellings()
            .iter()
            .find_map(|spelling| lower.strip_prefix(spelling))?;
        Some((kind, numbers))
    });
    match spelled {
        Some((kind, numbers)) => Some((Some(kind), Numbers::parse(numbers)?)),
        None => Some((None, Numbers::parse(&lower)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::{InterfaceName, MAX_INTERFACES, parse_list};

    fn names(list: &str) -> Result<String, String> {
        Ok(parse_list(list)?
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn every_spelling_is_accepted() {
        for (list, expected) in [
            ("Ethernet1", "Ethernet1"),
            ("ethernet1", "Ethernet1"),
            ("eth1", "Ethernet1"),
            ("et1", "Ethernet1"),
            ("E2", "Ethernet2"),
            ("Ethernet5/35/1", "Ethernet5/35/1"),
            ("Management1", "Management1"),
            ("Ma1/1", "Management1/1"),
            ("m1", "Management1"),
            ("Management0", "Management0"),
            ("ma0", "Management0"),
            ("Management0-2", "Management0 Management1 Management2"),
            ("Management1,0", "Management0 Management1"),
            ("Ethernet1-2", "Ethernet1 Ethernet2"),
            ("Ethernet1,3", "Ethernet1 Ethernet3"),
            (
                "Ethernet1-2,4,6,8-9",
                "Ethernet1 Ethernet2 Ethernet4 Ethernet6 Ethernet8 Ethernet9",
            ),
            ("Ethernet1-2,3/4", "Ethernet1 Ethernet2 Ethernet3/4"),
            ("Ethernet1/3-1/5", "Ethernet1/3 Ethernet1/4 Ethernet1/5"),
            ("et1/3-et1/4", "Ethernet1/3 Ethernet1/4"),
            ("Ethernet1/2/3-1/2/4", "Ethernet1/2/3 Ethernet1/2/4"),
            (
                "Ethernet2, Management1, 2",
                "Ethernet2 Management1 Management2",
            ),
            (" Ethernet10 - 11 ,9", "Ethernet9 Ethernet10 Ethernet11"),
            ("Ethernet1,1,1-2", "Ethernet1 Ethernet2"),
        ] {
            assert_eq!(names(list).as_deref(), Ok(expected), "{list}");
        }
    }

    #[test]
    fn an_invalid_list_is_rejected() {
        for list in [
            "",
            "Ethernet",
            "Ethernet0",
            "Ethernet1/0",
            "Ethernet0-2",
            "Ethernet1,0",
            "Management0/1",
            "Management1/0",
            "Management0-0",
            "0",
            "Ethernet1/2/3/4",
            "1",
            "1-2",
            "Vlan1",
            "Port-Channel1",
            "Ethernet1-",
            "Ethernet1-2-3",
            "Ethernet2-1",
            "Ethernet1-1",
            "Ethernet1/3-2/4",
            "Ethernet1-1/4",
            "Ethernet1/2-4",
            "Ethernet3-$",
            "Ethernet1-Management2",
            "Ethernet1,,2",
            "Ethernet1-100000",
            "Ethernet4294967296",
            "Ethernet+1",
            "Ether1",
            "Ethernet 1",
            "Ethernet1-1/2/3",
        ] {
            assert!(parse_list(list).is_err(), "{list}");
        }
    }

    #[test]
    fn a_list_is_bounded_in_every_notation() {
        let singles = |count: usize| format!("Ethernet1{}", ",1".repeat(count - 1));
        assert!(parse_list(&singles(MAX_INTERFACES)).is_ok());
        assert!(parse_list(&singles(MAX_INTERFACES + 1)).is_err());
        assert!(parse_list(&format!("Ethernet1-{MAX_INTERFACES}")).is_ok());
        assert!(parse_list(&format!("Ethernet1-{MAX_INTERFACES},1")).is_err());
    }

    #[test]
    fn only_the_full_name_is_accepted_from_a_switch() {
        for (name, known) in [
            ("Ethernet1", true),
            ("Management1/1", true),
            ("Management0", true),
            ("Management00", false),
            ("Management0/1", false),
            ("Ethernet0", false),
            ("et1", false),
            ("Ethernet01", false),
            ("Vlan1", false),
            ("Ethernet", false),
        ] {
            assert_eq!(InterfaceName::from_switch(name).is_some(), known, "{name}");
        }
    }
}
