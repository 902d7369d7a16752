use std::time::Duration;

use super::*;
use crate::limits::{RATE_WINDOW, RATES_MAX};
use serde_json::{from_str, json};

const NOON: UnixMicros = UnixMicros(1_770_113_472_000_000);
const HERE: &str = "203.0.113.7";

/// A rendezvous in virtual time, with no limit of connections.
struct Desk {
    now: Instant,
    directory: Directory,
}

impl Desk {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl Fn(&mut Settings)) -> Self {
        let mut settings = Settings::new(NOON);
        settings.limit = 0;
        change(&mut settings);
        Self {
            now: Instant::from_millis(1_000),
            directory: Directory::new(settings),
        }
    }

    /// One where ana is registered from here.
    fn with_ana() -> Self {
        let mut desk = Self::new();
        let ana = r#"{"type":"REGISTER","namespace":"lab","name":"ana","port":4100,"ttl":900}"#;
        desk.check(
            ana,
            r#"{"ip":"203.0.113.7","port":4100,"status":"OK","ttl":900}"#,
        );
        desk
    }

    fn ask_from(&mut self, from: &str, line: &str) -> Value {
        let from = from.parse().unwrap();
        let reply = self.directory.answer(self.now, from, Asked::Line(line));
        assert!(reply.is_ascii() && reply.ends_with('\n'), "{reply}");
        assert_eq!(reply.matches('\n').count(), 1);
        from_str(&reply).unwrap()
    }

    fn ask(&mut self, line: &str) -> Value {
        self.ask_from(HERE, line)
    }

    #[track_caller]
    fn check(&mut self, line: &str, reply: &str) {
        let expect: Value = from_str(reply).unwrap();
        assert_eq!(self.ask(line), expect, "{line}");
    }

    #[track_caller]
    fn refuses(&mut self, line: &str, message: &str) {
        let expect = json!({"status": "ERROR", "message": message});
        assert_eq!(self.ask(line), expect, "{line}");
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn names(&mut self, from: &str, line: &str) -> Vec<String> {
        let reply = self.ask_from(from, line);
        let peers = reply["peers"].as_array().unwrap();
        let name = |peer: &Value| {
            format!(
                "{}@{} {}",
                peer["name"].as_str().unwrap(),
                peer["namespace"].as_str().unwrap(),
                peer["port"]
            )
        };
        peers.iter().map(name).collect()
    }
}

fn register(members: &str) -> String {
    format!(r#"{{"type":"REGISTER",{members}}}"#)
}

#[test]
fn rules_31_32_33_a_record_is_made_listed_and_taken_back() {
    let mut desk = Desk::with_ana();
    desk.later(29);
    let ana = r#"{"status":"OK","peers":[{"ip":"203.0.113.7","port":4100,"name":"ana","namespace":"lab","ttl":900,"expires_in":871}]}"#;
    for line in [
        r#"{"type":"DISCOVER","namespace":"lab"}"#,
        r#"{"type":"DISCOVER"}"#,
        r#"{"type":"DISCOVER","namespace":null}"#,
    ] {
        desk.check(line, ana);
    }
    desk.check(
        r#"{"type":"DISCOVER","namespace":"Lab"}"#,
        r#"{"status":"OK","peers":[]}"#,
    );
    desk.check(
        r#"{"type":"UNREGISTER","namespace":"lab","name":"ana","port":4100}"#,
        r#"{"status":"OK"}"#,
    );
    desk.refuses(r#"{"type":"DISCOVER"}"#, "peer_not_registered");
    assert!(desk.directory.is_empty());
}

#[test]
fn rule_31_the_key_is_address_namespace_and_name() {
    let mut desk = Desk::with_ana();
    // The same key again replaces port, ttl and time.
    desk.later(100);
    desk.ask(r#"{"type":"REGISTER","namespace":"lab","name":"ana","port":4101,"ttl":50}"#);
    let all = r#"{"type":"DISCOVER"}"#;
    assert_eq!(desk.names(HERE, all), ["ana@lab 4101"]);
    assert_eq!(desk.ask(all)["peers"][0]["expires_in"], 50);
    // Another address, namespace or name is another record.
    let other = "203.0.113.8";
    let ana = register(r#""namespace":"lab","name":"ana","port":7,"ttl":900"#);
    desk.ask_from(other, &ana);
    desk.ask(&register(r#""namespace":"mar","name":"ana","port":8"#));
    desk.ask(&register(r#""namespace":"lab","name":"Ana","port":9"#));
    let expect = ["Ana@lab 9", "ana@lab 4101", "ana@lab 7", "ana@mar 8"];
    assert_eq!(desk.names(HERE, all), expect);
    assert_eq!(desk.directory.len(), 4);
    // An address of IPv4 is the same one inside one of IPv6.
    assert_eq!(desk.names("::ffff:203.0.113.8", all).len(), 4);
}

#[test]
fn rule_34_a_record_disappears_after_its_ttl() {
    let mut desk = Desk::with_ana();
    desk.ask(&register(
        r#""namespace":"lab","name":"rui","port":1,"ttl":10"#,
    ));
    desk.later(9);
    let all = r#"{"type":"DISCOVER"}"#;
    assert_eq!(desk.names(HERE, all).len(), 2);
    assert_eq!(desk.ask(all)["peers"][1]["expires_in"], 1);
    desk.now += Duration::from_micros(999_999);
    assert_eq!(desk.ask(all)["peers"][1]["expires_in"], 1);
    desk.now += Duration::from_micros(1);
    assert_eq!(desk.names(HERE, all), ["ana@lab 4100"]);
    desk.later(1_000);
    desk.refuses(all, "peer_not_registered");
    desk.refuses(
        r#"{"type":"UNREGISTER","namespace":"lab"}"#,
        "peer_not_registered",
    );
}

#[test]
fn rule_29_members_of_register_and_what_is_taken_for_a_number() {
    let (ns, name, port) = (r#""namespace":"lab""#, r#""name":"ana""#, r#""port":1"#);
    let mut desk = Desk::new();
    for (ttl, expect) in [
        ("", 7_200),
        (r#","ttl":60"#, 60),
        (r#","ttl":"60""#, 60),
        (r#","ttl":" 60 ""#, 60),
        (r#","ttl":3.7"#, 3),
        (r#","ttl":0"#, 1),
        (r#","ttl":0.5"#, 1),
        (r#","ttl":-5"#, 1),
        (r#","ttl":"-5""#, 1),
        (r#","ttl":1e300"#, 86_400),
        (r#","ttl":86401"#, 86_400),
        (r#","ttl":"99999999999999999999999""#, 86_400),
        (r#","ttl":18446744073709551615"#, 86_400),
    ] {
        let reply = desk.ask(&register(&format!("{ns},{name},{port}{ttl}")));
        assert_eq!(reply["ttl"], expect, "{ttl}");
    }
    for ttl in [
        "null", "[]", "{}", r#""""#, r#""abc""#, r#""3.7""#, r#""-""#, "true",
    ] {
        desk.refuses(
            &register(&format!(r#"{ns},{name},{port},"ttl":{ttl}"#)),
            "bad_ttl",
        );
    }
    for (port, expect) in [("65535", 65_535), (r#""4001""#, 4_001), ("4001.0", 4_001)] {
        let reply = desk.ask(&register(&format!(r#"{ns},{name},"port":{port}"#)));
        assert_eq!(reply["port"], expect);
    }
    for port in [
        "0", "65536", "-1", "null", "[]", "true", r#""""#, r#""x""#, "0.9", "1e300", "{}",
    ] {
        desk.refuses(
            &register(&format!(r#"{ns},{name},"port":{port}"#)),
            "bad_port",
        );
    }
    desk.refuses(&register(&format!("{ns},{name}")), "bad_port");
    // Characters are counted, not bytes.
    let long = "\u{1f600}".repeat(64);
    let reply = desk.ask(&register(&format!(
        r#""namespace":"{long}","name":"{long}",{port}"#
    )));
    assert_eq!(reply["status"], "OK");
    for bad in ["5", "null", "[]", r#""""#, &format!(r#""{long}x""#)] {
        desk.refuses(
            &register(&format!(r#"{ns},"name":{bad},{port}"#)),
            "bad_name",
        );
        desk.refuses(
            &register(&format!(r#""namespace":{bad},{name},{port}"#)),
            "bad_namespace",
        );
    }
    desk.refuses(&register(&format!("{ns},{port}")), "bad_name");
    desk.refuses(&register(&format!("{name},{port}")), "bad_namespace");
}

#[test]
fn rule_30_of_several_that_are_wrong_the_first_is_named() {
    let mut desk = Desk::new();
    for (members, message) in [
        (
            r#""name":"","ttl":null,"namespace":"","port":0"#,
            "bad_name",
        ),
        (
            r#""name":"a","ttl":null,"namespace":"","port":0"#,
            "bad_ttl",
        ),
        (
            r#""name":"a","ttl":1,"namespace":"","port":0"#,
            "bad_namespace",
        ),
        (r#""name":"a","ttl":1,"namespace":"l","port":0"#, "bad_port"),
        (r#""port":0"#, "bad_name"),
    ] {
        desk.refuses(&register(members), message);
    }
}

#[test]
fn rule_32_discover_is_for_who_is_registered() {
    let mut desk = Desk::new();
    desk.refuses(
        r#"{"type":"DISCOVER","namespace":""}"#,
        "peer_not_registered",
    );
    let mut desk = Desk::with_ana();
    let long = "x".repeat(65);
    for namespace in [r#""""#, &format!("\"{long}\""), "5", "[]", "{}", "true"] {
        desk.refuses(
            &format!(r#"{{"type":"DISCOVER","namespace":{namespace}}}"#),
            "bad_namespace",
        );
    }
    let others = json!({"status": "ERROR", "message": "peer_not_registered"});
    assert_eq!(
        desk.ask_from("203.0.113.8", r#"{"type":"DISCOVER"}"#),
        others
    );
}

#[test]
fn rule_33_unregister_takes_what_is_the_callers_and_matches() {
    let mut desk = Desk::new();
    desk.refuses(r#"{"type":"UNREGISTER"}"#, "peer_not_registered");
    let mut desk = Desk::with_ana();
    for (members, message) in [
        ("", "namespace_required"),
        (r#","namespace":null"#, "namespace_required"),
        (r#","namespace":"""#, "namespace_required"),
        (r#","namespace":5"#, "namespace_required"),
        (r#","namespace":"","port":"abc""#, "namespace_required"),
        (r#","namespace":"lab","port":"abc""#, "bad_port (abc)"),
        (r#","namespace":"lab","port":0"#, "bad_port (0)"),
        (r#","namespace":"lab","port":65536"#, "bad_port (65536)"),
        (r#","namespace":"lab","port":[1]"#, "bad_port ([1])"),
        (r#","namespace":"mar","name":7,"port":"x""#, "bad_port (x)"),
        (r#","namespace":"mar""#, "peer_credentials_do_not_match"),
        (
            r#","namespace":"lab","name":"rui""#,
            "peer_credentials_do_not_match",
        ),
        (
            r#","namespace":"lab","name":5"#,
            "peer_credentials_do_not_match",
        ),
        (
            r#","namespace":"lab","port":4101"#,
            "peer_credentials_do_not_match",
        ),
        (
            r#","namespace":"lab","name":"ana","port":4101"#,
            "peer_credentials_do_not_match",
        ),
    ] {
        desk.refuses(&format!(r#"{{"type":"UNREGISTER"{members}}}"#), message);
    }
    let long = "y".repeat(30_000);
    let reply = desk.ask(&format!(
        r#"{{"type":"UNREGISTER","namespace":"lab","port":"{long}"}}"#
    ));
    assert!(reply["message"].as_str().unwrap().len() < 100);
    // Another address has no part in it, whatever it says.
    let other = register(r#""namespace":"lab","name":"rui","port":1"#);
    desk.ask_from("203.0.113.8", &other);
    let take = r#"{"type":"UNREGISTER","namespace":"lab","name":"ana"}"#;
    assert_eq!(
        desk.ask_from("203.0.113.8", take)["message"],
        "peer_credentials_do_not_match"
    );
    // Without name and port it takes all of the namespace; a port may be a text.
    for (members, left) in [
        (r#","port":"4100""#, 1),
        (r#","name":"ana","port":null"#, 1),
        ("", 1),
    ] {
        desk.ask(&register(r#""namespace":"lab","name":"ana","port":4100"#));
        let line = format!(r#"{{"type":"UNREGISTER","namespace":"lab"{members}}}"#);
        desk.check(&line, r#"{"status":"OK"}"#);
        assert_eq!(desk.directory.len(), left);
    }
}

#[test]
fn rules_27_28_what_is_taken_for_a_request_and_what_is_not() {
    let mut desk = Desk::with_ana();
    for line in [
        r#"{"type":"discover"}"#,
        "  {\"type\" :\t\"DisCover\"} \r",
        r#"{"x":[{"y":null}],"type":"DISCOVER","TYPE":1}"#,
        "{\"type\":\"DISCOVER\",\"x\":\"\u{fffd}\"}",
        r#"{"type":"\u0044ISCOVER"}"#,
        r#"{"type":"x","type":"DISCOVER"}"#,
    ] {
        assert_eq!(desk.ask(line)["status"], "OK", "{line}");
    }
    for line in ["", " ", "\t \r"] {
        desk.refuses(line, "Empty request line");
    }
    for line in [
        "{}",
        "[]",
        "null",
        "5",
        "\"DISCOVER\"",
        "DISCOVER",
        "GET / HTTP/1.1",
        "{\"type\":\"DISCOVER\"",
        r#"{"type":"DISCOVER"} x"#,
        r#"{"type":5}"#,
        r#"{"type":"DISCOVERY"}"#,
        r#"{"type":" DISCOVER"}"#,
        r#"[{"type":"DISCOVER"}]"#,
        "{'type':'DISCOVER'}",
        "\u{0}",
        "\u{fffd}\u{fffd}",
    ] {
        desk.refuses(line, "Unknown command");
    }
    desk.refuses(&"[".repeat(32_000), "Unknown command");
    let from = HERE.parse().unwrap();
    let mut other = |asked| desk.directory.answer(desk.now, from, asked);
    assert_eq!(
        other(Asked::TooLong),
        "{\"status\":\"ERROR\",\"message\":\"line_too_long\",\"limit\":32768}\n"
    );
    assert_eq!(
        other(Asked::Silence),
        "{\"status\":\"ERROR\",\"message\":\"Timeout: no data received, closing connection\"}\n"
    );
}

fn from(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

#[test]
fn rule_35_connection_51_in_60_s_starts_a_block_of_60_s() {
    let mut desk = Desk::with(|settings| settings.limit = 50);
    let here = from("203.0.113.7:5555");
    let at = |millis: u64, desk: &mut Desk| {
        desk.directory
            .admit(Instant::from_millis(millis), here)
            .map_err(|reply| from_str::<Value>(&reply).unwrap())
    };
    let blocked = |seconds: u64| {
        let message = format!(
            "Connection from 203.0.113.7:5555 has been blocked due to excessive login attempts (limit: 50). The block will be lifted in {seconds} seconds."
        );
        Err(json!({"status": "ERROR", "message": message}))
    };
    // The window slides: of 50 that were early, the first leaves it after 60 s.
    for n in 0..50 {
        assert_eq!(at(n * 100, &mut desk), Ok(()));
    }
    assert_eq!(at(60_000, &mut desk), Ok(()));
    assert_eq!(at(60_050, &mut desk), blocked(60));
    // Trying does not make it longer.
    for millis in (61_000..120_000_u64).step_by(500) {
        let left = (120_050 - millis).div_ceil(1_000);
        assert_eq!(at(millis, &mut desk), blocked(left));
    }
    assert_eq!(at(120_049, &mut desk), blocked(1));
    // Afterwards the count starts anew.
    for _ in 0..50 {
        assert_eq!(at(120_050, &mut desk), Ok(()));
    }
    assert_eq!(at(120_051, &mut desk), blocked(60));
}

#[test]
fn rule_35_each_address_is_counted_by_itself_and_a_limit_of_0_is_none() {
    let mut desk = Desk::with(|settings| settings.limit = 1);
    let mut ok = |address: &str| desk.directory.admit(desk.now, from(address)).is_ok();
    assert!(ok("203.0.113.7:1") && ok("203.0.113.8:1") && ok("[2001:db8::1]:1") && ok("[::1]:1"));
    assert!(!ok("203.0.113.7:2") && !ok("[::ffff:203.0.113.8]:1"));
    assert!(!ok("[2001:db8::2]:1"), "one network of IPv6 is one address");
    assert!(ok("[2001:db8:0:1::2]:1"));
    let mut desk = Desk::new();
    assert!((0..1_000).all(|_| {
        desk.directory
            .admit(desk.now, from("203.0.113.7:1"))
            .is_ok()
    }));
}

#[test]
fn rule_35_addresses_beyond_those_that_can_be_counted_are_served() {
    let mut desk = Desk::with(|settings| settings.limit = 1);
    let address = |n: usize| SocketAddr::new(std::net::Ipv4Addr::from(n as u32).into(), 1);
    for n in 0..RATES_MAX {
        assert!(desk.directory.admit(desk.now, address(n)).is_ok());
    }
    assert!((0..2).all(|_| desk.directory.admit(desk.now, address(RATES_MAX)).is_ok()));
    assert!(desk.directory.admit(desk.now, address(0)).is_err());
    desk.now += RATE_WINDOW + RATE_WINDOW;
    assert!(desk.directory.admit(desk.now, address(RATES_MAX)).is_ok());
    assert!(
        desk.directory.admit(desk.now, address(RATES_MAX)).is_err(),
        "there is room again"
    );
}

#[test]
fn rule_38_a_full_directory_refuses_who_is_new() {
    let mut desk = Desk::with(|settings| settings.records_max = 8);
    let line = |name: usize| register(&format!(r#""namespace":"lab","name":"{name}","port":1"#));
    for n in 0..8 {
        let reply = desk.ask_from(&format!("203.0.113.{}", n / 2), &line(n));
        assert_eq!(reply["status"], "OK");
    }
    assert_eq!(
        desk.ask_from("203.0.113.9", &line(9))["message"],
        "directory_full"
    );
    assert_eq!(
        desk.ask_from("203.0.113.0", &line(9))["message"],
        "too_many_records"
    );
    // Who is there can register again, and who leaves makes room.
    assert_eq!(desk.ask_from("203.0.113.0", &line(1))["status"], "OK");
    let leave = r#"{"type":"UNREGISTER","namespace":"lab"}"#;
    assert_eq!(desk.ask_from("203.0.113.0", leave)["status"], "OK");
    assert_eq!(desk.ask_from("203.0.113.9", &line(9))["status"], "OK");
}

#[test]
fn rule_32_a_list_that_is_too_long_is_refused_and_not_cut() {
    let mut desk = Desk::new();
    let long = "\u{1}".repeat(64).replace('\u{1}', "\\u0001");
    for n in 0..12_000 {
        let name = format!("{}{n:05}", &long[..6 * 59]);
        let address = format!("10.0.{}.{}", n / 200, n % 200);
        let line = register(&format!(r#""namespace":"{long}","name":"{name}","port":1"#));
        assert_eq!(desk.ask_from(&address, &line)["status"], "OK");
    }
    let all = r#"{"type":"DISCOVER"}"#;
    let reply = desk.ask_from("10.0.0.0", all);
    assert_eq!(reply["message"], "too_many_peers: name a namespace");
    desk.ask_from(
        "10.0.0.0",
        &register(r#""namespace":"lab","name":"a","port":1"#),
    );
    let lab = r#"{"type":"DISCOVER","namespace":"lab"}"#;
    assert_eq!(desk.names("10.0.0.0", lab), ["a@lab 1"]);
}

#[test]
fn rule_37_records_last_over_a_restart_and_end_when_they_would_have() {
    let mut desk = Desk::with_ana();
    let rui = register(r#""namespace":"m\u00e3r","name":"r\"ui\n","port":1,"ttl":100"#);
    desk.ask_from("2001:db8::1", &rui);
    desk.later(10);
    let text = desk.directory.save(desk.now);
    // An hour later in the life of another process, which began 40 s after that.
    let mut again = Directory::new(Settings::new(UnixMicros(
        NOON.0 + 11_000_000 + 40_000_000 - 5_000_000,
    )));
    let now = Instant::from_millis(5_000);
    let kept = again.restore(now, &text).unwrap();
    let restored = |kept, over, left_out| Restored {
        kept,
        over,
        left_out,
    };
    assert_eq!(kept, restored(2, 0, 0));
    let reply = again.answer(
        now,
        HERE.parse().unwrap(),
        Asked::Line(r#"{"type":"DISCOVER"}"#),
    );
    let reply: Value = from_str(&reply).unwrap();
    let expires = |n: usize| reply["peers"][n]["expires_in"].as_u64().unwrap();
    assert_eq!((expires(0), expires(1)), (850, 50));
    assert_eq!(reply["peers"][1]["name"], "r\"ui\n");
    assert_eq!(
        again.save(now),
        text,
        "the same records at the same time are the same text"
    );
    // Later one is over; a clock that went back gives nobody more than he asked for.
    let at = |wall: u64| {
        let mut again = Directory::new(Settings::new(UnixMicros(wall)));
        let restored = again.restore(Instant::ZERO, &text).unwrap();
        let reply = again.answer(
            Instant::ZERO,
            HERE.parse().unwrap(),
            Asked::Line(r#"{"type":"DISCOVER"}"#),
        );
        (
            restored,
            from_str::<Value>(&reply).unwrap()["peers"][0]["expires_in"].as_u64(),
        )
    };
    assert_eq!(at(NOON.0 + 200_000_000), (restored(1, 1, 0), Some(701)));
    assert_eq!(at(0), (restored(2, 0, 0), Some(900)));
    let mut small = Desk::with(|settings| settings.records_max = 1);
    assert_eq!(
        small.directory.restore(Instant::ZERO, &text),
        Ok(restored(1, 0, 1))
    );
}

#[test]
fn rule_37_a_file_of_another_kind_is_refused_whole() {
    let mut desk = Desk::with_ana();
    let text = desk.directory.save(desk.now);
    let (header, record) = text.trim_end().split_once('\n').unwrap();
    for (text, line) in [
        (String::new(), 1),
        ("{}\n".to_owned(), 1),
        (format!("{record}\n"), 1),
        (format!("{header}\n{record}\n{}", &record[..20]), 3),
        (format!("{header}\n\n"), 2),
        (text.replace("4100", "0"), 2),
        (text.replace("4100", "65536"), 2),
        (text.replace("\"ana\"", "\"\""), 2),
        (text.replace("900", "0"), 2),
        (text.replace("203.0.113.7", "203.0.113"), 2),
        (text.replace("\"ttl\"", "\"x\":1,\"ttl\""), 2),
    ] {
        let mut empty = Desk::new();
        let error = empty.directory.restore(empty.now, &text).unwrap_err();
        assert_eq!(error.line, line, "{text}");
        assert!(empty.directory.is_empty());
    }
}
