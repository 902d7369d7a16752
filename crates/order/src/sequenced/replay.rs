//! Applies what a journal kept, without sessions, and judges it anew: whatever the order would not
//! have done at that place is a mismatch, never taken over.

use lamparina_protocol::message::RefusalCode;
use lamparina_protocol::{Lamport, MemberId, UnixMicros};

use super::members::Session;
use super::refusal::Refusal;
use super::say::{Asked, Place, is_ahead, place};
use super::{Done, Sequenced};
use crate::access::Standing;
use crate::record::{Lasting, LogIndex, Record, Recorded, RecordedMessage};

/// An entry of a journal that the order would not have made there.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "entry {index} of the journal: {what} should be {expected} and is {found}; this is damage or a \
     change from outside: run lamparina-log verify"
)]
pub struct Mismatch {
    /// Which entry.
    pub index: LogIndex,
    /// What of it.
    pub what: &'static str,
    /// What the order gives.
    pub expected: String,
    /// What the journal says.
    pub found: String,
}

/// A mismatch before it is known where.
struct Fault {
    what: &'static str,
    expected: String,
    found: String,
}

impl Fault {
    fn new(what: &'static str, expected: impl ToString, found: impl ToString) -> Self {
        Self {
            what,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    fn refused(what: &'static str, refusal: &Refusal) -> Self {
        let found = format!("refused here ({refusal})");
        Self::new(what, "possible", found)
    }
}

fn same<T: PartialEq + ToString>(what: &'static str, expected: T, found: T) -> Result<(), Fault> {
    if expected == found {
        return Ok(());
    }
    Err(Fault::new(what, expected, found))
}

fn alike<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    expected: &T,
    found: &T,
) -> Result<(), Fault> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    Err(Fault::new(what, expected, found))
}

impl Sequenced {
    /// Applies the next entry of a journal. [`Recorded::Began`] ends all sessions.
    ///
    /// # Errors
    ///
    /// [`Mismatch`]: the state is then neither the one before nor the one after, and must not be
    /// gone on with.
    pub fn replay(&mut self, record: &Record) -> Result<(), Mismatch> {
        let done = self.replay_event(record);
        let done = done.and_then(|()| same("its stamp", self.last_stamp, record.stamp));
        done.map_err(|fault| Mismatch {
            index: record.index,
            what: fault.what,
            expected: fault.expected,
            found: fault.found,
        })
    }

    fn replay_event(&mut self, record: &Record) -> Result<(), Fault> {
        let (event, stamp) = (&record.event, record.stamp);
        match event {
            Recorded::Began { .. } => self.end_sessions(),
            Recorded::Clock { clock } => self.replay_clock(*clock)?,
            Recorded::Claimed { .. } => self.replay_claim(event)?,
            Recorded::Renamed { member, from, to } => {
                self.free(*member)?;
                same("the nick before", &self.members[*member].nick, from)?;
                let done = self.rename(*member, to.clone());
                matches_record("the new nick", done, event)?;
            }
            Recorded::RoomJoined { member, name, .. } => {
                self.free(*member)?;
                let done = self.join(*member, name.clone());
                matches_record("what comes of joining the room", done, event)?;
            }
            Recorded::RoomLeft { member, name, .. } => {
                self.free(*member)?;
                let done = self.leave(*member, name);
                matches_record("what comes of leaving the room", done, event)?;
            }
            Recorded::Message(message) => self.replay_message(message, stamp)?,
            Recorded::Refused { .. } => self.replay_refusal(event)?,
            Recorded::InviteMade { .. }
            | Recorded::InviteRevoked { .. }
            | Recorded::Redeemed { .. }
            | Recorded::Banned { .. }
            | Recorded::Unbanned { .. } => self.replay_access(record.at, event)?,
        }
        Ok(())
    }

    /// Nobody is present, and nobody was since this server started.
    pub(super) fn end_sessions(&mut self) {
        let members = self.members.len();
        for member in (0..).map(MemberId).take(members) {
            self.set_session(member, Session::Never);
        }
    }

    fn known(&self, member: MemberId) -> Result<(), Fault> {
        let len = self.members.len();
        match self.members.get(member) {
            Some(_) => Ok(()),
            None => Err(Fault::new(
                "the member's number",
                format!("below {len}"),
                member,
            )),
        }
    }

    /// What operators asked, and first claims by invite.
    fn replay_access(&mut self, at: UnixMicros, event: &Recorded) -> Result<(), Fault> {
        match event {
            Recorded::InviteMade {
                hash,
                uses,
                expires_at,
                by,
                ..
            } => {
                let done = self.make_invite(at, *hash, *uses, *expires_at, by.clone());
                matches_record("the invite", done, event)
            }
            Recorded::InviteRevoked { invite, by } => {
                let done = self.revoke(*invite, by.clone());
                matches_record("the invite taken back", done, event)
            }
            Recorded::Banned {
                member, by, reason, ..
            } => {
                let done = self.ban(*member, by.clone(), reason.clone());
                matches_record("the ban", done, event)
            }
            Recorded::Unbanned { member, by, .. } => {
                let done = self.unban(*member, by.clone());
                matches_record("the end of the ban", done, event)
            }
            Recorded::Redeemed {
                member,
                author,
                epoch,
                nick,
                invite,
            } => {
                let refused = |refusal| Fault::refused("the claim by invite", &refusal);
                self.invites.may_admit(*invite, at).map_err(refused)?;
                if let Some(held) = self.members.by_author(author) {
                    return Err(Fault::new(
                        "the claim by invite",
                        "one of who was never here",
                        format!("one of member {held}"),
                    ));
                }
                let added = self.members.add(*author, nick.clone(), *epoch, self.head);
                same("the new member's number", added.map_err(refused)?, *member)?;
                self.spend(*invite);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A member that may do something here.
    fn free(&self, member: MemberId) -> Result<(), Fault> {
        self.known(member)?;
        match self.members[member].standing {
            Standing::Banned => Err(Fault::refused("what it does", &Refusal::Banned)),
            Standing::Free | Standing::Pardoned => Ok(()),
        }
    }

    /// A message that settles nothing moves the clock by one, or not at all.
    fn replay_clock(&mut self, clock: Lamport) -> Result<(), Fault> {
        let next = self.head.tick().unwrap_or(self.head);
        same("the clock", next, clock)?;
        self.head = clock;
        Ok(())
    }

    fn replay_claim(&mut self, event: &Recorded) -> Result<(), Fault> {
        let Recorded::Claimed {
            member,
            author,
            epoch,
            nick,
        } = event
        else {
            return Ok(());
        };
        let refused = |refusal| Fault::refused("the claim", &refusal);
        let Some(held) = self.members.by_author(author) else {
            let added = self.members.add(*author, nick.clone(), *epoch, self.head);
            return same("the new member's number", added.map_err(refused)?, *member);
        };
        same("the author's number", held, *member)?;
        self.free(held)?;
        let found = &self.members[held];
        if *epoch < found.epoch {
            let expected = format!("at least {}", found.epoch);
            return Err(Fault::new("the epoch", expected, epoch));
        }
        if found.epoch == *epoch && found.nick == *nick {
            let found = "the same as before";
            return Err(Fault::new("the claim", "a newer one", found));
        }
        if found.nick != *nick {
            self.rename_member(held, nick.clone()).map_err(refused)?;
        }
        if self.members[held].epoch < *epoch {
            self.begin_epoch(held, *epoch);
        }
        Ok(())
    }

    fn replay_message(&mut self, message: &RecordedMessage, stamp: Lamport) -> Result<(), Fault> {
        let member = message.member;
        self.free(member)?;
        let from = &self.members[member].nick;
        same("the nick of its author", from, &message.from)?;
        if let Some(fault) = out_of_turn(place(&self.members[member], message.epoch, message.pseq))
        {
            return Err(fault);
        }
        let head = self.head;
        self.receive(message.clock);
        let asked = Asked {
            clock: message.clock,
            seen: message.seen,
            audience: &message.audience,
            text: &message.text,
        };
        let (own, resolved) = self
            .judge(member, &asked, head)
            .map_err(|refusal| Fault::refused("the message", &refusal))?;
        same("its stamp", own, stamp)?;
        alike("its audience", &resolved.audience, &message.audience)?;
        alike("the recipients by number", &resolved.to(), &message.to)?;
        self.take_place(member, message.epoch, stamp, &resolved);
        Ok(())
    }

    fn replay_refusal(&mut self, event: &Recorded) -> Result<(), Fault> {
        let Recorded::Refused {
            member,
            epoch,
            pseq,
            clock,
            code,
        } = event
        else {
            return Ok(());
        };
        self.free(*member)?;
        if let Some(fault) = out_of_turn(place(&self.members[*member], *epoch, *pseq)) {
            return Err(fault);
        }
        let ahead = is_ahead(*clock, self.head);
        if !settles(*code) || (ahead && *code != RefusalCode::ClockAhead) {
            let expected = if ahead {
                RefusalCode::ClockAhead.name()
            } else {
                "one that settles a message"
            };
            return Err(Fault::new("the reason to refuse", expected, code.name()));
        }
        self.receive(*clock);
        self.settle(*member, *epoch, Err(*code));
        Ok(())
    }
}

/// What came of an action must be what the journal says.
fn matches_record(
    what: &'static str,
    done: Result<Done, Refusal>,
    event: &Recorded,
) -> Result<(), Fault> {
    let (_, lasting) = done.map_err(|refusal| Fault::refused(what, &refusal))?;
    match lasting {
        Some(Lasting::Event(expected)) => alike(what, &expected, event),
        Some(Lasting::Message(_)) | None => Err(Fault::new(
            what,
            "nothing: it changes nothing",
            format!("{event:?}"),
        )),
    }
}

fn out_of_turn(place: Place) -> Option<Fault> {
    let what = "its place among its author's messages";
    match place {
        Place::Next => None,
        Place::Settled(_) => Some(Fault::new(what, "the next one", "one settled before")),
        Place::Nowhere(refusal) => Some(Fault::refused(what, &refusal)),
    }
}

/// Whether a message whose turn it is can be refused so.
const fn settles(code: RefusalCode) -> bool {
    use RefusalCode as R;
    matches!(
        code,
        R::Banned
            | R::ClockAhead
            | R::EmptyText
            | R::Limit
            | R::NickInvalid
            | R::NoRecipient
            | R::NotInRoom
            | R::TooLong
            | R::UnknownUser
    )
}
