//! `send` and `tail`, for scripts.

use lamparina_tests::real::Server;

#[test]
fn send_says_one_thing_and_leaves() {
    let server = Server::start();
    let bob = server.enter("bob");
    let mut send = server
        .client("ana")
        .subcommand(&["send", "--to", "bob", "a: b "]);
    assert_eq!(send.leave(), 0, "{}", send.talk());
    let came = bob.wait_text("a: b ");
    assert_eq!(
        (&came["from"], &came["kind"]),
        (&"ana".into(), &"unicast".into())
    );
}

#[test]
fn send_reads_its_text_from_standard_input() {
    let server = Server::start();
    let bob = server.enter("bob");
    let mut send = server
        .client("ana")
        .subcommand(&["send", "--to", "bob", "-"]);
    send.write("two\nlines, Zoë".as_bytes());
    assert_eq!(send.leave(), 0, "{}", send.talk());
    bob.wait_text("two\nlines, Zoë");
}

#[test]
fn send_to_a_name_nobody_claimed_is_not_committed() {
    let server = Server::start();
    let mut send = server
        .client("ana")
        .subcommand(&["send", "--to", "nobody", "x"]);
    assert_eq!(send.leave(), 6);
    let said = send.words();
    assert!(said.contains("nobody"), "{said}");
}

#[test]
fn send_to_no_server_cannot_reach_it() {
    let mut server = Server::start();
    assert_eq!(server.stop(), 0);
    let mut send = server
        .client("ana")
        .subcommand(&["send", "--to", "bob", "x"]);
    assert_eq!(send.leave(), 3);
}

#[test]
fn tail_prints_as_many_messages_as_it_was_asked_for() {
    let server = Server::start();
    let bob = server.enter("bob");
    let args = ["tail", "--count", "3", "--timeout", "60", "--json"];
    let mut tail = server.client("ana").subcommand(&args);
    bob.wait("joined", |heard| heard.of_type("joined").next().cloned());
    for number in 0..5 {
        bob.say(&format!("{number}"));
    }
    assert_eq!(tail.process().wait_code(), 0, "{}", tail.talk());
    let texts = tail.transcript().heard().texts();
    assert_eq!(texts, ["0", "1", "2"]);
}

#[test]
fn tail_says_when_its_time_ran_out() {
    let server = Server::start();
    let args = ["tail", "--count", "1", "--timeout", "1"];
    let mut tail = server.client("ana").subcommand(&args);
    assert_eq!(tail.process().wait_code(), 5, "{}", tail.talk());
}

#[test]
fn send_goes_through_the_running_client_of_the_profile() {
    let server = Server::start();
    let bob = server.enter("bob");
    let ana = server.enter("ana");
    let mut send = server
        .client("ana")
        .subcommand(&["send", "--to", "bob", "by the way"]);
    assert_eq!(send.leave(), 0, "{}", send.talk());
    assert_eq!(bob.wait_text("by the way")["from"], "ana");
    assert!(
        ana.events("disconnected").is_empty(),
        "it was not taken over"
    );
    ana.say("still here");
    bob.wait_text("still here");
}
