//! What is shown: events and answers, as JSON for programs or as readable lines for people. Messages go to
//! stdout, in the order in which they come; words for people go to stderr.

use std::io;
use std::net::SocketAddr;

use lamparina_console::countdown::Talk;
use lamparina_console::output::{Output, OutputGone, Written};
use lamparina_console::terminal::Terminal;
use lamparina_protocol::clean;
use lamparina_protocol::peer::PeerName;

use super::log::{EventLog, Shown};
use crate::event::{Event, HistoryKey, Line, Summary};
use crate::show::json::{self, Own};
use crate::show::plain::{self, Style};

/// Where words and lines go.
pub(super) struct Screen {
    pub(super) json: bool,
    pub(super) style: Style,
    listening: Vec<SocketAddr>,
    terminal: Terminal,
    talk: Talk,
    output: Output<Shown>,
    log: EventLog,
    /// Nobody reads stdout any more.
    unheard: bool,
}

impl Screen {
    /// Words on `terminal`, where there is one.
    pub(super) fn new(
        terminal: Terminal,
        json: bool,
        own: PeerName,
        listening: &[SocketAddr],
        log: EventLog,
    ) -> Self {
        Self {
            json,
            style: Style {
                own,
                colour: !json && lamparina_console::terminal::wants_colour(),
            },
            listening: listening.to_vec(),
            talk: Talk::new(terminal.clone()),
            output: Output::start(terminal.clone()),
            terminal,
            log,
            unheard: false,
        }
    }

    /// Says where this peer listens: what scripts wait for.
    pub(super) async fn listening(&self) {
        for addr in &self.listening {
            let event = Event::Listening(*addr);
            self.log.event(&event);
            if self.json {
                self.print(json::event(&event, &self.own())).await;
                self.talk.say(&format!("listening on {addr}"));
            } else {
                self.print(format!("listening on {addr}")).await;
            }
        }
    }

    fn own(&self) -> Own<'_> {
        Own {
            name: &self.style.own,
            listening: &self.listening,
        }
    }

    /// Shows what happened.
    pub(super) async fn event(&mut self, event: &Event) {
        self.log.event(event);
        let mark = match event {
            Event::Message(line) => Some(self.log.shown(line)),
            _ => None,
        };
        if self.json {
            let line = json::event(event, &self.own());
            return self.print_marked(line, mark).await;
        }
        match event {
            Event::Final { upto } => return self.final_upto(upto),
            Event::LinkUp(link) => {
                tracing::info!(addr = %link.addr, number = link.number, "a link is up");
            }
            Event::LinkDown { link, reason } => {
                tracing::info!(addr = %link.addr, number = link.number, %reason, "a link is down");
            }
            _ => {}
        }
        match plain::event(event, &self.style) {
            Some(plain::Line::Data(line)) => self.print_marked(line, mark).await,
            Some(plain::Line::Talk(line)) => self.talk.say(&line),
            None => {}
        }
    }

    /// On a terminal: up to where lines are final, before the line being typed.
    fn final_upto(&self, upto: &HistoryKey) {
        self.terminal
            .set_status(&format!("(final {}) ", upto.stamp));
    }

    /// A line that was no command, or could not be done.
    pub(super) async fn error(&self, code: &str, text: &str) {
        if self.json {
            return self.print(json::error(code, text)).await;
        }
        self.talk
            .say(&format!("error {code}: {}", clean::line(text)));
    }

    /// An answer in words; `as_json` makes it for programs.
    pub(super) async fn answer(
        &self,
        as_json: impl FnOnce() -> String,
        words: impl FnOnce() -> String,
    ) {
        match self.json {
            true => self.print(as_json()).await,
            false => self.talk.say(&words()),
        }
    }

    /// Words about this program.
    pub(super) async fn info(&self, about: &str, text: &str) {
        self.answer(|| json::info(about, text), || text.to_owned())
            .await;
    }

    /// Lines of the past that were asked for.
    pub(super) async fn past(&self, lines: &[Line]) {
        for line in lines {
            self.print(match self.json {
                true => json::message(line),
                false => plain::message(line, &self.style),
            })
            .await;
        }
    }

    /// Prints a line, where somebody reads it.
    pub(super) async fn print(&self, line: String) {
        self.print_marked(line, None).await;
    }

    async fn print_marked(&self, line: String, mark: Option<Shown>) {
        if !self.unheard {
            // That it is gone is a turn of its own.
            let _: Result<(), OutputGone> = self.output.line(line, mark).await;
        }
    }

    /// Says something to people.
    pub(super) fn say(&self, words: &str) {
        self.talk.say(words);
    }

    /// Resolves once nobody reads stdout any more; never again after that.
    pub(super) async fn gone(&self) {
        match self.unheard {
            true => std::future::pending().await,
            false => self.output.gone().await,
        }
    }

    /// Nobody reads stdout any more.
    ///
    /// # Errors
    ///
    /// What the system says, where that is not the reader's wish.
    pub(super) fn note_gone(&mut self) -> io::Result<()> {
        self.unheard = true;
        match self.output.end() {
            Written::Failed(error) => Err(error),
            Written::All | Written::Unread => Ok(()),
        }
    }

    /// What waits to be written is, and the terminal is as it was: somebody else says why it ended.
    pub(super) fn close(self) {
        // Where nothing can be written any more, nothing more can be said of that.
        let _: Written = self.output.finish();
        self.terminal.give_back();
    }

    /// The last lines, the terminal as it was, and the closing words.
    ///
    /// # Errors
    ///
    /// What the system says of stdout, where that is not the reader's wish.
    pub(super) async fn finish(self, summary: &Summary) -> io::Result<()> {
        let Summary {
            sent,
            committed,
            pending,
        } = summary;
        let words = format!("sent {sent}, committed {committed}, pending {pending}");
        if self.json {
            self.print(json::closed(summary)).await;
        }
        let written = self.output.finish();
        self.terminal.give_back();
        match written {
            Written::Failed(error) => return Err(error),
            // The closing line went where nobody reads; somebody may watch here.
            Written::Unread => self.talk.say(&words),
            Written::All if !self.json || self.unheard => self.talk.say(&words),
            Written::All => {}
        }
        Ok(())
    }
}
