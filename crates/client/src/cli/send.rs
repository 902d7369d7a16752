//! `send`: one message, its stamp, an exit code. Through the running client of the profile where
//! there is one, so that it is not taken over.

use std::io::Read;

use lamparina_protocol::message::TEXT_BYTES_MAX;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::args::{Common, SendArgs};
use super::exit::{self, Exit, Stop};
use super::local::{self, OTHER_SERVER, Request, Task};
use super::setup::{self, Hold, LOOK_AGAIN, Who};
use crate::client::{Client, ClientError, Reads};
use crate::command::{self, CommandError};
use crate::core::event::{Event, Summary};
use crate::show::json;

/// Runs `send`.
pub(super) async fn run(
    common: Common,
    address: Option<String>,
    args: SendArgs,
) -> Result<Exit, Stop> {
    let who = setup::who(&common, address)?;
    let to: Vec<_> = args.to.iter().map(String::as_str).collect();
    let audience =
        command::audience(&to).map_err(|error| Stop::new(Exit::Usage, to_words(&to, &error)))?;
    let text = text(&args)?;
    if args.timeout.is_zero() {
        return Err(Stop::new(
            Exit::TimeOut,
            "no time to wait was given; nothing was sent",
        ));
    }
    let work = async {
        // Nobody else connects with this profile until our link is closed: who comes second waits,
        // or finds a client that runs by then.
        let _held = loop {
            let held = setup::hold(&who);
            if let Some(done) = through_running(&who, &args, &text).await {
                return done;
            }
            match held {
                Hold::Busy => sleep(LOOK_AGAIN).await,
                held => break held,
            }
        };
        let config = setup::config(&who, &common)?;
        let client = Client::connect(config).await.map_err(not_connected)?;
        directly(client, audience, text, args.json).await
    };
    match timeout(args.timeout, work).await {
        Ok(done) => done,
        Err(_) => Err(Stop::new(
            Exit::TimeOut,
            format!(
                "no answer within {} s; the message may still get its place, now or when this \
                 profile connects again",
                args.timeout.as_secs_f32()
            ),
        )),
    }
}

/// Why these are no recipients, in the words of this command line.
fn to_words(to: &[&str], error: &CommandError) -> String {
    let all = |one: &&str| *one != "ALL" && one.trim_matches(' ').eq_ignore_ascii_case("ALL");
    match to.iter().find(|one| all(one)) {
        Some(one) => format!("--to: {one:?} is no name; everybody is --to ALL, in capitals"),
        None => format!("--to: {error}"),
    }
}

fn text(args: &SendArgs) -> Result<String, Stop> {
    let text = match args.text.as_str() {
        "-" => stdin()?,
        text => text.to_owned(),
    };
    match text.len() {
        0 => Err(Stop::new(
            Exit::NotSettled,
            "the text is empty; nothing was sent",
        )),
        bytes if bytes > TEXT_BYTES_MAX => Err(Stop::new(
            Exit::NotSettled,
            format!("the text has more than {TEXT_BYTES_MAX} bytes; nothing was sent, split it"),
        )),
        _ => Ok(text),
    }
}

/// What stdin holds, without one line end at its end.
fn stdin() -> Result<String, Stop> {
    let mut bytes = Vec::new();
    let limit = TEXT_BYTES_MAX as u64 + 2;
    let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Stop::new(Exit::Failed, format!("stdin: {error}")))?;
    let mut text = String::from_utf8(bytes).map_err(|_bytes| {
        Stop::new(
            Exit::NotSettled,
            "stdin is not valid UTF-8; nothing was sent",
        )
    })?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// `None` where no client of this profile runs, or it talks elsewhere.
async fn through_running(who: &Who, args: &SendArgs, text: &str) -> Option<Result<Exit, Stop>> {
    let (to, text) = (args.to.clone(), text.to_owned());
    let request = Request::new(&who.server, Task::Send { to, text });
    let path = who.paths.socket(&who.profile);
    let mut answers = local::call(path.as_deref(), &request).await?;
    let (line, answer) = match answers.next().await {
        Ok(Some(answer)) => answer,
        Ok(None) => {
            return Some(Err(Stop::new(
                Exit::NotSettled,
                "the running client ended; the message may still get its place",
            )));
        }
        Err(error) => {
            return Some(Err(Stop::new(
                Exit::Failed,
                format!("the running client: {error}"),
            )));
        }
    };
    let field = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    match field("type") {
        "committed" => {
            let stamp = answer
                .get("stamp")
                .and_then(Value::as_u64)
                .unwrap_or_default();
            Some(committed(stamp, &line, args.json))
        }
        _ if field("code") == OTHER_SERVER => None,
        _ => Some(refused(field("code"), field("text"), &line, args.json)),
    }
}

async fn directly(
    mut client: Client,
    audience: lamparina_protocol::Audience,
    text: String,
    as_json: bool,
) -> Result<Exit, Stop> {
    // Nothing is shown here: what comes meanwhile comes again, where somebody reads it.
    client.set_reads(Reads::Nothing);
    let sent = client.send(audience, text).await;
    let name = sent.map_err(|error| Stop::new(Exit::NotSettled, error.to_string()))?;
    while let Some(event) = client.next_event().await {
        let line = || json::event(&event);
        let done = match &event {
            Event::Committed(commit) if commit.was.unwrap_or(commit.name) == name => {
                committed(commit.stamp.get(), &line(), as_json)
            }
            Event::Error {
                code,
                text,
                message: Some(of),
            } if *of == name => refused(code, text, &line(), as_json),
            Event::Closed { ending, summary } => {
                let words = ending
                    .error()
                    .map_or("the conversation is over", |error| error.1);
                return Err(Stop::new(exit::of(ending, *summary, 1), words));
            }
            _ => continue,
        };
        client.close().await;
        return done;
    }
    Err(Stop::new(Exit::Failed, "the conversation is over"))
}

fn committed(stamp: u64, line: &str, as_json: bool) -> Result<Exit, Stop> {
    match as_json {
        true => print(line),
        false => print(&stamp.to_string()),
    }
}

fn refused(code: &str, text: &str, line: &str, as_json: bool) -> Result<Exit, Stop> {
    if as_json {
        print(line)?;
    }
    let words = crate::show::clean::line(&format!("{code}: {text}"));
    Err(Stop::new(Exit::NotSettled, words))
}

fn print(line: &str) -> Result<Exit, Stop> {
    use std::io::Write;
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Stop::new(Exit::Failed, format!("stdout: {error}")))
        }
        _ => Ok(Exit::Done),
    }
}

/// A conversation that did not begin, as an exit code and words.
pub(super) fn not_connected(error: ClientError) -> Stop {
    let exit = match &error {
        ClientError::NotConnected(ending) => exit::of(ending, Summary::default(), 1),
        _ => Exit::Failed,
    };
    Stop::new(exit, error.to_string())
}
