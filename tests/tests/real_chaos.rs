//! Everything at once: bad channels, connections cut, the logger killed, a client killed.

use lamparina_tests::real::order::assert_one_order;
use lamparina_tests::real::process::{Signal, children_of, send_signal};
use lamparina_tests::real::proxy::Proxy;
use lamparina_tests::real::{Client, Server};

/// What each of the three says.
const SAID: usize = 300;
/// Lines between two blows.
const BETWEEN_BLOWS: usize = 30;

#[test]
fn one_order_whatever_breaks() {
    let server = Server::start();
    let proxies: Vec<Proxy> = (0..3).map(|_| Proxy::to(server.addr())).collect();
    let people: Vec<Client> = ["ana", "bob", "carla"]
        .iter()
        .zip(&proxies)
        .map(|(nick, proxy)| {
            let start = server.client(nick).through(proxy.addr());
            let spec = format!("loss=3%,corrupt=1%,dup=2%,reorder=3%,seed={}", nick.len());
            start.arg("--impair").arg(&spec).enter()
        })
        .collect();
    let mut passer_by = server.enter("dora");
    for person in &people {
        person.say("/who");
        person.wait("four", |heard| {
            let mut users = heard.of_type("users");
            users.find(|users| users["total"] == 4).map(|_| ())
        });
    }
    for number in 0..SAID {
        for person in &people {
            person.say(&format!("{} {number}", person.nick()));
        }
        passer_by.say("half a");
        if number % BETWEEN_BLOWS == 0 {
            // Somebody has got somewhere: the blow falls in the middle.
            people[0].wait_text(&format!(
                "carla {}",
                number.saturating_sub(BETWEEN_BLOWS / 2)
            ));
            blow(number / BETWEEN_BLOWS, &server, &proxies, &mut passer_by);
        }
    }
    for person in &people {
        for other in people.iter().filter(|other| other.nick() != person.nick()) {
            assert_heard_all(other.nick(), person);
        }
        person.wait_events("committed", SAID);
    }
    assert_one_order(&people.iter().collect::<Vec<_>>());
}

fn blow(number: usize, server: &Server, proxies: &[Proxy], passer_by: &mut Client) {
    match number % 5 {
        0..=2 => {
            proxies[number % 5].cut();
        }
        3 => {
            let loggers = children_of(server.pid());
            loggers
                .into_iter()
                .for_each(|pid| send_signal(pid, Signal::KILL));
        }
        _ => passer_by.process().kill(),
    }
}

#[track_caller]
fn assert_heard_all(from: &str, at: &Client) {
    let expected: Vec<String> = (0..SAID).map(|number| format!("{from} {number}")).collect();
    at.wait_text(&expected[SAID - 1]);
    let mut texts = at.transcript().heard().texts();
    texts.retain(|text| text.starts_with(from));
    assert_eq!(texts, expected);
}
