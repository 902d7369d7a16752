//! Whether others can come in, and we can go out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::report::Finding;
use crate::error::listen_hint;
use crate::multicast::interfaces;

/// An attempt ends after this.
const REACHED_WITHIN: Duration = Duration::from_secs(3);
/// Own addresses that are tried, at most.
const OWN_ADDRS_MAX: usize = 16;

/// Listens at each address, and comes in by each of this machine's own.
pub(super) async fn listening(addrs: &[SocketAddr]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for &addr in addrs {
        let about = format!("port {addr}");
        match TcpListener::bind(addr).await {
            Ok(listener) => findings.extend(own_ways(&about, &listener).await),
            Err(error) => {
                let text = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "another program has it, a running peer perhaps".to_owned()
                    }
                    _ => format!("cannot listen: {error}"),
                };
                findings.push(Finding::bad(about, text, listen_hint(&error)));
            }
        }
    }
    findings
}

async fn own_ways(about: &str, listener: &TcpListener) -> Vec<Finding> {
    let Ok(bound) = listener.local_addr() else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for ip in own_addrs(bound.ip()) {
        let to = SocketAddr::new(ip, bound.port());
        let way = async { tokio::join!(TcpStream::connect(to), listener.accept()) };
        findings.push(match timeout(REACHED_WITHIN, way).await {
            Ok((Ok(_), Ok(_))) => Finding::good(about, format!("links come in by {ip}")),
            _ => Finding::bad(
                about,
                format!("no link comes in by {ip}, from this very machine"),
                format!("allow TCP to port {} in the firewall", bound.port()),
            ),
        });
    }
    findings
}

/// The addresses of this machine by which one comes to `bound`.
fn own_addrs(bound: IpAddr) -> Vec<IpAddr> {
    if !bound.is_unspecified() {
        return vec![bound];
    }
    let all = interfaces::list().unwrap_or_default();
    let up = all.into_iter().filter(|interface| interface.is_up);
    // Those of the link only need to know by which interface, and another family needs its own socket.
    let fits = |addr: &IpAddr| match addr {
        IpAddr::V4(_) => bound.is_ipv4(),
        IpAddr::V6(addr) => bound.is_ipv6() && !addr.is_unicast_link_local(),
    };
    let addrs = up.flat_map(|interface| interface.addrs).filter(fits);
    let addrs: Vec<IpAddr> = addrs.take(OWN_ADDRS_MAX).collect();
    match addrs.is_empty() {
        true => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        false => addrs,
    }
}

/// Whether something answers at `HOST:PORT`.
pub(super) async fn reach(what: &str, addr: &str) -> Finding {
    let about = format!("{what} {addr}");
    let advice = "check the address, that the other side runs, and that no firewall is between";
    match timeout(REACHED_WITHIN, TcpStream::connect(addr)).await {
        Ok(Ok(_)) => Finding::good(about, "something answers there"),
        Ok(Err(error)) if is_no_address(&error) => {
            let advice = "an address is HOST:PORT, as 192.0.2.5:5001";
            Finding::bad(about, format!("this is no address: {error}"), advice)
        }
        Ok(Err(error)) => Finding::bad(about, error.to_string(), advice),
        Err(_) => {
            let text = format!("no answer within {} s", REACHED_WITHIN.as_secs());
            Finding::bad(about, text, advice)
        }
    }
}

fn is_no_address(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
    )
}
