//! The conversation: lines in, events out, until the input ends and everything given is settled.
//! Nothing typed is lost on the way: a full outbox makes the input wait.

use std::io::IsTerminal;
use std::time::Duration;

use lamparina_console::countdown::{REWRITE_EVERY, Talk};
use lamparina_console::input;
use lamparina_console::interrupt::Interrupts;
use lamparina_console::logging::Levels;
use lamparina_console::output::{Output, OutputGone, Written};
use lamparina_console::terminal::{GivenBack, Terminal, wants_colour};
use lamparina_protocol::Lamport;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::args::{ChatArgs, Common};
use super::exit::{self, Exit, Stop};
use super::local::{Asked, Desk, code};
use super::setup::{self, Hold};
use super::watch::{Due, Watch};
use crate::client::{Client, ClientError, Mark, Reads};
use crate::command::{self, Command, CommandError, FIND_COUNT, HELP, Own};
use crate::core::conversation::CancelReport;
use crate::core::event::{Ending, Event, Summary};
use crate::core::outbox::Cancel;
use crate::lines::Line;
use crate::net::NetStatus;
use crate::show::receipts::Receipts;
use crate::show::{json, link, plain, report};

/// How long a piped conversation goes on without a connection.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// How long an interrupted conversation waits for what is unsettled.
const INTERRUPTED_WITHIN: Duration = Duration::from_secs(5);

/// A conversation and those who take part on this side.
struct Chat {
    terminal: Terminal,
    client: Client,
    json: bool,
    style: plain::Style,
    talk: Talk,
    receipts: Receipts,
    /// The messages shown last were from before.
    in_history: bool,
    output: Output<Mark>,
    desk: Desk,
    /// The profile, until the first connection is made or not and the desk is open: a `send` that
    /// comes then finds us, and takes nobody over.
    held: Option<Hold>,
    /// The first connection is made, or not.
    tried: bool,
    /// What is said once everything is written.
    last_words: Option<String>,
    levels: Levels,
    interrupts: Interrupts,
    /// Lines answered by an error.
    errors: u64,
    /// The server has let us in; lines are taken from then on.
    begun: bool,
    /// Nothing more is read.
    ended: bool,
    interrupted: bool,
    /// Nobody reads stdout any more.
    unheard: bool,
    lines: Option<mpsc::Receiver<Line>>,
    /// `--watch-link`
    watch: Option<Watch>,
}

/// What happened.
enum Turn {
    Event(Option<Event>),
    Line(Option<Line>),
    Asked(Asked),
    DeskOpen,
    Interrupted,
    Rewrite,
    Watched(Due),
    OutputGone,
}

/// Runs a conversation until its end.
pub(super) async fn run(
    common: Common,
    address: Option<String>,
    args: ChatArgs,
    levels: Levels,
) -> Result<Exit, Stop> {
    let who = setup::who(&common, address)?;
    let held = setup::hold_soon(&who).await;
    let mut config = setup::config(&who, &common)?;
    let interactive = std::io::stdin().is_terminal();
    config.reconnect = !args.no_reconnect;
    config.retry_first = args.retry;
    config.give_up_after = args
        .give_up_after
        .or_else(|| (!interactive).then_some(GIVE_UP_AFTER));
    let socket = config.profile.socket();
    let mut client =
        Client::start(config).map_err(|error| Stop::new(Exit::Failed, error.to_string()))?;
    client.set_reads(Reads::Written);
    let colour = wants_colour();
    let (terminal, watch) = screen(&args, colour)?;
    let _given_back = GivenBack(terminal.clone());
    let mut chat = Chat {
        terminal: terminal.clone(),
        client,
        json: args.json,
        style: plain::Style {
            own: who.nick,
            member: None,
            colour,
        },
        talk: Talk::new(terminal.clone()),
        receipts: Receipts::default(),
        in_history: false,
        output: Output::start(terminal.clone()),
        desk: Desk::open(socket, who.server),
        held: Some(held),
        tried: false,
        last_words: None,
        levels,
        interrupts: Interrupts::listen(),
        errors: 0,
        begun: args.retry,
        ended: false,
        interrupted: false,
        unheard: false,
        lines: None,
        watch,
    };
    let (ending, summary) = chat.turns().await?;
    let Chat {
        client,
        output,
        errors,
        talk,
        json,
        unheard,
        last_words,
        watch,
        ..
    } = chat;
    let finished = output.finish();
    terminal.give_back();
    if let Some(words) = watch.and_then(|watch| watch.last_words()) {
        talk.say(&words);
    }
    if let Some(words) = last_words {
        talk.say(&words);
    }
    // What was written last is the place to come back to.
    client.ended().await;
    match finished {
        Written::Failed(error) => return Err(not_written(&error)),
        // The closing words went where nobody reads; somebody may watch here.
        Written::Unread if json && !unheard => talk.say(&closing_words(summary)),
        Written::Unread | Written::All => {}
    }
    let errors = if args.strict { errors } else { 0 };
    Ok(exit::of(&ending, summary, errors))
}

/// The terminal, and who watches the link.
fn screen(args: &ChatArgs, colour: bool) -> Result<(Terminal, Option<Watch>), Stop> {
    Ok(match (args.json, args.watch_link) {
        (true, every) => (Terminal::default(), every.map(Watch::printing)),
        (false, None) => (Terminal::take(), None),
        (false, Some(every)) => {
            let terminal = Terminal::take_for_picture();
            let watch = Watch::drawing(&terminal, every, colour)?;
            (terminal, Some(watch))
        }
    })
}

fn not_written(error: &std::io::Error) -> Stop {
    Stop::new(Exit::Failed, format!("stdout: {error}"))
}

impl Chat {
    async fn turns(&mut self) -> Result<(Ending, Summary), Stop> {
        loop {
            match self.turn().await {
                Turn::Event(Some(event)) => {
                    self.event(&event).await;
                    if let Event::Closed { ending, summary } = event {
                        return Ok((ending, summary));
                    }
                }
                // The driver has gone without a word, which it never does.
                Turn::Event(None) => {
                    return Err(Stop::new(Exit::Failed, "the conversation is over"));
                }
                Turn::OutputGone => self.unheard().await?,
                Turn::Line(line) => self.line(line).await,
                Turn::Asked(asked) => self.desk.serve(&mut self.client, asked).await,
                Turn::DeskOpen => self.held = None,
                Turn::Interrupted | Turn::Watched(Due::Leave) if self.interrupted => {
                    let ending = Ending::Left;
                    let status = self.client.stats().await;
                    let summary = status.map(|status| status.conversation.summary);
                    return Ok((ending, summary.unwrap_or_default()));
                }
                Turn::Interrupted | Turn::Watched(Due::Leave) => {
                    self.interrupted = true;
                    self.talk.stop();
                    self.end(Some(INTERRUPTED_WITHIN)).await;
                }
                Turn::Rewrite => self.talk.rewrite(),
                Turn::Watched(Due::Look) => self.look_at_link().await,
            }
        }
    }

    async fn turn(&mut self) -> Turn {
        let takes = self.begun && !self.ended && self.client.has_room();
        let keys_are_text = !self.watch.as_ref().is_some_and(Watch::is_picture);
        if takes && self.lines.is_none() && keys_are_text {
            self.lines = Some(input::start(self.terminal.clone()));
        }
        let counting = self.talk.is_counting();
        let opening = self.tried && self.held.is_some();
        tokio::select! {
            event = self.client.next_event() => Turn::Event(event),
            line = next_line(&mut self.lines), if takes => Turn::Line(line),
            turn = at_desk(&mut self.desk, opening), if takes || opening => turn,
            () = self.interrupts.next() => Turn::Interrupted,
            due = watched(&mut self.watch) => Turn::Watched(due),
            () = sleep(REWRITE_EVERY), if counting => Turn::Rewrite,
            () = self.output.gone(), if !self.unheard => Turn::OutputGone,
        }
    }

    /// stdout takes no more. What was given is settled all the same, unless the disk is at fault.
    async fn unheard(&mut self) -> Result<(), Stop> {
        self.unheard = true;
        if let Written::Failed(error) = self.output.end() {
            return Err(not_written(&error));
        }
        if std::io::stdin().is_terminal() {
            // Nobody would type to a program that says nothing.
            self.end(None).await;
        }
        Ok(())
    }

    /// Prints a line, where somebody reads it.
    async fn print(&self, line: String) {
        self.print_message(line, None).await;
    }

    async fn print_message(&self, line: String, mark: Option<Mark>) {
        if !self.unheard {
            // That it is gone is a turn of its own.
            let _: Result<(), OutputGone> = self.output.line(line, mark).await;
        }
    }

    async fn event(&mut self, event: &Event) {
        self.note(event);
        self.desk.tell(event);
        let mark = self.client.mark(event);
        if self.json {
            return self.print_message(json::event(event), mark).await;
        }
        if let Event::Message(delivery) = event
            && delivery.history != std::mem::replace(&mut self.in_history, delivery.history)
            && delivery.history
        {
            self.say_between("---- said before ----").await;
        }
        if let Some(line) = self.receipts.line(event) {
            self.talk.say(&line);
        }
        match plain::event(event, &self.style) {
            Some(plain::Line::Data(line)) => self.print_message(line, mark).await,
            Some(plain::Line::Talk(line)) if plain::is_between(event) => {
                self.say_between(&line).await;
            }
            Some(plain::Line::Talk(line)) => self.talk.say(&line),
            None => {}
        }
    }

    /// Says what has its place between messages.
    async fn say_between(&self, line: &str) {
        if self.unheard {
            return self.talk.say(line);
        }
        // That it is gone is a turn of its own.
        let _: Result<(), OutputGone> = self.output.talk(format!("* {line}")).await;
    }

    /// What an event changes on this side, and who waits for it.
    fn note(&mut self, event: &Event) {
        self.tried = true;
        match event {
            Event::Connected { nick, member, .. } => {
                self.begun = true;
                self.style.member = Some(*member);
                self.style.own = nick.clone();
                self.talk.stop();
            }
            Event::Renamed { to, own: true, .. } => self.style.own = to.clone(),
            Event::Error { .. } => self.errors += 1,
            Event::Disconnected {
                reason,
                retry: Some(retry),
            } if !self.json => self.talk.disconnected(reason, *retry),
            Event::Closed { summary, ending } => {
                self.talk.stop();
                match (self.json && !self.unheard, ending.error()) {
                    // Behind what is still to be written.
                    (false, _) => self.last_words = Some(closing_words(*summary)),
                    // Whoever reads the events has the error; this is for whoever watches.
                    (true, Some((_, text))) => self.talk.say(&crate::show::clean::text(text)),
                    (true, None) => {}
                }
            }
            _ => {}
        }
    }

    async fn line(&mut self, line: Option<Line>) {
        let Some(line) = line else {
            return self.end(None).await;
        };
        match line.and_then(|line| command::parse(&line)) {
            Ok(None) => {}
            Ok(Some(command)) => self.command(command).await,
            Err(error) => self.not_done(&error).await,
        }
    }

    async fn not_done(&mut self, error: &CommandError) {
        self.errors += 1;
        if self.json {
            return self.print(json::error(error.code, &error.text)).await;
        }
        let text = crate::show::clean::line(&error.text);
        self.talk.say(&format!("error {}: {text}", error.code));
    }

    async fn command(&mut self, command: Command) {
        let done = match command {
            Command::Say { audience, text } => self.client.send(audience, text).await.map(drop),
            Command::Who => self.client.users().await,
            Command::Own(Own::Rename(nick)) => self.client.rename(nick).await,
            Command::Join(room) => self.client.join(room).await,
            Command::Leave(room) => self.client.leave(room).await,
            Command::Own(Own::Channel(spec)) => self.client.channel(spec).await,
            Command::History { count, before } => self.client.history(before, count).await,
            Command::Find(words) => self.client.find(words, Lamport::ZERO, FIND_COUNT).await,
            Command::Trace(stamp) => self.client.trace(stamp).await,
            Command::Why(a, b) => self.client.why(a, b).await,
            Command::Own(Own::Cancel(which)) => self.cancel(which).await,
            Command::Own(Own::Adopt) => self.adopt().await,
            Command::Own(Own::Forget) => self.forget().await,
            Command::Reconnect => self.client.reconnect().await,
            Command::Quit => {
                self.end(None).await;
                Ok(())
            }
            about => return self.about(about).await,
        };
        if let Err(error) = done {
            let text = error.to_string();
            self.not_done(&CommandError::new(code(&error), text)).await;
        }
    }

    /// Commands that this side answers.
    async fn about(&self, command: Command) {
        let Ok(status) = self.client.stats().await else {
            return;
        };
        match command {
            Command::Own(Own::Link) => self.link(&status).await,
            Command::Rtt => self.info("rtt", &link::rtt(&status)).await,
            Command::Connection => self.info("conn", &report::connection(&status)).await,
            Command::Own(Own::Queue) => self.info("queue", &report::queue(&status)).await,
            Command::Help => self.info("help", HELP).await,
            Command::Log(level) => self.levels.set(level),
            _ => {}
        }
    }

    /// Prints or draws how the link is.
    async fn look_at_link(&mut self) {
        let Ok(status) = self.client.stats().await else {
            return;
        };
        match &mut self.watch {
            Some(watch) if watch.is_picture() => watch.draw(&self.terminal, status),
            _ => self.link(&status).await,
        }
    }

    /// How the link is.
    async fn link(&self, status: &NetStatus) {
        if self.json {
            return self.print(json::link(status)).await;
        }
        self.talk.say(&link::text(status));
    }

    /// Takes messages back. Each one that is, is told once that is stored; the others here.
    async fn cancel(&mut self, which: Cancel) -> Result<(), ClientError> {
        let CancelReport {
            cancelled,
            too_late,
        } = self.client.cancel(which).await?;
        let words = match (cancelled, too_late) {
            (0, 0) => "everything sent has its place in the order; nothing is left to cancel",
            (_, 0) => return Ok(()),
            _ => {
                "the others have been sent and may have their places already; these cannot be cancelled"
            }
        };
        self.info("queue", words).await;
        Ok(())
    }

    /// Sends here what waits for another order.
    async fn adopt(&mut self) -> Result<(), ClientError> {
        let words = match self.client.adopt().await? {
            (0, 0) => "nothing waits for another order".to_owned(),
            (sent, 0) => format!("{sent} go here now"),
            (sent, left) => {
                format!("{sent} go here now; {left} more have no room yet: again later")
            }
        };
        self.info("queue", &words).await;
        Ok(())
    }

    async fn forget(&mut self) -> Result<(), ClientError> {
        let words = match self.client.forget().await? {
            0 => "nothing waits for another order".to_owned(),
            count => format!("{count} that waited for another order are dropped"),
        };
        self.info("queue", &words).await;
        Ok(())
    }

    async fn info(&self, about: &str, text: &str) {
        if self.json {
            return self.print(json::info(about, text)).await;
        }
        self.talk.say(text);
    }

    /// Nothing more is read; what was given is settled first.
    async fn end(&mut self, within: Option<Duration>) {
        self.ended = true;
        self.client.finish(within).await;
    }
}

fn closing_words(summary: Summary) -> String {
    let Summary {
        sent,
        committed,
        refused,
        pending,
    } = summary;
    let refused = match refused {
        0 => String::new(),
        refused => format!(", refused {refused}"),
    };
    format!("sent {sent}, committed {committed}{refused}, pending {pending}")
}

async fn at_desk(desk: &mut Desk, opening: bool) -> Turn {
    if opening {
        desk.settled().await;
        return Turn::DeskOpen;
    }
    Turn::Asked(desk.asked().await)
}

async fn watched(watch: &mut Option<Watch>) -> Due {
    match watch {
        Some(watch) => watch.due().await,
        None => std::future::pending().await,
    }
}

async fn next_line(lines: &mut Option<mpsc::Receiver<Line>>) -> Option<Line> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}
