//! Names, rooms, texts and goodbyes that are made to look like lines of the log, or to break them.

use std::path::PathBuf;

use lamparina_log::source::Source;
use lamparina_log::verify::{Against, verify};
use lamparina_protocol::control::Disconnect;
use lamparina_protocol::frame::{FrameType, Seq};
use lamparina_protocol::{Audience, clean, codec};

use super::{Report, Size};
use crate::real::Server;
use crate::real::light::Light;
use crate::real::log::{self, LogLine};
use crate::real::raw::{Raw, frame};

const LINE: &str = "2026-11-20T18:42:01.123456Z event=produced stamp=1 from=ana";

/// What is put into every place that takes words.
fn hostile() -> Vec<String> {
    let mut all = vec![
        format!("x\n{LINE}"),
        format!("x\r\n{LINE}\r\n"),
        format!("x\" {LINE}"),
        format!("x\\\" {LINE}"),
        format!("x\\\n{LINE}"),
        format!("x\u{2028}{LINE}\u{2029}{LINE}\u{85}{LINE}"),
        format!("x\u{b}{LINE}\u{c}{LINE}"),
        "x event=connected nick=ana".to_owned(),
        "x=y".to_owned(),
        "\"".to_owned(),
        "\\".to_owned(),
        " ".to_owned(),
        "\0".to_owned(),
        "x\u{1b}[2J\u{1b}]0;t\u{7}".to_owned(),
        "x\u{202e}y\u{2066}z\u{200b}\u{e0041}\u{feff}".to_owned(),
        "\u{9b}31m".to_owned(),
    ];
    all.extend((1..32).map(|code| format!("a{}b", char::from(code))));
    all
}

/// All of it, in every place; then the log is read by its documented form, and held against the journal.
pub fn log(size: Size) -> Report {
    let rounds = size.of(1, 10);
    let words = hostile();
    let did = format!(
        "{} strings as names, rooms, texts and goodbyes",
        words.len()
    );
    let mut report = Report::new("log", did);
    let folder = crate::real::Folder::new();
    let data = folder.within("data");
    let args = ["--cleartext", "--log-text", "--data"];
    let args = [&args[..], &[data.to_str().expect("a path of ours")]].concat();
    let mut server = Server::start_with(&args);
    let texts = rounds * words.len();
    for round in 0..rounds {
        for (number, word) in words.iter().enumerate() {
            claim(&server, word);
            enter_a_room_and_go(&server, &format!("guest-{round}-{number}"), word);
        }
    }
    speak(&server, rounds, &words);
    let stopped = server.stop();
    report.counted("the server ends well", stopped, stopped == 0);
    let file = server.log_file();
    let raw = std::fs::read_to_string(&file).unwrap_or_default();
    let lines = log::read(&file);
    let harmful = raw.chars().filter(|&c| c != '\n' && clean::is_harmful(c));
    let harmful = harmful.count();
    report.counted(
        "every line is of the documented form, and none does anything to a terminal",
        format!("{} lines, {harmful} harmful characters", lines.len()),
        lines.len() == raw.lines().count() && harmful == 0,
    );
    let produced = of(&lines, "produced");
    let exact = produced.iter().zip(words.iter().cycle());
    let exact = exact.filter(|(line, word)| line.field("text") == word.as_str());
    let exact = exact.count();
    report.counted(
        "one line for each text, and the text in it exactly",
        format!("{} lines, {exact} exact, for {texts}", produced.len()),
        produced.len() == texts && exact == texts,
    );
    let verified = verified(data, &file);
    let held = verified.is_ok();
    let said = verified.map_or_else(|why| why, |()| "accepted".to_owned());
    report.counted("`lamparina-log verify --log`", said, held);
    report
}

fn of<'a>(lines: &'a [LogLine], event: &str) -> Vec<&'a LogLine> {
    lines.iter().filter(|line| line.event == event).collect()
}

fn verified(data: PathBuf, log: &std::path::Path) -> Result<(), String> {
    let source = Source::open(&data).map_err(|stop| format!("{stop:?}"))?;
    let against = Against {
        log: Some(log),
        captures: None,
    };
    verify(&source, against)
        .map(|_proof| ())
        .map_err(|stop| format!("{stop:?}"))
}

/// Claims it as a nick, and hears that it cannot have it, or that it has it.
fn claim(server: &Server, nick: &str) {
    let mut raw = Raw::open(server.addr());
    let claim = codec::encode(&(nick,)).expect("it is short");
    raw.send(&frame(FrameType::SetNick, 0, true, &claim));
    while raw
        .next_frame()
        .is_some_and(|frame| !matches!(frame.kind, FrameType::Disconnect | FrameType::Data))
    {}
    raw.send(&goodbye(nick));
}

/// Joins a room of that name, under a nick that is well-formed, and says goodbye in these words.
fn enter_a_room_and_go(server: &Server, nick: &str, word: &str) {
    let mut raw = Raw::enter(server.addr(), nick);
    let room = codec::encode(&(word,)).expect("it is short");
    // Join is variant 1, with one field.
    let join = [&[1], room.as_ref()].concat();
    raw.send(&frame(FrameType::Data, 1, true, &join));
    while raw
        .next_frame()
        .is_some_and(|frame| !matches!(frame.kind, FrameType::Disconnect | FrameType::Data))
    {}
    raw.send(&goodbye(word));
    let _ = raw.last_words();
}

fn goodbye(words: &str) -> bytes::Bytes {
    let bye = Disconnect {
        code: 0,
        orderly: false,
        next: Seq::FIRST,
        text: words.to_owned(),
    };
    frame(FrameType::Disconnect, 0, true, &bye.to_bytes())
}

fn speak(server: &Server, rounds: usize, words: &[String]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let mut light = Light::enter(server.addr(), "speaker").await;
        for _ in 0..rounds {
            for word in words {
                light.say(Audience::All, word).await;
            }
        }
        while light.committed < (rounds * words.len()) as u64 {
            light.step().await;
        }
    });
}
