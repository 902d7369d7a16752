//! Every form of line, and what becomes of it.

use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::message::TEXT_BYTES_MAX;

use super::*;

fn show(line: &str) -> String {
    match parse(line) {
        Ok(None) => "nothing".to_owned(),
        Ok(Some(Command::Say { audience, text })) => {
            let to = audience.names().join(",");
            format!("{} {to} {text:?}", audience.kind())
        }
        Ok(Some(Command::Own(own))) => format!("{own:?}"),
        Ok(Some(command)) => format!("{command:?}"),
        Err(error) => format!("error {}", error.code),
    }
}

#[test]
fn every_form_of_line() {
    let table = include_str!("lines.table");
    for row in table.lines() {
        let (line, expected) = row.split_once(" => ").expect("a row is `line => outcome`");
        let line = line.replace("\\r", "\r");
        assert_eq!(show(&line), expected, "for the line {line:?}");
    }
}

#[test]
fn the_longest_text_and_one_byte_more() {
    let text = "x".repeat(TEXT_BYTES_MAX);
    for prefix in ["MSG:bob:", "BROADCAST:ALL:", "/msg bob ", ""] {
        let line = format!("{prefix}{text}");
        assert!(matches!(parse(&line), Ok(Some(Command::Say { .. }))));
        assert!(line.len() <= LINE_BYTES_MAX);
        assert_eq!(show(&format!("{line}x")), "error too-long");
    }
}

#[test]
fn the_longest_list_of_names_fits_a_line() {
    let names = |count| vec!["é".repeat(24); count].join(",");
    let text = "x".repeat(TEXT_BYTES_MAX);
    let line = format!("MULTICAST:{}:{text}", names(AUDIENCE_USERS_MAX));
    assert!(line.len() <= LINE_BYTES_MAX);
    assert!(parse(&line).is_ok());
    let line = format!("MULTICAST:{}:x", names(AUDIENCE_USERS_MAX + 1));
    assert_eq!(show(&line), "error too-long");
}

#[test]
fn help_names_every_command() {
    for word in [
        "MSG:",
        "MULTICAST:",
        "BROADCAST:",
        "/who",
        "/nick",
        "/msg",
        "/pub",
        "/join",
        "/leave",
        "/history",
        "/find",
        "/queue",
        "/queue cancel",
        "/trace",
        "/why",
        "/link",
        "/rtt",
        "/conn",
        "/reconnect",
        "/channel",
        "/log",
        "/help",
        "/quit",
    ] {
        assert!(HELP.contains(word), "{word}");
    }
}
