//! Gives a message its place: each `(author, epoch, pseq)` is judged once, in the author's order,
//! and answered the same ever after; an accepted one gets a stamp above every clock seen here.

use lamparina_protocol::message::{Submit, TEXT_BYTES_MAX};
use lamparina_protocol::nick::NickError;
use lamparina_protocol::{Audience, Epoch, Lamport, MemberId, Pseq};

use super::audience::Resolved;
use super::members::Member;
use super::outcomes::Outcome;
use super::refusal::Refusal;
use super::{Done, Sequenced};
use crate::effect::{Effect, Recipients};
use crate::record::{Lasting, Recorded};

/// What of a message is judged.
pub(super) struct Asked<'a> {
    pub(super) clock: Lamport,
    pub(super) seen: Lamport,
    pub(super) audience: &'a Audience,
    pub(super) text: &'a str,
}

/// Where a message stands among those of its author.
pub(super) enum Place {
    /// Its turn, in the author's newest epoch or, with `pseq` 1, in a newer one.
    Next,
    /// Answered before.
    Settled(Outcome),
    /// Neither: not judged, and not settled by this.
    Nowhere(Refusal),
}

impl<'a> Asked<'a> {
    fn of(message: &'a Submit) -> Self {
        Self {
            clock: message.clock,
            seen: message.seen,
            audience: &message.audience,
            text: &message.text,
        }
    }
}

impl Sequenced {
    /// A message of an open session.
    pub(super) fn say(&mut self, member: MemberId, message: Submit) -> Done {
        let head = self.head;
        self.receive(message.clock);
        let name = (message.epoch, message.pseq);
        if let Some(done) = self.not_next(member, name, head) {
            return done;
        }
        match self.judge(member, &Asked::of(&message), head) {
            Ok((stamp, resolved)) => self.accept(member, stamp, resolved, message),
            Err(refusal) => self.refuse(member, name, message.clock, refusal),
        }
    }

    /// A message, one of whose recipients has what is no name: only it is refused.
    pub(super) fn misaddressed(
        &mut self,
        member: MemberId,
        name: (Epoch, Pseq),
        clock: Lamport,
        why: NickError,
    ) -> Done {
        let head = self.head;
        self.receive(clock);
        if let Some(done) = self.not_next(member, name, head) {
            return done;
        }
        let refusal = match is_ahead(clock, head) {
            true => Refusal::ClockAhead { clock, head },
            false => Refusal::Misaddressed(why),
        };
        self.refuse(member, name, clock, refusal)
    }

    /// What comes of a message whose turn it is not; `head` is the order's clock before it.
    fn not_next(
        &self,
        member: MemberId,
        (epoch, pseq): (Epoch, Pseq),
        head: Lamport,
    ) -> Option<Done> {
        let effect = match place(&self.members[member], epoch, pseq) {
            Place::Next => return None,
            Place::Settled(outcome) => Effect::Repeated {
                member,
                epoch,
                pseq,
                outcome,
            },
            Place::Nowhere(refusal) => refusal.effect(Some(member), Some((epoch, pseq))),
        };
        Some((effect, self.clock_moved(head)))
    }

    /// Settles a message, whose turn it is, without a place.
    fn refuse(
        &mut self,
        member: MemberId,
        (epoch, pseq): (Epoch, Pseq),
        clock: Lamport,
        refusal: Refusal,
    ) -> Done {
        let code = refusal.code();
        self.settle(member, epoch, Err(code));
        let lasting = Lasting::Event(Recorded::Refused {
            member,
            epoch,
            pseq,
            clock,
            code,
        });
        let effect = refusal.effect(Some(member), Some((epoch, pseq)));
        (effect, Some(lasting))
    }

    /// What lasts of a message that settled nothing: the clock, where it took the message's.
    fn clock_moved(&self, before: Lamport) -> Option<Lasting> {
        let clock = self.head;
        (clock != before).then_some(Lasting::Event(Recorded::Clock { clock }))
    }

    /// Lamport's rule for receiving: the order's clock takes the maximum, of refused and repeated
    /// messages too. Their author's clock has ticked for each, so what it sent behind them stays
    /// honest. A clock more than one ahead is no honest one and moves nothing.
    pub(super) fn receive(&mut self, clock: Lamport) {
        if !is_ahead(clock, self.head) {
            self.head = self.head.max(clock);
        }
    }

    /// The stamp and the audience of a message whose turn it is. `head` is the order's clock
    /// before it took this message's.
    pub(super) fn judge(
        &self,
        member: MemberId,
        message: &Asked<'_>,
        head: Lamport,
    ) -> Result<(Lamport, Resolved), Refusal> {
        let (clock, seen) = (message.clock, message.seen);
        if is_ahead(clock, head) {
            return Err(Refusal::ClockAhead { clock, head });
        }
        // A cause that does not exist yet would make every later "why" a lie.
        if seen > head {
            return Err(Refusal::SeenAhead { seen, head });
        }
        match message.text.len() {
            0 => return Err(Refusal::EmptyText),
            bytes if bytes > TEXT_BYTES_MAX => return Err(Refusal::TextTooLong(bytes)),
            _ => {}
        }
        let resolved = self.resolve(member, message.audience)?;
        let stamp = head.after(clock).ok_or(Refusal::EndOfTime)?;
        Ok((stamp, resolved))
    }

    fn accept(
        &mut self,
        member: MemberId,
        stamp: Lamport,
        resolved: Resolved,
        message: Submit,
    ) -> Done {
        let to = resolved.to();
        self.take_place(member, message.epoch, stamp, &resolved);
        let from = self.members[member].nick.clone();
        let effect = Effect::Stamped {
            member,
            from,
            stamp,
            audience: resolved.audience,
            recipients: resolved.recipients,
            message,
        };
        (effect, Some(Lasting::Message(to)))
    }

    /// Gives the author's next message its stamp, and notes it for its recipients.
    pub(super) fn take_place(
        &mut self,
        member: MemberId,
        epoch: Epoch,
        stamp: Lamport,
        resolved: &Resolved,
    ) {
        self.head = stamp;
        self.last_stamp = stamp;
        self.settle(member, epoch, Ok(stamp));
        match &resolved.recipients {
            Recipients::AllExcept(_) => self.all.note(member, stamp),
            Recipients::Members(members) => {
                members
                    .iter()
                    .for_each(|to| self.member_mut(*to).direct = stamp);
            }
            Recipients::MembersExcept { .. } => {
                if let Some(room) = resolved.room {
                    self.room_mut(room).newest.note(member, stamp);
                }
            }
        }
    }

    /// Settles the author's next message, the first one of a newer epoch included.
    pub(super) fn settle(&mut self, member: MemberId, epoch: Epoch, outcome: Outcome) {
        if self.members[member].epoch != epoch {
            self.begin_epoch(member, epoch);
        }
        self.settle_next(member, outcome);
    }
}

/// An honest clock was at most `head` when its author ticked it.
pub(super) fn is_ahead(clock: Lamport, head: Lamport) -> bool {
    head.tick().is_some_and(|next| clock > next)
}

pub(super) fn place(author: &Member, epoch: Epoch, pseq: Pseq) -> Place {
    if epoch < author.epoch {
        return Place::Nowhere(Refusal::StaleEpoch {
            epoch,
            newest: author.epoch,
        });
    }
    let settled = if epoch == author.epoch {
        author.outcomes.settled()
    } else {
        Pseq(0)
    };
    if pseq.0 == 0 {
        return Place::Nowhere(Refusal::PseqZero);
    }
    if pseq.0 - 1 == settled.0 {
        return Place::Next;
    }
    if pseq > settled {
        let expected = Pseq(settled.0 + 1);
        return Place::Nowhere(Refusal::Gap {
            got: pseq,
            expected,
        });
    }
    match author.outcomes.get(pseq) {
        Some(outcome) => Place::Settled(outcome),
        None => Place::Nowhere(Refusal::LongSettled(pseq)),
    }
}
