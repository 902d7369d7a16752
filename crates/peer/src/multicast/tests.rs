use super::*;
use std::net::Ipv4Addr;

/// A group of this test alone: a port that was free a moment ago.
fn config() -> MulticastConfig {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let group = IpAddr::V4(Ipv4Addr::new(239, 255, 76, 77));
    MulticastConfig {
        groups: vec![SocketAddr::new(group, port)],
        ifaces: Vec::new(),
    }
}

fn multicast(config: &MulticastConfig) -> (Multicast, mpsc::Receiver<Heard>) {
    let (sender, heard) = mpsc::channel(HEARD_MAX);
    let listen = vec!["127.0.0.1:1".parse().unwrap()];
    (Multicast::new(config.clone(), listen, sender), heard)
}

#[tokio::test]
async fn two_on_one_machine_hear_each_other_and_themselves() {
    let config = config();
    let (mut ana, mut ana_hears) = multicast(&config);
    let (mut rui, mut rui_hears) = multicast(&config);
    let begun = ana.refresh().unwrap();
    assert_eq!(begun, [Change::Begun("lo".to_owned())]);
    assert_eq!(ana.refresh().unwrap(), [], "nothing is opened twice");
    rui.refresh().unwrap();
    ana.send(b"beacon");
    for heard in [&mut ana_hears, &mut rui_hears] {
        let patience = Duration::from_secs(30);
        let came = tokio::time::timeout(patience, heard.recv()).await;
        let came = came.expect("a beacon is heard").unwrap();
        assert_eq!(&came.bytes[..], b"beacon");
        assert_eq!(came.from.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(came.interface, "lo");
    }
}

#[tokio::test]
async fn an_interface_that_comes_and_goes_is_followed() {
    let config = config();
    let (mut ana, _heard) = multicast(&config);
    let all = interfaces::list().unwrap();
    let lo: Vec<Interface> = all.into_iter().filter(|one| one.is_loopback).collect();
    assert_eq!(ana.refresh_with(&[]), []);
    assert_eq!(ana.refresh_with(&lo), [Change::Begun("lo".to_owned())]);
    assert_eq!(ana.interfaces(), ["lo"]);
    assert_eq!(ana.refresh_with(&[]), [Change::Ended("lo".to_owned())]);
    assert_eq!(ana.refresh_with(&lo), [Change::Begun("lo".to_owned())]);
}

#[tokio::test]
async fn what_cannot_be_opened_is_said_once() {
    let no_group = "192.0.2.1:7677".parse().unwrap();
    let config = MulticastConfig {
        groups: vec![no_group],
        ifaces: Vec::new(),
    };
    let (mut ana, _heard) = multicast(&config);
    let said = ana.refresh().unwrap();
    assert!(
        matches!(&said[..], [Change::Failed(lo, _)] if lo == "lo"),
        "{said:?}"
    );
    assert_eq!(ana.refresh().unwrap(), []);
}
