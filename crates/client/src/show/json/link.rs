//! The event `link`. What was not measured, or does not exist over this carrier, is null.

use std::time::Duration;

use lamparina_protocol::link::{LinkStats, Repair};
use serde::Serialize;

use super::line::Json;
use crate::core::carrier::Carrier;
use crate::net::NetStatus;
use crate::show::link::{peer, word};

#[derive(Serialize)]
pub(super) struct LinkLine<'a> {
    word: &'static str,
    state: &'a str,
    carrier: Option<&'static str>,
    peer: Option<&'a str>,
    sealed: Option<bool>,
    rtt_us: Option<u64>,
    rtt_variation_us: Option<u64>,
    rtt_min_us: Option<u64>,
    timeout_us: Option<u64>,
    unanswered_us: Option<u64>,
    loss_out: Option<f64>,
    loss_in: Option<f64>,
    repaired: Option<u64>,
    copies: Option<u64>,
    timeouts: Option<u64>,
    window: Option<Window>,
    bulk_bytes: Option<u32>,
    congestion_bytes: Option<u64>,
    phase: Option<&'static str>,
    rate_bytes_per_s: Option<u64>,
    sent_bytes_per_s: Option<u64>,
    received_bytes_per_s: Option<u64>,
    bytes: Option<Both>,
    frames: Option<Frames>,
    packets: Option<Packets>,
    kernel: Option<Kernel<'a>>,
    channel: Option<String>,
}

#[derive(Serialize)]
struct Window {
    frames: u32,
    frames_max: u32,
    bytes: u32,
    bytes_max: u32,
    frame_bytes: Option<u16>,
    repair: Option<&'static str>,
}

#[derive(Serialize)]
struct Both {
    sent: u64,
    received: u64,
}

#[derive(Serialize)]
struct Frames {
    sent: u64,
    received: u64,
    damaged: u64,
    duplicate: u64,
    early: u64,
}

#[derive(Serialize)]
struct Packets {
    sent: u64,
    received: u64,
    lost: u64,
    late: u64,
}

#[derive(Serialize)]
struct Kernel<'a> {
    congestion: Option<&'a str>,
    nodelay: bool,
    unsent_bytes: Option<u32>,
    user_timeout_ms: Option<u64>,
}

/// How the link is now.
pub(super) fn json(status: &NetStatus) -> Json<'_> {
    let reading = status.reading.as_ref();
    let stats = reading.map(|reading| &reading.stats);
    // Measures of datagrams do not exist over a stream.
    let datagrams = stats.filter(|_| status.carrier == Some(Carrier::Udp));
    let open = |of: fn(&LinkStats) -> u64| stats.map(of);
    let share = |ppm: u32| f64::from(ppm) / 1e6;
    Json::Link(Box::new(LinkLine {
        word: word(status).name(),
        state: &status.conversation.state,
        carrier: status
            .carrier
            .filter(|_| reading.is_some())
            .map(Carrier::name),
        peer: peer(status).filter(|_| reading.is_some()),
        sealed: reading.map(|_| status.sealed),
        rtt_us: stats.and_then(|stats| stats.rtt).map(micros),
        rtt_variation_us: stats.and_then(|stats| stats.rtt_variation).map(micros),
        rtt_min_us: stats.and_then(|stats| stats.rtt_min).map(micros),
        timeout_us: stats.map(|stats| micros(stats.rto)),
        unanswered_us: reading.map(|reading| micros(reading.unanswered)),
        loss_out: datagrams.and_then(|stats| stats.loss_out_ppm).map(share),
        loss_in: datagrams.and_then(|stats| stats.loss_in_ppm).map(share),
        repaired: open(|stats| stats.retransmitted),
        copies: datagrams.map(|stats| stats.copies_sent),
        timeouts: open(|stats| stats.timeouts),
        window: stats.map(|stats| window(stats, status)),
        bulk_bytes: stats.map(|stats| stats.bulk_in_flight_bytes),
        congestion_bytes: datagrams.map(|stats| stats.congestion_bytes),
        phase: datagrams.map(|stats| stats.phase),
        rate_bytes_per_s: stats.and_then(|stats| stats.rate_bytes_per_s),
        sent_bytes_per_s: reading.map(|reading| reading.sent_bytes_per_s),
        received_bytes_per_s: reading.map(|reading| reading.received_bytes_per_s),
        bytes: stats.map(|stats| Both {
            sent: stats.bytes_sent,
            received: stats.bytes_received,
        }),
        frames: stats.map(frames),
        packets: datagrams.map(packets),
        kernel: kernel(status),
        channel: status
            .channel
            .as_ref()
            .map(|channel| channel.settings.to_string()),
    }))
}

fn window(stats: &LinkStats, status: &NetStatus) -> Window {
    let stream = status.carrier == Some(Carrier::Tcp);
    let repair = |repair| match repair {
        Repair::SelectiveRepeat => "sr",
        Repair::GoBackN => "gbn",
    };
    Window {
        frames: stats.in_flight_frames,
        frames_max: stats.window_frames,
        bytes: stats.in_flight_bytes,
        bytes_max: stats.window_bytes,
        frame_bytes: status.terms.map(|terms| terms.fragment_bytes),
        repair: status
            .terms
            .filter(|_| stream)
            .map(|terms| repair(terms.repair)),
    }
}

const fn frames(stats: &LinkStats) -> Frames {
    Frames {
        sent: stats.frames_sent,
        received: stats.frames_received,
        damaged: stats.damaged,
        duplicate: stats.duplicates,
        early: stats.early,
    }
}

const fn packets(stats: &LinkStats) -> Packets {
    Packets {
        sent: stats.packets_sent,
        received: stats.packets_received,
        lost: stats.packets_lost,
        late: stats.packets_spurious,
    }
}

fn kernel(status: &NetStatus) -> Option<Kernel<'_>> {
    let socket = status
        .socket
        .as_ref()
        .filter(|_| status.reading.is_some())?;
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Some(Kernel {
        congestion: socket.congestion.as_deref(),
        nodelay: socket.nodelay,
        unsent_bytes: socket.unsent_bytes,
        user_timeout_ms: socket.user_timeout.map(millis),
    })
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
