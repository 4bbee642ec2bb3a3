//! How many connections there are, in all and from each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::telemetry::Shed;

/// As many addresses as connections at most: one without connections is forgotten.
#[derive(Clone)]
pub(super) struct Peers(Arc<Inner>);

struct Inner {
    most: usize,
    most_each: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    each: HashMap<IpAddr, usize>,
}

/// A connection that is counted until this is dropped.
pub(super) struct Entered {
    peers: Peers,
    address: IpAddr,
}

impl Peers {
    pub(super) fn new(most: usize, most_each: usize) -> Self {
        Self(Arc::new(Inner { most, most_each, counts: Mutex::default() }))
    }

    /// A connection from an address that many share counts among all only. Why not: the reason it is counted under.
    pub(super) fn enter(&self, address: IpAddr, shared: bool) -> Result<Entered, Shed> {
        let address = whose(address);
        let mut counts = self.0.counts.lock();
        if counts.all >= self.0.most {
            return Err(Shed::Connections);
        }
        let each = counts.each.entry(address).or_default();
        if *each >= self.0.most_each && !shared {
            return Err(Shed::ConnectionsOfAddress);
        }
        *each += 1;
        counts.all += 1;
        Ok(Entered { peers: self.clone(), address })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut counts = self.peers.0.counts.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(each) = counts.each.get_mut(&self.address) {
            *each = each.saturating_sub(1);
            if *each == 0 {
                counts.each.remove(&self.address);
            }
        }
    }
}

/// One customer of a network has a whole /64 of IPv6 addresses.
pub(in crate::net) fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_all_places() {
        let peers = Peers::new(3, 2);
        let (one, two) = ("192.0.2.1".parse().expect("an address"), "192.0.2.2".parse().expect("an address"));
        let first = peers.enter(one, false).expect("room");
        let _second = peers.enter(one, false).expect("room");
        assert_eq!(peers.enter(one, false).err(), Some(Shed::ConnectionsOfAddress));
        let third = peers.enter(one, true).expect("a balancer's");
        drop(third);
        let _third = peers.enter(two, false).expect("room for another");
        assert_eq!(peers.enter(two, false).err(), Some(Shed::Connections));
        drop(first);
        assert!(peers.enter(two, false).is_ok());
        assert_eq!(peers.0.counts.lock().all, 2);
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let of = |text: &str| whose(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
