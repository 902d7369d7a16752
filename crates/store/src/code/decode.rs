//! Rows into records. What an [`Encoder`](super::Encoder) would not have made is refused.

use std::sync::Arc;

use lamparina_order::access::{OPERATOR_BYTES_MAX, REASON_BYTES_MAX};
use lamparina_order::{
    InviteHash, InviteId, LogIndex, Record, Recorded, RecordedMessage, RoomId, To,
};
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, MemberId, Nick, Pseq, RoomName, Term, UnixMicros,
};

use super::varint::Input;
use super::{ALL, CodeError, Columns, MEMBERS_MAX, audience, code_of, kind};

impl Columns<'_> {
    /// The record that this row stands for.
    ///
    /// # Errors
    ///
    /// [`CodeError`], where no record has exactly this row.
    pub fn decode(&self) -> Result<Record, CodeError> {
        let natural =
            |column, value: i64| u64::try_from(value).map_err(|_negative| CodeError::Range(column));
        Ok(Record {
            index: LogIndex(natural("log_index", self.index)?),
            at: UnixMicros(natural("at", self.at)?),
            stamp: Lamport::new(natural("stamp", self.stamp)?),
            event: self.event()?,
        })
    }

    fn event(&self) -> Result<Recorded, CodeError> {
        self.check_columns()?;
        let mut detail = Input(self.detail);
        let event = match self.kind {
            kind::BEGAN => Recorded::Began {
                term: Term(small(&mut detail)?),
            },
            kind::CLOCK => Recorded::Clock {
                clock: Lamport::new(detail.number()?),
            },
            kind::CLAIMED => Recorded::Claimed {
                member: self.member()?,
                author: AuthorKey(detail.array()?),
                epoch: Epoch(detail.number()?),
                nick: nick("from", self.from()?)?,
            },
            kind::RENAMED => Recorded::Renamed {
                member: self.member()?,
                from: nick("from", self.from()?)?,
                to: nick("to", self.to()?)?,
            },
            kind::ROOM_JOINED => Recorded::RoomJoined {
                member: self.member()?,
                nick: nick("from", self.from()?)?,
                room: RoomId(detail.number()?),
                name: room(self.to()?)?,
            },
            kind::ROOM_LEFT => Recorded::RoomLeft {
                member: self.member()?,
                nick: nick("from", self.from()?)?,
                room: RoomId(detail.number()?),
                name: room(self.to()?)?,
            },
            kind::MESSAGE => Recorded::Message(self.message(&mut detail)?),
            kind::REFUSED => Recorded::Refused {
                member: self.member()?,
                epoch: Epoch(detail.number()?),
                pseq: Pseq(detail.number()?),
                clock: Lamport::new(detail.number()?),
                code: code_of(detail.byte()?).ok_or(CodeError::Detail("no such refusal"))?,
            },
            kind::INVITE_MADE => Recorded::InviteMade {
                invite: InviteId(detail.number()?),
                hash: InviteHash(detail.array()?),
                uses: small(&mut detail)?,
                expires_at: UnixMicros(detail.number()?),
                by: text(&mut detail, OPERATOR_BYTES_MAX)?,
            },
            kind::INVITE_REVOKED => Recorded::InviteRevoked {
                invite: InviteId(detail.number()?),
                by: text(&mut detail, OPERATOR_BYTES_MAX)?,
            },
            kind::REDEEMED => Recorded::Redeemed {
                member: self.member()?,
                author: AuthorKey(detail.array()?),
                epoch: Epoch(detail.number()?),
                nick: nick("from", self.from()?)?,
                invite: InviteId(detail.number()?),
            },
            kind::BANNED => Recorded::Banned {
                member: self.member()?,
                nick: nick("from", self.from()?)?,
                by: text(&mut detail, OPERATOR_BYTES_MAX)?,
                reason: text(&mut detail, REASON_BYTES_MAX)?,
            },
            kind::UNBANNED => Recorded::Unbanned {
                member: self.member()?,
                nick: nick("from", self.from()?)?,
                by: text(&mut detail, OPERATOR_BYTES_MAX)?,
            },
            other => return Err(CodeError::Kind(other)),
        };
        detail.end()?;
        Ok(event)
    }

    /// Every kind has the columns it has, and no others.
    fn check_columns(&self) -> Result<(), CodeError> {
        let (member, from, to, text) = match self.kind {
            kind::BEGAN | kind::CLOCK | kind::INVITE_MADE | kind::INVITE_REVOKED => {
                (false, false, false, false)
            }
            kind::CLAIMED | kind::REDEEMED | kind::BANNED | kind::UNBANNED => {
                (true, true, false, false)
            }
            kind::RENAMED | kind::ROOM_JOINED | kind::ROOM_LEFT => (true, true, true, false),
            kind::MESSAGE => (true, true, true, true),
            kind::REFUSED => (true, false, false, false),
            other => return Err(CodeError::Kind(other)),
        };
        let columns = [
            ("member", self.member.is_some(), member),
            ("from", self.from.is_some(), from),
            ("to", self.to.is_some(), to),
            ("text", self.text.is_some(), text),
        ];
        match columns.iter().find(|(_, is, must)| is != must) {
            Some((column, ..)) => Err(CodeError::Column(column, self.kind)),
            None => Ok(()),
        }
    }

    fn message(&self, detail: &mut Input<'_>) -> Result<RecordedMessage, CodeError> {
        let whom = detail.byte()?;
        let epoch = Epoch(detail.number()?);
        let pseq = Pseq(detail.number()?);
        let clock = Lamport::new(detail.number()?);
        let seen = Lamport::new(detail.number()?);
        let sent_at = UnixMicros(detail.number()?);
        let name = self.to()?;
        let (audience, to) = match whom {
            audience::UNICAST => (Audience::Unicast(nick("to", name)?), members(detail)?),
            audience::MULTICAST => (Audience::Multicast(nicks(name)?), members(detail)?),
            audience::ALL if name == ALL => (Audience::All, To::All),
            audience::ALL => return Err(CodeError::Name("to", name.to_owned())),
            audience::ROOM => (
                Audience::Room(room(name)?),
                To::Room(RoomId(detail.number()?)),
            ),
            _ => return Err(CodeError::Detail("no such audience")),
        };
        Ok(RecordedMessage {
            member: self.member()?,
            from: nick("from", self.from()?)?,
            epoch,
            pseq,
            clock,
            seen,
            sent_at,
            audience,
            to,
            text: utf8("text", self.text, self.kind)?.to_owned(),
        })
    }

    fn member(&self) -> Result<MemberId, CodeError> {
        let member = self.member.ok_or(CodeError::Column("member", self.kind))?;
        u32::try_from(member)
            .map(MemberId)
            .map_err(|_too_large| CodeError::Range("member"))
    }

    fn from(&self) -> Result<&str, CodeError> {
        utf8("from", self.from, self.kind)
    }

    fn to(&self) -> Result<&str, CodeError> {
        utf8("to", self.to, self.kind)
    }
}

fn utf8<'a>(
    column: &'static str,
    bytes: Option<&'a [u8]>,
    kind: i64,
) -> Result<&'a str, CodeError> {
    let bytes = bytes.ok_or(CodeError::Column(column, kind))?;
    str::from_utf8(bytes).map_err(|_other| CodeError::Utf8(column))
}

/// A text of at most `bytes_max` bytes behind its length.
fn text(detail: &mut Input<'_>, bytes_max: usize) -> Result<String, CodeError> {
    let bytes = usize::try_from(detail.number()?).unwrap_or(usize::MAX);
    if bytes > bytes_max {
        return Err(CodeError::Detail("a text is too long"));
    }
    let text = detail.take(bytes)?;
    let text = str::from_utf8(text).map_err(|_other| CodeError::Utf8("detail"))?;
    Ok(text.to_owned())
}

fn small(detail: &mut Input<'_>) -> Result<u32, CodeError> {
    u32::try_from(detail.number()?).map_err(|_too_large| CodeError::Detail("a number is too large"))
}

fn nick(column: &'static str, text: &str) -> Result<Nick, CodeError> {
    match Nick::try_from(text) {
        Ok(nick) if nick.as_str() == text => Ok(nick),
        _ => Err(CodeError::Name(column, text.to_owned())),
    }
}

fn nicks(text: &str) -> Result<Vec<Nick>, CodeError> {
    let mut names = text.split(',');
    let nicks = names.by_ref().take(MEMBERS_MAX);
    let nicks = nicks
        .map(|name| nick("to", name))
        .collect::<Result<_, _>>()?;
    match names.next() {
        None => Ok(nicks),
        Some(_) => Err(CodeError::Detail("too many names")),
    }
}

fn room(text: &str) -> Result<RoomName, CodeError> {
    let name = text.strip_prefix('#');
    match name.map(|name| (name, RoomName::try_from(name))) {
        Some((name, Ok(room))) if room.as_str() == name => Ok(room),
        _ => Err(CodeError::Name("to", text.to_owned())),
    }
}

fn members(detail: &mut Input<'_>) -> Result<To, CodeError> {
    let count = detail.number()?;
    if count > MEMBERS_MAX as u64 {
        return Err(CodeError::Detail("too many members"));
    }
    let mut before = None;
    let mut members = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let step = small(detail)?;
        let member = match before {
            None => Some(step),
            Some(_) if step == 0 => None,
            Some(before) => step.checked_add(before),
        };
        let member = member.ok_or(CodeError::Detail("members are not in ascending order"))?;
        members.push(MemberId(member));
        before = Some(member);
    }
    Ok(To::Members(Arc::from(members)))
}
