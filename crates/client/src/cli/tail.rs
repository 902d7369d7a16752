//! `tail`: messages as they come, as many as asked for. Through the running client of the profile
//! where there is one, so that it is not taken over.

use lamparina_console::interrupt::Interrupts;
use lamparina_console::output::{Output, OutputGone, Written};
use lamparina_console::terminal::Terminal;
use serde_json::Value;
use tokio::time::timeout;

use super::args::{Common, TailArgs};
use super::exit::{self, Exit, Stop};
use super::local::{self, Answers, Desk, OTHER_SERVER, Request, Task};
use super::send::not_connected;
use super::setup::{self, Who};
use crate::client::{CLOSE_WITHIN, Client, Mark, Reads};
use crate::core::event::Event;
use crate::show::{json, plain};

/// What is left to print, and how.
struct Printer {
    left: Option<u64>,
    json: bool,
    style: plain::Style,
    output: Output<Mark>,
}

/// Runs `tail`.
pub(super) async fn run(
    common: Common,
    address: Option<String>,
    args: TailArgs,
) -> Result<Exit, Stop> {
    let who = setup::who(&common, address)?;
    let mut printer = Printer {
        left: args.count,
        json: args.json,
        style: plain::Style {
            own: who.nick.clone(),
            member: None,
            colour: false,
        },
        output: Output::start(Terminal::default()),
    };
    let mut interrupts = Interrupts::listen();
    let mut client = None;
    let followed = {
        let work = follow(&who, &common, &mut printer, &mut client);
        tokio::select! {
            done = within(args.timeout, work) => done,
            // Interrupting is the way to end it.
            () = interrupts.next() => Ok(Exit::Done),
        }
    };
    let finished = printer.output.finish();
    if let Some(client) = client {
        // What was written last is the place to come back to.
        client.ended().await;
    }
    match finished {
        Written::Failed(error) => Err(Stop::new(Exit::Failed, format!("stdout: {error}"))),
        Written::All | Written::Unread => followed,
    }
}

async fn within(
    limit: Option<std::time::Duration>,
    work: impl Future<Output = Result<Exit, Stop>>,
) -> Result<Exit, Stop> {
    let Some(limit) = limit else {
        return work.await;
    };
    match timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => {
            let text = format!("time ran out after {} s", limit.as_secs_f32());
            Err(Stop::new(Exit::TimeOut, text))
        }
    }
}

async fn follow(
    who: &Who,
    common: &Common,
    printer: &mut Printer,
    client: &mut Option<Client>,
) -> Result<Exit, Stop> {
    if printer.left == Some(0) {
        return Ok(Exit::Done);
    }
    let path = who.paths.socket(&who.profile);
    let request = Request::new(&who.server, Task::Tail);
    if let Some(answers) = local::call(path.as_deref(), &request).await
        && let Some(done) = through_running(answers, printer).await
    {
        return done;
    }
    directly(who, common, printer, client).await
}

/// `None` where the running client talks elsewhere.
async fn through_running(
    mut answers: Answers,
    printer: &mut Printer,
) -> Option<Result<Exit, Stop>> {
    loop {
        let (line, event) = match answers.next().await {
            Ok(Some(next)) => next,
            Ok(None) => return Some(Err(Stop::new(Exit::Failed, "the running client has ended"))),
            Err(error) => {
                let text = format!("the running client: {error}");
                return Some(Err(Stop::new(Exit::Failed, text)));
            }
        };
        let field = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        match (field("type"), field("code")) {
            ("error", OTHER_SERVER) => return None,
            ("error", "too-slow") => {
                return Some(Err(Stop::new(Exit::Failed, field("text"))));
            }
            ("message", _) if !is_history(&event) => {
                let line = match printer.json {
                    true => line,
                    false => printer.plain(&event),
                };
                if printer.message(line, None).await {
                    return Some(Ok(Exit::Done));
                }
            }
            _ => {}
        }
    }
}

/// `client` is made here, and outlives this.
async fn directly(
    who: &Who,
    common: &Common,
    printer: &mut Printer,
    client: &mut Option<Client>,
) -> Result<Exit, Stop> {
    let held = setup::hold_soon(who).await;
    let config = setup::config(who, common)?;
    // A `send` of the same profile goes through us, or it would take us over.
    let mut desk = Desk::open(config.profile.socket(), who.server.clone());
    let client = client.insert(Client::connect(config).await.map_err(not_connected)?);
    client.set_reads(Reads::Written);
    desk.settled().await;
    drop(held);
    let mut done = false;
    loop {
        let event = tokio::select! {
            event = client.next_event() => event,
            asked = desk.asked(), if !done && client.has_room() => {
                desk.serve(client, asked).await;
                continue;
            }
        };
        let Some(event) = event else {
            return Err(Stop::new(Exit::Failed, "the conversation is over"));
        };
        desk.tell(&event);
        match &event {
            Event::Message(delivery) if !done && !delivery.history => {
                let line = match (printer.json, plain::event(&event, &printer.style)) {
                    (false, Some(plain::Line::Data(line))) => line,
                    _ => json::event(&event),
                };
                if printer.message(line, client.mark(&event)).await {
                    // What others sent through us is settled first.
                    client.set_reads(Reads::Nothing);
                    client.finish(Some(CLOSE_WITHIN)).await;
                    done = true;
                }
            }
            Event::Closed { .. } if done => return Ok(Exit::Done),
            Event::Closed { ending, summary } => {
                let words = ending
                    .error()
                    .map_or("the conversation is over", |error| error.1);
                return Err(Stop::new(exit::of(ending, *summary, 1), words));
            }
            _ => {}
        }
    }
}

/// What was said before is no news.
fn is_history(event: &Value) -> bool {
    event.get("history").and_then(Value::as_bool) == Some(true)
}

impl Printer {
    /// Prints one message. Says whether it was the last one, or nobody reads on.
    async fn message(&mut self, line: String, mark: Option<Mark>) -> bool {
        if let Err(OutputGone) = self.output.line(line, mark).await {
            return true;
        }
        match &mut self.left {
            Some(left) => {
                *left -= 1;
                *left == 0
            }
            None => false,
        }
    }

    /// A message's event as a readable line.
    fn plain(&self, event: &Value) -> String {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let stamp = event
            .get("stamp")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let to = event.get("to").and_then(Value::as_array);
        let to = to.into_iter().flatten().filter_map(Value::as_str);
        let to: Vec<_> = to.map(str::to_owned).collect();
        let head = plain::head(text("from"), text("kind"), &to, &self.style);
        plain::data(stamp, &head, text("text"), &self.style)
    }
}
