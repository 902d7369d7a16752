//! Attacks on the order: clocks that nobody can have, and names that two want at once.

use std::net::SocketAddr;

use lamparina_protocol::control::CloseCode;
use lamparina_protocol::link::CloseReason;
use lamparina_protocol::message::RefusalCode;
use lamparina_protocol::{Audience, Lamport};
use tokio::net::TcpStream;

use super::{Report, Size};
use crate::real::light::{As, Light, new_seed};
use crate::real::{PATIENCE, Server};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be started")
}

async fn enter_as(addr: SocketAddr, who: &As) -> Light {
    let stream = TcpStream::connect(addr).await.expect("the server accepts");
    let light = tokio::time::timeout(PATIENCE, Light::enter_as(stream, who)).await;
    light.expect("the server lets in or refuses")
}

/// Says `text` and waits for its stamp.
async fn stamped(light: &mut Light, text: &str) -> Lamport {
    let before = light.committed;
    light.say(Audience::All, text).await;
    while light.committed == before {
        light.step().await;
    }
    light.last_stamp
}

/// Kinds of [`poison`].
const POISONS: usize = 6;

/// A clock and a last stamp seen that cannot be, where the order's clock is `head`.
fn poison(number: usize, head: Lamport) -> (Lamport, Lamport) {
    let above = |by: u64| Lamport::new(head.get().saturating_add(by));
    match number {
        0 => (Lamport::new(u64::MAX), Lamport::ZERO),
        1 => (Lamport::new(u64::MAX - 1), Lamport::ZERO),
        2 => (Lamport::new(1 << 63), Lamport::ZERO),
        3 => (above(2), Lamport::ZERO),
        4 => (above(0), above(1)),
        _ => (above(1), Lamport::new(u64::MAX)),
    }
}

/// Clocks and causes that no honest client has. Each is refused, and the order's clock stays.
pub fn clock(size: Size) -> Report {
    let rounds = size.of(5, 200) as u64;
    let mut report = Report::new("clock", format!("{rounds} rounds of impossible clocks"));
    let server = Server::start();
    let (refused, moved, delivered) = runtime().block_on(async {
        let mut eva = enter_as(server.addr(), &As::sealed("eva")).await;
        let mut ana = enter_as(server.addr(), &As::sealed("ana")).await;
        eva.hostile = true;
        let first = stamped(&mut ana, "before").await;
        let mut asked = 0;
        let mut head = first;
        for round in 0..rounds {
            for number in 0..POISONS {
                let (clock, seen) = poison(number, head);
                eva.say_at(Audience::All, "poison", clock, seen).await;
                asked += 1;
                while eva.refused.len() < asked {
                    eva.step().await;
                }
                // What was refused with a clock that may be moves it to that, and no further.
                let said = stamped(&mut ana, &format!("round {round}")).await;
                let most = head.get() + 2;
                if said.get() > most {
                    return (asked, said.get() - first.get(), 0);
                }
                head = said;
            }
        }
        let ahead = eva
            .refused
            .iter()
            .filter(|(code, _)| *code == RefusalCode::ClockAhead)
            .count();
        assert_eq!(ahead, eva.refused.len(), "{:?}", eva.refused);
        // Nothing of it was delivered, and the next honest one is.
        let poison = ana
            .delivered
            .iter()
            .filter(|it| it.text == "poison")
            .count();
        (asked, head.get() - first.get(), poison)
    });
    let most = 2 * refused as u64;
    report.counted(
        "each is refused as clock-ahead, none delivered",
        format!("{refused} refused, {delivered} delivered"),
        delivered == 0 && refused == POISONS * rounds as usize,
    );
    report.counted(
        format!("{refused} honest messages between move the clock by at most {most}"),
        moved,
        moved <= most,
    );
    report
}

/// Two keys, one nick, at once; and all that looks like it afterwards.
pub fn nicks(size: Size) -> Report {
    let rounds = size.of(20, 100);
    let mut report = Report::new("nicks", format!("{rounds} races of two keys for one nick"));
    let mut server = Server::start();
    let addr = server.addr();
    runtime().block_on(async {
        let mut one_each = 0;
        for round in 0..rounds {
            let [a, b] = [(), ()].map(|()| As::sealed(&format!("race-{round}")));
            let (a, b) = tokio::join!(enter_as(addr, &a), enter_as(addr, &b));
            let won = [&a, &b].map(|light| light.entered);
            let lost = [&a, &b].into_iter().filter(|light| is_nick_refused(light));
            one_each +=
                usize::from(won.iter().filter(|won| **won).count() == 1 && lost.count() == 1);
        }
        report.counted(
            "one has it, the other is refused",
            format!("{one_each} of {rounds}"),
            one_each == rounds,
        );
        look_alikes(&mut report, addr).await;
        back_again(&mut report, addr, size.of(10, 100)).await;
    });
    let stopped = server.stop();
    report.counted("the server ends well", stopped, stopped == 0);
    report
}

fn is_nick_refused(light: &Light) -> bool {
    let refused = CloseCode::Nick.number();
    matches!(&light.ended, Some(CloseReason::ByPeer { code, .. }) if *code == refused)
}

async fn look_alikes(report: &mut Report, addr: SocketAddr) {
    let mut coco = enter_as(addr, &As::sealed("coco")).await;
    coco.send(
        lamparina_protocol::frame::FrameType::SetNick,
        &lamparina_protocol::message::SetNick {
            nick: lamparina_protocol::Nick::try_from("paulo").expect("a well-formed nick"),
        },
    );
    stamped(&mut coco, "I am paulo now").await;
    let alike = [
        // The former one and the present one, as they are and in other letters.
        "coco",
        "COCO",
        "c0c0",
        "сосо",
        "ｃｏｃｏ",
        "paulo",
        "PAULO",
        "pau1o",
        "paul0",
        "рaulo",
    ];
    let mut refused = 0;
    for nick in alike {
        refused += usize::from(is_nick_refused(&enter_as(addr, &As::sealed(nick)).await));
    }
    report.counted(
        "look-alikes and former nicks are refused",
        format!("{refused} of {}", alike.len()),
        refused == alike.len(),
    );
}

/// Its own key comes back while the old connection is still there; and others never do meanwhile.
async fn back_again(report: &mut Report, addr: SocketAddr, rounds: usize) {
    let mut own = As {
        seed: Some(new_seed()),
        ..As::sealed("owner")
    };
    let mut before = enter_as(addr, &own).await;
    let mut good = 0;
    for _ in 0..rounds {
        own.session += 1;
        let thief = As::sealed("owner");
        let (mut now, stolen) = tokio::join!(enter_as(addr, &own), enter_as(addr, &thief));
        before.hostile = true;
        while before.ended.is_none() {
            before.step().await;
        }
        // Who is taken over hears goodbye, and has done nothing to end otherwise.
        let ended = matches!(before.ended, Some(CloseReason::Orderly));
        let speaks = stamped(&mut now, "it is me").await;
        good +=
            usize::from(now.entered && is_nick_refused(&stolen) && ended && speaks > Lamport::ZERO);
        before = now;
    }
    report.counted(
        "one's own nick at once, a thief's never",
        format!("{good} of {rounds}"),
        good == rounds,
    );
}
