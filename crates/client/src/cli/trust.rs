//! Whether a server is the one it was: pinned at first contact, and never another one in silence.

use lamparina_console::output::talk;
use lamparina_protocol::Fingerprint;
use lamparina_protocol::seal::PublicKey;

use crate::net::{ServerCheck, wall_clock};
use crate::profile::known_servers::KnownServersError;
use crate::profile::{KnownServers, Verdict};

/// Trusts what `known_servers` says, and at first contact the key that was asked for, or any.
#[derive(Debug)]
pub(super) struct Pinned {
    known: KnownServers,
    only: Option<Fingerprint>,
}

impl Pinned {
    /// `only` is the fingerprint that a server must have; none for any at first contact.
    pub(super) const fn new(known: KnownServers, only: Option<Fingerprint>) -> Self {
        Self { known, only }
    }
}

impl ServerCheck for Pinned {
    fn check(&self, server: &str, key: &PublicKey) -> Result<(), String> {
        let shown = Fingerprint::of(&key.0);
        if let Some(only) = self.only
            && only != shown
        {
            return Err(not_asked_for(server, only, shown));
        }
        let words = |error: KnownServersError| error.to_string();
        match self
            .known
            .pin(server, &key.0, wall_clock())
            .map_err(words)?
        {
            Verdict::Known => Ok(()),
            Verdict::New => {
                talk(&first_contact(server, shown));
                Ok(())
            }
            Verdict::Changed { known } => Err(changed(server, known, shown)),
        }
    }
}

fn first_contact(server: &str, shown: Fingerprint) -> String {
    format!(
        "first contact with {server}; from now on it is known by its key\n  {shown}\n  {}\nCompare \
         with what its operator tells you.",
        shown.spoken()
    )
}

fn changed(server: &str, known: Fingerprint, shown: Fingerprint) -> String {
    format!(
        "{server} shows another key than it had: it has a new one, or somebody is between you and it.\n  \
         known  {known}\n         {}\n  shown  {shown}\n         {}\nNothing was told to it. Ask its \
         operator, by another way, what its key is; only if it is the one shown:\n  \
         lamparina-client servers accept {server} {shown}",
        known.spoken(),
        shown.spoken()
    )
}

fn not_asked_for(server: &str, only: Fingerprint, shown: Fingerprint) -> String {
    format!(
        "{server} does not have the key that --pin asks for.\n  asked  {only}\n         {}\n  shown  \
         {shown}\n         {}\nNothing was told to it, and nothing is remembered of it.",
        only.spoken(),
        shown.spoken()
    )
}
