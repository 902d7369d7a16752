//! Records into rows, without allocating for each.

use lamparina_order::{Record, Recorded, RecordedMessage, To};
use lamparina_protocol::{Audience, Nick};

use super::varint::put;
use super::{ALL, CodeError, Columns, MEMBERS_MAX, audience, kind, number_of};

/// Makes rows. Keeps the buffers that they are made in.
#[derive(Debug, Default)]
pub struct Encoder {
    to: String,
    detail: Vec<u8>,
}

impl Encoder {
    /// The row of a record.
    ///
    /// # Errors
    ///
    /// A record that no row can stand for: a number beyond SQLite's, or an audience that
    /// contradicts its members. The order makes none of these.
    pub fn encode<'a>(&'a mut self, record: &'a Record) -> Result<Columns<'a>, CodeError> {
        self.to.clear();
        self.detail.clear();
        let mut columns = Columns {
            index: integer("log_index", record.index.0)?,
            stamp: integer("stamp", record.stamp.get())?,
            at: integer("at", record.at.0)?,
            ..Columns::default()
        };
        self.event(&record.event, &mut columns)?;
        if !self.to.is_empty() {
            columns.to = Some(self.to.as_bytes());
        }
        columns.detail = &self.detail;
        Ok(columns)
    }

    fn event<'a>(
        &mut self,
        event: &'a Recorded,
        columns: &mut Columns<'a>,
    ) -> Result<(), CodeError> {
        let detail = &mut self.detail;
        let (kind, member, from) = match event {
            Recorded::Began { term } => {
                put(detail, term.0.into());
                (kind::BEGAN, None, None)
            }
            Recorded::Clock { clock } => {
                put(detail, clock.get());
                (kind::CLOCK, None, None)
            }
            Recorded::Claimed {
                member,
                author,
                epoch,
                nick,
            } => {
                detail.extend(author.0);
                put(detail, epoch.0);
                (kind::CLAIMED, Some(*member), Some(nick))
            }
            Recorded::Renamed { member, from, to } => {
                self.to.push_str(to.as_str());
                (kind::RENAMED, Some(*member), Some(from))
            }
            Recorded::RoomJoined {
                member,
                nick,
                room,
                name,
            } => {
                put(detail, room.0);
                self.to.extend(["#", name.as_str()]);
                (kind::ROOM_JOINED, Some(*member), Some(nick))
            }
            Recorded::RoomLeft {
                member,
                nick,
                room,
                name,
            } => {
                put(detail, room.0);
                self.to.extend(["#", name.as_str()]);
                (kind::ROOM_LEFT, Some(*member), Some(nick))
            }
            Recorded::Message(message) => {
                self.message(message)?;
                columns.text = Some(message.text.as_bytes());
                (kind::MESSAGE, Some(message.member), Some(&message.from))
            }
            Recorded::InviteMade {
                invite,
                hash,
                uses,
                expires_at,
                by,
            } => {
                put(detail, invite.0);
                detail.extend(hash.0);
                put(detail, (*uses).into());
                put(detail, expires_at.0);
                put_text(detail, by);
                (kind::INVITE_MADE, None, None)
            }
            Recorded::InviteRevoked { invite, by } => {
                put(detail, invite.0);
                put_text(detail, by);
                (kind::INVITE_REVOKED, None, None)
            }
            Recorded::Redeemed {
                member,
                author,
                epoch,
                nick,
                invite,
            } => {
                detail.extend(author.0);
                put(detail, epoch.0);
                put(detail, invite.0);
                (kind::REDEEMED, Some(*member), Some(nick))
            }
            Recorded::Banned {
                member,
                nick,
                by,
                reason,
            } => {
                put_text(detail, by);
                put_text(detail, reason);
                (kind::BANNED, Some(*member), Some(nick))
            }
            Recorded::Unbanned { member, nick, by } => {
                put_text(detail, by);
                (kind::UNBANNED, Some(*member), Some(nick))
            }
            Recorded::Refused {
                member,
                epoch,
                pseq,
                clock,
                code,
            } => {
                for number in [epoch.0, pseq.0, clock.get()] {
                    put(detail, number);
                }
                detail.push(number_of(*code));
                (kind::REFUSED, Some(*member), None)
            }
        };
        columns.kind = kind;
        columns.member = member.map(|member| member.0.into());
        columns.from = from.map(|nick: &Nick| nick.as_str().as_bytes());
        Ok(())
    }

    fn message(&mut self, message: &RecordedMessage) -> Result<(), CodeError> {
        self.detail.push(match message.audience {
            Audience::Unicast(_) => audience::UNICAST,
            Audience::Multicast(_) => audience::MULTICAST,
            Audience::All => audience::ALL,
            Audience::Room(_) => audience::ROOM,
        });
        let numbers = [
            message.epoch.0,
            message.pseq.0,
            message.clock.get(),
            message.seen.get(),
            message.sent_at.0,
        ];
        for number in numbers {
            put(&mut self.detail, number);
        }
        match (&message.audience, &message.to) {
            (Audience::All, To::All) => self.to.push_str(ALL),
            (Audience::Room(name), To::Room(room)) => {
                self.to.extend(["#", name.as_str()]);
                put(&mut self.detail, room.0);
            }
            (Audience::Unicast(nick), To::Members(members)) => {
                self.to.push_str(nick.as_str());
                self.members(members.iter().map(|member| member.0))?;
            }
            (Audience::Multicast(nicks), To::Members(members)) if !nicks.is_empty() => {
                for (place, nick) in nicks.iter().enumerate() {
                    self.to.push_str(if place > 0 { "," } else { "" });
                    self.to.push_str(nick.as_str());
                }
                self.members(members.iter().map(|member| member.0))?;
            }
            _ => return Err(CodeError::Detail("audience and members contradict")),
        }
        Ok(())
    }

    fn members(&mut self, members: impl ExactSizeIterator<Item = u32>) -> Result<(), CodeError> {
        if members.len() > MEMBERS_MAX {
            return Err(CodeError::Detail("too many members"));
        }
        put(&mut self.detail, members.len() as u64);
        let mut before = None;
        for member in members {
            if before.is_some_and(|before| member <= before) {
                return Err(CodeError::Detail("members are not in ascending order"));
            }
            put(&mut self.detail, u64::from(member - before.unwrap_or(0)));
            before = Some(member);
        }
        Ok(())
    }
}

fn put_text(detail: &mut Vec<u8>, text: &str) {
    put(detail, text.len() as u64);
    detail.extend_from_slice(text.as_bytes());
}

fn integer(column: &'static str, value: u64) -> Result<i64, CodeError> {
    i64::try_from(value).map_err(|_out_of_range| CodeError::Range(column))
}
