//! The limits that whoever runs a server may choose.

use lamparina_order::sequenced::ROOMS_PER_MEMBER_MAX;
use lamparina_protocol::link::{WINDOW_BYTES, WINDOW_BYTES_MAX};

/// One limit.
#[derive(Debug)]
pub struct Limit {
    /// Its name: an option `--NAME`, a line `NAME = N` of the configuration file.
    pub name: &'static str,
    /// What it counts.
    pub about: &'static str,
    /// What one of it is.
    pub unit: &'static str,
    /// What it is when nobody says otherwise.
    pub default: u64,
    /// What it may be, at least.
    pub min: u64,
    /// What it may be, at most.
    pub max: u64,
    /// What happens beyond it.
    pub beyond: &'static str,
    /// Where its value is kept.
    pub field: fn(&mut Limits) -> &mut u64,
}

macro_rules! limits {
    ($($field:ident $name:literal, $about:literal, $unit:literal, $default:expr, $min:expr, $max:expr, $beyond:literal;)*) => {
        /// A value for each limit of [`TABLE`].
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub struct Limits {
            $(#[doc = $about] pub $field: u64,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// Every limit that can be chosen.
        pub const TABLE: &[Limit] = &[$(Limit {
            name: $name,
            about: $about,
            unit: $unit,
            default: $default,
            min: $min,
            max: $max,
            beyond: $beyond,
            field: |limits| &mut limits.$field,
        },)*];
    };
}

limits! {
    rate "rate", "Messages of one author, for as long as it lasts; 0 for no limit", "a second",
        20, 0, 1_000_000, "refused in words, and not settled; our client waits and is never refused";
    burst "burst", "Messages of one author at once", "messages",
        100, 1, 1_000_000, "as above";
    connections "connections", "Connections at a time", "connections",
        16_384, 1, 1_000_000, "refused in words";
    per_address "per-address", "Connections at a time from one address (IPv6: one /64)", "connections",
        256, 1, 1_000_000, "refused in words";
    half_open "half-open", "Handshakes under way at a time", "connections",
        4_096, 1, 1_000_000, "the oldest of them is dropped, in words";
    half_open_per_address "half-open-per-address", "Handshakes under way from one address (IPv6: one /64)", "connections",
        64, 1, 1_000_000, "the oldest of them is dropped, in words";
    handshakes "handshakes", "Handshakes computed at a time; addresses take turns", "handshakes",
        1, 1, 1_024, "wait for their turn";
    epochs "epochs", "New outboxes (epochs) of one author; 0 for no limit", "a minute",
        20, 0, 1_000_000, "the connection is refused in words";
    room_changes "room-changes", "Joins and leaves of one author; 0 for no limit", "a minute",
        60, 0, 1_000_000, "refused in words";
    questions "questions", "Questions of one author for what is stored (history, find, trace, why); 0 for no limit", "a minute",
        120, 0, 1_000_000, "refused in words";
    rooms_per_user "rooms-per-user", "Rooms that one member may be in at a time", "rooms",
        ROOMS_PER_MEMBER_MAX as u64, 1, ROOMS_PER_MEMBER_MAX as u64, "refused in words";
    window "window", "Unacknowledged bytes of one connection, each way, and as many more of long texts; what waits to be sent is at most three times as much", "KiB",
        (WINDOW_BYTES / 1_024) as u64, 64, (WINDOW_BYTES_MAX / 1_024) as u64, "waits; deliveries wait in the tail, then on disk";
    window_memory "window-memory", "Windows of all connections together", "MiB",
        4_096, 1, 1_048_576, "further connections get windows of 64 KiB";
}
