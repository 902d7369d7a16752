//! Who may become a member. A key that is a member comes back without anything; a new one is let in
//! by the order (an invite) or by the server that asks the order (a password, or open access).
//!
//! | file | holds | |
//! |---|---|---|
//! | `code` | the code of an invite: as it is written, and its hash | pure |
//! | `guesses` | how often an address may try | pure |
//! | `passwords` | the password file | |
//! | `checking` | the threads that check passwords, few and bounded | shell |

mod checking;
mod code;
mod guesses;
mod passwords;

use std::net::IpAddr;
use std::sync::Arc;

pub use checking::{Checked, Checker, WAITING_MAX};
pub use code::{CODE_CHARS, CodeError, InviteCode};
pub use guesses::{ADDRESSES_MAX, Guesses, REFILL, TRIES_MAX};
pub use passwords::{FILE_BYTES_MAX as PASSWORD_FILE_BYTES_MAX, PasswordError, Passwords, hash};

/// Who may become a member.
#[derive(Clone, Debug, Default)]
pub enum Access {
    /// Everybody who can reach the server.
    #[default]
    Open,
    /// Who has an invite, or the password of a name where there is a password file.
    Invite(Option<Arc<Passwords>>),
}

impl Access {
    /// Whether a new key needs an invite or a password.
    pub const fn is_by_invite(&self) -> bool {
        matches!(self, Self::Invite(_))
    }

    /// The password file, where there is one.
    pub const fn passwords(&self) -> Option<&Arc<Passwords>> {
        match self {
            Self::Open => None,
            Self::Invite(passwords) => passwords.as_ref(),
        }
    }
}

/// Whether nobody between can read what a client at `peer` sends in clear: passwords go over sealed
/// links, and over those of this machine.
pub fn is_private(peer: IpAddr) -> bool {
    match peer {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
    }
}
