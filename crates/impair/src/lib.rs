//! A bad channel on purpose, from one seed: the same frames at the same times meet the same fate.

use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;

/// How bad the channel is, in one direction. Read from and written as
/// `loss=20%,corrupt=1%,dup=2%,delay=80ms,jitter=20ms,reorder=5%,seed=7`, or `off`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {}

/// Why a text is not a channel's settings.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl std::str::FromStr for Settings {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        Err(SettingsError(text.to_owned()))
    }
}

impl std::fmt::Display for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("off")
    }
}

/// One input.
#[derive(Clone, Debug)]
pub enum Input {
    /// A frame (on a stream) or a datagram enters the channel.
    Frame(Bytes),
    /// New settings from now on; frames under way keep their fate.
    Settings(Settings),
    /// Time has passed.
    Tick,
}

/// What comes out at the other end, in order: frames whose time has come.
pub type Output = Bytes;

/// One direction of a bad channel.
#[derive(Debug)]
pub struct Impaired {}

impl Impaired {
    /// A channel; `stream` leaves the length field of each frame alone, so that boundaries survive.
    pub fn new(settings: Settings, stream: bool) -> Self {
        let _ = (settings, stream);
        Self {}
    }

    /// Applies one input; frames that come out now are appended to `out`.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        let _ = (now, input, out);
    }

    /// When to call again with `Input::Tick`.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// How long the settings delay a frame at the least.
    pub fn settings(&self) -> &Settings {
        unimplemented!()
    }
}

/// Placeholder so that the unit is named.
pub const TICK: Duration = Duration::from_millis(1);
