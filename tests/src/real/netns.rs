//! Two machines in one: network namespaces with a line between them, made and removed by the test.
//! Needs root, `ip` and `nft`; where they are not, [`Line::try_new`] says why.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The server's address.
pub const SERVER: &str = "10.77.0.1";
/// The client's first address.
pub const CLIENT: &str = "10.77.0.2";
/// The client's other address.
pub const CLIENT_MOVED: &str = "10.77.0.3";

/// A server's machine, a client's machine, and the line between them. Dropped, they are gone.
#[derive(Debug)]
pub struct Line {
    server: String,
    client: String,
}

/// A command within the namespace `name`.
pub fn command(name: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", name]).arg(program);
    command
}

impl Line {
    /// Makes both.
    ///
    /// # Errors
    ///
    /// Why that is not possible here.
    pub fn try_new() -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |end: &str| format!("lmp{}{end}{number}", std::process::id());
        let line = Self {
            server: name("s"),
            client: name("c"),
        };
        ip(&["netns", "add", &line.server])?;
        ip(&["netns", "add", &line.client])?;
        let (server, client) = (line.server.as_str(), line.client.as_str());
        ip(&[
            "link", "add", "eth0", "netns", server, "type", "veth", "peer", "name", "eth0",
            "netns", client,
        ])?;
        for (at, addr) in [(server, SERVER), (client, CLIENT)] {
            let addr = format!("{addr}/24");
            ip(&["-n", at, "addr", "add", &addr, "dev", "eth0"])?;
            ip(&["-n", at, "link", "set", "eth0", "up"])?;
            ip(&["-n", at, "link", "set", "lo", "up"])?;
        }
        // The filter is tried at once, so that a kernel without it is seen here.
        line.drop_percent(1)?;
        line.drop_percent(0)?;
        Ok(line)
    }

    /// The server's namespace.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The client's namespace.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Each packet that comes to either machine is lost with this probability.
    ///
    /// # Errors
    ///
    /// When the kernel cannot filter so.
    pub fn drop_percent(&self, percent: u8) -> Result<(), String> {
        self.filter(&match percent {
            0 => String::new(),
            100 => "drop\n".to_owned(),
            percent => format!("numgen random mod 100 < {percent} drop\n"),
        })
    }

    /// No datagrams pass, and nothing says so.
    ///
    /// # Errors
    ///
    /// As [`Line::drop_percent`].
    pub fn drop_udp(&self) -> Result<(), String> {
        self.filter("meta l4proto udp drop\n")
    }

    fn filter(&self, rule: &str) -> Result<(), String> {
        let rules = format!(
            "table inet line\ndelete table inet line\ntable inet line {{\n chain come {{\n  type filter hook \
             input priority 0;\n  iif \"lo\" accept\n{rule} }}\n}}\n"
        );
        for at in [&self.server, &self.client] {
            run(
                Command::new("ip").args(["netns", "exec", at, "nft", "-f", "-"]),
                &rules,
            )?;
        }
        Ok(())
    }

    /// The client has another address from now on, and no longer the first.
    ///
    /// # Errors
    ///
    /// When that cannot be set.
    pub fn move_client(&self) -> Result<(), String> {
        let client = self.client.as_str();
        let (new, old) = (format!("{CLIENT_MOVED}/24"), format!("{CLIENT}/24"));
        // Without this, removing the first address would take the other one with it.
        let promote = ["netns", "exec", client, "sysctl", "-qw"];
        ip(&[&promote[..], &["net.ipv4.conf.all.promote_secondaries=1"]].concat())?;
        ip(&["-n", client, "addr", "add", &new, "dev", "eth0"])?;
        ip(&["-n", client, "addr", "del", &old, "dev", "eth0"])
    }
}

/// No program within the namespace `name` may hear what is sent to a multicast group.
///
/// # Errors
///
/// When the kernel cannot be told so.
pub fn forbid_groups(name: &str) -> Result<(), String> {
    let sysctl = ["netns", "exec", name, "sysctl", "-qw"];
    ip(&[&sysctl[..], &["net.ipv4.igmp_max_memberships=0"]].concat())
}

/// Drops everything that comes to the interface `eth0` of the namespace `name`, what it sent itself included.
///
/// # Errors
///
/// When there is no `tc`, or the kernel cannot filter so.
pub fn deafen(name: &str) -> Result<(), String> {
    let tc = |args: &[&str]| run(Command::new("tc").args(["-n", name]).args(args), "");
    tc(&["qdisc", "add", "dev", "eth0", "ingress"])?;
    let add = ["filter", "add", "dev", "eth0", "parent", "ffff:"];
    let all = [
        "protocol", "ip", "u32", "match", "u32", "0", "0", "action", "drop",
    ];
    tc(&[&add[..], &all[..]].concat())
}

impl Drop for Line {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

pub(super) fn ip(args: &[&str]) -> Result<(), String> {
    run(Command::new("ip").args(args), "")
}

fn run(command: &mut Command, input: &str) -> Result<(), String> {
    let words = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let failed = |error: &dyn std::fmt::Display| format!("{words}: {error}");
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .map_err(|error| failed(&error))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(&error))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(&String::from_utf8_lossy(&output.stderr).trim())),
    }
}
