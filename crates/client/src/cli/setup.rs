//! Who, where and how: from arguments, the environment, and the person in front.

use std::sync::Arc;
use std::time::Duration;

use lamparina_console::ask;
use lamparina_protocol::Nick;
use tokio::time::{Instant, sleep};

use super::args::{Common, DEFAULT_SERVER};
use super::exit::{Exit, Stop};
use super::trust::Pinned;
use crate::client::ClientConfig;
use crate::core::carrier::Carrier;
use crate::profile::{KnownServers, Paths, Profile, ProfileLock, ProfileName};

/// How often a profile is looked at that another process holds.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a conversation lets a `send` finish before it takes over.
const OTHERS_FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Whether the profile is ours to connect with.
#[derive(Debug)]
pub(super) enum Hold {
    /// It is, until this is dropped.
    Ours(#[expect(dead_code, reason = "it is held while it lives")] ProfileLock),
    /// Another process connects with it.
    Busy,
    /// The disk does not let us know, which shall stop nobody.
    Unknown,
}

/// Who and where.
#[derive(Debug)]
pub(super) struct Who {
    /// `HOST:PORT`, whatever carries links there.
    pub(super) server: String,
    pub(super) carrier: Carrier,
    pub(super) nick: Nick,
    pub(super) paths: Paths,
    pub(super) profile: ProfileName,
}

/// Reads who and where; asks for a missing name where somebody is there to answer.
pub(super) fn who(common: &Common, address: Option<String>) -> Result<Who, Stop> {
    let server = address
        .or_else(|| common.server.clone())
        .unwrap_or_else(|| DEFAULT_SERVER.to_owned());
    let (carrier, server) = Carrier::of_address(&server);
    let server = server.to_owned();
    let nick = match &common.name {
        Some(nick) => nick.clone(),
        None => ask::name()?,
    };
    let paths = Paths::from_env().map_err(|error| Stop::new(Exit::Failed, error.to_string()))?;
    let profile = common.profile.clone();
    let profile = profile.unwrap_or_else(|| ProfileName::of(&nick));
    Ok(Who {
        server,
        carrier,
        nick,
        paths,
        profile,
    })
}

/// Takes the profile for a connection of its own, where nobody else has it.
pub(super) fn hold(who: &Who) -> Hold {
    let path = who.paths.lock(&who.profile);
    match ProfileLock::try_take(&path) {
        Ok(Some(lock)) => Hold::Ours(lock),
        Ok(None) => Hold::Busy,
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "the profile cannot be locked");
            Hold::Unknown
        }
    }
}

/// Takes the profile for a conversation, which lets a `send` finish first.
pub(super) async fn hold_soon(who: &Who) -> Hold {
    let until = Instant::now() + OTHERS_FINISH_WITHIN;
    loop {
        match hold(who) {
            Hold::Busy if Instant::now() < until => sleep(LOOK_AGAIN).await,
            held => return held,
        }
    }
}

/// Opens the profile, and puts everything together.
pub(super) fn config(who: &Who, common: &Common) -> Result<ClientConfig, Stop> {
    let profile = Profile::open(who.paths.clone(), who.profile.clone());
    let profile = profile.map_err(|error| Stop::new(Exit::Failed, error.to_string()))?;
    let mut config = ClientConfig::new(who.server.clone(), who.nick.clone(), profile);
    (config.carrier, config.line) = (who.carrier, common.link.into());
    config.impair = common.impair.clone();
    config.repair = common.repair.map(Into::into).unwrap_or_default();
    config.window_frames = common.window;
    config.fragment_bytes = common.fragment;
    let known = KnownServers::open(who.paths.known_servers());
    config.server_check = Arc::new(Pinned::new(known, common.pin));
    config.pass = super::pass::pass(who, common)?;
    config.cleartext = common.cleartext;
    config.cleartext_anywhere = common.cleartext_anywhere;
    Ok(config)
}
