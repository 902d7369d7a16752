//! Links as they might be, for the tests of every way to show one.

use std::time::Duration;

use lamparina_protocol::link::{LinkStats, Repair, Terms};
use lamparina_protocol::{Epoch, Lamport, LogId};
use lamparina_transport::SocketOptions;

use crate::core::carrier::Carrier;
use crate::core::conversation::Status;
use crate::core::event::Summary;
use crate::core::meter::{Reading, Word};
use crate::core::testing::nick;
use crate::net::NetStatus;

fn status(state: &str) -> Status {
    Status {
        server: "chat.example:5000".to_owned(),
        nick: nick("ana"),
        state: state.to_owned(),
        log: LogId([0; 16]),
        epoch: Epoch(1),
        clock: Lamport::ZERO,
        shown_upto: Lamport::ZERO,
        shown: 0,
        shown_before: 0,
        gaps: 0,
        attempts: 1,
        summary: Summary::default(),
        pending_here: 0,
        queue: Vec::new(),
        elsewhere: Vec::new(),
        elsewhere_total: 0,
        present: Vec::new(),
    }
}

/// None.
pub(crate) fn no_link() -> NetStatus {
    NetStatus {
        conversation: status("disconnected, trying again in 3.1 s"),
        link: None,
        reading: None,
        carrier: None,
        sealed: true,
        terms: None,
        ends: None,
        socket: None,
        channel: None,
    }
}

const fn terms(fragment_bytes: u16) -> Terms {
    Terms {
        version: 1,
        fragment_bytes,
        window_frames: 1_024,
        window_bytes: 1 << 20,
        repair: Repair::SelectiveRepeat,
        message_bytes_max: 1 << 18,
        bulk: true,
    }
}

/// What both carriers measure.
fn stats() -> LinkStats {
    LinkStats {
        frames_sent: 4_321,
        frames_received: 4_000,
        retransmitted: 37,
        damaged: 1,
        duplicates: 12,
        early: 30,
        nacks_sent: 5,
        nacks_received: 4,
        timeouts: 3,
        bytes_sent: 2_345_678,
        bytes_received: 345_678,
        in_flight_frames: 96,
        in_flight_bytes: 104_000,
        bulk_in_flight_bytes: 16_384,
        rtt: Some(Duration::from_micros(41_234)),
        rtt_variation: Some(Duration::from_micros(2_100)),
        rto: Duration::from_millis(241),
        window_frames: 1_024,
        window_bytes: 1 << 20,
        ..LinkStats::default()
    }
}

fn over(carrier: Carrier, stats: LinkStats, fragment_bytes: u16) -> NetStatus {
    let scheme = match carrier {
        Carrier::Udp => "udp://",
        Carrier::Tcp => "",
    };
    NetStatus {
        conversation: status("connected for 12 s"),
        link: Some(stats),
        reading: Some(Reading {
            word: Word::Good,
            unanswered: Duration::ZERO,
            sent_bytes_per_s: 12_700,
            received_bytes_per_s: 3_100,
            again_lately: 24,
            timeouts_lately: 1,
            stats,
        }),
        carrier: Some(carrier),
        terms: Some(terms(fragment_bytes)),
        ends: Some((
            format!("{scheme}192.0.2.1:40000"),
            format!("{scheme}192.0.2.7:5000"),
        )),
        ..no_link()
    }
}

/// One over datagrams, with everything.
pub(crate) fn over_udp() -> NetStatus {
    let stats = LinkStats {
        rtt_min: Some(Duration::from_micros(40_010)),
        packets_sent: 2_222,
        packets_received: 2_100,
        packets_lost: 114,
        packets_spurious: 2,
        copies_sent: 90,
        loss_out_ppm: Some(51_234),
        loss_in_ppm: Some(48_000),
        rate_bytes_per_s: Some(1_250_000),
        phase: "steady",
        congestion_bytes: 200_000,
        ..stats()
    };
    over(Carrier::Udp, stats, 1_136)
}

/// One over TCP.
pub(crate) fn over_tcp() -> NetStatus {
    let socket = SocketOptions {
        nodelay: true,
        user_timeout: Some(Duration::from_secs(60)),
        unsent_bytes: Some(32_768),
        congestion: Some("cubic".to_owned()),
    };
    NetStatus {
        socket: Some(socket),
        ..over(Carrier::Tcp, stats(), 8_180)
    }
}
