//! What a server is started with.

use lamparina_protocol::link::LinkConfig;

use crate::access::Access;
use crate::limits::{CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX};
use crate::logger::LogHandle;
use crate::tail::{TAIL_BYTES, TAIL_ITEMS};

/// What a server is started with. Every field has a default that suits a server of a few thousand
/// clients.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Each link's limits: message and window sizes, deadlines, keep-alive.
    pub link: LinkConfig,
    /// Connections at a time; the next one is refused in words. Each takes about 3 KiB when idle
    /// and up to two windows when busy.
    pub connections_max: usize,
    /// Connections at a time from one address that is not this machine's.
    pub connections_per_address_max: usize,
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
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            link: LinkConfig::default(),
            connections_max: CONNECTIONS_MAX,
            connections_per_address_max: CONNECTIONS_PER_ADDRESS_MAX,
            tail_bytes: TAIL_BYTES,
            tail_items: TAIL_ITEMS,
            lab: false,
            access: Access::Open,
            log: LogHandle::null(),
        }
    }
}
