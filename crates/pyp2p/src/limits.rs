//! Every bound of this crate, and what holds between them.

use std::time::Duration;

/// Bytes of a line, with its newline, at most (rule 16).
pub const LINE_BYTES_MAX: usize = 32_768;
/// Characters of a name, and of a namespace, at most.
pub const NAME_CHARS_MAX: usize = 64;
/// Characters of a `peer_id` that others give themselves, at most: two names and an `@`.
pub const PEER_ID_CHARS_MAX: usize = 2 * NAME_CHARS_MAX + 1;
/// Bytes of a `msg_id` that others give, at most; a UUID has 36.
pub const MSG_ID_BYTES_MAX: usize = 128;
/// Characters of a reason or of another text that is only told, at most.
pub const REASON_CHARS_MAX: usize = 200;

/// Lines that wait for one connection, at most; what a person wants sent is then refused, and an
/// answer left out.
pub const QUEUE_LINES_MAX: usize = 1_024;
/// Bytes that wait for one connection, at most.
pub const QUEUE_BYTES_MAX: usize = 1 << 20;
/// PINGs of one connection that are waited for, at most.
pub const PINGS_WAITING_MAX: usize = 8;
/// PINGs in a row without a sign of life, after which a connection is dead.
pub const PINGS_MISSED_MAX: u32 = 3;
/// Times that one SEND goes out, at most (rule 12).
pub const SEND_TRIES_MAX: u32 = 3;
/// SENDs to one peer that wait for their ACK, at most; the next one is refused.
pub const UNACKNOWLEDGED_MAX: usize = 1_024;
/// Messages of one peer that are remembered, so that a repeated one is not shown again (rule 5).
pub const SEEN_MAX: usize = 2_048;
/// Round trips of one peer that its mean is made of, at most.
pub const ROUND_TRIPS_MAX: usize = 16;

/// Connections at a time, at most; the next one is closed at once.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Connections to one peer, at most; the oldest one is left for the next.
pub const CONNECTIONS_PER_PEER_MAX: usize = 4;
/// Peers that are known at a time, at most, with those that went a short while ago.
pub const CONTACTS_MAX: usize = 1_024;
/// Records of the rendezvous that are dialled, at most: the first of a list.
pub const TARGETS_MAX: usize = 1_024;
/// Dials under way, at most; others wait.
pub const DIALS_MAX: usize = 16;

/// Bytes of a reply of the rendezvous that a client reads, at most: thousands of records.
pub const REPLY_BYTES_MAX: usize = 1 << 23;

/// After BYE, how long BYE_OK or the end of the stream is waited for (rules 11 and 17).
pub const BYE_WITHIN: Duration = Duration::from_secs(2);
/// From the wish to leave until the connection is closed, at most, also where lines wait before BYE.
pub const LEAVE_WITHIN: Duration = Duration::from_secs(8);
/// How long the first line after a connection began may take (rule 25).
pub const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// What an acceptor waits after HELLO_OK, where the dialler says nothing (rule 12).
pub const SETTLE: Duration = Duration::from_millis(50);
/// How long a line may wait for the socket, before the peer is taken for one that does not read.
pub const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// After a peer's BYE, how long it is not dialled (rule 23).
pub const AFTER_BYE: Duration = Duration::from_secs(10);
/// A connection that lasted this long was no failure.
pub const STEADY_AFTER: Duration = Duration::from_secs(10);
/// A connection that ends this soon after a PUB ended because of it (rule 18).
pub const PUB_BREAKS_WITHIN: Duration = Duration::from_secs(5);
/// How long what a peer said is remembered after it went, for it may repeat it on a new connection.
pub const REMEMBER_GONE: Duration = Duration::from_secs(120);

/// The shortest time between REGISTER, DISCOVER and others to one rendezvous.
pub const RENDEZVOUS_PAUSE: Duration = Duration::from_millis(100);
/// How long a rendezvous is left alone that closed without an answer (rule 36).
pub const BLOCKED_FOR: Duration = Duration::from_secs(60);

// A connection is called dead while it may still say so itself, and before lines of a crowd end.
const _: () = assert!(BYE_WITHIN.as_millis() < LEAVE_WITHIN.as_millis());
// What is repeated at the last try is still remembered.
const _: () = assert!(REMEMBER_GONE.as_secs() > 35);
// A whole line always fits into an empty queue.
const _: () = assert!(QUEUE_BYTES_MAX >= LINE_BYTES_MAX);

/// Records of a rendezvous, at most, unless it is told another number; who is new is refused then.
pub const RECORDS_MAX: usize = 65_536;
/// The part of them that one address may have: a quarter.
pub const RECORDS_SHARE: usize = 4;
/// Addresses whose connections a rendezvous counts, at most; those beyond are not counted.
pub const RATES_MAX: usize = 16_384;
/// The window in which connections are counted, and how long a block lasts (rule 35).
pub const RATE_WINDOW: Duration = Duration::from_secs(60);
/// Connections of one address in a window that are answered, unless it is told another number.
pub const RATE_LIMIT: u32 = 50;
/// The default `ttl` of a record, in seconds, and the longest one.
pub const TTL_SECONDS: (u32, u32) = (7_200, 86_400);
