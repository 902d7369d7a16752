//! Finds out why peers do not find each other: sends a beacon by each interface and listens for it, tries
//! its port, other addresses and the clock, and says in words what fails and what to do. The beacon is one
//! that peers pass over, so that nobody dials who only looks.

mod multicast;
mod ports;
mod report;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

pub use report::{FINDINGS_MAX, Finding, Report, Verdict};

use crate::config::MulticastConfig;

/// How long a beacon is waited for.
pub const HEARD_WITHIN: Duration = Duration::from_secs(2);
/// 2026-01-01: no clock that is right says less. In seconds since 1970.
const NOT_BEFORE: u64 = 1_767_225_600;

/// What is looked at.
#[derive(Clone, Debug)]
pub struct DoctorConfig {
    /// Where the peer would listen.
    pub listen: Vec<SocketAddr>,
    /// Where its beacons would go.
    pub multicast: Option<MulticastConfig>,
    /// `HOST:PORT` of peers that it would dial.
    pub peers: Vec<String>,
    /// `HOST:PORT` of its directory.
    pub rendezvous: Option<String>,
    /// How long a beacon is waited for.
    pub heard_within: Duration,
}

/// Looks at everything; takes little longer than [`DoctorConfig::heard_within`].
pub async fn doctor(config: &DoctorConfig) -> Report {
    let mut report = Report::default();
    report.add([clock(SystemTime::now())]);
    report.add(ports::listening(&config.listen).await);
    match &config.multicast {
        Some(groups) => report.add(multicast::all(config, groups).await),
        None => report.add([Finding::notice("multicast", "not asked for")]),
    }
    let peers = config.peers.iter().map(|addr| ("peer", addr));
    let rendezvous = config.rendezvous.iter().map(|addr| ("rendezvous", addr));
    for (what, addr) in peers.chain(rendezvous) {
        report.add([ports::reach(what, addr).await]);
    }
    report
}

fn clock(now: SystemTime) -> Finding {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    match since.map(|since| since.as_secs()) {
        Ok(seconds) if seconds >= NOT_BEFORE => Finding::good("clock", "it is set"),
        _ => Finding::bad(
            "clock",
            "it says a year before 2026",
            "set it: people see when a message was said, and each start is numbered by the time",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    #[track_caller]
    fn check(report: &Report, about: &str, verdict: Verdict, text: &str) {
        let found = |finding: &&Finding| finding.about.contains(about);
        let finding = report.findings.iter().find(found);
        let finding = finding.unwrap_or_else(|| panic!("nothing about {about}: {report}"));
        assert_eq!(finding.verdict, verdict, "{report}");
        assert!(finding.text.contains(text), "{report}");
    }

    fn config(listen: &str) -> DoctorConfig {
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let group = IpAddr::V4(Ipv4Addr::new(239, 255, 76, 77));
        DoctorConfig {
            listen: vec![listen.parse().unwrap()],
            multicast: Some(MulticastConfig {
                groups: vec![SocketAddr::new(group, port)],
                ifaces: Vec::new(),
            }),
            peers: Vec::new(),
            rendezvous: None,
            heard_within: Duration::from_secs(30),
        }
    }

    #[tokio::test]
    async fn what_works_is_said() {
        let report = doctor(&config("127.0.0.1:0")).await;
        assert!(report.is_good(), "{report}");
        check(&report, "clock", Verdict::Good, "set");
        check(&report, "port", Verdict::Good, "127.0.0.1");
        check(&report, "multicast by lo", Verdict::Good, "heard");
    }

    #[tokio::test]
    async fn what_fails_is_said_with_what_to_do() {
        let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = taken.local_addr().unwrap();
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nobody = free.local_addr().unwrap().to_string();
        drop(free);
        let mut config = config(&addr.to_string());
        config.peers = vec![addr.to_string(), nobody];
        config.rendezvous = Some("no address".to_owned());
        let multicast = config.multicast.as_mut().unwrap();
        multicast.ifaces = vec!["nosuch0".to_owned()];
        let report = doctor(&config).await;
        assert!(!report.is_good());
        check(&report, "port", Verdict::Bad, "another program");
        check(&report, "nosuch0", Verdict::Bad, "no interface");
        check(&report, "multicast", Verdict::Bad, "");
        let [first, second] = &config.peers[..] else {
            unreachable!()
        };
        check(&report, &format!("peer {first}"), Verdict::Good, "answers");
        check(&report, &format!("peer {second}"), Verdict::Bad, "refused");
        check(&report, "rendezvous", Verdict::Bad, "no address");
        let advised = |finding: &Finding| finding.advice.is_some();
        let bad = |finding: &&Finding| finding.verdict == Verdict::Bad;
        assert!(report.findings.iter().filter(bad).all(advised), "{report}");
    }

    #[test]
    fn a_clock_that_was_never_set_is_told() {
        let bad = clock(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
        assert_eq!(bad.verdict, Verdict::Bad);
        let before = clock(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(before.verdict, Verdict::Bad);
    }
}
