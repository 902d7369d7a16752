//! A socket for one group on one interface. It hears only what comes by that interface, also what other
//! programs of this machine send there, and sends no further than the next router.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::interfaces::Interface;

/// Opens it.
///
/// # Errors
///
/// What the system says, of a group that is none too.
pub fn open(group: SocketAddr, interface: &Interface) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(group);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    // Several peers of one machine each have their own.
    socket.set_reuse_address(true)?;
    #[cfg(all(unix, not(target_os = "linux")))]
    socket.set_reuse_port(true)?;
    match group.ip() {
        IpAddr::V4(ip) => open_v4(&socket, ip, group.port(), interface)?,
        IpAddr::V6(ip) => {
            socket.set_only_v6(true)?;
            let group = SocketAddrV6::new(ip, group.port(), 0, interface.index);
            socket.bind(&SocketAddr::V6(group).into())?;
            socket.join_multicast_v6(&ip, interface.index)?;
            socket.set_multicast_if_v6(interface.index)?;
            socket.set_multicast_loop_v6(true)?;
            socket.set_multicast_hops_v6(1)?;
        }
    }
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

fn open_v4(socket: &Socket, group: Ipv4Addr, port: u16, interface: &Interface) -> io::Result<()> {
    // Bound to the group, it hears nothing that is sent to this machine alone.
    socket.bind(&SocketAddr::new(IpAddr::V4(group), port).into())?;
    // Without this it would hear what any program has joined by any interface.
    #[cfg(target_os = "linux")]
    socket.set_multicast_all_v4(false)?;
    let at = InterfaceIndexOrAddress::Index(interface.index);
    socket.join_multicast_v4_n(&group, &at)?;
    let own = interface.addrs.iter().find_map(|addr| match addr {
        IpAddr::V4(addr) => Some(*addr),
        IpAddr::V6(_) => None,
    });
    let own = own.ok_or(io::ErrorKind::AddrNotAvailable)?;
    socket.set_multicast_if_v4(&own)?;
    socket.set_multicast_loop_v4(true)?;
    socket.set_multicast_ttl_v4(1)
}
