//! Single frames on a socket, in clear or under a seal: a peer that says exactly what a test wants, right
//! or wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use lamparina_protocol::control::{
    Disconnect, HandshakeAck, Hello, Repair, Syn, SynAck, Terms, VERSION,
};
use lamparina_protocol::frame::{
    Decoded, FRAME_BYTES_MAX, Frame, FrameDecoder, FrameType, HEADER_BYTES, Header, Seq, checksum,
};
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Output};
use lamparina_protocol::message::{MESSAGE_BYTES_MAX, SetNick};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};
use lamparina_protocol::{
    AuthorKey, Epoch, Instant, Lamport, LogId, Nick, SessionNumber, Term, codec,
};

use super::PATIENCE;

static NEXT_AUTHOR: AtomicU32 = AtomicU32::new(1);

/// A socket on which frames are written and read by hand.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    decoder: FrameDecoder,
    /// A link that has shaken hands, and seals and opens what is written and read by hand since.
    seal: Option<Box<Link>>,
}

impl Raw {
    /// Connects, and says nothing yet.
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).expect("the server accepts");
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
        let decoder = FrameDecoder::default();
        Self {
            stream,
            decoder,
            seal: None,
        }
    }

    /// Connects and shakes hands with a server whose links are sealed.
    #[track_caller]
    pub fn open_sealed(addr: SocketAddr) -> Self {
        let mut raw = Self::connect(addr);
        let number = NEXT_AUTHOR.fetch_add(1, Ordering::Relaxed);
        let mut seed = [0x5A; SEED_BYTES];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let identity = IdentityKey::from_seed(seed.first_chunk().expect("it is longer"));
        let hello = Hello {
            author: AuthorKey(identity.public().0),
            ..new_hello()
        };
        // As in clear: a window for all that a test sends.
        let config = LinkConfig {
            window_frames: syn().terms.window_frames,
            ..LinkConfig::new(7)
        };
        let link = Link::initiate(config, hello.to_bytes(), Instant::ZERO);
        let mut link = link.sealed(LinkKeys::new(identity, seed, Transport::Tcp));
        link.set_channel(true);
        raw.seal = Some(Box::new(link));
        let mut events = raw.give(Input::Tick);
        while !events
            .iter()
            .any(|event| matches!(event, Event::Opened { .. }))
        {
            events = match events
                .iter()
                .any(|event| matches!(event, Event::Proven { .. }))
            {
                true => raw.give(Input::Trust),
                false => {
                    let bytes = raw.read().expect("the server shakes hands");
                    raw.give(Input::Bytes(bytes))
                }
            };
        }
        raw
    }

    /// As [`Self::enter`], under a seal.
    #[track_caller]
    pub fn enter_sealed(addr: SocketAddr, nick: &str) -> Self {
        Self::open_sealed(addr).claim(nick)
    }

    /// Gives something to the link that seals, and writes what it answers. What is inside the records
    /// that came is read by [`Self::next`].
    fn give(&mut self, input: Input) -> Vec<Event> {
        let link = self.seal.as_mut().expect("this peer's link is sealed");
        let mut out = Output::default();
        link.handle(Instant::ZERO, input, &mut out)
            .expect("bytes have a place in every state");
        for piece in &out.wire {
            let _ = self.stream.write_all(piece);
        }
        out.opened
            .into_iter()
            .for_each(|opened| self.decoder.push(opened));
        out.events
    }

    /// Connects and shakes hands.
    #[track_caller]
    pub fn open(addr: SocketAddr) -> Self {
        let mut raw = Self::connect(addr);
        raw.send(&frame(FrameType::Syn, 0, true, &syn().to_bytes()));
        let answer = raw.expect_frame(FrameType::SynAck);
        let answer = SynAck::from_bytes(&answer.payload).expect("a SYN_ACK can be read");
        let ack = HandshakeAck {
            echo: answer.token,
            hello: Bytes::new(),
        };
        raw.send(&frame(FrameType::HandshakeAck, 0, true, &ack.to_bytes()));
        raw
    }

    /// Connects, shakes hands and claims a nick by the first sequenced frame.
    #[track_caller]
    pub fn enter(addr: SocketAddr, nick: &str) -> Self {
        Self::open(addr).claim(nick)
    }

    #[track_caller]
    fn claim(mut self, nick: &str) -> Self {
        let nick = Nick::try_from(nick).expect("a well-formed nick");
        let claim = codec::encode(&SetNick { nick }).expect("it is short");
        self.send(&frame(FrameType::SetNick, 0, true, &claim));
        self.expect_frame(FrameType::Data);
        self
    }

    /// Writes bytes, under the seal where there is one. A peer that has hung up in the meantime is no
    /// error: its last word counts.
    pub fn send(&mut self, bytes: &[u8]) {
        let Some(link) = &mut self.seal else {
            let _ = self.stream.write_all(bytes);
            return;
        };
        let mut out = Output::default();
        let pieces = bytes.chunks(FRAME_BYTES_MAX);
        link.seal_frames(pieces.map(Bytes::copy_from_slice).collect(), &mut out);
        for piece in &out.wire {
            let _ = self.stream.write_all(piece);
        }
    }

    /// Waits for a frame of `kind` and passes over others.
    #[track_caller]
    pub fn expect_frame(&mut self, kind: FrameType) -> Frame {
        loop {
            match self.next_frame() {
                Some(frame) if frame.kind == kind => return frame,
                Some(_) => {}
                None => panic!("the connection ended before a {kind:?}"),
            }
        }
    }

    /// Waits for the end; gives the code and the words that came before it, if any came.
    #[track_caller]
    pub fn last_words(mut self) -> Option<(u16, String)> {
        let mut words = None;
        while let Some(frame) = self.next_frame() {
            if frame.kind == FrameType::Disconnect {
                let said = Disconnect::from_bytes(&frame.payload);
                let said = said.expect("a DISCONNECT can be read");
                words = Some((said.code, said.text));
            }
        }
        words
    }

    /// The next frame; `None` at the end of the connection.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let decoded = self.decoder.next().expect("a server keeps its boundaries");
            match decoded {
                Some(Decoded::Frame(frame)) => return Some(frame),
                Some(other) => panic!("a server's frames are whole and known: {other:?}"),
                None => {}
            }
            let bytes = self.read()?;
            match self.seal {
                Some(_) => drop(self.give(Input::Bytes(bytes))),
                None => self.decoder.push(bytes),
            }
        }
    }

    /// Some more bytes; `None` at the end of the connection.
    fn read(&mut self) -> Option<Bytes> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => None,
            Ok(count) => Some(Bytes::copy_from_slice(&chunk[..count])),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("the server neither answers nor closes")
            }
            Err(_) => None,
        }
    }
}

/// A frame with a good checksum.
pub fn frame(kind: FrameType, seq: u16, last: bool, payload: &[u8]) -> Bytes {
    let frame = Frame {
        kind,
        seq: Seq::new(seq),
        last,
        payload: Bytes::copy_from_slice(payload),
    };
    frame.to_bytes()
}

/// A frame with a good checksum over fields that no sender of the protocol writes.
pub fn foreign_frame(kind: u8, last: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = Header {
        length: payload.len() as u32,
        kind,
        seq: Seq::FIRST,
        checksum: 0,
        last,
    };
    header.checksum = header.checksum_after(checksum::of(payload));
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&header.to_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A SYN of a profile that nobody else has.
pub fn syn() -> Syn {
    Syn {
        terms: Terms {
            version: VERSION,
            fragment_bytes: 8_180,
            window_frames: 16_384,
            window_bytes: 1 << 20,
            repair: Repair::SelectiveRepeat,
            message_bytes_max: MESSAGE_BYTES_MAX as u32,
            bulk: false,
        },
        sealed: false,
        token: 7,
        hello: new_hello().to_bytes(),
    }
}

/// A whole SYN that asks for a sealed link.
pub fn sealed_syn() -> Bytes {
    let mut syn = syn();
    syn.sealed = true;
    // X25519's base point: a key as good as any other.
    let mut key = [0; 32];
    key[0] = 9;
    syn.hello = Bytes::copy_from_slice(&key);
    frame(FrameType::Syn, 0, true, &syn.to_bytes())
}

/// The first words of a profile that nobody else has.
pub fn new_hello() -> Hello {
    let number = NEXT_AUTHOR.fetch_add(1, Ordering::Relaxed);
    let mut author = [0xA5; 32];
    author[..4].copy_from_slice(&number.to_be_bytes());
    Hello {
        author: AuthorKey(author),
        epoch: Epoch(1),
        session: SessionNumber(1),
        log: LogId::default(),
        term: Term(0),
        cursor: Lamport::ZERO,
    }
}
