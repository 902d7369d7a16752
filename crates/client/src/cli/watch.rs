//! `--watch-link`: when to look at the link, and what is made of it. On a terminal a picture; with
//! `--json` an event each time.

use std::ffi::OsString;
use std::time::Duration;

use lamparina_console::terminal::Terminal;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::exit::{Exit, Stop};
use crate::net::NetStatus;
use crate::show::link;
use crate::show::watch::{Glyphs, Look, Trail, View};

/// How often an event is printed, where nobody says.
const PRINT_EVERY: Duration = Duration::from_secs(1);
/// How often a picture is drawn, where nobody says.
const DRAW_EVERY: Duration = Duration::from_millis(250);
const NOT_HERE: &str = "--watch-link draws on a terminal, and stdin and stdout are not both one that can; with --json it \
     prints a `link` event each time";

/// What a look at the link is for.
#[derive(Debug)]
pub(super) struct Watch {
    ticks: Interval,
    picture: Option<Drawn>,
}

#[derive(Debug)]
struct Drawn {
    trail: Trail,
    look: Look,
    /// The last one with a link, to be told at the end.
    last: Option<NetStatus>,
    resized: Option<Signal>,
    keys: mpsc::Receiver<()>,
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    /// Time to look.
    Look,
    /// The key that leaves.
    Leave,
}

impl Watch {
    /// An event each time.
    pub(super) fn printing(every: Option<Duration>) -> Self {
        let every = every.unwrap_or(PRINT_EVERY);
        Self {
            ticks: ticks(Instant::now() + every, every),
            picture: None,
        }
    }

    /// A picture on a terminal that was taken for one.
    pub(super) fn drawing(
        terminal: &Terminal,
        every: Option<Duration>,
        colour: bool,
    ) -> Result<Self, Stop> {
        if !terminal.is_taken() {
            return Err(Stop::new(Exit::Usage, NOT_HERE));
        }
        let glyphs = glyphs(|name| std::env::var_os(name));
        let picture = Drawn {
            trail: Trail::default(),
            look: Look { colour, glyphs },
            last: None,
            resized: signal(SignalKind::window_change()).ok(),
            keys: keys(terminal.clone()),
        };
        Ok(Self {
            ticks: ticks(Instant::now(), every.unwrap_or(DRAW_EVERY)),
            picture: Some(picture),
        })
    }

    /// Whether keys are not text, because a picture is drawn.
    pub(super) const fn is_picture(&self) -> bool {
        self.picture.is_some()
    }

    /// What happens next. Cancel-safe.
    pub(super) async fn due(&mut self) -> Due {
        let Some(drawn) = &mut self.picture else {
            self.ticks.tick().await;
            return Due::Look;
        };
        tokio::select! {
            _ = self.ticks.tick() => Due::Look,
            () = resized(&mut drawn.resized) => Due::Look,
            Some(()) = drawn.keys.recv() => Due::Leave,
        }
    }

    /// Draws the link.
    pub(super) fn draw(&mut self, terminal: &Terminal, status: NetStatus) {
        let Some(drawn) = &mut self.picture else {
            return;
        };
        drawn.trail.push(status.reading.as_ref());
        if status.reading.is_some() {
            drawn.last = Some(status.clone());
        }
        terminal.show(Box::new(View {
            status,
            trail: drawn.trail.clone(),
            look: drawn.look,
        }));
    }

    /// What to say of it at the end, in words.
    pub(super) fn last_words(&self) -> Option<String> {
        let last = self.picture.as_ref()?.last.as_ref();
        last.map(link::text)
    }
}

fn ticks(first: Instant, every: Duration) -> Interval {
    let mut ticks = interval_at(first, every);
    // Who was held up looks once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn resized(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// Begins to read keys. Whatever ends that is a wish to leave.
fn keys(terminal: Terminal) -> mpsc::Receiver<()> {
    let (leaves, taken) = mpsc::channel(1);
    std::thread::spawn(move || {
        terminal.wait_for_leave();
        // Who is gone has left already.
        let _ = leaves.blocking_send(());
    });
    taken
}

/// Blocks where the terminal speaks UTF-8 and has them, else plain characters.
fn glyphs(env: impl Fn(&str) -> Option<OsString>) -> Glyphs {
    let set = |name: &&str| env(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
    let locale = locale.map(|locale| locale.to_string_lossy().to_ascii_lowercase());
    let utf8 = locale.is_some_and(|locale| locale.contains("utf-8") || locale.contains("utf8"));
    match utf8 && env("TERM").is_none_or(|term| term != "linux") {
        true => Glyphs::Blocks,
        false => Glyphs::Ascii,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_drawn_where_they_can_be_seen() {
        let of = |set: &[(&str, &str)]| {
            glyphs(|name| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        assert_eq!(of(&[("LANG", "pt_BR.UTF-8")]), Glyphs::Blocks);
        assert_eq!(of(&[("LANG", "C.utf8"), ("LC_ALL", "")]), Glyphs::Blocks);
        assert_eq!(
            of(&[("LANG", "pt_BR.UTF-8"), ("LC_ALL", "C")]),
            Glyphs::Ascii
        );
        let console = [("LANG", "C.UTF-8"), ("TERM", "linux")];
        assert_eq!(of(&console), Glyphs::Ascii);
        assert_eq!(of(&[]), Glyphs::Ascii);
    }
}
