//! KCP in its turbo mode: `nodelay` 1, updates every 10 ms, resent after 2 acknowledgements of later
//! segments, no congestion control. It has no handshake, no seal and no checksum.
//!
//! As its authors have it: what is sent leaves, and what comes is acknowledged, at the next update. A
//! message has a byte before it that says its kind and whether more of it follows; KCP itself joins
//! at most 127 fragments.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kcp::Kcp;
use lamparina_protocol::Instant;

use crate::body::Kind;
use crate::end::{DATAGRAM_BYTES_MAX, Delivered, End};

/// The number of the conversation; any, the same on both sides.
const CONVERSATION: u32 = 1;
/// Bytes of one KCP message, so that its fragments are fewer than 128.
const PIECE_BYTES_MAX: usize = 64 << 10;
/// Segments that wait behind the window before bulk is refused.
const WAITING_SEGMENTS_MAX: usize = 4_096;

/// In the byte before each piece: bulk, and more follows.
const BULK: u8 = 1;
const MORE: u8 = 2;

/// Where KCP writes its datagrams.
#[derive(Clone, Default)]
struct Outbox(Rc<RefCell<Vec<Bytes>>>);

impl io::Write for Outbox {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().push(Bytes::copy_from_slice(datagram));
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One end.
pub(super) struct KcpEnd {
    kcp: Kcp<Outbox>,
    outbox: Outbox,
    began_at: Instant,
    /// Milliseconds at the latest update.
    updated_ms: Option<u32>,
    /// The message that is being joined.
    joined: BytesMut,
    piece: Vec<u8>,
    delivered: Vec<Delivered>,
}

impl KcpEnd {
    /// An end; both are the same. `window` is in segments, both ways: KCP's only limit in this mode, and
    /// for whoever uses it to choose.
    pub(super) fn new(now: Instant, window: u16) -> Self {
        let outbox = Outbox::default();
        let mut kcp = Kcp::new(CONVERSATION, outbox.clone());
        kcp.set_nodelay(true, 10, 2, true);
        kcp.set_wndsize(window, window);
        kcp.set_mtu(DATAGRAM_BYTES_MAX)
            .expect("a datagram is longer than a header of KCP");
        Self {
            kcp,
            outbox,
            began_at: now,
            updated_ms: None,
            joined: BytesMut::new(),
            piece: vec![0; PIECE_BYTES_MAX + 1],
            delivered: Vec::new(),
        }
    }

    fn ms(&self, now: Instant) -> u32 {
        now.saturating_since(self.began_at).as_millis() as u32
    }

    fn send_piece(&mut self, kind: Kind, piece: &[u8], more: bool) {
        let mut bytes = BytesMut::with_capacity(1 + piece.len());
        bytes.put_u8(kind as u8 * BULK + u8::from(more) * MORE);
        bytes.put_slice(piece);
        // Refused only where there are too many fragments, which the piece's bound excludes.
        let _ = self.kcp.send(&bytes);
    }

    fn take(&mut self) {
        while let Ok(length) = self.kcp.recv(&mut self.piece) {
            let Some((head, rest)) = self.piece[..length].split_first() else {
                continue;
            };
            self.joined.put_slice(rest);
            if head & MORE == 0 {
                self.delivered.push(Delivered {
                    kind: if head & BULK == 0 {
                        Kind::Small
                    } else {
                        Kind::Bulk
                    },
                    body: self.joined.split().freeze(),
                });
            }
        }
    }
}

impl End for KcpEnd {
    fn tick(&mut self, now: Instant) {
        let ms = self.ms(now);
        self.updated_ms = Some(ms);
        // The only error is one of the outbox, which has none.
        let _ = self.kcp.update(ms);
    }

    fn deadline(&mut self) -> Option<Instant> {
        let Some(updated_ms) = self.updated_ms else {
            return Some(self.began_at);
        };
        // It may ask for a time that has passed, and then not use it.
        let wait_ms = self.kcp.check(updated_ms).max(1);
        let at_ms = u64::from(updated_ms) + u64::from(wait_ms);
        Some(self.began_at + Duration::from_millis(at_ms))
    }

    fn receive(&mut self, _now: Instant, datagram: Bytes) {
        // A datagram that cannot be read is dropped.
        let _ = self.kcp.input(&datagram);
        self.take();
    }

    fn send(&mut self, _now: Instant, kind: Kind, body: &Bytes) -> bool {
        if kind == Kind::Bulk && self.kcp.wait_snd() > WAITING_SEGMENTS_MAX {
            return false;
        }
        let mut pieces = body.chunks(PIECE_BYTES_MAX).peekable();
        while let Some(piece) = pieces.next() {
            self.send_piece(kind, piece, pieces.peek().is_some());
        }
        true
    }

    fn poll(&mut self, _now: Instant, out: &mut Vec<Bytes>) {
        out.append(&mut self.outbox.0.borrow_mut());
    }

    fn delivered(&mut self, out: &mut Vec<Delivered>) {
        out.append(&mut self.delivered);
    }

    fn is_open(&self) -> bool {
        true
    }

    fn is_dead(&self) -> bool {
        self.kcp.is_dead_link()
    }
}
