//! Messages to frames and back. A message is its body and then its tail, cut into frames of one
//! type of which only the last says so; joined again it is never longer than agreed.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::frame::{FrameType, SharedBody};

/// A message of which some fragments have not been cut yet.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Uncut {
    pub(crate) kind: FrameType,
    body: SharedBody,
    tail: Option<[u8; 8]>,
    /// Bytes already cut, of body and tail together.
    done: usize,
}

/// One fragment: its part of the body, its part of the tail, whether the message ends here.
#[derive(Debug, Eq, PartialEq)]
pub struct Fragment<'a> {
    /// The body of the whole message.
    pub body: &'a SharedBody,
    /// Its part of the body.
    pub stretch: Range<usize>,
    /// Its part of the tail.
    pub tail: &'a [u8],
    /// The message ends here.
    pub last: bool,
}

impl Uncut {
    /// A message of which nothing has been cut.
    pub fn new(kind: FrameType, body: SharedBody, tail: Option<[u8; 8]>) -> Self {
        Self {
            kind,
            body,
            tail,
            done: 0,
        }
    }

    /// Payload bytes of the next fragment, when each has `fragment_bytes` at most.
    pub fn next_bytes(&self, fragment_bytes: usize) -> usize {
        (self.bytes() - self.done).min(fragment_bytes)
    }

    /// Bytes of the whole message.
    pub fn bytes(&self) -> usize {
        self.body.bytes().len() + self.tail.map_or(0, |tail| tail.len())
    }

    /// Cuts the next fragment. After the one that is `last` nothing is left to cut.
    pub fn cut(&mut self, fragment_bytes: usize) -> Fragment<'_> {
        let from = self.done;
        let to = from + self.next_bytes(fragment_bytes);
        let last = to == self.bytes();
        self.done = to;
        let tail: &[u8] = self.tail.as_ref().map_or(&[], |tail| tail);
        let split = self.body.bytes().len();
        Fragment {
            body: &self.body,
            stretch: from.min(split)..to.min(split),
            tail: &tail[from.max(split) - split..to.max(split) - split],
            last,
        }
    }
}

/// Fragments that do not make a message. Their sender's fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FragmentFault {
    /// Longer than agreed. The fragment is not taken.
    TooLong,
    /// Another type than the message began with. The fragment is not taken.
    MixedTypes,
}

/// Room made for a message when its first fragment comes, in such fragments: a joined message is
/// copied less often while it grows, and a liar gets no more than that for nothing.
const FIRST_ROOM_FRAGMENTS: usize = 64;
/// The same in bytes, at most.
const FIRST_ROOM_BYTES_MAX: usize = 64 * 1024;

/// The beginning of a message whose end has not come.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub struct Reassembly {
    /// The type of its first fragment; `None` between messages, and `joined` is empty then.
    begun: Option<FrameType>,
    joined: BytesMut,
}

impl Reassembly {
    /// Adds a fragment; gives the message that it ends. A message of one frame is not copied.
    ///
    /// # Errors
    ///
    /// [`FragmentFault`]; what was joined before stays as it was.
    pub fn add(
        &mut self,
        kind: FrameType,
        last: bool,
        payload: Bytes,
        message_bytes_max: u32,
    ) -> Result<Option<Bytes>, FragmentFault> {
        if self.joined.len() + payload.len() > message_bytes_max as usize {
            return Err(FragmentFault::TooLong);
        }
        match self.begun {
            None if last => return Ok(Some(payload)),
            None => self.begun = Some(kind),
            Some(begun) if begun != kind => return Err(FragmentFault::MixedTypes),
            Some(_) => {}
        }
        if self.joined.capacity() == 0 {
            // Who begins with a long fragment has more of them.
            let likely = (FIRST_ROOM_FRAGMENTS * payload.len()).min(FIRST_ROOM_BYTES_MAX);
            self.joined.reserve(likely.min(message_bytes_max as usize));
        }
        self.joined.extend_from_slice(&payload);
        if !last {
            return Ok(None);
        }
        self.begun = None;
        Ok(Some(std::mem::take(&mut self.joined).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &[u8], tail: Option<[u8; 8]>, fragment_bytes: usize, lengths: &[usize]) {
        let shared = SharedBody::new(Bytes::copy_from_slice(body));
        let mut uncut = Uncut::new(FrameType::Data, shared, tail);
        let mut whole = Reassembly::default();
        let mut cut = Vec::new();
        loop {
            let fragment = uncut.cut(fragment_bytes);
            let part = &fragment.body.bytes()[fragment.stretch.clone()];
            let payload = [part, fragment.tail].concat();
            cut.push(payload.len());
            let joined = whole.add(FrameType::Data, fragment.last, payload.into(), 1_000);
            if let Some(message) = joined.unwrap() {
                let expected = [body, tail.as_ref().map_or(&[], |tail| tail)].concat();
                assert_eq!(message, expected);
                break;
            }
        }
        assert_eq!(cut, lengths);
    }

    #[test]
    fn cut_and_joined_again() {
        let tail = Some([1, 2, 3, 4, 5, 6, 7, 8]);
        check(b"", None, 64, &[0]);
        check(b"", tail, 64, &[8]);
        check(&[7; 64], None, 64, &[64]);
        check(&[7; 65], None, 64, &[64, 1]);
        check(&[7; 64], tail, 64, &[64, 8]);
        check(&[7; 60], tail, 64, &[64, 4]);
        check(&[7; 56], tail, 64, &[64]);
        check(&[7; 184], tail, 64, &[64, 64, 64]);
    }

    #[test]
    fn faults_are_told() {
        let mut whole = Reassembly::default();
        let bytes = |n: usize| Bytes::from(vec![0; n]);
        assert_eq!(
            whole.add(FrameType::Data, true, bytes(11), 10),
            Err(FragmentFault::TooLong)
        );
        assert_eq!(whole.add(FrameType::Data, false, bytes(6), 10), Ok(None));
        assert_eq!(
            whole.add(FrameType::SetNick, true, bytes(1), 10),
            Err(FragmentFault::MixedTypes)
        );
        assert_eq!(
            whole.add(FrameType::Data, true, bytes(5), 10),
            Err(FragmentFault::TooLong)
        );
    }
}
