//! A beacon by each interface, and whether it comes back.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use lamparina_protocol::peer::Beacon;
use lamparina_protocol::peer::beacon::BEACON_MAGIC;
use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::DoctorConfig;
use super::report::Finding;
use crate::config::MulticastConfig;
use crate::multicast::choice::{Unused, choose};
use crate::multicast::interfaces::{self, Interface};
use crate::multicast::{DATAGRAM_BYTES, open};

/// First bytes of a beacon that only looks.
const PROBE_MAGIC: [u8; 4] = *b"LMPd";
const PROBE_BYTES: usize = 20;
/// Peers that are named, at most.
const NAMED_MAX: usize = 16;

const _: () = assert!(!matches!(PROBE_MAGIC, BEACON_MAGIC));

/// Looks at every interface for every group.
pub(super) async fn all(config: &DoctorConfig, groups: &MulticastConfig) -> Vec<Finding> {
    let all = match interfaces::list() {
        Ok(all) => all,
        Err(error) => {
            let text = format!("the system does not tell its interfaces: {error}");
            return vec![Finding::bad("multicast", text, "look at `ip address`")];
        }
    };
    let unknown = |name: &&String| !all.iter().any(|interface| interface.name == **name);
    let mut findings: Vec<Finding> = groups
        .ifaces
        .iter()
        .filter(unknown)
        .map(|name| no_such(name, &all))
        .collect();
    for &group in &groups.groups {
        findings.extend(by_group(config, groups, group, &all).await);
    }
    findings
}

fn no_such(name: &str, all: &[Interface]) -> Finding {
    let names: Vec<&str> = all
        .iter()
        .map(|interface| interface.name.as_str())
        .collect();
    let advice = format!("there are {}", names.join(", "));
    Finding::bad(
        format!("multicast by {name}"),
        "no interface is called so",
        advice,
    )
}

async fn by_group(
    config: &DoctorConfig,
    groups: &MulticastConfig,
    group: SocketAddr,
    all: &[Interface],
) -> Vec<Finding> {
    let judged = choose(all, group, &groups.ifaces, &config.listen);
    let mut looks = JoinSet::new();
    let mut findings = Vec::new();
    for (interface, judged) in all.iter().zip(judged) {
        match judged {
            Ok(()) => {
                looks.spawn(look(interface.clone(), group, config.heard_within));
            }
            // Somebody named it, or nobody would look for it here.
            Err(Unused::NotNamed) => {}
            Err(unused) => {
                let about = format!("multicast by {}", interface.name);
                let named = groups.ifaces.contains(&interface.name);
                findings.push(match named {
                    true => Finding::bad(about, unused.words(), "name another interface"),
                    false => Finding::notice(about, format!("not used: {}", unused.words())),
                });
            }
        }
    }
    if looks.is_empty() {
        findings.push(Finding::bad(
            format!("multicast to {group}"),
            "no interface carries it",
            "name a peer (`--peer HOST:PORT`) or a directory (`--rendezvous HOST:PORT`)",
        ));
    }
    findings.extend(looks.join_all().await);
    findings
}

async fn look(interface: Interface, group: SocketAddr, within: std::time::Duration) -> Finding {
    let about = format!("multicast by {} to {group}", interface.name);
    let socket = match open(group, &interface) {
        Ok(socket) => socket,
        Err(error) => {
            let advice = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "another program has the port for itself: choose another one (`--multicast \
                     GROUP:PORT`), the same for all peers"
                }
                _ => "a group is 224.0.0.0 to 239.255.255.255, or ff02::X",
            };
            return Finding::bad(about, format!("cannot listen: {error}"), advice);
        }
    };
    let mut probe = [0; PROBE_BYTES];
    probe[..4].copy_from_slice(&PROBE_MAGIC);
    if let Err(error) = getrandom::fill(&mut probe[4..]) {
        return Finding::bad(about, error.to_string(), "the system gives no randomness");
    }
    if let Err(error) = SockRef::from(&socket).send_to(&probe, &group.into()) {
        let advice = "allow UDP out, to this group, in the firewall; or name peers (`--peer`)";
        return Finding::bad(about, format!("cannot send: {error}"), advice);
    }
    let sent = Instant::now();
    let mut others = BTreeSet::new();
    let heard = timeout(within, hear(&socket, &probe, &mut others)).await;
    match heard {
        Ok(()) => {
            let millis = sent.elapsed().as_secs_f64() * 1_000.0;
            let also = match others.is_empty() {
                true => String::new(),
                false => {
                    let names: Vec<String> = others.into_iter().collect();
                    format!("; beacons of {} too", names.join(", "))
                }
            };
            Finding::good(
                about,
                format!("own beacon heard after {millis:.1} ms{also}"),
            )
        }
        Err(_) => Finding::bad(
            about,
            "own beacon sent and not heard",
            format!(
                "allow UDP port {} in and out, to {}, in the firewall; or name peers (`--peer`)",
                group.port(),
                group.ip()
            ),
        ),
    }
}

/// Returns once `probe` was heard; notes whose beacons came before.
async fn hear(socket: &UdpSocket, probe: &[u8], others: &mut BTreeSet<String>) {
    let mut buffer = [0; DATAGRAM_BYTES];
    loop {
        // What the system says of earlier datagrams is not what we wait for.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let came = &buffer[..length];
        if came == probe {
            return;
        }
        if others.len() < NAMED_MAX
            && let Ok(beacon) = Beacon::from_bytes(came)
            && beacon.record.is_proven()
        {
            let name = &beacon.record.said().name;
            others.insert(format!("{name} at {}", from.ip()));
        }
    }
}
