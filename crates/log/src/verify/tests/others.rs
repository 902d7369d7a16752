//! What is told apart only by a copy, by captures and by a server's log.

use super::*;

#[test]
fn copies_of_two_logs_are_told_apart() {
    let (one, other) = (folder_of(&good()), folder_of(&good()));
    let (a, b) = (
        Source::open(&one.0).unwrap(),
        Source::open(&other.0).unwrap(),
    );
    assert_eq!(compare(&a, &b).unwrap(), Alike::Same { entries: 17 });
    let connection = Connection::open(other.0.join("lamparina.db")).unwrap();
    connection
        .execute_batch("UPDATE meta SET log = x'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd'")
        .unwrap();
    let b = Source::open(&other.0).unwrap();
    assert_eq!(name_of(compare(&a, &b).unwrap_err()), "copies-log");
    assert_eq!(
        name_of(verify(&b, Against::default()).unwrap_err()),
        "chain"
    );
}

#[test]
fn captures_of_another_log_are_not_taken_for_this_one() {
    let folder = folder_of(&good());
    let mut captures = Captures::default();
    let lines = capture(&story().records, 1, &"cd".repeat(16));
    captures.read(&folder.file("bob.json", &lines)).unwrap();
    let against = Against {
        captures: Some(&captures),
        log: None,
    };
    assert_eq!(verify_with(&folder, against).unwrap_err(), "capture-log");
}

#[test]
fn a_server_log_is_held_against_the_journal() {
    let folder = folder_of(&good());
    let mut lines = crate::testing::server_log(&story().records);
    let file: PathBuf = folder.file("server.log", &lines);
    let against = Against {
        log: Some(&file),
        captures: None,
    };
    let proof = verify_with(&folder, against).unwrap();
    assert_eq!(proof.server.unwrap().agreed, 7);
    lines.push(lines[0].replace("stamp=2", "stamp=77"));
    folder.file("server.log", &lines);
    assert_eq!(verify_with(&folder, against).unwrap_err(), "log-stamp");
}

#[test]
fn a_term_that_comes_again_is_named() {
    let again = |rows: &mut Rows| rows[12].0.event = Recorded::Began { term: Term(1) };
    check(again, "term-table");
}
