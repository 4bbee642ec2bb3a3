//! Whose a request is that comes by way of proxies: the address that the outermost of those we trust has seen.
//! `X-Forwarded-For` and `Forwarded` (RFC 7239) grow to the right, so they are read from there; what stands to the left
//! of the first address that is nobody's we trust may be anything.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

use crate::net::Cidr;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The caller's address. From who is not trusted it is its own, whatever it says.
pub(super) fn caller(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let seen = |name: HeaderName, read: fn(&str) -> Option<IpAddr>| {
        headers.contains_key(&name).then(|| outermost(peer, headers, &name, read, trusted))
    };
    match (seen(X_FORWARDED_FOR, address), seen(header::FORWARDED, for_address)) {
        // A proxy adds to one of the two and hands the other on as it came: which one is not known.
        (Some(one), Some(other)) if one != other => peer,
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => peer,
    }
}

pub(super) fn is_trusted(address: IpAddr, trusted: &[Cidr]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|range| range.contains(address))
}

/// From the right: the first address that is not trusted, or the last that is one.
fn outermost(
    peer: IpAddr,
    headers: &HeaderMap,
    name: &HeaderName,
    read: fn(&str) -> Option<IpAddr>,
    trusted: &[Cidr],
) -> IpAddr {
    let mut known = peer;
    // As bytes: what stands to the left need be no text.
    for said in headers.get_all(name).iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        // What cannot be read was not added by a proxy that tells addresses.
        let Some(address) = std::str::from_utf8(said).ok().and_then(read) else { return known };
        known = address;
        if !is_trusted(address, trusted) {
            return known;
        }
    }
    known
}

/// `192.0.2.1`, `2001:db8::1`, both also with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let plain = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = plain.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

/// `for=192.0.2.1;proto=https`, `For="[2001:db8::1]:4711"`. Names that hide an address are none.
fn for_address(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    address(node.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"].map(|range| range.parse::<Cidr>().expect(range));
        let pairs = lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        caller(peer.parse().expect(peer), &headers, &trusted).to_string()
    }

    #[test]
    fn the_first_from_the_right_that_is_not_trusted_counts() {
        let xff = "x-forwarded-for";
        for (given, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
            ("203.0.113.9,192.0.2.1 ,10.0.0.7", "192.0.2.1"),
            ("10.0.0.8, 10.0.0.7", "10.0.0.8"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8:2::1", "2001:db8:2::1"),
            ("[2001:db8:2::1]:4711, 2001:db8:1::5", "2001:db8:2::1"),
            ("[2001:db8:2::1]", "2001:db8:2::1"),
            ("::ffff:192.0.2.1, ::ffff:10.0.0.7", "192.0.2.1"),
        ] {
            assert_eq!(of("10.0.0.1", &[(xff, given)]), expected, "{given}");
            assert_eq!(of("::ffff:10.0.0.1", &[(xff, given)]), expected, "{given}");
            assert_eq!(of("198.51.100.1", &[(xff, given)]), "198.51.100.1", "a stranger says {given}");
        }
        assert_eq!(of("10.0.0.1", &[(xff, "203.0.113.9"), (xff, "192.0.2.1, 10.0.0.7")]), "192.0.2.1", "in lines");
        assert_eq!(of("2001:db8:1::1", &[(xff, "192.0.2.1")]), "192.0.2.1");
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn forwarded_says_the_same() {
        for (given, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("for=203.0.113.9, proto=https;For=\"192.0.2.1:80\";by=10.0.0.1", "192.0.2.1"),
            ("for=\"[2001:db8:2::1]:4711\", for=10.0.0.7", "2001:db8:2::1"),
            ("for=\"203.0.113.9, for=192.0.2.1", "192.0.2.1"),
            ("for=unknown", "10.0.0.1"),
            ("for=_hidden, for=10.0.0.7", "10.0.0.7"),
            ("by=192.0.2.1", "10.0.0.1"),
        ] {
            assert_eq!(of("10.0.0.1", &[("forwarded", given)]), expected, "{given}");
        }
        let both = |forwarded| of("10.0.0.1", &[("x-forwarded-for", "192.0.2.1"), ("forwarded", forwarded)]);
        assert_eq!((both("for=192.0.2.1"), both("for=203.0.113.9")), ("192.0.2.1".into(), "10.0.0.1".into()));
    }

    #[test]
    fn garbage_is_nobodys_address() {
        for given in
            ["", " ", "unknown", "192.0.2.1.5", "192.0.2.1/32", "1e9", "[::1", "\"192.0.2.1\"", "a, b", ",", "\u{e4}"]
        {
            assert_eq!(of("10.0.0.1", &[("x-forwarded-for", given)]), "10.0.0.1", "{given:?}");
            let behind = format!("{given},10.0.0.7");
            assert_eq!(of("10.0.0.1", &[("x-forwarded-for", &behind)]), "10.0.0.7", "{given:?}");
            let before = format!("{given},192.0.2.1");
            assert_eq!(of("10.0.0.1", &[("x-forwarded-for", &before)]), "192.0.2.1", "{given:?}");
        }
    }
}
