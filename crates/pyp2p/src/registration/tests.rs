use super::*;

/// ana@lab, who listens on 4100, and a rendezvous that the test plays; virtual milliseconds.
struct Client {
    now: Instant,
    registration: Registration,
    log: Vec<String>,
}

const OK: &[u8] = br#"{"status":"OK","ttl":900,"ip":"203.0.113.7","port":4100}"#;
const NONE: &[u8] = br#"{"status":"OK","peers":[]}"#;

impl Client {
    fn new() -> Self {
        let me = PeerId::own("ana", "lab").unwrap();
        let settings = Settings::new(me, 4_100);
        Self {
            now: Instant::ZERO,
            registration: Registration::new(settings, [5; 16], Instant::ZERO),
            log: Vec::new(),
        }
    }

    /// One that is registered and has asked for the others once; nothing of it is logged.
    fn registered() -> Self {
        let mut client = Self::new();
        client.until(0);
        client.give(Input::Reply(OK));
        client.until(100);
        client.give(Input::Reply(NONE));
        client.log.clear();
        client
    }

    fn give(&mut self, input: Input<'_>) {
        let mut out = Vec::new();
        self.registration.handle(self.now, input, &mut out);
        for output in out {
            let words = match output {
                Output::Request(line) => line.trim().to_owned(),
                Output::Registered { own, ttl } => format!("registered {own:?} {ttl}"),
                Output::Discovered { records, namespace } => {
                    format!("discovered {} {namespace:?}", records.len())
                }
                Output::Refused { words } => format!("refused {words}"),
                Output::Failed { words, again_in } => {
                    assert!(again_in <= Duration::from_secs(60));
                    format!("failed {words}")
                }
                Output::Blocked { wait, .. } => format!("blocked {}", wait.as_secs()),
                Output::Done { unregistered } => format!("done {unregistered}"),
            };
            let at = self.now.as_micros() / 1_000;
            self.log.push(format!("{at} {words}"));
        }
    }

    fn until(&mut self, millis: u64) {
        let end = Instant::from_millis(millis);
        while let Some(at) = self.registration.deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.give(Input::Tick);
        }
        self.now = end;
    }

    /// Lets time pass, with every request answered at once.
    fn serve(&mut self, millis: u64) {
        while let Some(at) = self.registration.deadline() {
            if at > Instant::from_millis(millis) {
                break;
            }
            self.until(at.as_micros().div_ceil(1_000));
            let register = self
                .log
                .last()
                .is_some_and(|line| line.contains("REGISTER"));
            self.give(Input::Reply(if register { OK } else { NONE }));
        }
    }

    #[track_caller]
    fn expect(&mut self, lines: &[&str]) {
        assert_eq!(std::mem::take(&mut self.log), lines);
    }
}

#[test]
fn rule_39_it_registers_then_asks_for_others() {
    let mut client = Client::new();
    client.until(50);
    client.give(Input::Reply(OK));
    client.until(200);
    let peers = br#"{"status":"OK","peers":[{"ip":"203.0.113.9","port":1,"name":"rui","namespace":"lab","ttl":9,"expires_in":8},{"ip":"x"}]}"#;
    client.give(Input::Reply(peers));
    client.until(1_000);
    client.expect(&[
        r#"0 {"type":"REGISTER","namespace":"lab","name":"ana","port":4100,"ttl":7200}"#,
        "50 registered Some(203.0.113.7:4100) 900",
        r#"150 {"type":"DISCOVER"}"#,
        "200 discovered 1 None",
    ]);
}

#[test]
fn rule_39_discover_each_10_s_with_jitter_and_renewal_at_90_percent() {
    let mut client = Client::registered();
    client.serve(3_600_000);
    let at = |kind: &str| -> Vec<u64> {
        let all = client.log.iter().filter(|line| line.contains(kind));
        all.map(|line| line.split(' ').next().unwrap().parse().unwrap())
            .collect()
    };
    let renewals = at("\"REGISTER");
    assert_eq!(renewals.len(), 4);
    for (n, renewed) in renewals.iter().enumerate() {
        let due = 810_000 * (n as u64 + 1);
        assert!(renewed.abs_diff(due) < 2_000, "{renewals:?}");
    }
    let asked = at("DISCOVER");
    assert!((330..=390).contains(&asked.len()), "{}", asked.len());
    let waits: Vec<_> = asked.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(
        waits.iter().all(|wait| (8_000..=12_300).contains(wait)),
        "{waits:?}"
    );
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(most - least > 2_000, "there is jitter");
}

#[test]
fn rule_39_one_namespace_can_be_asked_for_at_once() {
    let mut client = Client::registered();
    client.until(1_000);
    let namespace = Some("mar");
    client.give(Input::Discover { namespace });
    client.give(Input::Reply(NONE));
    client.expect(&[
        r#"1000 {"type":"DISCOVER","namespace":"mar"}"#,
        r#"1000 discovered 0 Some("mar")"#,
    ]);
}

#[test]
fn rule_36_silence_after_a_reset_or_an_empty_reply_lasts_60_s() {
    for (reply, seconds) in [
        (b"".as_slice(), 60),
        (b"\n", 60),
        (br#"{"status":"ERROR","message":"Connection from 203.0.113.7:9 has been blocked due to excessive login attempts (limit: 50). The block will be lifted in 17 seconds."}"#, 17),
    ] {
        let mut client = Client::new();
        client.until(0);
        client.log.clear();
        client.give(Input::Reply(reply));
        client.give(Input::Discover { namespace: None });
        client.until(seconds * 1_000 - 1);
        client.expect(&[&format!("0 blocked {seconds}")]);
        client.until(seconds * 1_000);
        assert!(client.log[0].contains("REGISTER"));
    }
}

#[test]
fn rule_39_a_rendezvous_that_is_away_is_tried_again_for_ever() {
    let mut client = Client::new();
    client.until(0);
    for _ in 0..30 {
        client.give(Input::Unreachable);
        assert!(client.log.pop().unwrap().contains("cannot be reached"));
        let next = client.registration.deadline().unwrap();
        assert!(next.saturating_since(client.now) <= Duration::from_secs(60));
        client.until(next.as_micros().div_ceil(1_000));
        assert!(client.log.pop().unwrap().contains("REGISTER"));
    }
    for foreign in [b"HTTP/1.1 400\r\n".as_slice(), b"{}", b"[]", &[b'x'; 100]] {
        client.give(Input::Reply(foreign));
        assert!(
            client
                .log
                .pop()
                .unwrap()
                .contains("is it a PyP2P rendezvous?")
        );
        let next = client.registration.deadline().unwrap();
        client.until(next.as_micros().div_ceil(1_000));
    }
}

#[test]
fn rule_39_what_cannot_be_registered_is_said_with_what_to_do() {
    for (error, fix) in [
        ("bad_name", "another name"),
        ("bad_namespace", "another namespace"),
        ("bad_port", "a port"),
        ("bad_ttl", "another --ttl"),
    ] {
        let mut client = Client::new();
        client.until(0);
        client.log.clear();
        let reply = format!(r#"{{"status":"ERROR","message":"{error}"}}"#);
        client.give(Input::Reply(reply.as_bytes()));
        client.until(10_000_000);
        assert_eq!(client.log.len(), 1);
        assert!(client.log[0].contains(fix), "{:?}", client.log);
        client.give(Input::Unregister);
        client.until(10_000_000);
        assert!(client.log[1].ends_with("done false"));
    }
    // Other errors may pass.
    let mut client = Client::new();
    client.until(0);
    client.give(Input::Reply(
        br#"{"status":"ERROR","message":"Unknown command"}"#,
    ));
    client.until(2_000);
    assert!(client.log[2].contains("REGISTER"));
}

#[test]
fn rule_39_who_is_forgotten_registers_again() {
    let mut client = Client::registered();
    client.until(13_000);
    client.give(Input::Reply(
        br#"{"status":"ERROR","message":"peer_not_registered"}"#,
    ));
    client.until(15_000);
    assert!(client.log[1].contains("does not know us any more"));
    assert!(client.log[2].contains("REGISTER"), "{:?}", client.log);
}

#[test]
fn rule_40_the_registration_is_taken_back_once_and_without_waiting() {
    let mut client = Client::registered();
    client.give(Input::Unregister);
    client.give(Input::Unregister);
    client.until(100_000);
    let line = r#"{"type":"UNREGISTER","namespace":"lab","name":"ana","port":4100}"#;
    client.give(Input::Reply(br#"{"status":"OK"}"#));
    client.give(Input::Reply(OK));
    client.until(10_000_000);
    assert_eq!(client.log.len(), 2, "{:?}", client.log);
    assert!(client.log[0].ends_with(line));
    assert!(client.log[1].ends_with("done true"));
    assert_eq!(client.registration.deadline(), None);
}

#[test]
fn rule_40_who_cannot_take_it_back_leaves_all_the_same() {
    // Never registered, blocked, away, or in the middle of something.
    let mut client = Client::new();
    client.give(Input::Unregister);
    client.expect(&["0 done false"]);
    let mut client = Client::registered();
    client.until(13_000);
    client.give(Input::Reply(b""));
    client.give(Input::Unregister);
    assert!(client.log.last().unwrap().ends_with("done false"));
    let mut client = Client::registered();
    client.until(13_000);
    client.log.clear();
    client.give(Input::Unregister);
    client.expect(&[]);
    client.give(Input::Reply(NONE));
    client.until(14_000);
    client.give(Input::Unreachable);
    assert!(client.log[1].contains("UNREGISTER"), "{:?}", client.log);
    assert!(client.log[2].ends_with("done false"));
}
