mod ending;

use serde_json::Value;

use super::*;
use crate::limits::LINE_BYTES_MAX;
use lamparina_protocol::UnixMicros;

const NOON: UnixMicros = UnixMicros(1_770_113_472_000_000);

fn id(text: &str) -> MsgId {
    MsgId::received(text).unwrap()
}

/// A conversation of ana@lab with a script, in virtual milliseconds; each line is written at once.
struct Talk {
    now: Instant,
    conversation: Conversation,
    /// What was said and what happened since it was last looked at, with the millisecond.
    log: Vec<String>,
    /// Lines are written only when the script says so.
    slow: bool,
    lines: Vec<String>,
}

impl Talk {
    fn settings() -> Settings {
        Settings::new(PeerId::own("ana", "lab").unwrap(), NOON)
    }

    fn accept() -> Self {
        Self::with(Role::Acceptor, Self::settings())
    }

    fn dial() -> Self {
        Self::with(Role::Dialler, Self::settings())
    }

    fn with(role: Role, settings: Settings) -> Self {
        let (now, settings, mut out) = (Instant::ZERO, Arc::new(settings), Vec::new());
        let conversation = match role {
            Role::Dialler => Conversation::dial(settings, [7; 16], now, &mut out),
            Role::Acceptor => Conversation::accept(settings, [7; 16], now),
        };
        let (log, lines, slow) = (Vec::new(), Vec::new(), false);
        let mut talk = Self {
            now,
            conversation,
            log,
            slow,
            lines,
        };
        talk.take(out);
        talk
    }

    /// One that is open, with rui@lab, who dialled; nothing of it is logged.
    fn open() -> Self {
        let mut talk = Self::accept();
        talk.says(r#"{"type":"HELLO","peer_id":"rui@lab"}"#);
        talk.until(100);
        talk.log.clear();
        talk
    }

    fn take(&mut self, out: Vec<Output>) {
        for output in out {
            let words = match output {
                Output::Write(line) => {
                    let said = brief(&line);
                    self.lines.push(line);
                    self.note(&format!("> {said}"));
                    if !self.slow {
                        self.give(Input::Written);
                    }
                    continue;
                }
                Output::Opened { peer, lamparina } => match lamparina {
                    None => format!("open {peer}"),
                    Some(_) => format!("ours {peer}"),
                },
                Output::Said(said) => {
                    let topic = said
                        .topic
                        .map_or_else(String::new, |topic| format!(" {topic}"));
                    format!("said{topic} {}", said.text)
                }
                Output::Sent(msg_id) => format!("sent {msg_id}"),
                Output::Acknowledged(msg_id) => format!("acked {msg_id}"),
                Output::RoundTrip(time) => format!("rtt {}", time.as_millis()),
                Output::StrayPong(msg_id) => format!("stray {msg_id}"),
                Output::Noted { note, .. } => format!("note {note}"),
                Output::Closed(why) => format!("closed {why}"),
            };
            self.note(&words);
        }
    }

    fn note(&mut self, words: &str) {
        self.log
            .push(format!("{} {words}", self.now.as_micros() / 1_000));
    }

    fn give(&mut self, input: Input<'_>) {
        self.try_give(input).unwrap();
    }

    fn try_give(&mut self, input: Input<'_>) -> Result<(), Refusal> {
        let mut out = Vec::new();
        self.conversation.handle(self.now, input, &mut out)?;
        self.take(out);
        Ok(())
    }

    fn says(&mut self, line: &str) {
        self.give(Input::Bytes(format!("{line}\n").as_bytes()));
    }

    /// Lets time pass, with a tick at each deadline.
    fn until(&mut self, millis: u64) {
        let end = Instant::from_millis(millis);
        while let Some(at) = self.conversation.deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.give(Input::Tick);
        }
        self.now = end;
    }

    #[track_caller]
    fn expect(&mut self, lines: &[&str]) {
        assert_eq!(std::mem::take(&mut self.log), lines);
    }
}

/// The type, and the id where it is not one of ours.
fn brief(line: &str) -> String {
    let object: Value = serde_json::from_str(line).unwrap();
    let kind = object["type"].as_str().unwrap();
    match object["msg_id"].as_str() {
        Some(msg_id) if msg_id.len() < 36 => format!("{kind} {msg_id}"),
        _ => kind.to_owned(),
    }
}

#[test]
fn rule_12_the_dialler_says_nothing_before_hello_ok() {
    let mut talk = Talk::dial();
    talk.until(3_000);
    let send = Input::Send {
        msg_id: &id("m1"),
        text: "oi",
    };
    assert_eq!(talk.try_give(send), Err(Refusal::NotConnected));
    talk.expect(&["0 > HELLO"]);
    talk.says(r#"{"type":"HELLO_OK","peer_id":"rui@lab"}"#);
    talk.give(send);
    talk.expect(&["3000 open rui@lab", "3000 sent m1", "3000 > SEND m1"]);
    talk.until(3_100);
    talk.expect(&[]);
}

#[test]
fn rule_12_the_acceptor_waits_50_ms_after_hello_ok() {
    let mut talk = Talk::accept();
    talk.says(r#"{"type":"HELLO","peer_id":"rui@lab"}"#);
    let send = Input::Send {
        msg_id: &id("m1"),
        text: "oi",
    };
    talk.give(send);
    talk.expect(&["0 open rui@lab", "0 > HELLO_OK"]);
    talk.until(49);
    talk.expect(&[]);
    talk.until(60);
    talk.expect(&["50 sent m1", "50 > SEND m1"]);
}

#[test]
fn rule_12_or_until_the_dialler_has_said_something_else() {
    let mut talk = Talk::accept();
    talk.says(r#"{"type":"HELLO","peer_id":"rui@lab"}"#);
    talk.until(20);
    talk.says(r#"{"type":"PING","msg_id":"p"}"#);
    talk.expect(&["0 open rui@lab", "0 > HELLO_OK", "20 > PONG p"]);
}

#[test]
fn rule_12_lines_leave_one_by_one_5_ms_apart() {
    let mut talk = Talk::open();
    for n in 1..=3 {
        talk.says(&format!(
            r#"{{"type":"SEND","msg_id":"{n}","payload":"oi","require_ack":true}}"#
        ));
    }
    let send = Input::Send {
        msg_id: &id("m1"),
        text: "oi",
    };
    talk.give(send);
    talk.until(200);
    talk.log.retain(|line| line.contains('>'));
    talk.expect(&["100 > ACK 1", "105 > ACK 2", "110 > ACK 3", "115 > SEND m1"]);
    // The spacing is counted from when a line is written, and there is never a second one.
    talk.slow = true;
    talk.give(send);
    talk.give(send);
    talk.until(900);
    talk.expect(&["200 sent m1", "200 > SEND m1"]);
    talk.give(Input::Written);
    talk.until(910);
    talk.expect(&["905 sent m1", "905 > SEND m1"]);
}

#[test]
fn rule_12_the_spacing_is_chosen() {
    for (spacing, expect) in [
        (0, ["0 > ACK 1", "0 > ACK 2"]),
        (20, ["20 > ACK 1", "40 > ACK 2"]),
    ] {
        let mut settings = Talk::settings();
        settings.line_spacing = Duration::from_millis(spacing);
        let mut talk = Talk::with(Role::Acceptor, settings);
        talk.says(r#"{"type":"HELLO","peer_id":"rui@lab"}"#);
        talk.says(r#"{"type":"SEND","msg_id":"1","payload":"a","require_ack":true}"#);
        talk.says(r#"{"type":"SEND","msg_id":"2","payload":"b","require_ack":true}"#);
        talk.until(100);
        talk.log.retain(|line| line.contains("> ACK"));
        talk.expect(&expect);
    }
}

#[test]
fn rule_6_hello_and_send_in_one_burst() {
    let mut talk = Talk::accept();
    let burst = "{\"type\":\"HELLO\",\"peer_id\":\"f@lab\"}\n{\"type\":\"SEND\",\"msg_id\":\"m\",\"src\":\"f@lab\",\"dst\":\"ana@lab\",\"payload\":\"oi\",\"require_ack\":true,\"ttl\":1}\n";
    talk.give(Input::Bytes(burst.as_bytes()));
    talk.until(100);
    // What it sent before our HELLO_OK does not say that it has read that.
    talk.expect(&["0 open f@lab", "0 said oi", "0 > HELLO_OK", "50 > ACK m"]);
    let mut talk = Talk::accept();
    for byte in burst.as_bytes() {
        talk.give(Input::Bytes(std::slice::from_ref(byte)));
    }
    talk.until(100);
    talk.log.retain(|line| !line.contains('>'));
    talk.expect(&["0 open f@lab", "0 said oi"]);
}

#[test]
fn rules_8_9_15_hostile_lines_are_dropped_and_the_connection_stays() {
    for line in [
        "",
        "   ",
        "\r",
        "hello",
        "{",
        "[]",
        "[{\"type\":\"BYE\"}]",
        "null",
        "17",
        "{}",
        r#"{"type":null}"#,
        r#"{"type":"SEND"}"#,
        r#"{"type":"SEND","msg_id":"m","payload":7}"#,
        r#"{"type":"SEND","msg_id":"m","payload":null,"require_ack":true}"#,
        r#"{"type":"PUB","payload":[]}"#,
        r#"{"type":"ACK"}"#,
        r#"{"type":"BYE_OK","msg_id":"m"}"#,
        r#"{"type":"HELLO","peer_id":"other@lab"}"#,
        r#"{"type":"HELLO_OK","peer_id":"rui@lab"}"#,
        r#"{"type":"HELLO_REJECT","reason":"duplicate"}"#,
        r#"{"type":"RELAY","src":"c@lab","dst":"ana@lab","payload":"x","ttl":3}"#,
        "{\"type\":\"PING\",\"msg_id\":\"\u{0}\"}",
    ] {
        let mut talk = Talk::open();
        talk.says(line);
        assert_eq!(talk.log.len(), 1, "{line}: {:?}", talk.log);
        assert!(talk.log[0].starts_with("100 note a "), "{:?}", talk.log);
        talk.log.clear();
        talk.says(r#"{"type":"PING","msg_id":"p"}"#);
        talk.expect(&["100 > PONG p"]);
    }
    let mut talk = Talk::open();
    talk.give(Input::Bytes(b"\xff\xfe\x00\n\x80\n"));
    talk.says(r#"{"type":"PONG","msg_id":"unknown"}"#);
    let note = "100 note a line was dropped: the line is not JSON";
    talk.expect(&[note, note, "100 stray unknown"]);
}

#[test]
fn rule_9_a_flood_of_bad_lines_is_no_flood_of_notes() {
    let mut talk = Talk::open();
    for _ in 0..1_000 {
        talk.says("x");
    }
    assert_eq!(talk.log.len(), 10);
}

#[test]
fn rule_9_what_comes_before_hello_is_dropped_and_hello_still_counts() {
    let mut talk = Talk::accept();
    talk.says(r#"{"type":"SEND","msg_id":"m","payload":"x","require_ack":true}"#);
    talk.says("GET / HTTP/1.1");
    talk.says(r#"{"type":"HELLO"}"#);
    talk.says(r#"{"type":"BYE","msg_id":"b"}"#);
    talk.says(r#"{"type":"HELLO","peer_id":"rui@lab"}"#);
    talk.until(60);
    talk.log.retain(|line| !line.contains("note"));
    talk.expect(&["0 open rui@lab", "0 > HELLO_OK"]);
}

#[test]
fn rule_10_ping_is_answered_at_once_and_needs_nothing() {
    let mut talk = Talk::open();
    talk.says(r#"{"type":"PING","msg_id":"p","timestamp":12.5,"src":"rui@lab"}"#);
    talk.until(110);
    talk.says(r#"{"type":"PING"}"#);
    talk.expect(&["100 > PONG p", "110 > PONG "]);
    let pong = r#"{"type":"PONG","msg_id":"p","timestamp":"2026-02-03T10:11:12Z","ttl":1}"#;
    assert_eq!(talk.lines[1], format!("{pong}\n"));
}

#[test]
fn rules_10_19_every_connection_pings_each_30_s_and_pong_gives_the_round_trip() {
    let mut talk = Talk::open();
    talk.until(30_080);
    talk.expect(&["30000 > PING"]);
    let ping: Value = serde_json::from_str(talk.lines.last().unwrap()).unwrap();
    let msg_id = ping["msg_id"].as_str().unwrap().to_owned();
    assert_eq!(msg_id.len(), 36);
    talk.says(&format!(r#"{{"type":"PONG","msg_id":"{msg_id}"}}"#));
    talk.says(&format!(r#"{{"type":"PONG","msg_id":"{msg_id}"}}"#));
    talk.expect(&["30080 rtt 80", &format!("30080 stray {msg_id}")]);
    talk.until(60_030);
    // Without an id it answers the oldest one.
    talk.says(r#"{"type":"PONG"}"#);
    talk.expect(&["60000 > PING", "60030 rtt 30"]);
}

#[test]
fn rule_19_after_three_pings_in_silence_it_is_dead() {
    let mut talk = Talk::open();
    talk.until(200_000);
    talk.expect(&[
        "30000 > PING",
        "40000 note 1 PINGs in a row were not answered",
        "60000 > PING",
        "70000 note 2 PINGs in a row were not answered",
        "90000 > PING",
        "100000 note 3 PINGs in a row were not answered",
        "100000 > BYE",
        "102000 closed no sign of life for three PINGs",
    ]);
    assert_eq!(talk.conversation.deadline(), None);
}

#[test]
fn rule_10_whoever_says_anything_is_alive_also_without_pong() {
    let mut talk = Talk::open();
    for at in 1..60 {
        talk.until(at * 25_000);
        talk.says(r#"{"type":"PING","msg_id":"p"}"#);
    }
    assert!(talk.conversation.is_live());
    assert!(!talk.log.iter().any(|line| line.contains("note 2")));
}

#[test]
fn rule_16_a_line_that_is_too_long_ends_the_connection() {
    let long = vec![b' '; LINE_BYTES_MAX];
    let mut talk = Talk::open();
    talk.give(Input::Bytes(&long));
    talk.expect(&[]);
    talk.give(Input::Bytes(b" \n{\"type\":\"PING\",\"msg_id\":\"p\"}\n"));
    talk.expect(&["100 > BYE", "100 closed a line has more than 32768 bytes"]);
    // Exactly as long as allowed.
    let mut talk = Talk::open();
    let mut line = br#"{"type":"PING","msg_id":"p"}"#.to_vec();
    line.resize(LINE_BYTES_MAX - 1, b' ');
    line.push(b'\n');
    talk.give(Input::Bytes(&line));
    talk.expect(&["100 > PONG p"]);
    let mut talk = Talk::accept();
    talk.give(Input::Bytes(&[long.as_slice(), b"x"].concat()));
    talk.expect(&["0 closed a line has more than 32768 bytes"]);
}

#[test]
fn rule_16_we_send_no_line_that_is_too_long() {
    let mut talk = Talk::open();
    let whole = |text: &str, talk: &mut Talk| {
        talk.try_give(Input::Send {
            msg_id: &id("m"),
            text,
        })
    };
    assert_eq!(whole(&"x".repeat(32_600), &mut talk), Ok(()));
    let long = "\u{1f600}".repeat(3_000);
    let refused = whole(&long, &mut talk).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the text is too long for PyP2P: a line has more than 32768 bytes; send it in parts"
    );
    assert!(talk.conversation.is_live());
}

#[test]
fn rule_25_without_hello_a_connection_is_closed_after_10_s() {
    let mut talk = Talk::accept();
    talk.until(5_000);
    talk.says("x");
    talk.until(60_000);
    let closed = "10000 closed no HELLO within 10 s";
    talk.expect(&["5000 note a line was dropped: the line is not JSON", closed]);
    let mut talk = Talk::dial();
    talk.until(60_000);
    talk.expect(&["0 > HELLO", closed]);
}

#[test]
fn rule_7_only_a_member_that_is_not_an_echo_proves_a_program_of_ours() {
    let own = |port: u16| -> Map<String, Value> {
        let object = [
            ("key".to_owned(), "00ff".into()),
            ("port".to_owned(), port.into()),
        ];
        object.into_iter().collect()
    };
    let mut settings = Talk::settings();
    settings.lamparina = Some(own(4_100));
    let hello_ok = |member: &str| {
        format!(
            r#"{{"type":"HELLO_OK","peer_id":"rui@lab","version":"1.0","features":["ack","metrics"]{member}}}"#
        )
    };
    for (member, expect) in [
        ("", "0 open rui@lab"),
        (
            r#","lamparina":{"port":4100,"key":"00ff"}"#,
            "0 open rui@lab",
        ),
        (r#","lamparina":true"#, "0 open rui@lab"),
        (
            r#","lamparina":{"port":4200,"key":"00aa"}"#,
            "0 ours rui@lab",
        ),
    ] {
        let mut talk = Talk::with(Role::Dialler, settings.clone());
        assert!(talk.lines[0].contains(r#""lamparina":{"key":"00ff","port":4100}"#));
        talk.says(&hello_ok(member));
        talk.expect(&["0 > HELLO", expect]);
    }
    // Who does not want to know is not told.
    let mut talk = Talk::dial();
    talk.says(&hello_ok(r#","lamparina":{"port":4200}"#));
    talk.expect(&["0 > HELLO", "0 open rui@lab"]);
}

#[test]
fn rule_22_whoever_has_our_name_hears_bye() {
    let mut talk = Talk::accept();
    talk.says(r#"{"type":"HELLO","peer_id":"ana@lab"}"#);
    talk.until(60_000);
    let closed = "2050 closed it has our own name";
    talk.expect(&["0 > HELLO_OK", "50 > BYE", closed]);
    let mut talk = Talk::dial();
    talk.says(r#"{"type":"HELLO_OK","peer_id":"ana@lab"}"#);
    talk.says(r#"{"type":"BYE_OK"}"#);
    talk.expect(&["0 > HELLO", "0 closed it has our own name"]);
}

#[test]
fn a_peer_that_asks_without_reading_costs_bounded_memory() {
    let mut talk = Talk::open();
    talk.slow = true;
    for n in 0..5_000 {
        talk.says(&format!(r#"{{"type":"PING","msg_id":"{n}"}}"#));
    }
    assert!(
        talk.log
            .iter()
            .any(|line| line.contains("an answer was left out"))
    );
    let send = Input::Send {
        msg_id: &id("m"),
        text: "oi",
    };
    assert_eq!(talk.try_give(send), Err(Refusal::Full));
    talk.log.clear();
    talk.until(40_000);
    let closed = "30100 closed it does not read what is sent";
    assert_eq!(talk.log, [closed]);
}
