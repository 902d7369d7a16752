//! What is said inside the frames, as far as a load needs it: each delivery's stamp is greater than
//! its `prev`, and its `prev` is the stamp before; commits come one after the other.

use bytes::BytesMut;
use lamparina_protocol::codec;
use lamparina_protocol::frame::{Header, checksum};
use lamparina_protocol::lamport::PREV_BYTES;
use lamparina_protocol::message::ToClient;

use super::broken;
use super::submit::{self, Numbers};
use crate::mark::Mark;
use crate::wire::pending::Pending;
use crate::wire::{Fault, MarkCheck, SAMPLE_EVERY, Tally, To};

/// One session's numbers.
#[derive(Debug)]
pub(super) struct Talk {
    epoch: u64,
    /// The nick asked for is held.
    pub(super) entered: bool,
    last_stamp: u64,
    clock: u64,
    /// The last `pseq` given to a message.
    pub(super) sent: u64,
    /// The last `pseq` that has a place.
    pub(super) settled: u64,
    /// When the messages between the two were sent.
    pending: Pending,
    /// Deliveries.
    pub(super) received: u64,
    /// Counts down to the next sample.
    skip: u64,
    marks: MarkCheck,
}

impl Talk {
    /// A session that has not entered.
    pub(super) fn new(index: usize, epoch: u64) -> Self {
        Self {
            epoch,
            entered: false,
            last_stamp: 0,
            clock: 0,
            sent: 0,
            settled: 0,
            pending: Pending::default(),
            received: 0,
            skip: index as u64 % SAMPLE_EVERY,
            marks: MarkCheck::default(),
        }
    }

    /// A DATA frame in its place.
    pub(super) fn hear(
        &mut self,
        header: Header,
        payload: &[u8],
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        match payload.first() {
            Some(&submit::MESSAGE) => self.delivery(header, payload, tally),
            Some(&submit::COMMITTED) => self.committed(&payload[1..], tally),
            Some(&(submit::REFUSED | submit::ENTERED | submit::ERROR)) => self.answered(payload),
            // Presence, renames and rooms: sequenced, and nothing to a load.
            Some(_) => Ok(()),
            None => broken("an empty message came".to_owned()),
        }
    }

    /// Appends the next message of this session.
    pub(super) fn say(&mut self, out: &mut BytesMut, to: &To, mark: Mark, size: usize) {
        self.sent += 1;
        self.pending.send(mark.sent_ns);
        // Lamport's rule: the maximum of all seen, one tick for each message.
        self.clock = self.clock.max(self.last_stamp) + 1;
        let numbers = Numbers {
            epoch: self.epoch,
            pseq: self.sent,
            clock: self.clock,
            seen: self.last_stamp,
        };
        submit::put_submit(out, numbers, to, mark, size);
    }

    fn delivery(&mut self, header: Header, payload: &[u8], tally: &mut Tally) -> Result<(), Fault> {
        let stamp = submit::number(&payload[1..]);
        let Some(((stamp, _), (body, prev))) = stamp.zip(payload.split_last_chunk::<PREV_BYTES>())
        else {
            return broken("a delivery ends early".to_owned());
        };
        let (prev, last) = (u64::from_be_bytes(*prev), self.last_stamp);
        if prev != last || stamp <= prev {
            return broken(format!(
                "stamp {stamp} with prev {prev} came after stamp {last}"
            ));
        }
        self.last_stamp = stamp;
        self.received += 1;
        if self.skip == 0 {
            self.skip = SAMPLE_EVERY;
            self.sampled(header, payload, body, tally)?;
        }
        self.skip -= 1;
        Ok(())
    }

    #[inline(never)]
    fn sampled(
        &mut self,
        header: Header,
        payload: &[u8],
        body: &[u8],
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        if header.checksum_after(checksum::of(payload)) != header.checksum {
            return broken("a frame came damaged".to_owned());
        }
        if header.last != 1 {
            return broken("a message came in fragments; choose a smaller --size".to_owned());
        }
        // The text stands last but for `prev`.
        let text = body.len().saturating_sub(tally.text_bytes);
        self.marks.check(&body[text..], tally)
    }

    fn committed(&mut self, rest: &[u8], tally: &mut Tally) -> Result<(), Fault> {
        let numbers = submit::number(rest)
            .and_then(|(_epoch, rest)| submit::number(rest))
            .and_then(|(pseq, rest)| Some((pseq, submit::number(rest)?.0)));
        let Some((pseq, stamp)) = numbers else {
            return broken("a commit ends early".to_owned());
        };
        if pseq != self.settled + 1 {
            let before = self.settled;
            return broken(format!("commit {pseq} came after commit {before}"));
        }
        self.settled = pseq;
        self.clock = self.clock.max(stamp);
        self.pending.settle(tally);
        Ok(())
    }

    /// The answer to the nick, or a refusal, which no load expects.
    fn answered(&mut self, payload: &[u8]) -> Result<(), Fault> {
        match codec::decode(payload) {
            Ok(ToClient::Entered {
                clock,
                settled,
                resumed,
                ..
            }) => {
                self.entered = true;
                self.clock = self.clock.max(clock.get());
                self.last_stamp = resumed.get();
                self.settled = settled.0;
                self.sent = settled.0;
                Ok(())
            }
            other => broken(format!("the server answered {other:?}")),
        }
    }
}
