//! Whom we dial, when, and when not.

use super::*;

#[test]
fn rule_21_a_dial_that_ends_early_is_a_success_while_another_connection_lives() {
    let mut crowd = Crowd::new();
    crowd.discover(&[record("rui@lab", RUI, 900)]);
    crowd.give(Input::Connected { connection: D1 });
    crowd.accept(A1, "rui@lab");
    crowd.give(Input::EndOfStream { connection: D1 });
    crowd.until(60_000);
    crowd.log.retain(|line| !line.contains("PING"));
    crowd.expect(&[
        "0 d1 dial 198.51.100.7:4200",
        "0 d1 > HELLO",
        "0 here rui@lab",
        "0 a1 > HELLO_OK",
        "0 d1 close",
    ]);
    // While none lives it is a failure.
    let mut crowd = Crowd::new();
    crowd.discover(&[record("rui@lab", RUI, 900)]);
    crowd.give(Input::Connected { connection: D1 });
    crowd.give(Input::EndOfStream { connection: D1 });
    crowd.until(1_100);
    crowd.log.truncate(4);
    let again = crowd.log.pop().unwrap();
    assert!(
        again.ends_with("d2 dial 198.51.100.7:4200") || again.contains("failed"),
        "{again}"
    );
    assert!(crowd.log.contains(&"0 d1 close".to_owned()));
}

#[test]
fn rule_22_our_own_record_is_not_dialled() {
    let mut crowd = Crowd::new();
    let own = "203.0.113.7:4100".parse().unwrap();
    crowd.give(Input::Registered { own });
    crowd.discover(&[
        record("ana@lab", "203.0.113.7:4100", 900),
        record("ana@lab", "198.51.100.1:4100", 900),
        record("old-name@lab", "203.0.113.7:4100", 900),
        record("rui@lab", "198.51.100.2:4100", 900),
    ]);
    crowd.expect(&["0 d1 dial 198.51.100.2:4100"]);
    // A record by which we find ourselves all the same is given up.
    crowd.answers(D1, "ana@lab");
    crowd.until(20);
    crowd.says(D1, r#"{"type":"BYE_OK"}"#);
    crowd.until(100_000);
    crowd.expect(&["0 d1 > HELLO", "5 d1 > BYE", "20 d1 close"]);
}

#[test]
fn rule_23_after_bye_a_peer_is_dialled_after_10_s_and_a_fresh_discover() {
    let mut crowd = Crowd::new();
    let listed = [record("rui@lab", RUI, 900)];
    crowd.discover(&listed);
    crowd.answers(D1, "rui@lab");
    crowd.says(D1, r#"{"type":"BYE","msg_id":"b"}"#);
    crowd.give(Input::EndOfStream { connection: D1 });
    crowd.until(50);
    crowd.log.clear();
    for at in [1_000, 5_000, 9_000] {
        crowd.until(at);
        crowd.discover(&listed);
    }
    // Also where it was not listed for a while.
    crowd.discover(&[]);
    crowd.discover(&listed);
    crowd.until(30_000);
    crowd.expect(&[]);
    crowd.discover(&listed);
    crowd.expect(&["30000 d2 dial 198.51.100.7:4200"]);
    // Of a peer that dialled us and was not listed yet.
    let mut crowd = Crowd::with_rui();
    crowd.says(A1, r#"{"type":"BYE","msg_id":"b"}"#);
    crowd.give(Input::EndOfStream { connection: A1 });
    crowd.discover(&listed);
    crowd.until(10_200);
    crowd.log.clear();
    crowd.discover(&listed);
    crowd.expect(&["10200 d1 dial 198.51.100.7:4200"]);
}

#[test]
fn rule_24_a_peer_behind_our_own_address_is_tried_on_this_machine_second() {
    let mut crowd = Crowd::new();
    let own = "203.0.113.7:4100".parse().unwrap();
    crowd.give(Input::Registered { own });
    crowd.discover(&[record("rui@lab", "203.0.113.7:4200", 900)]);
    crowd.give(Input::DialFailed { connection: D1 });
    crowd.expect(&["0 d1 dial 203.0.113.7:4200", "0 d2 dial 127.0.0.1:4200"]);
    crowd.give(Input::DialFailed { connection: D2 });
    crowd.expect(&["0 failed rui@lab 1 false"]);
    // Where it is this machine already there is no second attempt, nor for others.
    for (own, ip) in [
        ("127.0.0.1:4100", "127.0.0.1"),
        ("203.0.113.7:4100", "198.51.100.7"),
    ] {
        let mut crowd = Crowd::new();
        let own = own.parse().unwrap();
        crowd.give(Input::Registered { own });
        let addr = format!("{ip}:4200");
        crowd.discover(&[record("rui@lab", &addr, 900)]);
        crowd.give(Input::DialFailed { connection: D1 });
        crowd.expect(&[&format!("0 d1 dial {addr}"), "0 failed rui@lab 1 false"]);
    }
}

/// Fails each dial at once; the seconds at which they were.
fn dials(crowd: &mut Crowd, until_millis: u64) -> Vec<u64> {
    let mut at = Vec::new();
    let mut n = 0;
    loop {
        let dial = crowd
            .log
            .iter()
            .filter(|line| line.contains("dial"))
            .count();
        if dial > n {
            n = dial;
            at.push(crowd.now.as_micros() / 1_000_000);
            let connection = ConnectionId::Dialled(n as u64);
            crowd.give(Input::DialFailed { connection });
            continue;
        }
        match crowd.contacts.deadline() {
            Some(next) if next <= Instant::from_millis(until_millis) => {
                crowd.now = crowd.now.max(next);
                crowd.give(Input::Tick);
            }
            _ => return at,
        }
    }
}

#[test]
fn rule_21_waits_between_dials_double_with_jitter_and_end() {
    let mut crowd = Crowd::new();
    let listed = [record("rui@lab", RUI, 900)];
    crowd.discover(&listed);
    let at = dials(&mut crowd, 10_000_000);
    assert_eq!(at.len(), 8);
    let sum: u64 = [1, 2, 4, 8, 16, 32, 60].iter().sum();
    assert!(at[7] <= sum && at[7] >= sum / 2 - 1, "{at:?}");
    assert!(crowd.log.last().unwrap().ends_with("failed rui@lab 8 true"));
    assert_eq!(crowd.contacts.listed().next().unwrap().2, State::GivenUp);
    // Listed as before: no. Registered again, moved, or asked for: yes.
    let older = [record("rui@lab", RUI, 700)];
    crowd.log.clear();
    crowd.discover(&older);
    crowd.expect(&[]);
    crowd.discover(&listed);
    assert!(crowd.log[0].ends_with("d9 dial 198.51.100.7:4200"));
    let given_up = || {
        let mut crowd = Crowd::new();
        crowd.discover(&older);
        dials(&mut crowd, 10_000_000);
        crowd.log.clear();
        crowd
    };
    let mut crowd = given_up();
    crowd.discover(&[record("rui@lab", "198.51.100.7:4201", 100)]);
    assert!(crowd.log[0].ends_with("d9 dial 198.51.100.7:4201"));
    let mut crowd = given_up();
    crowd.give(Input::Reconnect);
    assert!(crowd.log[0].ends_with("d9 dial 198.51.100.7:4200"));
}

#[test]
fn a_record_that_is_older_than_its_port_is_not_dialled_again_and_again() {
    let mut crowd = Crowd::new();
    let listed = [record("old@lab", RUI, 900), record("rui@lab", RUI, 900)];
    crowd.discover(&listed[..1]);
    crowd.answers(D1, "rui@lab");
    for n in 1..20 {
        crowd.until(n * 10_000);
        crowd.says(D1, r#"{"type":"PING","msg_id":"p"}"#);
        crowd.discover(&listed);
    }
    let dials = crowd.log.iter().filter(|line| line.contains("dial"));
    assert_eq!(dials.count(), 1);
}
