//! The interfaces of this machine, as the system tells them now.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// Interfaces that are looked at, at most: a machine for containers has hundreds.
pub const INTERFACES_MAX: usize = 256;
/// Addresses of one interface that are looked at, at most.
pub const INTERFACE_ADDRS_MAX: usize = 16;

/// An interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// It is switched on.
    pub is_up: bool,
    /// It says that it carries multicast.
    pub is_multicast: bool,
    /// What is sent there stays on this machine.
    pub is_loopback: bool,
    /// Its addresses.
    pub addrs: Vec<IpAddr>,
}

impl Interface {
    /// Its first address of the same family as `group`.
    pub fn addr_for(&self, group: SocketAddr) -> Option<IpAddr> {
        let same = |addr: &&IpAddr| addr.is_ipv4() == group.is_ipv4();
        // Beacons over IPv6 stay on the link, and so do the addresses that they are sent from.
        let local = |addr: &&IpAddr| match addr {
            IpAddr::V4(_) => true,
            IpAddr::V6(addr) => addr.is_unicast_link_local() || addr.is_loopback(),
        };
        let mut addrs = self.addrs.iter().filter(same);
        addrs.find(local).copied()
    }
}

/// All of them, by name.
///
/// # Errors
///
/// What the system says.
pub fn list() -> io::Result<Vec<Interface>> {
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in getifaddrs()? {
        if found.len() >= INTERFACES_MAX && !found.contains_key(&entry.interface_name) {
            continue;
        }
        note(&mut found, &entry);
    }
    Ok(found.into_values().collect())
}

fn note(found: &mut BTreeMap<String, Interface>, entry: &InterfaceAddress) {
    let has = |flag| entry.flags.contains(flag);
    let name = entry.interface_name.clone();
    let interface = found.entry(name.clone()).or_insert_with(|| Interface {
        // One that went away meanwhile has no number, and is found missing soon.
        index: if_nametoindex(name.as_str()).unwrap_or(0),
        name,
        is_up: has(InterfaceFlags::IFF_UP),
        is_multicast: has(InterfaceFlags::IFF_MULTICAST),
        is_loopback: has(InterfaceFlags::IFF_LOOPBACK),
        addrs: Vec::new(),
    });
    let Some(address) = &entry.address else {
        return;
    };
    let v4 = address.as_sockaddr_in().map(|addr| IpAddr::V4(addr.ip()));
    let v6 = || address.as_sockaddr_in6().map(|addr| IpAddr::V6(addr.ip()));
    if let Some(addr) = v4.or_else(v6)
        && interface.addrs.len() < INTERFACE_ADDRS_MAX
        && !interface.addrs.contains(&addr)
    {
        interface.addrs.push(addr);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn there_is_a_loopback_interface() {
        let all = list().unwrap();
        let loopback = all.iter().find(|interface| interface.is_loopback);
        let loopback = loopback.expect("every machine that runs tests has one");
        assert!(loopback.index > 0);
        assert!(loopback.is_up);
        assert!(loopback.addrs.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
