//! Many addresses in one line of a pool.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses from `first` to `last`, given out with a prefix length if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRange {
    first: u128,
    last: u128,
    family: Family,
    prefix: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn bits(self) -> u32 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The bits of an address that number the hosts of a network.
    fn host_mask(self, prefix: u32) -> u128 {
        match self.bits() - prefix {
            128 => u128::MAX,
            hosts => (1 << hosts) - 1,
        }
    }
}

impl AddressRange {
    /// Reads `10.0.0.10-10.0.3.254/22` or the network `10.0.0.0/22`; `None` if the text is neither.
    ///
    /// A network of one or two addresses (/31 and /32, /127 and /128) is an address of its own.
    ///
    /// # Errors
    /// A text that begins as a range but is none: what is wrong with it.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let (addresses, length) = match text.split_once('/') {
            Some((addresses, length)) => (addresses, Some(length)),
            None => (text, None),
        };
        match addresses.split_once('-') {
            Some((first, last)) => match number(first.trim()) {
                Some(first) => Self::between(text, first, last.trim(), length).map(Some),
                None => Ok(None),
            },
            None => Ok(Self::network(addresses, length)),
        }
    }

    fn between(
        text: &str,
        (first, family): (u128, Family),
        last: &str,
        length: Option<&str>,
    ) -> Result<Self, String> {
        let Some((last, last_family)) = number(last) else {
            return Err(format!(
                "the range '{text}' must end with a whole address, not '{last}'"
            ));
        };
        if family != last_family {
            return Err(format!(
                "the ends of the range '{text}' must be both IPv4 or both IPv6"
            ));
        }
        if first > last {
            return Err(format!("the range '{text}' runs backwards"));
        }
        let prefix = match length {
            None => None,
            Some(length) => {
                let prefix = length
                    .parse()
                    .ok()
                    .filter(|prefix| *prefix <= family.bits());
                let prefix = prefix.ok_or_else(|| {
                    let most = family.bits();
                    format!("the prefix length of '{text}' must be a number of at most {most}")
                })?;
                let network = !family.host_mask(prefix);
                if first & network != last & network {
                    return Err(format!(
                        "the ends of the range '{text}' are not in one /{prefix}"
                    ));
                }
                Some(prefix)
            }
        };
        Ok(Self {
            first,
            last,
            family,
            prefix,
        })
    }

    fn network(address: &str, length: Option<&str>) -> Option<Self> {
        let (address, family) = number(address)?;
        let prefix: u32 = length?.parse().ok()?;
        if prefix + 2 > family.bits() || address & family.host_mask(prefix) != 0 {
            return None;
        }
        let end = address | family.host_mask(prefix);
        // The first address of a network is its own (IPv4) or every router's (IPv6); the last one
        // is the broadcast address, in IPv4.
        let last = if family == Family::V4 { end - 1 } else { end };
        Some(Self {
            first: address + 1,
            last,
            family,
            prefix: Some(prefix),
        })
    }

    /// How many addresses there are.
    pub fn len(&self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// The addresses, as they are given out.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        (self.first..=self.last).map(|number| self.value(number))
    }

    /// Whether that text is one of the values given out.
    pub fn contains(&self, value: &str) -> bool {
        let address = value.split('/').next().unwrap_or(value);
        number(address).is_some_and(|(number, family)| {
            family == self.family
                && (self.first..=self.last).contains(&number)
                && self.value(number) == value
        })
    }

    fn value(&self, number: u128) -> String {
        let address = match self.family {
            // Four bytes: both ends came from an Ipv4Addr.
            Family::V4 => IpAddr::V4(Ipv4Addr::from(number as u32)),
            Family::V6 => IpAddr::V6(Ipv6Addr::from(number)),
        };
        match self.prefix {
            Some(prefix) => format!("{address}/{prefix}"),
            None => address.to_string(),
        }
    }
}

fn number(text: &str) -> Option<(u128, Family)> {
    match text.parse().ok()? {
        IpAddr::V4(address) => Some((u32::from(address).into(), Family::V4)),
        IpAddr::V6(address) => Some((address.into(), Family::V6)),
    }
}
