//! SEALED records: header, packet number, and one AEAD over whole frames. A sender never uses a
//! number twice, whatever it repeats; a receiver on a stream takes ascending numbers only, so that
//! nothing is taken twice or out of turn.

use bytes::{BufMut, Bytes, BytesMut};

use super::number::{Key, is_usable};
use super::{SealFault, TAG_BYTES};
use crate::frame::{FrameType, HEADER_BYTES, Header, Seq, checksum};

/// Bytes of a packet number.
pub const NUMBER_BYTES: usize = 8;
/// Bytes of the frames inside one record, at most.
pub const INNER_BYTES_MAX: usize = 16_384;
/// Payload bytes of a SEALED frame, at most.
pub const SEALED_BYTES_MAX: usize = NUMBER_BYTES + INNER_BYTES_MAX + TAG_BYTES;
/// Payload bytes of a SEALED frame, at least.
pub const SEALED_BYTES_MIN: usize = NUMBER_BYTES + TAG_BYTES;
/// What a record costs beside its frames.
pub const RECORD_EXTRA_BYTES: usize = HEADER_BYTES + NUMBER_BYTES + TAG_BYTES;

/// From this length on a piece is sealed where it stands: a copy of less costs no more than two
/// pieces more to write.
const IN_PLACE_BYTES_MIN: usize = 4 * 1024;

const _: () = assert!(SEALED_BYTES_MAX == 16_408);
const _: () = assert!(crate::frame::FRAME_BYTES_MAX <= INNER_BYTES_MAX);

/// Seals what leaves.
#[derive(Debug)]
pub struct Sealer {
    pub(super) key: Key,
    pub(super) next: u64,
}

impl Sealer {
    pub(super) fn new(key: &[u8; 32], interval: u64) -> Self {
        Self {
            key: Key::new(key, interval),
            next: 0,
        }
    }

    /// The number of the next record.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// As if all numbers before `next` had been used; only forward. For tests that cannot wait.
    pub fn skip_to(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Seals `pieces`, each a run of whole frames, and appends the records to `wire`. Short pieces
    /// share records; a long one that nobody else holds is sealed where it stands, and the records'
    /// own bytes are pieces between.
    ///
    /// # Errors
    ///
    /// [`SealFault::Exhausted`]; what was not appended is lost.
    pub fn seal(&mut self, mut pieces: Vec<Bytes>, wire: &mut Vec<Bytes>) -> Result<(), SealFault> {
        let mut from = 0;
        for at in 0..pieces.len() {
            if pieces[at].len() < IN_PLACE_BYTES_MIN {
                continue;
            }
            match std::mem::take(&mut pieces[at]).try_into_mut() {
                Ok(long) => {
                    self.seal_together(&pieces[from..at], wire)?;
                    self.seal_in_place(long, wire)?;
                    from = at + 1;
                }
                Err(shared) => pieces[at] = shared,
            }
        }
        self.seal_together(&pieces[from..], wire)
    }

    /// Seals `frames`, which are whole, where they stand.
    fn seal_in_place(
        &mut self,
        mut frames: BytesMut,
        wire: &mut Vec<Bytes>,
    ) -> Result<(), SealFault> {
        let records = frames
            .len()
            .div_ceil(INNER_BYTES_MAX - crate::frame::FRAME_BYTES_MAX);
        // Head of one record, then the tag of one with the head of the next, then the last tag.
        let mut between = BytesMut::with_capacity(records * RECORD_EXTRA_BYTES);
        while !frames.is_empty() {
            let mut inner = frames.split_to(run_within(&frames, INNER_BYTES_MAX));
            let sealed = self.next_usable().and_then(|number| {
                let tag = self.key.seal(number, &[], &mut inner)?;
                Ok((number, tag))
            });
            match sealed {
                Ok((number, tag)) => {
                    self.next = number + 1;
                    between.put_slice(&header(inner.len()).to_bytes());
                    between.put_slice(&number.to_be_bytes());
                    wire.push(between.split().freeze());
                    wire.push(inner.freeze());
                    between.put_slice(&tag);
                }
                Err(fault) => {
                    wire.extend((!between.is_empty()).then(|| between.freeze()));
                    return Err(fault);
                }
            }
        }
        wire.extend((!between.is_empty()).then(|| between.freeze()));
        Ok(())
    }

    /// Seals `pieces` into as few records as hold them, which are one piece.
    fn seal_together(&mut self, pieces: &[Bytes], wire: &mut Vec<Bytes>) -> Result<(), SealFault> {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        let records = bytes.div_ceil(INNER_BYTES_MAX - crate::frame::FRAME_BYTES_MAX);
        let mut out = BytesMut::with_capacity(bytes + records.max(1) * RECORD_EXTRA_BYTES);
        let mut record = None;
        for piece in pieces {
            let mut rest = &piece[..];
            while !rest.is_empty() {
                let begun: &mut usize = record.get_or_insert_with(|| begin(&mut out));
                let room = INNER_BYTES_MAX - (out.len() - *begun);
                let run = run_within(rest, room);
                if run == 0 {
                    self.end(&mut out, *begun)?;
                    record = None;
                    continue;
                }
                out.put_slice(&rest[..run]);
                rest = &rest[run..];
            }
        }
        if let Some(begun) = record {
            self.end(&mut out, begun)?;
        }
        if !out.is_empty() {
            wire.push(out.freeze());
        }
        Ok(())
    }

    /// The number of a record that is about to be sealed; the key is the one for it.
    fn next_usable(&mut self) -> Result<u64, SealFault> {
        let number = self.next;
        if !is_usable(number) {
            return Err(SealFault::Exhausted);
        }
        // Numbers ascend by one, unless a test has skipped some.
        while self.key.generation() < self.key.generation_of(number) {
            self.key = self.key.next();
        }
        Ok(number)
    }

    /// Ends the record whose frames begin at `begun`.
    fn end(&mut self, out: &mut BytesMut, begun: usize) -> Result<(), SealFault> {
        let number = self.next_usable()?;
        let inner = out.len() - begun;
        let tag = self.key.seal(number, &[], &mut out[begun..])?;
        self.next = number + 1;
        out.put_slice(&tag);
        let head = begun - NUMBER_BYTES - HEADER_BYTES;
        out[head..begun - NUMBER_BYTES].copy_from_slice(&header(inner).to_bytes());
        out[begun - NUMBER_BYTES..begun].copy_from_slice(&number.to_be_bytes());
        Ok(())
    }
}

/// Leaves room for header and number; gives where the frames begin.
fn begin(out: &mut BytesMut) -> usize {
    out.put_bytes(0, HEADER_BYTES + NUMBER_BYTES);
    out.len()
}

fn header(inner: usize) -> Header {
    let mut header = Header {
        length: (NUMBER_BYTES + inner + TAG_BYTES) as u32,
        kind: FrameType::Sealed.number(),
        seq: Seq::FIRST,
        checksum: 0,
        last: 1,
    };
    header.checksum = header.checksum_after(checksum::of(&[]));
    header
}

/// Bytes of the whole frames at the beginning of `frames` that fit into `room`. What is no frame,
/// which a channel that damages lengths could make, goes as far as it fits.
fn run_within(frames: &[u8], room: usize) -> usize {
    if frames.len() <= room {
        return frames.len();
    }
    let mut run = 0;
    while let Some(length) = frames[run..].first_chunk::<4>() {
        let frame = HEADER_BYTES.saturating_add(u32::from_be_bytes(*length) as usize);
        if frame > INNER_BYTES_MAX {
            return if run == 0 { room } else { run };
        }
        if run + frame > room {
            break;
        }
        run += frame;
    }
    run
}

/// Opens what comes over a stream.
#[derive(Debug)]
pub struct Opener {
    pub(super) key: Key,
    /// The key before, of datagrams that were overtaken.
    pub(super) before: Option<Box<Key>>,
    /// No number below is taken.
    next: u64,
}

impl Opener {
    pub(super) fn new(key: &[u8; 32], interval: u64) -> Self {
        Self {
            key: Key::new(key, interval),
            before: None,
            next: 0,
        }
    }

    /// The frames inside the payload of a SEALED frame. Nothing changes unless it opens.
    ///
    /// # Errors
    ///
    /// [`SealFault`]: on a stream the link is damaged.
    pub fn open(&mut self, payload: Bytes) -> Result<Bytes, SealFault> {
        let Some((number, _)) = payload.split_first_chunk::<NUMBER_BYTES>() else {
            return Err(SealFault::Malformed);
        };
        let number = u64::from_be_bytes(*number);
        if payload.len() < SEALED_BYTES_MIN || payload.len() > SEALED_BYTES_MAX {
            return Err(SealFault::Malformed);
        }
        if number < self.next || !is_usable(number) {
            return Err(SealFault::Number(number));
        }
        let ahead = self.key.generation_of(number) - self.key.generation();
        // A receiver is never told of keys; to try further ones would be work for a liar.
        let fresh = match ahead {
            0 => None,
            1 => Some(self.key.next()),
            _ => return Err(SealFault::Number(number)),
        };
        // In place where nothing else holds the bytes.
        let mut body = payload
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let key = fresh.as_ref().unwrap_or(&self.key);
        let inner = key.open(number, &[], &mut body[NUMBER_BYTES..])?;
        if let Some(fresh) = fresh {
            self.key = fresh;
        }
        self.next = number + 1;
        let mut body = body.freeze();
        Ok(body.split_off(NUMBER_BYTES).slice(..inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(interval: u64) -> (Sealer, Opener) {
        (
            Sealer::new(&[7; 32], interval),
            Opener::new(&[7; 32], interval),
        )
    }

    fn record(sealer: &mut Sealer) -> Bytes {
        let mut wire = Vec::new();
        let frames = Bytes::from_static(b"frames");
        sealer.seal(vec![frames], &mut wire).unwrap();
        wire.remove(0).split_off(HEADER_BYTES)
    }

    #[test]
    fn gaps_are_taken_but_not_over_a_whole_key() {
        let (mut sealer, mut opener) = pair(10);
        sealer.skip_to(9);
        assert_eq!(opener.open(record(&mut sealer)).unwrap(), "frames");
        sealer.skip_to(19);
        assert_eq!(opener.open(record(&mut sealer)).unwrap(), "frames");
        let too_far = {
            sealer.skip_to(30);
            record(&mut sealer)
        };
        assert_eq!(opener.open(too_far), Err(SealFault::Number(30)));
    }

    #[test]
    fn a_number_of_the_next_key_that_does_not_open_changes_nothing() {
        let (mut sealer, mut opener) = pair(10);
        let good = record(&mut sealer);
        let mut liar = good.to_vec();
        liar[7] = 15;
        assert_eq!(opener.open(liar.into()), Err(SealFault::NotOpened));
        assert_eq!(opener.open(good).unwrap(), "frames");
    }

    #[test]
    fn the_last_number_is_not_used() {
        let mut sealer = Sealer::new(&[7; 32], u64::MAX);
        let frames = || vec![Bytes::from_static(b"frames")];
        let mut wire = Vec::new();
        sealer.skip_to(u64::MAX - 1);
        sealer.seal(frames(), &mut wire).unwrap();
        assert_eq!(sealer.next_number(), u64::MAX);
        let refused = sealer.seal(frames(), &mut wire);
        assert_eq!((refused, wire.len()), (Err(SealFault::Exhausted), 1));
    }

    /// Frames of `sizes` bytes of payload, one behind the other.
    fn run(sizes: &[usize]) -> Vec<u8> {
        let mut frames = BytesMut::new();
        for size in sizes {
            let payload = vec![*size as u8; *size];
            crate::frame::put_frame(&mut frames, FrameType::Data, Seq::FIRST, true, &payload);
        }
        frames.to_vec()
    }

    #[test]
    fn long_pieces_are_sealed_where_they_stand_and_are_the_same_records() {
        let pieces = [
            run(&[100]),
            run(&[8_000; 9]),
            run(&[10, 20]),
            run(&[4_096 - HEADER_BYTES]),
            run(&[1_000; 70]),
        ];
        let (mut sealer, mut opener) = pair(3);
        let owned = pieces.iter().map(|piece| Bytes::from(piece.clone()));
        let mut wire = Vec::new();
        sealer.seal(owned.collect(), &mut wire).unwrap();
        // The long ones are five, one and five records: a head or tag before, between and behind.
        assert_eq!(wire.len(), 1 + 11 + 1 + 3 + 11);
        let mut shared_wire = Vec::new();
        let shared: Vec<Bytes> = pieces.iter().map(|piece| piece.clone().into()).collect();
        pair(3).0.seal(shared.clone(), &mut shared_wire).unwrap();
        let mut decoder = crate::frame::FrameDecoder::sealed();
        let mut opened = Vec::new();
        for piece in wire {
            decoder.push(piece);
            while let Some(crate::frame::Decoded::Frame(frame)) = decoder.next().unwrap() {
                assert!(frame.payload.len() <= SEALED_BYTES_MAX);
                opened.extend_from_slice(&opener.open(frame.payload).unwrap());
            }
        }
        assert_eq!(opened, pieces.concat());
        // What others hold too is left as it is.
        assert_eq!(shared.concat(), pieces.concat());
    }

    #[test]
    fn what_is_no_record_is_refused_before_any_work() {
        let (_, mut opener) = pair(10);
        for bytes in [0, 7, 8, SEALED_BYTES_MIN - 1, SEALED_BYTES_MAX + 1] {
            let payload = Bytes::from(vec![0; bytes]);
            assert_eq!(opener.open(payload), Err(SealFault::Malformed), "{bytes}");
        }
    }

    #[test]
    fn each_key_is_another() {
        let (mut sealer, _) = pair(1);
        let bodies: Vec<_> = (0..4).map(|_| record(&mut sealer).split_off(8)).collect();
        for (at, body) in bodies.iter().enumerate() {
            assert!(!bodies[..at].contains(body));
        }
    }
}
