//! What people do, and what befalls them: rolled, so that a seed is one story.

use std::time::Duration;

use lamparina_client::core::outbox::Ask;
use lamparina_protocol::message::{INLINE_TEXT_BYTES_MAX, TEXT_BYTES_MAX};
use lamparina_protocol::{Audience, Nick, RoomName};

use super::dice::Dice;

/// Names that people want; some are one name spelt differently.
const NAMES: [&str; 10] = [
    "ana",
    "bob",
    "carla",
    "dan",
    "eva",
    "rui",
    "ANA",
    "Bob",
    "zé",
    "\u{ff41}na",
];
const ROOMS: [&str; 4] = ["cats", "dogs", "Cats", "rust"];
/// Lines in a burst.
const BURST_LINES: usize = 200;

/// What somebody does.
#[derive(Debug)]
pub enum Deed {
    /// Says something, so many times.
    Say {
        /// To whom.
        audience: Audience,
        /// What.
        text: String,
        /// How often.
        times: usize,
    },
    /// Asks for something else.
    Ask(Ask),
    /// Wants a new connection.
    Reconnect,
}

/// What befalls somebody.
#[derive(Debug)]
pub enum Mishap {
    /// The weather changes.
    Weather,
    /// Nothing passes for a while.
    CutOff,
    /// The connection is cut: whether the client and the server notice.
    Cut {
        /// The client does.
        client: bool,
        /// The server does.
        server: bool,
    },
    /// The client is killed, and begins anew after a while.
    Crash {
        /// The server notices.
        noticed: bool,
        /// When it begins anew.
        back_after: Duration,
    },
    /// The person reads slowly for a while.
    Slow(Duration),
    /// And fast again.
    Fast,
    /// An operator bans it, and pardons it after a while.
    Ban {
        /// When.
        back_after: Duration,
    },
}

/// A name from a text that is one.
pub fn nick(text: &str) -> Nick {
    Nick::try_from(text).expect("the names here are names")
}

/// A name for somebody who could not have the one it wanted: its own, or a new one.
pub fn other_name(dice: &mut Dice, who: usize, serial: u64) -> Nick {
    match dice.percent(50) {
        true => nick(NAMES[who]),
        false => nick(&format!("{}-{serial}", NAMES[who])),
    }
}

/// The name that somebody wants at first: often its own, at times somebody else's.
pub fn first_name(dice: &mut Dice, who: usize) -> Nick {
    if dice.percent(15) {
        return nick(NAMES[dice.index(NAMES.len())]);
    }
    nick(NAMES[who])
}

/// The next thing that somebody does.
pub fn deed(dice: &mut Dice, large: usize) -> Deed {
    match dice.within(0..100) {
        0..=5 => Deed::Ask(Ask::Join(room(dice))),
        6..=8 => Deed::Ask(Ask::Leave(room(dice))),
        9..=12 => Deed::Ask(Ask::Rename(nick(NAMES[dice.index(NAMES.len())]))),
        13..=14 => Deed::Ask(Ask::Who),
        15 => Deed::Reconnect,
        16 => Deed::Say {
            audience: audience(dice),
            text: "again and again".to_owned(),
            times: BURST_LINES,
        },
        17 => say(dice, large),
        // Long enough to travel beside its message.
        20..=21 => {
            let bytes = dice.within(INLINE_TEXT_BYTES_MAX as u64..40_000) as usize;
            say(dice, bytes.min(large.max(1)))
        }
        18 => say(dice, TEXT_BYTES_MAX + 1),
        19 => Deed::Say {
            audience: Audience::All,
            text: String::new(),
            times: 1,
        },
        _ => {
            let bytes = 1 << dice.within(0..10);
            say(dice, bytes)
        }
    }
}

fn say(dice: &mut Dice, bytes: usize) -> Deed {
    Deed::Say {
        audience: audience(dice),
        text: text(dice, bytes),
        times: 1,
    }
}

fn text(dice: &mut Dice, bytes: usize) -> String {
    let letters = dice
        .roll()
        .to_be_bytes()
        .map(|byte| char::from(b'a' + byte % 26));
    letters.iter().cycle().take(bytes.max(1)).collect()
}

fn room(dice: &mut Dice) -> RoomName {
    RoomName::try_from(*dice.pick(&ROOMS)).expect("the rooms here are rooms")
}

fn audience(dice: &mut Dice) -> Audience {
    match dice.within(0..10) {
        0..=2 => Audience::Unicast(somebody(dice)),
        3..=5 => {
            let names = dice.within(1..6);
            Audience::Multicast((0..names).map(|_| somebody(dice)).collect())
        }
        6 => Audience::Room(room(dice)),
        _ => Audience::All,
    }
}

fn somebody(dice: &mut Dice) -> Nick {
    if dice.percent(3) {
        return nick("nobody");
    }
    // Mostly those who are there from the beginning.
    let known = if dice.percent(80) { 4 } else { NAMES.len() };
    nick(NAMES[dice.index(known)])
}

/// The next thing that befalls somebody.
pub fn mishap(dice: &mut Dice) -> Mishap {
    match dice.within(0..100) {
        0..=39 => Mishap::Weather,
        40..=49 => Mishap::CutOff,
        50..=69 => {
            let both = dice.percent(50);
            let client = both || dice.percent(50);
            Mishap::Cut {
                client,
                server: both || !client,
            }
        }
        70..=79 => Mishap::Crash {
            noticed: dice.percent(60),
            back_after: Duration::from_millis(dice.within(20..4_000)),
        },
        80..=89 => Mishap::Slow(Duration::from_millis(dice.within(1..200))),
        90..=94 => Mishap::Fast,
        _ => Mishap::Ban {
            back_after: Duration::from_millis(dice.within(20..3_000)),
        },
    }
}
