//! Ranges of addresses in a pool.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses from `first` to `last`, allocated with a prefix length if it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRange {
    first: u128,
    last: u128,
    family: Family,
    prefix: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    fn address(self, number: u128) -> IpAddr {
        match self {
            // Four bytes: the number came from an Ipv4Addr.
            Self::V4 => IpAddr::V4(Ipv4Addr::from(number as u32)),
            Self::V6 => IpAddr::V6(Ipv6Addr::from(number)),
        }
    }

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
    /// Parses `10.0.0.10-10.0.3.254/22` or `hosts(10.0.0.0/22)`; `None` for any other string. The network `10.0.0.0/22`
    /// alone is one value, as every other key: pools of subnets are common.
    ///
    /// # Errors
    /// The reason, for an invalid range or call of `hosts`.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if let Some(argument) = text.strip_prefix("hosts(") {
            return Self::hosts(text, argument).map(Some);
        }
        let (addresses, length) = match text.split_once('/') {
            Some((addresses, length)) => (addresses, Some(length)),
            None => (text, None),
        };
        match addresses.split_once('-') {
            Some((first, last)) => match number(first.trim()) {
                Some(first) => Self::between(text, first, last.trim(), length).map(Some),
                None => Ok(None),
            },
            None => Ok(None),
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
                // With the full length each address is its own network: loopbacks.
                if prefix < family.bits() && first & network != last & network {
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

    /// The host addresses of a network. `argument` is the text after `hosts(`.
    fn hosts(text: &str, argument: &str) -> Result<Self, String> {
        let Some(written) = argument.strip_suffix(')') else {
            return Err(format!("'{text}' must end with ')'"));
        };
        let Some(network) = Network::parse(written.trim()) else {
            return Err(format!(
                "'{text}' must contain a network with its prefix length, as in hosts(10.1.0.0/24)"
            ));
        };
        let Network {
            address,
            family,
            prefix,
        } = network;
        let mask = family.host_mask(prefix);
        if address & mask != 0 {
            let own = network.containing();
            return Err(format!(
                "'{text}' contains an address inside the network {own}; write hosts({own})"
            ));
        }
        let end = address | mask;
        // The first address identifies the network (IPv4) or any of its routers (IPv6); the last one is the
        // broadcast address in IPv4. A network of one or two addresses has neither (RFC 3021, RFC 6164).
        let (first, last) = match (family, prefix + 1 >= family.bits()) {
            (_, true) => (address, end),
            (Family::V4, false) => (address + 1, end - 1),
            (Family::V6, false) => (address + 1, end),
        };
        Ok(Self {
            first,
            last,
            family,
            prefix: Some(prefix),
        })
    }

    /// The number of addresses.
    pub fn len(&self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// The addresses as values of the pool.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        (self.first..=self.last).map(|number| self.value(number))
    }

    /// The first and the last address, and the kind of them.
    pub fn ends(&self) -> (AddressKind, u128, u128) {
        ((self.family, self.prefix), self.first, self.last)
    }

    fn value(&self, number: u128) -> String {
        value((self.family, self.prefix), number)
    }
}

/// The addresses of one family with one prefix length, or without one.
pub type AddressKind = (Family, Option<u32>);

fn value((family, prefix): AddressKind, number: u128) -> String {
    let address = family.address(number);
    match prefix {
        Some(prefix) => format!("{address}/{prefix}"),
        None => address.to_string(),
    }
}

/// The address that is written as a value of a range; `None` for any other string, also in another notation.
pub fn address(text: &str) -> Option<(AddressKind, u128)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
        None => (text, None),
    };
    let (number, family) = number(address)?;
    let kind = (family, prefix);
    (value(kind, number) == text).then_some((kind, number))
}

/// An address with a prefix length: `10.1.0.0/24`.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    address: u128,
    family: Family,
    prefix: u32,
}

impl Network {
    /// Parses `10.1.0.7/24`; `None` for any other string.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let (address, family) = number(address)?;
        let prefix = prefix.parse().ok().filter(|n| *n <= family.bits())?;
        Some(Self {
            address,
            family,
            prefix,
        })
    }

    /// Whether it is a network of several hosts, and not an address in a network.
    pub fn has_hosts(self) -> bool {
        self.prefix + 2 <= self.family.bits()
            && self.address & self.family.host_mask(self.prefix) == 0
    }

    /// The network that contains the address: `10.1.0.0/24` for `10.1.0.7/24`.
    pub fn containing(self) -> String {
        let network = self.address & !self.family.host_mask(self.prefix);
        format!("{}/{}", self.family.address(network), self.prefix)
    }
}

fn number(text: &str) -> Option<(u128, Family)> {
    match text.parse().ok()? {
        IpAddr::V4(address) => Some((u32::from(address).into(), Family::V4)),
        IpAddr::V6(address) => Some((address.into(), Family::V6)),
    }
}
