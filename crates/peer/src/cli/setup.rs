//! Who, where and how: from the command line, the environment, a file, and the person in front.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use lamparina_console::ask;
use lamparina_console::exit::{Exit, Stop};
use lamparina_keys::Identity;
use lamparina_protocol::RoomName;
use lamparina_protocol::peer::PeerName;
use lamparina_protocol::peer::name::DEFAULT_NAMESPACE;
use tokio::net::lookup_host;

use super::args::{Args, Options, Place, too_many};
use crate::config::{MulticastConfig, PeerConfig, RendezvousConfig};
use crate::doctor::{DoctorConfig, HEARD_WITHIN};

const APP: &str = "lamparina";
/// The file of a peer's key, in its data folder.
const IDENTITY_FILE: &str = "identity";

/// What a peer is started with, and what only the program needs.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) config: PeerConfig,
    /// Peers were named: somebody expects them to be there.
    pub(super) expects_peers: bool,
    /// Beacons are left out although nobody said so.
    pub(super) stays_here: bool,
}

/// Puts everything together; asks for a missing name where somebody is there to answer.
pub(super) async fn setup(args: &Args) -> Result<Setup, Stop> {
    let place = Place::read(&args.place).map_err(usage)?;
    let options = &args.options;
    let name = name(&place, options)?;
    let listen = listen(&place, options).await?;
    let mut peers = options.peer.clone();
    peers.extend(place.peer);
    too_many("call", peers.len()).map_err(usage)?;
    let data = match &options.data {
        Some(data) => data.clone(),
        None => data_folder(&name, |name| std::env::var_os(name))?,
    };
    let identity = Identity::open(&data.join(IDENTITY_FILE))
        .map_err(|error| Stop::new(Exit::Failed, error.to_string()))?;
    let mut config = PeerConfig::new(name, data, identity);
    if !listen.is_empty() {
        config.listen = listen;
    }
    let asked_for = !options.multicast.is_empty() || !options.iface.is_empty();
    let here_only = config.listen.iter().all(|addr| addr.ip().is_loopback());
    let stays_here = here_only && !asked_for && !options.no_multicast;
    config.multicast = (!options.no_multicast && !stays_here).then(|| multicast(options));
    config.rendezvous = options
        .rendezvous
        .clone()
        .map(|server| rendezvous(server, options));
    let expects_peers = !peers.is_empty();
    config.peers = peers;
    tune(&mut config, options);
    Ok(Setup {
        config,
        expects_peers,
        stays_here,
    })
}

fn usage(error: impl Into<String>) -> Stop {
    Stop::new(Exit::Usage, error)
}

/// One's name, with its namespace.
fn name(place: &Place, options: &Options) -> Result<PeerName, Stop> {
    let lan = RoomName::try_from(DEFAULT_NAMESPACE).map_err(|error| usage(error.to_string()))?;
    let namespace = options.namespace.clone();
    let name = match place.name.as_ref().or(options.name.as_ref()) {
        Some(text) => PeerName::parse(text, namespace.as_ref().unwrap_or(&lan))
            .map_err(|error| usage(format!("{text:?} is no name: {error}")))?,
        None => PeerName {
            name: ask::name()?,
            namespace: namespace.clone().unwrap_or(lan),
        },
    };
    match namespace {
        Some(namespace) if namespace.key() != name.namespace.key() => Err(usage(format!(
            "the name says {name} and --namespace says {namespace}: leave one of them out"
        ))),
        _ => Ok(name),
    }
}

/// Where to listen; nothing where nothing is said.
async fn listen(place: &Place, options: &Options) -> Result<Vec<SocketAddr>, Stop> {
    let mut out = Vec::new();
    for text in options.listen.iter().chain(&place.listen) {
        let found = lookup_host(text).await;
        let found = found.map_err(|error| usage(format!("cannot listen at {text}: {error}")))?;
        // A name of this machine may have an address of each kind: most others call the older one.
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(SocketAddr::is_ipv6);
        let first = found.first().copied();
        out.push(first.ok_or_else(|| usage(format!("{text} has no address to listen at")))?);
    }
    out.dedup();
    too_many("listen at", out.len()).map_err(usage)?;
    Ok(out)
}

fn multicast(options: &Options) -> MulticastConfig {
    let mut config = MulticastConfig::default();
    if !options.multicast.is_empty() {
        config.groups.clone_from(&options.multicast);
    }
    config.ifaces.clone_from(&options.iface);
    config
}

/// What `doctor` looks at.
pub(super) async fn examined(args: &Args) -> Result<DoctorConfig, Stop> {
    let options = &args.options;
    let mut listen = listen(&Place::default(), options).await?;
    if listen.is_empty() {
        listen.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
    }
    Ok(DoctorConfig {
        listen,
        multicast: (!options.no_multicast).then(|| multicast(options)),
        peers: options.peer.clone(),
        rendezvous: options.rendezvous.clone(),
        heard_within: HEARD_WITHIN,
    })
}

fn rendezvous(server: String, options: &Options) -> RendezvousConfig {
    let mut config = RendezvousConfig::new(server);
    config.ttl = options.ttl.unwrap_or(config.ttl);
    config.discover_every = options.discover_every.unwrap_or(config.discover_every);
    config
}

/// Times and counts that somebody has set.
fn tune(config: &mut PeerConfig, options: &Options) {
    config.election = !options.no_election;
    config.udp = options.udp;
    config.mesh = !options.no_mesh;
    for (time, set) in [
        (&mut config.ack_within, options.ack_within),
        (&mut config.ping_every, options.ping_every),
        (&mut config.ping_within, options.ping_within),
        (&mut config.backoff_first, options.backoff_first),
        (&mut config.backoff_max, options.backoff_max),
    ] {
        *time = set.unwrap_or(*time);
    }
    if let Some(attempts) = options.reconnect_attempts {
        config.reconnect_attempts = attempts;
    }
}

/// The folder of a name's key and history, by the XDG base directory specification: a name in another
/// namespace is somebody else.
fn data_folder(
    name: &PeerName,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, Stop> {
    // The specification: a relative path is to be ignored.
    let absolute = |name: &str| {
        lookup(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .ok_or_else(|| {
            let text = "no place for the key and the history: set HOME or XDG_DATA_HOME, or name a folder \
                        with --data DIR";
            Stop::new(Exit::Usage, text)
        })?;
    // Neither part holds `/`, and with `@` in it no name is `.` or `..`.
    let folder = name.to_string().to_lowercase();
    let folder = match folder.strip_prefix('.') {
        Some(rest) => format!("%2e{rest}"),
        None => folder,
    };
    Ok(base.join(APP).join("peers").join(folder))
}

/// Words for a folder that another peer of this name has.
pub(super) fn could_not_start(error: &crate::PeerError) -> Stop {
    let exit = match error {
        crate::PeerError::Config(_) => Exit::Usage,
        crate::PeerError::Listen { source, .. }
            if source.kind() == io::ErrorKind::AddrNotAvailable =>
        {
            Exit::Usage
        }
        _ => Exit::Failed,
    };
    Stop::new(exit, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::testing::name as named;

    #[test]
    fn a_folder_for_each_name_that_leads_nowhere_else() {
        let of = |text: &str| {
            let folder = data_folder(&named(text), |name| match name {
                "HOME" => Some("/home/ana".into()),
                "XDG_DATA_HOME" => Some("relative".into()),
                _ => None,
            });
            folder.map(|path| path.display().to_string()).unwrap()
        };
        let peers = "/home/ana/.local/share/lamparina/peers";
        assert_eq!(of("Ana"), format!("{peers}/ana@lan"));
        assert_eq!(of("ana@lab"), format!("{peers}/ana@lab"));
        assert_eq!(of("..@.."), format!("{peers}/%2e.@.."));
        let stop = data_folder(&named("ana"), |_| None).unwrap_err();
        assert!(stop.text.contains("--data DIR"), "{}", stop.text);
    }
}
