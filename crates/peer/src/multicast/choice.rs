//! Which interfaces beacons use. Keeps: no beacon goes where nobody could dial what it says.

use std::net::SocketAddr;

use super::interfaces::Interface;

/// Why an interface is not used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unused {
    /// It is switched off.
    Down,
    /// It does not carry multicast.
    NoMulticast,
    /// It has no address of the family of the group.
    NoAddress,
    /// This peer does not listen at any of its addresses.
    NotListening,
    /// Others were named.
    NotNamed,
    /// It ends on this machine, and there are others that do not.
    Loopback,
}

impl Unused {
    /// In words, with what to do.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Down => "it is switched off",
            Self::NoMulticast => "it does not carry multicast",
            Self::NoAddress => "it has no address of the family of the group",
            Self::NotListening => {
                "this peer listens at none of its addresses; `--listen 0.0.0.0:PORT` means all"
            }
            Self::NotNamed => "`--iface` names others",
            Self::Loopback => "it ends on this machine, and another interface does not",
        }
    }
}

/// For each of `all` whether beacons to `group` use it. Loopback serves where it was named or is where
/// we listen, and where there is nothing else.
pub fn choose(
    all: &[Interface],
    group: SocketAddr,
    named: &[String],
    listen: &[SocketAddr],
) -> Vec<Result<(), Unused>> {
    let judge = |interface: &Interface| judge(interface, group, named, listen);
    let mut judged: Vec<Result<(), Unused>> = all.iter().map(judge).collect();
    let goes_out = |(interface, judged): (&Interface, &Result<(), Unused>)| {
        judged.is_ok() && !interface.is_loopback
    };
    if all.iter().zip(&judged).any(goes_out) {
        for (interface, judged) in all.iter().zip(&mut judged) {
            let wanted = named.contains(&interface.name) || is_named(interface, listen);
            if interface.is_loopback && judged.is_ok() && !wanted {
                *judged = Err(Unused::Loopback);
            }
        }
    }
    judged
}

fn judge(
    interface: &Interface,
    group: SocketAddr,
    named: &[String],
    listen: &[SocketAddr],
) -> Result<(), Unused> {
    if !named.is_empty() && !named.contains(&interface.name) {
        return Err(Unused::NotNamed);
    }
    if !interface.is_up {
        return Err(Unused::Down);
    }
    // Loopback carries it on the systems that we know, also where it does not say so.
    if !interface.is_multicast && !interface.is_loopback {
        return Err(Unused::NoMulticast);
    }
    if interface.addr_for(group).is_none() {
        return Err(Unused::NoAddress);
    }
    let everywhere =
        |listen: &SocketAddr| listen.ip().is_unspecified() && (listen.is_ipv6() || group.is_ipv4());
    match listen.iter().any(everywhere) || is_named(interface, listen) {
        true => Ok(()),
        false => Err(Unused::NotListening),
    }
}

/// We listen at one of its addresses.
fn is_named(interface: &Interface, listen: &[SocketAddr]) -> bool {
    listen
        .iter()
        .any(|listen| interface.addrs.contains(&listen.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, flags: &str, addrs: &[&str]) -> Interface {
        Interface {
            name: name.to_owned(),
            index: 1,
            is_up: flags.contains('u'),
            is_multicast: flags.contains('m'),
            is_loopback: flags.contains('l'),
            addrs: addrs.iter().map(|addr| addr.parse().unwrap()).collect(),
        }
    }

    #[track_caller]
    fn check(group: &str, named: &[&str], listen: &[&str], expected: &str) {
        let all = [
            interface("lo", "ul", &["127.0.0.1", "::1"]),
            interface("eth0", "um", &["192.0.2.5", "fe80::5"]),
            interface("off", "m", &["192.0.2.6"]),
            interface("tun", "u", &["192.0.2.7"]),
            interface("bare", "um", &[]),
        ];
        let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
        let listen: Vec<SocketAddr> = listen.iter().map(|addr| addr.parse().unwrap()).collect();
        let judged = choose(&all, group.parse().unwrap(), &named, &listen);
        let words = judged.iter().map(|judged| match judged {
            Ok(()) => "used".to_owned(),
            Err(unused) => format!("{unused:?}"),
        });
        assert_eq!(words.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn beacons_go_where_somebody_could_dial_us() {
        let group = "239.255.76.77:7677";
        let usual = "Loopback used Down NoMulticast NoAddress";
        check(group, &[], &["0.0.0.0:1"], usual);
        check(group, &[], &["[::]:1"], usual);
        let here = "used NotListening Down NoMulticast NoAddress";
        check(group, &[], &["127.0.0.1:1"], here);
        let there = "NotListening used Down NoMulticast NoAddress";
        check(group, &[], &["192.0.2.5:1"], there);
        let both = "used used Down NoMulticast NoAddress";
        check(group, &[], &["0.0.0.0:1", "127.0.0.1:1"], both);
        let named = "used NotNamed NotNamed NotNamed NotNamed";
        check(group, &["lo"], &["0.0.0.0:1"], named);
        let six = "Loopback used Down NoMulticast NoAddress";
        check("[ff02::4c4d]:7677", &[], &["[::]:1"], six);
        let four = "NotListening NotListening Down NoMulticast NoAddress";
        check("[ff02::4c4d]:7677", &[], &["0.0.0.0:1"], four);
    }

    #[test]
    fn loopback_serves_where_there_is_nothing_else() {
        let all = [
            interface("lo", "ul", &["127.0.0.1"]),
            interface("off", "m", &["192.0.2.6"]),
        ];
        let group = "239.255.76.77:7677".parse().unwrap();
        let judged = choose(&all, group, &[], &["0.0.0.0:1".parse().unwrap()]);
        assert_eq!(judged, [Ok(()), Err(Unused::Down)]);
    }
}
