//! Typed and piped lines: however the bytes are split the lines are the same, and what is said is
//! what was typed, byte for byte; a slash command never becomes a text.

use lamparina_client::command::{Command, parse};
use lamparina_client::lines::LineCutter;
use lamparina_protocol::Audience;
use lamparina_protocol::message::TEXT_BYTES_MAX;

use crate::choices::Choices;

/// Reads a step, then bytes, which are cut into lines and each line read as a command.
pub fn commands(input: &[u8]) {
    let mut choices = Choices::new(input);
    let step = 1 + choices.below(40);
    let bytes = choices.rest();
    let lines = cut(bytes, bytes.len().max(1));
    assert_eq!(cut(bytes, step), lines, "in steps of {step}");
    for line in lines.iter().filter_map(|line| line.as_ref().ok()) {
        assert!(!line.contains('\n'));
        check(line);
    }
}

fn cut(bytes: &[u8], step: usize) -> Vec<Result<String, &'static str>> {
    let (mut cutter, mut out) = (LineCutter::default(), Vec::new());
    for chunk in bytes.chunks(step) {
        cutter.push(chunk, &mut out);
    }
    cutter.finish(&mut out);
    let line = |line: Result<String, lamparina_client::command::CommandError>| {
        line.map_err(|error| error.code)
    };
    out.into_iter().map(line).collect()
}

fn check(line: &str) {
    let command = parse(line);
    assert_eq!(parse(line), command, "a line means one thing");
    match command {
        Err(error) => assert!(!error.code.is_empty() && !error.text.is_empty()),
        Ok(None) => assert!(line.is_empty() || line == "\r"),
        Ok(Some(Command::Say { audience, text })) => check_said(line, &audience, &text),
        Ok(Some(_)) => assert!(line.starts_with('/') && !line.starts_with("//")),
    }
}

fn check_said(line: &str, audience: &Audience, text: &str) {
    assert!((1..=TEXT_BYTES_MAX).contains(&text.len()));
    let before = line.strip_suffix(text).expect("the text is the line's end");
    if before.starts_with('/') && before != "/" {
        assert!(
            before.starts_with("/msg") || before.starts_with("/pub"),
            "{line:?}"
        );
        return;
    }
    let word = match audience {
        Audience::Unicast(_) => "MSG:",
        Audience::Multicast(_) => "MULTICAST:",
        Audience::Room(_) => "BROADCAST:#",
        Audience::All if before.is_empty() || before == "/" => "",
        Audience::All => "BROADCAST:ALL:",
    };
    assert!(before.starts_with(word), "{line:?} is for {audience:?}");
    // Said again with the names as they are kept it is the same.
    let (to, head) = (audience.names().join(","), word.split(':').next());
    if let (false, Some(head)) = (word.is_empty(), head) {
        let again = parse(&format!("{head}:{to}:{text}"));
        let (audience, text) = (audience.clone(), text.to_owned());
        assert_eq!(again, Ok(Some(Command::Say { audience, text })));
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "MSG:bob:hello\nMULTICAST:ana, bob:hello, both\nBROADCAST:ALL:a:b:c\n",
        "BROADCAST:#lab:in the lab\nplain: text\n//slash\n/who\n",
        "MSG::x\nMSG:bob:\nMSG:bob\nMULTICAST:a,,b:x\nBROADCAST:lab:x\nMSG:ALL:x\n",
        "/nick ana\n/msg bob hello\n/pub * all\n/pub #lab x\n/join #lab\n/leave #lab\n",
        "/history 10 before 7\n/find a b\n/trace 9\n/why 3 4\n/queue cancel all\n/queue\n",
        "/link\n/rtt\n/conn\n/reconnect\n/channel loss=20%\n/log debug\n/help\n/quit\n/nothing\n",
        "\u{feff}first\r\n\r\n\u{feff}x",
    ];
    let mut seeds: Vec<Vec<u8>> = lines
        .iter()
        .map(|lines| [&[6], lines.as_bytes()].concat())
        .collect();
    seeds.push(b"\x02not\xff\xfetext\nnext".to_vec());
    seeds
}
