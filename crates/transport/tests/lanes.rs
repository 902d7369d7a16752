//! Two connections over loopback with small buffers: what is small overtakes what is big.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Outgoing};
use lamparina_transport::{Clock, Connection};
use tokio::net::{TcpSocket, TcpStream};

const BIG_BYTES: usize = 1 << 20;
/// What the kernel holds beside: it doubles this, and rounds up.
const BUFFER_BYTES: u32 = 32 * 1024;

/// Two sockets with small buffers: the second one does not take much that it does not read.
async fn streams() -> (TcpStream, TcpStream) {
    let listening = TcpSocket::new_v4().unwrap();
    listening.set_recv_buffer_size(BUFFER_BYTES).unwrap();
    listening.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listening.listen(1).unwrap();
    let calling = TcpSocket::new_v4().unwrap();
    calling.set_send_buffer_size(BUFFER_BYTES).unwrap();
    let addr = listener.local_addr().unwrap();
    let (ours, theirs) = tokio::join!(calling.connect(addr), listener.accept());
    (ours.unwrap(), theirs.unwrap().0)
}

async fn opened() -> (Connection, Connection) {
    let (ours, theirs) = streams().await;
    let clock = Clock::start();
    let config = |token| LinkConfig {
        message_bytes_max: BIG_BYTES as u32,
        ..LinkConfig::new(token)
    };
    let calling = Link::initiate(config(1), Bytes::new(), clock.now());
    let answering = Link::respond(config(2), clock.now());
    let mut ours = Connection::new(ours, calling, clock).unwrap();
    let mut theirs = Connection::new(theirs, answering, clock).unwrap();
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    while ours.link().terms().is_none() || theirs.link().terms().is_none() {
        tokio::select! {
            () = ours.step(&mut said) => {}
            () = theirs.step(&mut heard) => {}
        }
        if let Some(Event::Asked { .. }) = heard.pop() {
            let welcome = Bytes::new();
            theirs.input(Input::Accept { welcome }).unwrap();
        }
    }
    (ours, theirs)
}

fn message(kind: FrameType, bytes: usize) -> Outgoing {
    Outgoing::own(kind, Bytes::from(vec![7; bytes]))
}

#[tokio::test]
async fn a_small_message_overtakes_a_big_body() {
    let (mut ours, mut theirs) = opened().await;
    let now = ours.clock().now();
    ours.send(now, &message(FrameType::Bulk, BIG_BYTES))
        .unwrap();
    // Nobody reads, so that the socket fills: from then on nothing more leaves the link.
    for _ in 0..BIG_BYTES / BUFFER_BYTES as usize {
        ours.flush();
    }
    let below = ours.link().stats().bytes_sent;
    assert!(!ours.link().has_bulk_to_leave() && !ours.has_room_bulk());
    assert!(below < BIG_BYTES as u64 / 2, "{below} bytes left the link");
    #[cfg(target_os = "linux")]
    assert_eq!(ours.socket_options().unwrap().unsent_bytes, Some(32 * 1024));

    ours.send(now, &message(FrameType::Data, 100)).unwrap();
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        tokio::select! {
            () = ours.step(&mut said) => {}
            () = theirs.step(&mut heard) => {}
        }
        for event in heard.drain(..) {
            match event {
                Event::Received { kind, body } => kinds.push((kind, body.len())),
                Event::Asked { .. } | Event::Opened { .. } => {}
                event => panic!("{event:?}"),
            }
            // Before it came what lay below the link already, and not the rest.
            if kinds.len() == 1 {
                let came = theirs.received_bytes();
                assert!(came < below + 64 * 1024, "{came} of {below}");
            }
        }
    }
    let expected = [(FrameType::Data, 100), (FrameType::Bulk, BIG_BYTES)];
    assert_eq!(kinds, expected);
}
