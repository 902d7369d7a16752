//! BYE, and ends without it.

use super::*;

#[test]
fn rule_11_bye_is_answered_and_who_does_not_close_is_closed() {
    let mut talk = Talk::open();
    talk.says(r#"{"type":"BYE","msg_id":"b","src":"rui@lab"}"#);
    talk.until(10_000);
    talk.expect(&["100 > BYE_OK b", "2100 closed it left: "]);
    let mut talk = Talk::open();
    talk.says(r#"{"type":"BYE","msg_id":"b","reason":"fim"}"#);
    talk.give(Input::EndOfStream);
    talk.expect(&["100 > BYE_OK b", "100 closed it left: fim"]);
    // A burst is answered whole, and what we wanted to say is not.
    let mut talk = Talk::open();
    let send = Input::Send {
        msg_id: &id("m1"),
        text: "oi",
    };
    let burst = "{\"type\":\"SEND\",\"msg_id\":\"1\",\"payload\":\"a\",\"require_ack\":true}\n{\"type\":\"SEND\",\"msg_id\":\"2\",\"payload\":\"b\",\"require_ack\":true}\n{\"type\":\"BYE\",\"msg_id\":\"b\",\"reason\":\"x\"}\n{\"type\":\"BYE\",\"msg_id\":\"b2\",\"reason\":\"x\"}\n";
    talk.slow = true;
    talk.give(send);
    talk.give(send);
    talk.slow = false;
    talk.give(Input::Bytes(burst.as_bytes()));
    talk.give(Input::EndOfStream);
    talk.give(Input::Written);
    talk.until(300);
    talk.log.retain(|line| !line.contains("sa"));
    talk.expect(&[
        "100 sent m1",
        "100 > SEND m1",
        "105 > ACK 1",
        "110 > ACK 2",
        "115 > BYE_OK b",
        "115 closed it left: x",
    ]);
}

#[test]
fn rule_11_an_end_without_bye_is_a_loss_after_the_answers() {
    let mut talk = Talk::open();
    talk.says(r#"{"type":"PING","msg_id":"1"}"#);
    talk.give(Input::Bytes(br#"{"type":"PING","msg_id":"2"}"#));
    talk.give(Input::EndOfStream);
    talk.until(200);
    let lost = "the connection ended without BYE";
    talk.expect(&[
        "100 > PONG 1",
        "105 > PONG 2",
        &format!("105 closed {lost}"),
    ]);
    let mut talk = Talk::open();
    talk.give(Input::Broken);
    talk.expect(&[&format!("100 closed {lost}")]);
    talk.give(Input::Bytes(b"{}\n"));
    talk.give(Input::EndOfStream);
    talk.give(Input::Written);
    talk.expect(&[]);
    let mut talk = Talk::dial();
    talk.give(Input::EndOfStream);
    talk.expect(&["0 > HELLO", &format!("0 closed {lost}")]);
}

#[test]
fn rule_17_we_leave_with_bye_and_wait_2_s_for_its_answer() {
    let mut talk = Talk::open();
    talk.give(Input::Leave { reason: "fim" });
    let bye = talk.lines.last().unwrap();
    assert!(bye.contains(r#""src":"ana@lab","dst":"rui@lab","reason":"fim","ttl":1"#));
    let send = Input::Send {
        msg_id: &id("m1"),
        text: "oi",
    };
    assert_eq!(talk.try_give(send), Err(Refusal::NotConnected));
    talk.until(700);
    talk.says(r#"{"type":"BYE_OK","msg_id":"x"}"#);
    talk.expect(&["100 > BYE", "700 closed we left"]);
    let mut talk = Talk::open();
    talk.give(Input::Leave { reason: "fim" });
    talk.until(9_000);
    talk.expect(&["100 > BYE", "2100 closed we left"]);
    // Both at the same time.
    let mut talk = Talk::open();
    talk.give(Input::Leave { reason: "fim" });
    talk.until(101);
    talk.says(r#"{"type":"BYE","msg_id":"b"}"#);
    talk.until(120);
    talk.give(Input::EndOfStream);
    talk.expect(&["100 > BYE", "105 > BYE_OK b", "120 closed we left"]);
}

#[test]
fn rule_17_what_waits_is_said_before_bye_but_not_for_ever() {
    let mut talk = Talk::open();
    let topic = Topic::All;
    for n in 0..4 {
        let msg_id = &id(&format!("m{n}"));
        let text = "oi";
        talk.give(Input::Publish {
            msg_id,
            topic: &topic,
            text,
        });
    }
    talk.give(Input::Leave { reason: "fim" });
    talk.until(200);
    talk.expect(&[
        "100 > PUB m0",
        "105 > PUB m1",
        "110 > PUB m2",
        "115 > PUB m3",
        "120 > BYE",
    ]);
    let mut talk = Talk::open();
    talk.slow = true;
    talk.says(r#"{"type":"PING","msg_id":"p"}"#);
    talk.give(Input::Leave { reason: "fim" });
    talk.until(60_000);
    talk.expect(&["100 > PONG p", "8100 closed we left"]);
}

#[test]
fn rule_17_a_dialler_that_leaves_early_still_says_bye() {
    let mut talk = Talk::dial();
    talk.give(Input::Leave { reason: "fim" });
    talk.until(30);
    talk.says(r#"{"type":"HELLO_OK","peer_id":"rui@lab"}"#);
    talk.says(r#"{"type":"BYE_OK","msg_id":"x"}"#);
    talk.expect(&["0 > HELLO", "30 > BYE", "30 closed we left"]);
    let mut talk = Talk::dial();
    talk.give(Input::Leave { reason: "fim" });
    talk.until(9_000);
    talk.expect(&["0 > HELLO", "2000 closed we left"]);
    let mut talk = Talk::accept();
    talk.give(Input::Leave { reason: "fim" });
    talk.expect(&["0 closed we left"]);
}
