//! A server that counts, and our own client: it waits for its turn, and none of its lines is refused.

use lamparina_tests::real::Server;
use lamparina_tests::real::order::number;

/// Piped at once; twenty times what may go at once.
const LINES: u64 = 400;

#[test]
fn piped_lines_wait_for_their_turn_and_none_is_refused() {
    let args = ["--count-loopback", "--rate", "200", "--burst", "20"];
    let mut server = Server::start_with(&args);
    let bob = server.enter("bob");
    let mut ana = server.client("ana").start();
    let lines: String = (1..=LINES).map(|line| format!("line {line}\n")).collect();
    ana.write(lines.as_bytes());
    assert_eq!(ana.leave(), 0);
    let closed = ana.wait_event("closed");
    let [sent, committed, refused] =
        ["sent", "committed", "refused"].map(|key| number(&closed, key));
    assert_eq!((sent, committed, refused), (LINES, LINES, 0), "{closed}");
    assert!(ana.events("error").is_empty());
    let expected: Vec<String> = (1..=LINES).map(|line| format!("line {line}")).collect();
    assert_eq!(bob.wait_texts(LINES as usize), expected);
    assert_eq!(server.stop(), 0);
    assert!(server.log().iter().all(|line| line.event != "refused"));
}

#[test]
fn a_name_that_looks_like_anothers_ends_with_exit_4() {
    let server = Server::start();
    let ana = server.enter("coco");
    for (name, words) in [
        ("сосо", "looks like"),
        ("c0c0", "looks like"),
        ("аna", "one script"),
    ] {
        let mut other = server.client(name).start();
        assert_eq!(other.process().wait_code(), 4, "{name}: {}", other.words());
        assert!(other.words().contains(words), "{name}: {}", other.words());
    }
    assert!(ana.events("disconnected").is_empty());
}
