//! Links carried by datagrams: what stands around the frames, what both ends may configure, and what
//! decides which datagrams open a link and where its own go. The window and repair of such a link are
//! in [`link`](crate::link).
//!
//! | module | part |
//! |---|---|
//! | `header` | connection id and packet number |
//! | `config` | what one side brings |
//! | `outside` | datagrams before there is a link |
//! | `cookie` | addresses proved without keeping anything |
//! | `gate` | what a listener does with a datagram of no known link |
//! | `path` | which address a link's datagrams go to |
//! | `rebind` | when a caller needs another socket |
//! | `lingering` | last words, said again |

mod config;
mod cookie;
mod gate;
mod header;
mod lingering;
mod outside;
mod path;
mod rebind;

pub use config::{
    COPIES_MAX, Copies, DATAGRAM_BYTES, DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MIN,
    DATAGRAM_BYTES_SLOW, DatagramConfig, FRAGMENT_BYTES_SLOW, Profile,
};
pub use cookie::{COOKIE_BYTES, COOKIE_BYTES_MAX, COOKIE_BYTES_MIN, COOKIE_SLOT, CookieKey};
pub use gate::{Gate, Load, Silence, Verdict};
pub use header::{
    ConnectionId, DATAGRAM_HEADER_BYTES, OUTSIDE, SYN_DATAGRAM_BYTES_MIN, peek, put_header,
};
pub use lingering::{LAST_WORDS_MAX, LINGER_MAX, LINGER_MIN, Lingering};
pub use outside::{Asking, NotAsking, read_asking, read_retry, retry, with_cookie};
pub use path::{CHALLENGE_AGAIN_AFTER, CHALLENGES_MAX, Challenge, Paths};
pub use rebind::{
    REBIND_AFTER, REBIND_AFTER_MAX, REBIND_AFTER_SLOW, REBINDS_MAX, REFUSED_AFTER, Rebind,
    Rebinding,
};
