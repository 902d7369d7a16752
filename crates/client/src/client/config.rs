//! How a client is made, and why it cannot be.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lamparina_impair::Settings;
use lamparina_protocol::Nick;
use lamparina_protocol::datagram::Profile as Line;
use lamparina_protocol::link::{LinkConfig, Repair};

#[cfg(doc)]
use super::Client;
use super::EVENTS_ASIDE_MAX;
use crate::core::carrier::Carrier;
use crate::core::conversation::{CancelError, SayError};
use crate::core::event::Ending;
use crate::core::pass::Pass;
use crate::disk::DiskError;
use crate::net::{AnyServer, LinkPlan, SealPlan, ServerCheck};
use crate::profile::Profile;

/// Where, as whom, and how.
#[derive(Debug)]
pub struct ClientConfig {
    /// The server, `HOST:PORT`.
    pub server: String,
    /// What carries links where it can; TCP does where datagrams are not answered.
    pub carrier: Carrier,
    /// What kind of line datagrams go by.
    pub line: Line,
    /// The name wanted.
    pub nick: Nick,
    /// The author.
    pub profile: Profile,
    /// How the link repairs what the channel breaks.
    pub repair: Repair,
    /// Frames in flight, at most; the protocol's default for `None`.
    pub window_frames: Option<u16>,
    /// Payload bytes of a frame, at most; the protocol's default for `None`.
    pub fragment_bytes: Option<u16>,
    /// A bad channel on purpose, both ways.
    pub impair: Option<Settings>,
    /// Links in clear: everybody on the way can read and change what is said, and nobody proves who
    /// they are. The server must want the same.
    pub cleartext: bool,
    /// With `cleartext`: also to a server on another machine.
    pub cleartext_anywhere: bool,
    /// Decides whether the server is the one that is meant.
    pub server_check: Arc<dyn ServerCheck>,
    /// Whether to come back after the connection is lost.
    pub reconnect: bool,
    /// Whether to go on trying when the first attempt finds no server.
    pub retry_first: bool,
    /// How long to go on trying, at most; for ever for `None`.
    pub give_up_after: Option<Duration>,
    /// What to give to become a member; members need nothing. A password is sent only where nobody
    /// between can read it: over sealed links, and to this machine.
    pub pass: Pass,
}

impl ClientConfig {
    /// The usual: comes back for ever once it was in, and says so when no server is there at first.
    /// `server` is `HOST:PORT`, or `udp://HOST:PORT` for links over datagrams.
    pub fn new(server: impl AsRef<str>, nick: Nick, profile: Profile) -> Self {
        let (carrier, server) = Carrier::of_address(server.as_ref());
        Self {
            server: server.to_owned(),
            carrier,
            line: Line::default(),
            nick,
            profile,
            repair: Repair::default(),
            window_frames: None,
            fragment_bytes: None,
            impair: None,
            cleartext: false,
            cleartext_anywhere: false,
            server_check: Arc::new(AnyServer),
            reconnect: true,
            retry_first: false,
            give_up_after: None,
            pass: Pass::default(),
        }
    }
}

/// Why a client could not do what it was asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// The conversation did not begin.
    #[error("{}", ending_words(.0))]
    NotConnected(Ending),
    /// The request was not taken.
    #[error(transparent)]
    Refused(#[from] SayError),
    /// Too many events wait to be taken: call [`Client::next_event`].
    #[error("{EVENTS_ASIDE_MAX} events wait to be taken; take them and send again")]
    EventsUnread,
    /// The outbox of this profile for this server cannot be used.
    #[error(transparent)]
    Outbox(#[from] DiskError),
    /// Nothing of that kind can be cancelled.
    #[error(transparent)]
    NotCancelled(#[from] CancelError),
    /// No randomness for the back-off.
    #[error("the system gives no randomness: {0}")]
    NoRandomness(String),
}

fn ending_words(ending: &Ending) -> String {
    let words = ending
        .error()
        .map_or("the conversation is over", |error| error.1);
    words.to_owned()
}

pub(super) fn plan(config: &ClientConfig, token: u32) -> LinkPlan {
    let defaults = match config.line {
        Line::Usual => LinkConfig::new(token),
        Line::Slow => slow(LinkConfig::new(token)),
    };
    LinkPlan {
        server: config.server.clone(),
        carrier: config.carrier,
        line: config.line,
        config: LinkConfig {
            repair: config.repair,
            window_frames: config.window_frames.unwrap_or(defaults.window_frames),
            fragment_bytes: config.fragment_bytes.unwrap_or(defaults.fragment_bytes),
            ..defaults
        },
        impair: config.impair.clone(),
        private_only: config.pass.password.is_some(),
        seal: (!config.cleartext).then(|| SealPlan {
            identity: config.profile.key(),
            check: Arc::clone(&config.server_check),
        }),
        clear_anywhere: config.cleartext_anywhere,
    }
}

/// Times for a line on which one round trip takes seconds.
const fn slow(usual: LinkConfig) -> LinkConfig {
    LinkConfig {
        ping_after: Duration::from_secs(60),
        dead_after: Duration::from_secs(300),
        handshake_within: Duration::from_secs(60),
        ..usual
    }
}

/// Keeps session numbers on disk, beside the driver: a slow disk holds up nobody.
pub(super) fn note_sessions(profile: Profile) -> Box<dyn FnMut(u64) + Send> {
    let profile = Arc::new(Mutex::new(profile));
    Box::new(move |session| {
        let profile = Arc::clone(&profile);
        tokio::task::spawn_blocking(move || {
            let mut profile = profile.lock().unwrap_or_else(PoisonError::into_inner);
            profile.used(session);
        });
    })
}
