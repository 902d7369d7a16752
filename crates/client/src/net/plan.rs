//! How links are made, and the bad channel of each.

use std::sync::Arc;

use lamparina_impair::Settings;
use lamparina_protocol::datagram::Profile;
use lamparina_protocol::link::LinkConfig;
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};

use super::trust::ServerCheck;
use crate::core::carrier::Carrier;

/// How links are made.
#[derive(Clone, Debug)]
pub(crate) struct LinkPlan {
    /// `HOST:PORT`.
    pub(crate) server: String,
    /// What carries links where it can.
    pub(crate) carrier: Carrier,
    /// What kind of line datagrams go by.
    pub(crate) line: Profile,
    pub(crate) config: LinkConfig,
    pub(crate) impair: Option<Settings>,
    /// Only to where nobody between can read what is sent.
    pub(crate) private_only: bool,
    /// What seals links, and whom to trust; `None` for links in clear.
    pub(crate) seal: Option<SealPlan>,
    /// Links in clear may leave this machine.
    pub(crate) clear_anywhere: bool,
}

/// How links are sealed.
#[derive(Clone, Debug)]
pub(crate) struct SealPlan {
    pub(crate) identity: IdentityKey,
    pub(crate) check: Arc<dyn ServerCheck>,
}

impl SealPlan {
    /// Keys for one link.
    pub(super) fn keys(&self, transport: Transport) -> Result<LinkKeys, getrandom::Error> {
        let mut seed = [0; SEED_BYTES];
        getrandom::fill(&mut seed)?;
        Ok(LinkKeys::new(self.identity.clone(), seed, transport))
    }
}

/// The bad channel of the `link`th link, counted from one. The first has the seed as given; each
/// later one has fates of its own, or a seed that loses a handshake would lose it every time.
pub(super) fn of_link(settings: &Settings, link: u64) -> Settings {
    /// Odd, so that no two links share a seed.
    const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;
    let apart = link.saturating_sub(1).wrapping_mul(STRIDE);
    settings.clone().with_seed(settings.seed() ^ apart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_has_fates_of_its_own_and_the_first_the_seed_as_given() {
        let given: Settings = "loss=50%,seed=7".parse().unwrap();
        assert_eq!(of_link(&given, 1), given);
        let seeds: std::collections::BTreeSet<_> =
            (1..=100).map(|link| of_link(&given, link).seed()).collect();
        assert_eq!(seeds.len(), 100);
        assert_eq!(of_link(&given, 2), of_link(&given, 2));
        let unseeded = of_link(&given, 9).with_seed(given.seed());
        assert_eq!(unseeded, given, "nothing but the seed differs");
    }
}
