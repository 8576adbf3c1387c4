//! Names of a switch's interfaces, and the lists and ranges of them that patterns are written with.

use std::fmt;

use super::printable::Printable;

/// Most interfaces that one list may name.
pub const MAX_INTERFACES: usize = 1024;

/// A name as EOS writes it: `Ethernet1`, `Ethernet5/35/1`, `Management1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    kind: Kind,
    /// One to three numbers from 1 up; 0 where there is none, but for the only number of `Management0`.
    numbers: [u32; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Ethernet,
    Management,
}

impl Kind {
    const ALL: [Kind; 2] = [Kind::Ethernet, Kind::Management];

    fn as_str(self) -> &'static str {
        match self {
            Kind::Ethernet => "Ethernet",
            Kind::Management => "Management",
        }
    }

    /// Every way to write it in a pattern, in lower case, longest first.
    fn spellings(self) -> &'static [&'static str] {
        match self {
            Kind::Ethernet => &["ethernet", "eth", "et", "e"],
            Kind::Management => &["management", "ma", "m"],
        }
    }
}

impl InterfaceName {
    /// Reads the full name that a switch uses; `None` for an interface that no pattern can name (`Port-Channel1`).
    pub fn from_switch(name: &str) -> Option<InterfaceName> {
        let (kind, numbers) = Kind::ALL
            .into_iter()
            .find_map(|kind| Some((kind, name.strip_prefix(kind.as_str())?)))?;
        // `Ethernet01` is not what a switch calls its first port.
        if numbers != "0" && numbers.split('/').any(|number| number.starts_with('0')) {
            return None;
        }
        InterfaceName::new(kind, Numbers::parse(numbers)?)
    }

    /// A chassis calls the port that its supervisors share `Management0`, and so does cEOS its only one. No other interface
    /// has the number 0.
    fn new(kind: Kind, numbers: Numbers) -> Option<InterfaceName> {
        let Numbers(numbers) = numbers;
        (numbers != [0; 3] || kind == Kind::Management).then_some(InterfaceName { kind, numbers })
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

/// The numbers of a name, from 1 up, 0 behind the last; or a 0 alone.
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

    /// The place of the last number, which a range runs over.
    fn last(self) -> usize {
        self.0.iter().rposition(|&number| number != 0).unwrap_or(0)
    }
}

/// Reads a list of names and ranges: `Ethernet1`, `et1`, `E2`, `Ethernet1-2,4,6,8-9`, `Ethernet1/3-1/32`. A number without
/// a kind takes the kind before it. The names come sorted, each once.
///
/// # Errors
/// The reason, naming the part that is wrong.
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
            format!("'{shown}' is no interface: write Ethernet1, Ethernet1/2, Ethernet1-4, Management1, any or none")
        })?;
        let Some(of_kind) = written.or(kind) else {
            return Err(format!(
                "'{shown}' does not say whether it is Ethernet or Management"
            ));
        };
        kind = Some(of_kind);
        let no_interface = || {
            format!(
                "'{shown}' is no interface: write Ethernet1, Ethernet1/2, Ethernet1-4, Management1, any or none"
            )
        };
        let first = InterfaceName::new(of_kind, numbers).ok_or_else(no_interface)?;
        let too_many = || format!("'{shown}' makes more than {MAX_INTERFACES} interfaces");
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
                    "the range '{shown}' must end with a number, or with a name of the kind that it begins with"
                ));
            }
        };
        let place = numbers.last();
        let (from, to) = (numbers.0[place], end.0[place]);
        if end.last() != place || numbers.0[..place] != end.0[..place] {
            return Err(format!(
                "the range '{shown}' may differ only in the last number of its ends"
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

/// A kind, if there is one, and numbers.
fn read(text: &str) -> Option<(Option<Kind>, Numbers)> {
    let lower = text.to_ascii_lowercase();
    let spelled = Kind::ALL.into_iter().find_map(|kind| {
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
    fn reads_every_spelling() {
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
    fn refuses_what_is_no_list_of_interfaces() {
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
    fn a_list_is_bounded_however_it_is_written() {
        let singles = |count: usize| format!("Ethernet1{}", ",1".repeat(count - 1));
        assert!(parse_list(&singles(MAX_INTERFACES)).is_ok());
        assert!(parse_list(&singles(MAX_INTERFACES + 1)).is_err());
        assert!(parse_list(&format!("Ethernet1-{MAX_INTERFACES}")).is_ok());
        assert!(parse_list(&format!("Ethernet1-{MAX_INTERFACES},1")).is_err());
    }

    #[test]
    fn a_switch_uses_the_full_name() {
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
