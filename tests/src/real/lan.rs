//! Several machines on one network: network namespaces at the ports of a bridge, which may be two bridges
//! for a while. Needs root and `ip`; where they are not, [`Lan::try_new`] says why.

use std::sync::atomic::{AtomicU32, Ordering};

use super::netns::ip;

/// Machines on a network, at most.
pub const HOSTS_MAX: usize = 16;

/// A network. Dropped, it is gone, and its machines with it.
#[derive(Debug)]
pub struct Lan {
    switch: String,
    hosts: Vec<String>,
}

impl Lan {
    /// Makes it, with machines at `10.78.0.1` and so on, all on one bridge.
    ///
    /// # Errors
    ///
    /// Why that is not possible here.
    pub fn try_new(hosts: usize) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        assert!(hosts <= HOSTS_MAX, "a network has {HOSTS_MAX} machines");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |what: &str| format!("lml{}n{number}{what}", std::process::id());
        // Made before its parts, so that what there is of it goes, too, when a part cannot be made.
        let lan = Self {
            switch: name("s"),
            hosts: (0..hosts).map(|host| name(&format!("h{host}"))).collect(),
        };
        let switch = lan.switch.as_str();
        ip(&["netns", "add", switch])?;
        for bridge in ["br0", "br1"] {
            // Without the memory of who wants which group, as a plain switch.
            let make = [
                "link",
                "add",
                bridge,
                "type",
                "bridge",
                "mcast_snooping",
                "0",
            ];
            ip(&[&["-n", switch], &make[..]].concat())?;
            ip(&["-n", switch, "link", "set", bridge, "up"])?;
        }
        for (number, host) in lan.hosts.iter().enumerate() {
            let (host, port) = (host.as_str(), port(number));
            ip(&["netns", "add", host])?;
            ip(&[
                "link", "add", "eth0", "netns", host, "type", "veth", "peer", "name", &port,
                "netns", switch,
            ])?;
            let addr = format!("10.78.0.{}/24", number + 1);
            ip(&["-n", host, "addr", "add", &addr, "dev", "eth0"])?;
            ip(&["-n", host, "link", "set", "eth0", "up"])?;
            ip(&["-n", host, "link", "set", "lo", "up"])?;
            ip(&["-n", switch, "link", "set", &port, "master", "br0", "up"])?;
        }
        Ok(lan)
    }

    /// The namespace of a machine.
    pub fn host(&self, number: usize) -> &str {
        &self.hosts[number]
    }

    /// These machines hear each other and nobody else from now on; so do the others. No machine sees
    /// anything of it but silence.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn part(&self, away: &[usize]) -> Result<(), String> {
        for number in 0..self.hosts.len() {
            let bridge = if away.contains(&number) { "br1" } else { "br0" };
            let port = port(number);
            ip(&["-n", &self.switch, "link", "set", &port, "master", bridge])?;
        }
        Ok(())
    }

    /// All hear each other again.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn join(&self) -> Result<(), String> {
        self.part(&[])
    }

    /// Plugs a machine's cable in, or out: that it does see.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn plug(&self, number: usize, plugged: bool) -> Result<(), String> {
        let state = if plugged { "up" } else { "down" };
        ip(&["-n", &self.hosts[number], "link", "set", "eth0", state])
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for name in self.hosts.iter().chain([&self.switch]) {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

fn port(number: usize) -> String {
    format!("port{number}")
}
