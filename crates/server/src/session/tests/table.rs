//! All states x all inputs. What comes out is compared with `table.txt`, so that a change shows.

use std::fmt::Write as _;

use bytes::Bytes;
use lamparina_order::Action;
use lamparina_protocol::control::Hello;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{CloseReason, Event, Input as LinkInput, Repair, Terms};
use lamparina_protocol::message::{ChannelSettings, MESSAGE_BYTES_MAX, SetNick, ToServer};
use lamparina_protocol::seal::PublicKey;
use lamparina_protocol::{Audience, Instant, Lamport, codec};

use crate::access::{CODE_CHARS, InviteCode};
use crate::hub::{Ask, ConnectionId, Hub, OperatorAsk, Ticket, Whom};
use crate::session::machine::State;
use crate::session::{Act, Admission, Check, Input, Logged, Output, Session, Verdict};
use crate::tail::Tail;
use crate::testing::{Taker, ask, ask_over, config, enter, hello, nick, room, say, submit};

const NOW: Instant = Instant::from_millis(1_000);
const LATER: Instant = Instant::from_millis(60_000);

fn terms() -> Terms {
    Terms {
        version: 1,
        fragment_bytes: 8_180,
        window_frames: 64,
        window_bytes: 1 << 20,
        repair: Repair::SelectiveRepeat,
        message_bytes_max: MESSAGE_BYTES_MAX as u32,
        bulk: false,
    }
}

fn asked() -> Input {
    Input::Link(Event::Asked { terms: terms() })
}

/// The link is open, to one who has proved to be `peer`, where it is sealed.
fn opened(hello: &Hello, peer: Option<u8>) -> Input {
    Input::Link(Event::Opened {
        terms: terms(),
        words: hello.to_bytes(),
        peer: peer.map(|byte| PublicKey([byte; 32])),
    })
}

fn received<T: serde::Serialize>(kind: FrameType, message: &T) -> Input {
    let body = codec::encode(message).unwrap();
    Input::Link(Event::Received { kind, body })
}

fn closed(reason: CloseReason) -> Input {
    Input::Link(Event::Closed(reason))
}

/// A session with what its order and its client are.
struct Case {
    session: Session,
    hub: Hub,
    tail: Tail,
    taker: Taker,
}

impl Case {
    fn new() -> Self {
        Self {
            session: Session::new(config(1, false)),
            hub: Hub::default(),
            tail: Tail::new(usize::MAX, usize::MAX),
            taker: Taker::new(),
        }
    }

    fn given(inputs: Vec<Input>) -> Self {
        Self::new().after(inputs)
    }

    /// Access is by invite or password.
    fn by_invite(inputs: Vec<Input>) -> Self {
        let mut case = Self::new();
        let mut config = config(1, false);
        config.admission = Admission {
            by_invite: true,
            passwords: true,
            private: true,
        };
        case.session = Session::new(config);
        case.after(inputs)
    }

    fn after(self, inputs: Vec<Input>) -> Self {
        let mut case = self;
        for input in inputs {
            case.run(NOW, input);
        }
        case.taker.lines.clear();
        case
    }

    /// The input, and everything that follows from it in the order.
    fn run(&mut self, now: Instant, input: Input) -> (Vec<Ask>, Vec<Act>) {
        let (mut asks, mut out) = (Vec::new(), Output::default());
        self.session.handle(now, input, &mut out);
        loop {
            self.session
                .follow(now, &self.tail, &mut self.taker, &mut out);
            if out.asked.is_empty() {
                return (asks, out.acts);
            }
            asks.extend(out.asked.iter().map(|asked| asked.ask.clone()));
            let said = self.hub.apply_now(&mut out.asked);
            if let Some((batch, _)) = said {
                let position = self.tail.push(batch);
                self.session.touched(position);
            }
        }
    }
}

fn code() -> InviteCode {
    InviteCode::from_random([7; CODE_CHARS])
}

fn invite() -> Input {
    let code = code().to_string();
    received(FrameType::Data, &ToServer::Invite { code })
}

fn password() -> Input {
    let password = "secret".to_owned();
    received(FrameType::Data, &ToServer::Password { password })
}

fn states() -> Vec<(&'static str, Case)> {
    let opened = || opened(&hello(1, 1), None);
    let claim = || received(FrameType::SetNick, &SetNick { nick: nick("ana") });
    let mut entering = Case::given(vec![asked(), opened()]);
    let mut out = Output::default();
    entering.session.handle(NOW, claim(), &mut out);
    vec![
        ("awaiting-hello", Case::new()),
        ("awaiting-nick", Case::given(vec![asked(), opened()])),
        ("entering", entering),
        ("live", Case::given(vec![asked(), opened(), claim()])),
        ("draining", {
            let mut case = Case::given(vec![asked(), opened(), claim()]);
            let mut out = Output::default();
            case.session.handle(NOW, Input::Shutdown, &mut out);
            case
        }),
        (
            "closing",
            Case::given(vec![asked(), opened(), claim(), Input::Shutdown]),
        ),
        (
            "over",
            Case::given(vec![asked(), opened(), closed(CloseReason::Eof)]),
        ),
        ("by-invite", Case::by_invite(vec![asked(), opened()])),
        (
            "checking",
            Case::by_invite(vec![asked(), opened(), invite(), claim()]),
        ),
    ]
}

fn inputs() -> Vec<(&'static str, Instant, Input)> {
    let channel = |spec: &str| {
        let spec = spec.to_owned();
        received(FrameType::Channel, &ChannelSettings { spec })
    };
    let raw = |kind, body: &'static [u8]| {
        let body = Bytes::from_static(body);
        Input::Link(Event::Received { kind, body })
    };
    let data = |message: ToServer| received(FrameType::Data, &message);
    let peer_closing = Event::PeerClosing {
        code: 0,
        text: String::new(),
    };
    vec![
        ("asked", NOW, asked()),
        ("opened", NOW, opened(&hello(1, 1), None)),
        ("opened, proven", NOW, opened(&hello(1, 1), Some(1))),
        ("opened, another proven", NOW, opened(&hello(1, 1), Some(2))),
        ("opened, no hello", NOW, {
            let (terms, words, peer) = (terms(), Bytes::from_static(b"hi"), None);
            Input::Link(Event::Opened { terms, words, peer })
        }),
        (
            "claim bob",
            NOW,
            received(FrameType::SetNick, &SetNick { nick: nick("bob") }),
        ),
        ("claim `a b`", NOW, received(FrameType::SetNick, &"a b")),
        ("claim unreadable", NOW, raw(FrameType::SetNick, &[9])),
        (
            "say",
            NOW,
            data(ToServer::Submit(submit(1, Audience::All, "x"))),
        ),
        ("join", NOW, data(ToServer::Join { room: room("lab") })),
        ("leave", NOW, data(ToServer::Leave { room: room("lab") })),
        (
            "consumed",
            NOW,
            data(ToServer::Consumed {
                upto: Lamport::new(9),
                count: 9,
            }),
        ),
        (
            "history",
            NOW,
            data(ToServer::History {
                before: Lamport::ZERO,
                count: 9,
            }),
        ),
        ("unreadable", NOW, raw(FrameType::Data, &[77])),
        ("invite", NOW, invite()),
        ("password", NOW, password()),
        ("may try", NOW, Input::Checked(Verdict::MayTry)),
        ("right", NOW, Input::Checked(Verdict::Right)),
        ("wrong", NOW, Input::Checked(Verdict::Wrong)),
        ("busy", NOW, Input::Checked(Verdict::Busy)),
        ("too many", NOW, Input::Checked(Verdict::TooMany)),
        ("list", NOW, raw(FrameType::ListRequest, &[])),
        ("list with a body", NOW, raw(FrameType::ListRequest, &[0])),
        ("channel loss=20%", NOW, channel("loss=20%")),
        ("channel ?", NOW, channel("loss=?")),
        ("channel", NOW, channel("")),
        ("wrong type", NOW, raw(FrameType::Bulk, &[])),
        ("peer closing", NOW, Input::Link(peer_closing)),
        ("closed eof", NOW, closed(CloseReason::Eof)),
        ("tick in time", NOW, Input::Tick),
        ("tick too late", LATER, Input::Tick),
        ("shutdown", NOW, Input::Shutdown),
    ]
}

fn show_ask(ask: &Ask) -> String {
    match ask {
        Ask::Entry(entry) => match &entry.action {
            Action::Enter { nick, .. } => format!("Enter {nick}"),
            Action::Return { nick, .. } => format!("Return {nick}"),
            Action::Redeem { nick, code, .. } => format!("Redeem {nick} {code:?}"),
            Action::Rename { nick } => format!("Rename {nick}"),
            Action::Join { room } => format!("Join {room}"),
            Action::Leave { room } => format!("Leave {room}"),
            Action::Say(message) => format!("Say {}", message.text),
            Action::Misaddressed { pseq, .. } => format!("Misaddressed {pseq}"),
            Action::Exit => "Exit".to_owned(),
        },
        other => format!("{other:?}"),
    }
}

fn show_act(act: &Act) -> String {
    match act {
        Act::Welcome => "welcome".to_owned(),
        Act::Link(LinkInput::Abort { code, text }) => format!("abort {code:?} `{text}`"),
        Act::Link(LinkInput::Close { code, text }) => format!("close {code:?} `{text}`"),
        Act::Link(other) => format!("{other:?}"),
        Act::Check(check) => format!("{check:?}"),
        Act::Impair(settings) => format!("impair {settings}"),
        Act::Log(logged) => match logged {
            Logged::Connected { nick, .. } => format!("log connected {nick}"),
            Logged::Refused { code, .. } => format!("log refused {code}"),
            Logged::Disconnected { nick, reason } => format!("log disconnected {nick} {reason}"),
            Logged::Channel { settings, .. } => format!("log channel {settings}"),
        },
    }
}

fn show_state(session: &Session) -> &'static str {
    match session.state {
        State::AwaitingHello => "awaiting-hello",
        State::AwaitingNick(_) => "awaiting-nick",
        State::Checking(_) => "checking",
        State::Entering(_) => "entering",
        State::Live(_) => "live",
        State::Closing { .. } => "closing",
        State::Over => "over",
    }
}

fn table() -> String {
    let mut text = String::new();
    for at in 0..states().len() {
        for (name, now, input) in inputs() {
            let (state, mut case) = states().swap_remove(at);
            let (asks, acts) = case.run(now, input);
            let mut row = vec![show_state(&case.session).to_owned()];
            row.extend(asks.iter().map(|ask| format!("ask {}", show_ask(ask))));
            row.extend(acts.iter().map(show_act));
            row.extend(case.taker.lines.iter().map(|line| format!("say {line}")));
            writeln!(text, "{state} + {name}: {}", row.join("; ")).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn every_state_and_every_input() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/session/tests/table.txt");
    let table = table();
    if std::env::var_os("LAMPARINA_WRITE_TABLES").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    for (got, expected) in table.lines().zip(expected.lines()) {
        assert_eq!(
            got, expected,
            "set LAMPARINA_WRITE_TABLES=1 to write the table anew"
        );
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}

#[test]
fn a_claim_that_the_order_refuses_ends_the_link() {
    let mut case = states().swap_remove(1).1;
    let mut taken = vec![ask(2, enter("ana"))];
    case.hub.apply_now(&mut taken);
    let claim = received(FrameType::SetNick, &SetNick { nick: nick("ana") });
    let (_, acts) = case.run(NOW, claim);
    let shown: Vec<String> = acts.iter().map(show_act).collect();
    assert!(shown[0].starts_with("abort Nick"), "{shown:?}");
}

#[test]
fn a_taken_over_session_hears_everything_before() {
    let mut case = states().swap_remove(3).1;
    let to_ana = Audience::Unicast(nick("ana"));
    let mut asked = vec![
        ask(2, enter("bob")),
        ask(2, say(1, to_ana.clone(), "before")),
        ask_over(9, 1, 2, enter("ana")),
        ask(2, say(2, to_ana, "after")),
    ];
    let (batch, _) = case.hub.apply_now(&mut asked).unwrap();
    let position = case.tail.push(batch);
    case.session.touched(position);
    let (_, acts) = case.run(NOW, Input::Tick);
    assert_eq!(
        case.taker.lines,
        ["joined bob after 0", "1 bob: before (prev 0)"]
    );
    let shown: Vec<String> = acts.iter().map(show_act).collect();
    assert!(shown[0].starts_with("close TakenOver"), "{shown:?}");
}

#[test]
fn a_claim_with_an_outbox_of_the_past_is_told_of_the_newer_session() {
    let mut case = states().swap_remove(1).1;
    let mut newer = enter("ana");
    if let Action::Enter { epoch, .. } = &mut newer {
        epoch.0 += 1;
    }
    let mut asked = vec![ask(1, newer), ask(1, Action::Exit)];
    case.hub.apply_now(&mut asked);
    let claim = received(FrameType::SetNick, &SetNick { nick: nick("ana") });
    let (_, acts) = case.run(NOW, claim);
    let shown = show_act(&acts[0]);
    assert!(shown.starts_with("abort TakenOver"), "{shown}");
    assert!(shown.contains("start again"), "{shown}");
}

#[test]
fn a_reading_client_may_err_many_times_at_once() {
    let mut case = states().swap_remove(3).1;
    let mut out = Output::default();
    for _ in 0..crate::session::OWN_WAITING_MAX {
        let wrong = received(FrameType::SetNick, &"a b");
        case.session.handle(NOW, wrong, &mut out);
    }
    case.run(NOW, Input::Tick);
    assert_eq!(show_state(&case.session), "live");
    assert_eq!(case.taker.lines.len(), crate::session::OWN_WAITING_MAX);
    assert_eq!(case.session.own_bytes, 0);
}

#[test]
fn answers_that_wait_are_bounded_by_bytes_too() {
    let mut case = states().swap_remove(3).1;
    let mut out = Output::default();
    let half = || Bytes::from(vec![0; crate::session::OWN_WAITING_BYTES_MAX / 2]);
    for _ in 0..2 {
        case.session.answer(NOW, FrameType::Data, half(), &mut out);
    }
    assert!(out.acts.is_empty());
    let more = Bytes::from_static(&[0]);
    case.session.answer(NOW, FrameType::Data, more, &mut out);
    let shown = show_act(&out.acts[0]);
    assert!(shown.starts_with("abort TooSlow"), "{shown}");
}

#[test]
fn answers_that_are_not_read_end_the_session() {
    let mut case = states().swap_remove(3).1;
    case.taker.room = 0;
    let query = || {
        let spec = String::new();
        received(FrameType::Channel, &ChannelSettings { spec })
    };
    for _ in 0..crate::session::OWN_WAITING_MAX {
        assert!(case.run(NOW, query()).1.is_empty());
    }
    let shown: Vec<String> = case.run(NOW, query()).1.iter().map(show_act).collect();
    assert!(shown[0].starts_with("abort TooSlow"), "{shown:?}");
}

/// What a client that gave this is told when it claims `ana`, and what was checked and asked.
#[track_caller]
fn check_way_in(given: &[Input], verdict: Option<Verdict>, expected: &[&str]) {
    let mut case = states().swap_remove(7).1;
    for input in given {
        assert!(case.run(NOW, input.clone()).1.is_empty());
    }
    let claim = received(FrameType::SetNick, &SetNick { nick: nick("ana") });
    let (mut asks, mut acts) = case.run(NOW, claim);
    if let Some(verdict) = verdict {
        let (more_asks, more_acts) = case.run(NOW, Input::Checked(verdict));
        asks.extend(more_asks);
        acts.extend(more_acts);
    }
    let mut shown: Vec<String> = asks.iter().map(show_ask).collect();
    shown.extend(acts.iter().map(show_act));
    assert_eq!(shown.len(), expected.len(), "{shown:?}");
    for (got, expected) in shown.iter().zip(expected) {
        assert!(got.contains(expected), "{got}, not {expected}");
    }
}

#[test]
fn the_ways_in_where_access_is_by_invite() {
    use Verdict::{Busy, MayTry, Right, TooMany, Wrong};
    let bad = || {
        let code = "K7Q2M".to_owned();
        received(FrameType::Data, &ToServer::Invite { code })
    };
    check_way_in(&[], None, &["Return ana", "Exit", "by invitation"]);
    check_way_in(
        &[bad()],
        None,
        &["Return ana", "Exit", "has 25 letters and digits"],
    );
    let words = [
        "Redeem ana",
        "Exit",
        "Check(ana, an invite)",
        "no invite has this code",
    ];
    check_way_in(&[invite()], Some(MayTry), &words);
    let words = ["Enter ana", "Check(ana, a password)", "connected ana"];
    check_way_in(&[password()], Some(Right), &words);
    for (verdict, words) in [
        (Wrong, "not the password of ana"),
        (Busy, "too many passwords"),
        (TooMany, "too many codes and passwords"),
    ] {
        let words = ["Return ana", "Exit", "Check(ana, a password)", words];
        check_way_in(&[password()], Some(verdict), &words);
    }
    // With both, a wrong password does not spoil the invite.
    let words = [
        "Redeem ana",
        "Exit",
        "Check(ana, a password)",
        "no invite has this code",
    ];
    check_way_in(&[invite(), password()], Some(Wrong), &words);
}

#[test]
fn a_member_comes_back_whatever_it_gives() {
    for verdict in [
        Verdict::Wrong,
        Verdict::Busy,
        Verdict::TooMany,
        Verdict::MayTry,
    ] {
        let mut case = states().swap_remove(7).1;
        case.hub
            .apply_now(&mut vec![ask(1, enter("ana")), ask(1, Action::Exit)]);
        case.run(NOW, password());
        case.run(NOW, invite());
        let claim = received(FrameType::SetNick, &SetNick { nick: nick("ana") });
        case.run(NOW, claim);
        // What is asked behind the claim waits for it.
        let said = ToServer::Submit(submit(1, Audience::All, "x"));
        case.run(NOW, received(FrameType::Data, &said));
        assert_eq!(show_state(&case.session), "checking");
        case.run(NOW, Input::Checked(verdict));
        assert_eq!(show_state(&case.session), "live", "{verdict:?}");
        assert!(
            case.taker
                .lines
                .iter()
                .any(|line| line.starts_with("committed")),
            "{:?}",
            case.taker.lines
        );
    }
}

#[test]
fn what_waits_behind_a_claim_is_bounded() {
    let mut case = states().swap_remove(8).1;
    let list = || {
        let (kind, body) = (FrameType::ListRequest, Bytes::new());
        Input::Link(Event::Received { kind, body })
    };
    for _ in 0..64 {
        assert!(case.run(NOW, list()).1.is_empty());
    }
    let (_, acts) = case.run(NOW, list());
    assert!(show_act(&acts[0]).starts_with("abort BadMessage"));
}

#[test]
fn a_password_is_not_taken_where_others_can_read() {
    let mut case = Case::new();
    let mut config = config(1, false);
    config.admission = Admission {
        by_invite: true,
        passwords: true,
        private: false,
    };
    case.session = Session::new(config);
    case.run(NOW, asked());
    case.run(NOW, opened(&hello(1, 1), None));
    let (_, acts) = case.run(NOW, password());
    let shown = show_act(&acts[0]);
    assert!(
        shown.starts_with("abort NotAdmitted") && shown.contains("not sealed"),
        "{shown}"
    );
    let check = Check {
        nick: nick("ana"),
        password: Some("secret".to_owned()),
    };
    assert!(!format!("{check:?}").contains("secret"));
}

#[test]
fn who_is_banned_or_kicked_hears_what_was_before_and_why() {
    let whom = || Whom::Nick(nick("ana"));
    let ban = OperatorAsk::Ban {
        whom: whom(),
        by: "uid 7".to_owned(),
        reason: "spam".to_owned(),
    };
    for (asked, words) in [
        (OperatorAsk::Kick { whom: whom() }, "abort Kicked"),
        (ban, "abort Banned"),
    ] {
        let mut case = states().swap_remove(3).1;
        let operate = crate::hub::Asked {
            by: ConnectionId(u64::MAX),
            ask: Ask::Operate {
                ticket: Ticket(5),
                ask: Box::new(asked),
            },
        };
        let mut all = vec![
            ask(2, enter("bob")),
            ask(2, say(1, Audience::All, "before")),
            operate,
            ask(2, say(2, Audience::All, "after")),
        ];
        let (batch, _) = case.hub.apply_now(&mut all).unwrap();
        assert_eq!(case.hub.take_operated().len(), 1);
        let position = case.tail.push(batch);
        case.session.touched(position);
        let (_, acts) = case.run(NOW, Input::Tick);
        assert_eq!(
            case.taker.lines,
            ["joined bob after 0", "1 bob: before (prev 0)"]
        );
        let shown: Vec<String> = acts.iter().map(show_act).collect();
        assert!(shown[0].starts_with(words), "{shown:?}");
    }
}
