//! Who has which key: each person of a world, and its server. Seeds of links come from the world's own
//! dice, so that a sealed run too is the same to the byte.

use std::sync::LazyLock;

use lamparina_protocol::AuthorKey;
use lamparina_protocol::link::Link;
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};

use super::check::Who;
use super::dice::Dice;

/// More people than a world has.
const PEOPLE_MAX: usize = 32;
/// A world out of so many is sealed.
const SEALED_EVERY: u64 = 3;

/// Making a key takes longer than asking for it.
static AUTHORS: LazyLock<Vec<AuthorKey>> = LazyLock::new(|| {
    let authors = (0..PEOPLE_MAX).map(|who| AuthorKey(identity(who).public().0));
    authors.collect()
});

/// Whether links are sealed in the world of this seed.
pub const fn seals(seed: u64) -> bool {
    seed % SEALED_EVERY == 1
}

/// The key pair of a person.
pub fn identity(who: Who) -> IdentityKey {
    IdentityKey::from_seed(&[who as u8 + 1; 32])
}

/// The key pair of every server.
pub fn server() -> IdentityKey {
    IdentityKey::from_seed(&[0xff; 32])
}

/// The public key of a person.
pub(super) fn author(who: Who) -> AuthorKey {
    AUTHORS[who]
}

/// The person behind a public key.
pub(super) fn who(key: &AuthorKey) -> Option<Who> {
    AUTHORS.iter().position(|author| author == key)
}

/// The same link over this transport, sealed with a fresh seed.
pub fn sealed(link: Link, identity: IdentityKey, over: Transport, dice: &mut Dice) -> Link {
    let mut seed = [0; SEED_BYTES];
    for part in seed.chunks_mut(8) {
        let roll = dice.roll().to_be_bytes();
        part.copy_from_slice(&roll[..part.len()]);
    }
    link.sealed(LinkKeys::new(identity, seed, over))
}
