//! What a server is started with.

use lamparina_protocol::link::LinkConfig;
use lamparina_protocol::seal::IdentityKey;

use crate::access::Access;
use crate::limits::InForce;
use crate::logger::LogHandle;
use crate::tail::{TAIL_BYTES, TAIL_ITEMS};

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Each link's limits: message and window sizes, deadlines, keep-alive.
    pub link: LinkConfig,
    /// What there may be of everything; it may be changed while the server runs. A connection takes
    /// about 3 KiB when idle and up to three windows when busy.
    pub limits: InForce,
    /// Connections that the system has files for.
    pub files_max: u64,
    /// Limits by address and by author hold for this machine's own clients too.
    pub count_loopback: bool,
    /// Memory of the newest batches, from which slow and returning clients are served.
    pub tail_bytes: usize,
    /// Items of those batches.
    pub tail_items: usize,
    /// Clients may make their own channel bad (CHANNEL).
    pub lab: bool,
    /// Who may become a member.
    pub access: Access,
    /// Where events are logged.
    pub log: LogHandle,
    /// How links are.
    pub links: Links,
}

/// How links are: who makes a server says it, for there is no choice that is right by itself.
#[derive(Clone, Debug)]
pub enum Links {
    /// Sealed: nobody on the way reads or changes what is said, and clients know this server by this
    /// key. [`identity::open`](crate::identity::open) keeps one.
    Sealed(IdentityKey),
    /// In clear: everybody on the way can read and change what is said. For teaching and measuring.
    Clear,
}

impl Links {
    /// The key that seals them.
    pub const fn identity(&self) -> Option<&IdentityKey> {
        match self {
            Self::Sealed(identity) => Some(identity),
            Self::Clear => None,
        }
    }
}

impl ServerConfig {
    /// Everything but the links as it suits a server of a few thousand clients.
    pub fn new(links: Links) -> Self {
        Self {
            link: LinkConfig::default(),
            limits: InForce::default(),
            files_max: u64::MAX,
            count_loopback: false,
            tail_bytes: TAIL_BYTES,
            tail_items: TAIL_ITEMS,
            lab: false,
            access: Access::Open,
            log: LogHandle::null(),
            links,
        }
    }
}
