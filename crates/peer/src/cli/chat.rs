//! The conversation: lines in, events out, until the input ends and everything said is stored here and known to
//! a neighbour, if there is any. Nothing typed is lost on the way: what cannot be taken yet makes the input wait.

use std::io::IsTerminal;
use std::time::Duration;

use lamparina_console::command::CommandError;
use lamparina_console::exit::{Exit, Stop};
use lamparina_console::input;
use lamparina_console::interrupt::Interrupts;
use lamparina_console::lines::Line as Typed;
use lamparina_console::logging::Levels;
use lamparina_console::terminal::{GivenBack, Terminal};
use lamparina_protocol::RoomName;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::args::Args;
use super::asking;
use super::command::{self, Command, HELP, Own};
use super::log;
use super::setup::{self, Setup};
use super::talk::Screen;
use crate::event::{Event, Recipients, Summary};
use crate::{Peer, PeerError};

/// How long a leaving peer waits until neighbours have what was said.
const PASSED_ON_WITHIN: Duration = Duration::from_secs(30);
/// How long an interrupted one waits for what is unsettled.
const INTERRUPTED_WITHIN: Duration = Duration::from_secs(5);
/// How long the end of input waits for the peers that were named, from the start on.
const REACHED_WITHIN: Duration = Duration::from_secs(10);
/// How long a name that nobody has yet is looked for: whoever came just before is heard of a moment later.
const KNOWN_WITHIN: Duration = Duration::from_secs(3);
/// How often what cannot be taken is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Events that an interrupted one still tells, at most.
const EVENTS_TOLD_MAX: usize = 1_024;
/// Rooms that `/leave` remembers, to leave the last one.
const ROOMS_REMEMBERED_MAX: usize = 64;

/// A conversation and those who take part on this side.
struct Chat {
    peer: Peer,
    screen: Screen,
    terminal: Terminal,
    levels: Levels,
    interrupts: Interrupts,
    lines: Option<mpsc::Receiver<Typed>>,
    started: Instant,
    /// Since when the clock is known; lines are taken from then on.
    ready: Option<Instant>,
    /// What cannot be taken yet: lines behind it wait.
    held: Option<Held>,
    /// Messages that the peer has taken, and those that it has stored.
    taken: u64,
    committed: u64,
    /// Lines answered by an error.
    errors: u64,
    /// There was a link once.
    linked: bool,
    /// Somebody named peers, and expects them to be there.
    expects_peers: bool,
    /// The end of input is none.
    stays: bool,
    /// stdin has ended.
    over: bool,
    /// Nothing more is read, and what was said is settled.
    ended: bool,
    /// Since when it is, by a signal.
    interrupted: Option<Instant>,
    /// A second signal came: nothing is waited for.
    insists: bool,
    /// Rooms joined here, the last one at the end.
    rooms: Vec<RoomName>,
}

/// Something said that waits.
struct Held {
    to: Recipients,
    text: String,
    /// Until when; none for as long as it takes.
    until: Option<Instant>,
    /// When it is tried again.
    again_at: Instant,
}

/// What happened.
enum Turn {
    Event(Box<Event>),
    /// The peer has ended, and nobody asked for it.
    Ended,
    Line(Option<Typed>),
    Interrupted,
    OutputGone,
    Again,
    Leave,
}

/// Runs a conversation until its end.
pub(super) async fn run(args: Args, levels: Levels) -> Result<Exit, Stop> {
    let interrupts = Interrupts::listen();
    let Setup {
        config,
        expects_peers,
        stays_here,
    } = setup::setup(&args).await?;
    let options = args.options;
    let own = config.name.clone();
    let (log, logger) = log::start(
        options.log_file.as_deref(),
        options.log_text,
        &own.to_string(),
    )
    .await?;
    let peer = Peer::start(config)
        .await
        .map_err(|error| setup::could_not_start(&error))?;
    let terminal = match options.json {
        true => Terminal::default(),
        false => Terminal::take(),
    };
    let _given_back = GivenBack(terminal.clone());
    let screen = Screen::new(
        terminal.clone(),
        options.json,
        own,
        peer.listening(),
        log.clone(),
    );
    let mut chat = Chat {
        peer,
        screen,
        terminal,
        levels,
        interrupts,
        lines: None,
        started: Instant::now(),
        ready: None,
        held: None,
        taken: 0,
        committed: 0,
        errors: 0,
        linked: false,
        expects_peers,
        stays: options.stay,
        over: false,
        ended: false,
        interrupted: None,
        insists: false,
        rooms: Vec::new(),
    };
    chat.screen.listening().await;
    if stays_here {
        chat.screen.say(
            "on this machine only: no beacons are sent or heard, unless --multicast or --iface asks for them",
        );
    }
    let done = chat.turns().await;
    let ended = match done {
        Ok(()) => chat.leave(options.strict).await,
        Err(stop) => {
            chat.screen.close();
            Err(stop)
        }
    };
    log.stopped(match &ended {
        Ok(_) => "left",
        Err(_) => "failed",
    });
    if let Some(logger) = logger {
        logger.finish().await;
    }
    ended
}

impl Chat {
    async fn turns(&mut self) -> Result<(), Stop> {
        loop {
            match self.turn().await {
                Turn::Event(event) => self.event(&event).await,
                Turn::Ended => {
                    return Err(Stop::new(
                        Exit::Failed,
                        "the peer has ended by itself; what is said above is why",
                    ));
                }
                Turn::Line(line) => self.line(line).await,
                Turn::Again => self.again().await,
                Turn::OutputGone => self.unheard()?,
                Turn::Interrupted if self.interrupted.is_some() => {
                    self.insists = true;
                    return Ok(());
                }
                Turn::Interrupted => self.interrupt().await,
                Turn::Leave => return Ok(()),
            }
        }
    }

    async fn turn(&mut self) -> Turn {
        let leaves_at = self.leaves_at();
        let takes = self.ready.is_some() && !self.ended && !self.over && self.held.is_none();
        if takes && self.lines.is_none() {
            self.lines = Some(input::start(self.terminal.clone()));
        }
        let again_at = self.held.as_ref().map(|held| held.again_at);
        tokio::select! {
            event = self.peer.next_event() => event.map_or(Turn::Ended, |event| Turn::Event(Box::new(event))),
            line = next_line(&mut self.lines), if takes => Turn::Line(line),
            () = self.interrupts.next() => Turn::Interrupted,
            () = at(again_at), if again_at.is_some() => Turn::Again,
            () = self.screen.gone() => Turn::OutputGone,
            () = at(leaves_at), if leaves_at.is_some() => Turn::Leave,
        }
    }

    /// When to leave, as things are now.
    fn leaves_at(&self) -> Option<Instant> {
        let now = Instant::now();
        if let Some(since) = self.interrupted {
            let settled = self.held.is_none() && self.committed >= self.taken;
            return Some(if settled {
                now
            } else {
                since + INTERRUPTED_WITHIN
            });
        }
        if !self.ended || self.held.is_some() || self.committed < self.taken {
            return None;
        }
        match self.expects_peers && !self.linked {
            true => Some(self.started + REACHED_WITHIN),
            false => Some(now),
        }
    }

    async fn event(&mut self, event: &Event) {
        match event {
            // Told already, before anything else.
            Event::Listening(_) => return,
            Event::Ready { .. } => self.ready = Some(Instant::now()),
            Event::Committed { .. } => self.committed += 1,
            Event::LinkUp(_) => self.linked = true,
            _ => {}
        }
        self.screen.event(event).await;
    }

    /// Somebody wants it to end. What happened and was not told yet is, for it may be why.
    async fn interrupt(&mut self) {
        (self.ended, self.interrupted) = (true, Some(Instant::now()));
        for _ in 0..EVENTS_TOLD_MAX {
            match timeout(Duration::ZERO, self.peer.next_event()).await {
                Ok(Some(event)) => self.event(&event).await,
                Ok(None) | Err(_) => return,
            }
        }
    }

    async fn line(&mut self, line: Option<Typed>) {
        let Some(line) = line else {
            self.over = true;
            self.ended |= !self.stays;
            return;
        };
        match line.and_then(|line| command::parse(&line)) {
            Ok(None) => {}
            Ok(Some(command)) => self.command(command).await,
            Err(error) => self.not_done(&error).await,
        }
    }

    async fn not_done(&mut self, error: &CommandError) {
        self.errors += 1;
        self.screen.error(error.code, &error.text).await;
    }

    async fn failed(&mut self, error: &PeerError) {
        self.not_done(&CommandError::new(code(error), error.to_string()))
            .await;
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Say { audience, text } => self.say(audience, text, None).await,
            Command::Join(room) => self.join(room).await,
            Command::Leave(room) => self.leave_room(room).await,
            Command::Own(Own::LeaveLast) => match self.rooms.pop() {
                Some(room) => self.leave_room(room).await,
                None => {
                    let text = "no room was joined here; write /leave #room";
                    self.not_done(&CommandError::new("no-room", text)).await;
                }
            },
            Command::Reconnect => self.peer.reconnect().await,
            Command::Log(level) => self.levels.set(level),
            Command::Quit => self.ended = true,
            Command::Help => self.screen.info("help", HELP).await,
            about => {
                let answered = tokio::select! {
                    answered = asking::answer(&self.peer, &self.screen, about) => answered,
                    () = self.interrupts.next() => return self.interrupt().await,
                };
                if let Err(error) = answered {
                    self.failed(&error).await;
                }
            }
        }
    }

    /// Says something. What cannot be taken yet is held, and looked at again.
    async fn say(&mut self, to: Recipients, text: String, until: Option<Instant>) {
        let sent = {
            let sending = self.peer.send(to.clone(), text.clone());
            tokio::select! {
                sent = sending => sent,
                // A disk that takes nothing more holds up what is said; the wish to end is heard.
                () = self.interrupts.next() => return self.interrupt().await,
            }
        };
        match sent {
            Ok(_) => self.taken += 1,
            Err(PeerError::Full(_)) => self.hold(to, text, None),
            Err(PeerError::NoSuchPeer { .. }) if self.may_come(until) => {
                let until = until.or_else(|| Some(self.ready? + KNOWN_WITHIN));
                self.hold(to, text, until);
            }
            Err(error) => self.failed(&error).await,
        }
    }

    fn hold(&mut self, to: Recipients, text: String, until: Option<Instant>) {
        let again_at = Instant::now() + AGAIN_AFTER;
        self.held = Some(Held {
            to,
            text,
            until,
            again_at,
        });
    }

    /// Whether somebody may still be heard of who was there before us.
    fn may_come(&self, until: Option<Instant>) -> bool {
        let until = until.or_else(|| Some(self.ready? + KNOWN_WITHIN));
        self.interrupted.is_none() && until.is_some_and(|until| Instant::now() < until)
    }

    async fn again(&mut self) {
        if let Some(Held {
            to, text, until, ..
        }) = self.held.take()
        {
            self.say(to, text, until).await;
        }
    }

    async fn join(&mut self, room: RoomName) {
        self.rooms.retain(|known| known.key() != room.key());
        if self.rooms.len() < ROOMS_REMEMBERED_MAX {
            self.rooms.push(room.clone());
        }
        let words = format!("what is said in #{room} is shown from now on");
        self.peer.join(room).await;
        self.screen.info("join", &words).await;
    }

    async fn leave_room(&mut self, room: RoomName) {
        self.rooms.retain(|known| known.key() != room.key());
        let words = format!("what is said in #{room} is shown no more");
        self.peer.leave(room).await;
        self.screen.info("leave", &words).await;
    }

    /// stdout takes no more. What was given is settled all the same, unless the disk is at fault.
    fn unheard(&mut self) -> Result<(), Stop> {
        self.screen
            .note_gone()
            .map_err(|error| not_written(&error))?;
        if std::io::stdin().is_terminal() {
            // Nobody would type to a program that says nothing.
            self.ended = true;
        }
        Ok(())
    }

    /// Takes leave: waits until neighbours have what was said, unless somebody insists.
    async fn leave(self, strict: bool) -> Result<Exit, Stop> {
        let Self {
            peer,
            screen,
            mut interrupts,
            taken,
            committed,
            errors,
            linked,
            expects_peers,
            interrupted,
            insists,
            held,
            ..
        } = self;
        let within = match interrupted {
            Some(_) if insists => Duration::ZERO,
            Some(_) => INTERRUPTED_WITHIN,
            None => PASSED_ON_WITHIN,
        };
        let summary = tokio::select! {
            summary = peer.close(within) => summary,
            // Whoever asks twice does not want to wait.
            () = interrupts.next() => Summary {
                sent: taken,
                committed,
                pending: taken.saturating_sub(committed),
            },
        };
        screen
            .finish(&summary)
            .await
            .map_err(|error| not_written(&error))?;
        if expects_peers && !linked && interrupted.is_none() {
            let text = "none of the peers named was reached; what was said is kept here, and goes out when \
                        this peer is started again and meets one";
            return Err(Stop::new(Exit::CannotReach, text));
        }
        let unsettled = summary.pending > 0 || held.is_some() || (strict && errors > 0);
        Ok(match unsettled {
            true => Exit::NotSettled,
            false => Exit::Done,
        })
    }
}

/// A word for programs.
const fn code(error: &PeerError) -> &'static str {
    match error {
        PeerError::NoSuchPeer { .. } => "unknown-user",
        PeerError::Ambiguous { .. } => "ambiguous-user",
        PeerError::Refused(_) => "refused",
        PeerError::Full(_) => "full",
        PeerError::Closed => "closed",
        PeerError::Store(_) => "store",
        _ => "failed",
    }
}

fn not_written(error: &std::io::Error) -> Stop {
    Stop::new(Exit::Failed, format!("stdout: {error}"))
}

async fn at(when: Option<Instant>) {
    if let Some(when) = when {
        sleep_until(when).await;
    }
}

async fn next_line(lines: &mut Option<mpsc::Receiver<Typed>>) -> Option<Typed> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}
