//! Which addresses may be connected to. A customer chooses the host of a connection, so without this filter a host
//! name that resolves to an inner address would turn the proxy into a door to the network it runs in. It is asked with
//! the resolved address at the moment of connecting: a check of the name beforehand could be answered differently later.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Lets public unicast addresses pass, and what the operator allows besides.
#[derive(Debug, Clone, Default)]
pub struct AddressGuard {
    pub allow_private: bool,
    pub allow: Vec<Cidr>,
}

/// An address range such as `10.0.0.0/8` or `fd00::/8`; a bare address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is not an address range such as 10.0.0.0/8 or fd00::/8")]
pub struct InvalidCidr(String);

/// IPv4 ranges that are not public unicast (IANA special-purpose registry), and one public address that is none.
const REFUSED_V4: &[([u8; 4], u8)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10), // carrier-grade NAT; a cloud's metadata address lies in it
    ([127, 0, 0, 0], 8),
    ([168, 63, 129, 16], 32), // a cloud's host agent, reachable from its machines only
    ([169, 254, 0, 0], 16),   // link-local; the usual metadata address lies in it
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24), // 6to4 relays
    ([192, 168, 0, 0], 16),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4), // multicast
    ([240, 0, 0, 0], 4), // reserved, and broadcast
];

/// The only IPv6 space that is routed globally. What lies outside is refused as a whole: loopback, v4-compatible,
/// NAT64 (64:ff9b::/96 and /48), discard-only, unique local, link-local, site-local, segment routing, multicast.
const GLOBAL_V6: ([u16; 8], u8) = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Ranges inside the global space that reach something else than a host on the internet.
const REFUSED_V6: &[([u16; 8], u8)] = &[
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // protocol assignments: Teredo 2001::/32, benchmarking 2001:2::/48, ORCHID
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4: any IPv4 address may hide in it
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation
];

impl AddressGuard {
    pub fn new(config: &super::Config) -> Self {
        Self { allow_private: config.dangerous_allow_private_addresses, allow: config.allow_addresses.clone() }
    }

    pub fn allows(&self, address: IpAddr) -> bool {
        // `::ffff:10.0.0.1` connects to 10.0.0.1, so it is judged as that.
        let address = address.to_canonical();
        self.allow_private || is_public(address) || self.allow.iter().any(|range| range.contains(address))
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !REFUSED_V4.iter().any(|&(network, prefix)| Cidr::v4(Ipv4Addr::from(network), prefix).contains(address))
                && !v4.is_unspecified()
        }
        IpAddr::V6(_) => {
            let within =
                |&(network, prefix): &([u16; 8], u8)| Cidr::v6(Ipv6Addr::from(network), prefix).contains(address);
            within(&GLOBAL_V6) && !REFUSED_V6.iter().any(within)
        }
    }
}

impl Cidr {
    const fn v4(network: Ipv4Addr, prefix: u8) -> Self {
        Self { network: IpAddr::V4(network), prefix }
    }

    const fn v6(network: Ipv6Addr, prefix: u8) -> Self {
        Self { network: IpAddr::V6(network), prefix }
    }

    pub(super) fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr(text.to_owned());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let network = address.parse::<IpAddr>().map_err(|_| invalid())?;
        let longest = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().map_err(|_| invalid())?
            }
            Some(_) => return Err(invalid()),
        };
        if prefix > longest { Err(invalid()) } else { Ok(Self { network, prefix }) }
    }
}

impl TryFrom<String> for Cidr {
    type Error = InvalidCidr;

    fn try_from(text: String) -> Result<Self, InvalidCidr> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(range: Cidr) -> Self {
        range.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(guard: &AddressGuard, address: &str) -> bool {
        guard.allows(address.parse().expect(address))
    }

    #[test]
    fn only_public_unicast_addresses_pass() {
        let guard = AddressGuard::default();
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.9.9.9",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2620:4f:8000::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!allows(&guard, address), "{address}");
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.1.1.1",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.167.1.1",
            "198.17.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "168.63.129.17",
            "::ffff:8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(allows(&guard, address), "{address}");
        }
    }

    #[test]
    fn the_operator_may_open_a_range_or_everything() {
        let range = |text: &str| text.parse::<Cidr>().expect(text);
        let guard = AddressGuard { allow_private: false, allow: vec![range("10.20.0.0/16"), range("fd00:1::/32")] };
        assert!(allows(&guard, "10.20.255.1") && allows(&guard, "::ffff:10.20.0.1") && allows(&guard, "fd00:1::5"));
        assert!(!allows(&guard, "10.21.0.1") && !allows(&guard, "fd00:2::5") && !allows(&guard, "127.0.0.1"));
        let guard = AddressGuard { allow_private: true, allow: Vec::new() };
        assert!(allows(&guard, "127.0.0.1") && allows(&guard, "::1"));
    }

    #[test]
    fn ranges_are_read_strictly() {
        for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "::/129", "host/8", "", "10.0.0.0/8/8"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        let all = "0.0.0.0/0".parse::<Cidr>().expect("a range");
        assert!(all.contains(Ipv4Addr::new(9, 9, 9, 9).into()) && !all.contains(Ipv6Addr::LOCALHOST.into()));
        assert_eq!("::1".parse::<Cidr>().map(|range| range.to_string()), Ok("::1/128".to_owned()));
    }
}
