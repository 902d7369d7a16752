//! The state that lasts as bytes, and back: one state has one form, and bytes are only taken where
//! entries can have led to such a state. Sessions are not in it.
//!
//! Numbers are big-endian; a name stands behind one byte with its length.
//!
//! | part | is |
//! |---|---|
//! | version | one byte, [`SNAPSHOT_VERSION`] |
//! | clocks | head, last stamp, the newest said to all |
//! | members | how many (u32), then each: key, nick, former nicks, epoch, since, standing (one byte: 0 never banned, 1 banned, 2 no more) and, unless 0, since when; direct, answers, rooms |
//! | invites | how many (u32), then each: hash, uses (u32), used (u32), expires at, revoked (one byte) |
//! | rooms | how many were ever made (u64), how many there are (u32), then each: number, name, newest |
//!
//! Who is in a room is said by its members, once. Version 1 had neither standings nor invites, and is
//! read still.

use std::collections::BTreeMap;

use lamparina_protocol::{AuthorKey, Epoch, Lamport, MemberId, UnixMicros};

use super::invites::Invites;
use super::members::{Member, Members};
use super::newest::Newest;
use super::outcomes::Outcomes;
use super::rooms::{Room, Rooms};
pub use super::source::SnapshotError;
use super::source::{Source, put_count, put_name, put_u64};
use super::undo::Undo;
use super::{MEMBERS_MAX, NICKS_PER_MEMBER_MAX, ROOMS_MAX, ROOMS_PER_MEMBER_MAX, Sequenced};
use crate::access::{INVITE_USES_MAX, INVITES_MAX, Invite, InviteHash, Standing};
use crate::record::RoomId;

/// The version of these bytes.
pub const SNAPSHOT_VERSION: u8 = 2;
/// The one before, of orders without invites and bans.
const WITHOUT_ACCESS: u8 = 1;

/// Who is in which room, as the members say.
type Inside = BTreeMap<RoomId, Vec<MemberId>>;

impl Sequenced {
    /// The state that lasts. The same state gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![SNAPSHOT_VERSION];
        put_u64(self.head.get(), &mut out);
        put_u64(self.last_stamp.get(), &mut out);
        self.all.encode(&mut out);
        put_count(self.members.len(), &mut out);
        for member in self.members.iter() {
            encode_member(member, &mut out);
        }
        put_count(self.invites.len(), &mut out);
        for (_, invite) in self.invites.iter() {
            encode_invite(invite, &mut out);
        }
        put_u64(self.rooms.made(), &mut out);
        put_count(self.rooms.len(), &mut out);
        for (id, room) in self.rooms.by_number() {
            put_u64(id.0, &mut out);
            put_name(room.name.as_str(), &mut out);
            room.newest.encode(&mut out);
        }
        out
    }

    /// The state that [`Self::to_bytes`] gave these bytes for; nobody is present in it.
    ///
    /// Bytes that were changed are refused where no entries lead to such a state; they are not
    /// proof against somebody who changes them with care.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`]: the journal leads to the state too.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let source = &mut Source::new(bytes);
        let found = source.u8("the version")?;
        if found != SNAPSHOT_VERSION && found != WITHOUT_ACCESS {
            let known = SNAPSHOT_VERSION;
            return Err(SnapshotError::Version { found, known });
        }
        let head = Lamport::new(source.u64("the clock")?);
        let last_stamp = source.time(head, "the last stamp")?;
        let all = Newest::decode(source, last_stamp)?;
        let access = found != WITHOUT_ACCESS;
        let (members, mut inside) = decode_members(source, head, last_stamp, access)?;
        let invites = if access {
            decode_invites(source)?
        } else {
            Invites::default()
        };
        let rooms = decode_rooms(source, last_stamp, &mut inside)?;
        source.check(inside.is_empty(), "the rooms of a member")?;
        let len = members.len();
        let said = rooms
            .by_number()
            .filter_map(|(_, room)| room.newest.author());
        let known = said.chain(all.author()).all(|by| (by.0 as usize) < len);
        source.check(known, "the newest messages")?;
        source.finish()?;
        Ok(Self {
            admission: super::Admission::default(),
            head,
            last_stamp,
            members,
            rooms,
            invites,
            all,
            undo: Undo::default(),
        })
    }
}

fn encode_member(member: &Member, out: &mut Vec<u8>) {
    out.extend_from_slice(&member.author.0);
    put_name(member.nick.as_str(), out);
    // Below `NICKS_PER_MEMBER_MAX`, as the rooms are at most `ROOMS_PER_MEMBER_MAX`.
    out.push(member.former.len() as u8);
    member
        .former
        .iter()
        .for_each(|nick| put_name(nick.as_str(), out));
    put_u64(member.epoch.0, out);
    put_u64(member.since.get(), out);
    match member.standing {
        Standing::Free => out.push(0),
        Standing::Banned | Standing::Pardoned => {
            out.push(1 + u8::from(member.standing == Standing::Pardoned));
            put_u64(member.all_since.get(), out);
        }
    }
    put_u64(member.direct.get(), out);
    member.outcomes.encode(out);
    out.push(member.rooms.len() as u8);
    for (room, since) in &member.rooms {
        put_u64(room.0, out);
        put_u64(since.get(), out);
    }
}

const _: () = assert!(NICKS_PER_MEMBER_MAX <= u8::MAX as usize);
const _: () = assert!(ROOMS_PER_MEMBER_MAX <= u8::MAX as usize);

fn decode_members(
    source: &mut Source<'_>,
    head: Lamport,
    last_stamp: Lamport,
    access: bool,
) -> Result<(Members, Inside), SnapshotError> {
    let (mut members, mut inside) = (Members::default(), Inside::new());
    let count = source.u32("how many members there are")?;
    source.check(count <= MEMBERS_MAX, "how many members there are")?;
    for number in 0..count {
        let id = MemberId(number);
        let author = AuthorKey(source.key("an author's key")?);
        let nick = source.nick("a nick")?;
        let former = source.u8("former nicks")?;
        source.check(usize::from(former) < NICKS_PER_MEMBER_MAX, "former nicks")?;
        let former: Result<_, _> = (0..former).map(|_| source.nick("a former nick")).collect();
        let (former, epoch) = (former?, Epoch(source.u64("an epoch")?));
        let since = source.time(head, "the beginning of a membership")?;
        let (standing, all_since) = match access {
            true => decode_standing(source, since, last_stamp)?,
            false => (Standing::Free, since),
        };
        let member = Member {
            standing,
            all_since,
            direct: source.time(last_stamp, "the last stamp of a member")?,
            outcomes: Outcomes::decode(source, last_stamp)?,
            rooms: decode_seats(source, head)?,
            ..Member::new(id, author, nick, former, epoch, since)
        };
        for room in member.rooms.keys() {
            inside.entry(*room).or_default().push(id);
        }
        let inside_banned = member.standing == Standing::Banned && !member.rooms.is_empty();
        source.check(!inside_banned, "the rooms of a banned member")?;
        source.check(members.restore(member), "a key or nick that is there twice")?;
    }
    Ok((members, inside))
}

fn decode_standing(
    source: &mut Source<'_>,
    since: Lamport,
    last_stamp: Lamport,
) -> Result<(Standing, Lamport), SnapshotError> {
    const WHAT: &str = "the standing of a member";
    let standing = match source.u8(WHAT)? {
        0 => return Ok((Standing::Free, since)),
        1 => Standing::Banned,
        2 => Standing::Pardoned,
        _ => return Err(source.damaged(WHAT)),
    };
    Ok((standing, source.time(last_stamp, WHAT)?))
}

fn encode_invite(invite: &Invite, out: &mut Vec<u8>) {
    out.extend_from_slice(&invite.hash.0);
    put_count(invite.uses as usize, out);
    put_count(invite.used as usize, out);
    put_u64(invite.expires_at.0, out);
    out.push(u8::from(invite.revoked));
}

fn decode_invites(source: &mut Source<'_>) -> Result<Invites, SnapshotError> {
    const WHAT: &str = "an invite";
    let mut invites = Invites::default();
    let count = source.u32(WHAT)?;
    source.check(count as usize <= INVITES_MAX, WHAT)?;
    for _ in 0..count {
        let hash = InviteHash(source.key(WHAT)?);
        let (uses, used) = (source.u32(WHAT)?, source.u32(WHAT)?);
        let expires_at = UnixMicros(source.u64(WHAT)?);
        let revoked = source.u8(WHAT)?;
        let possible = (1..=INVITE_USES_MAX).contains(&uses) && used <= uses && revoked <= 1;
        source.check(possible, WHAT)?;
        let added = invites.add(Invite {
            hash,
            uses,
            used,
            expires_at,
            revoked: revoked == 1,
        });
        source.check(added.is_some(), WHAT)?;
    }
    Ok(invites)
}

/// The rooms of a member, by number.
fn decode_seats(
    source: &mut Source<'_>,
    head: Lamport,
) -> Result<BTreeMap<RoomId, Lamport>, SnapshotError> {
    const WHAT: &str = "the rooms of a member";
    let mut rooms = BTreeMap::new();
    let count = source.u8(WHAT)?;
    source.check(usize::from(count) <= ROOMS_PER_MEMBER_MAX, WHAT)?;
    for _ in 0..count {
        let room = RoomId(source.u64(WHAT)?);
        let last = rooms.last_key_value().map(|(last, _)| *last);
        source.check(last < Some(room), WHAT)?;
        rooms.insert(room, source.time(head, WHAT)?);
    }
    Ok(rooms)
}

fn decode_rooms(
    source: &mut Source<'_>,
    last_stamp: Lamport,
    inside: &mut Inside,
) -> Result<Rooms, SnapshotError> {
    let mut rooms = Rooms::default();
    let made = source.u64("how many rooms were made")?;
    let count = source.u32("how many rooms there are")?;
    source.check(count as usize <= ROOMS_MAX, "how many rooms there are")?;
    let mut next = 0;
    for _ in 0..count {
        let id = RoomId(source.u64("a room's number")?);
        source.check((next..made).contains(&id.0), "a room's number")?;
        next = id.0 + 1;
        let name = source.room("a room's name")?;
        source.check(rooms.by_name(&name).is_none(), "a room's name")?;
        let newest = Newest::decode(source, last_stamp)?;
        let members = inside.remove(&id);
        let members = members.ok_or_else(|| source.damaged("a room without members"))?;
        let members = members.into_iter().collect();
        rooms.restore(id, Room::new(name, members, newest));
    }
    rooms.set_made(made);
    Ok(rooms)
}

impl Newest {
    fn encode(&self, out: &mut Vec<u8>) {
        let Some((author, stamp)) = self.last() else {
            out.push(0);
            return;
        };
        out.push(1);
        out.extend_from_slice(&author.0.to_be_bytes());
        put_u64(stamp.get(), out);
        put_u64(self.by_another().get(), out);
    }

    fn decode(source: &mut Source<'_>, last_stamp: Lamport) -> Result<Self, SnapshotError> {
        const WHAT: &str = "the newest message of an audience";
        match source.u8(WHAT)? {
            0 => Ok(Self::default()),
            1 => {
                let author = MemberId(source.u32(WHAT)?);
                let stamp = source.time(last_stamp, WHAT)?;
                let by_another = Lamport::new(source.u64(WHAT)?);
                source.check(by_another < stamp, WHAT)?;
                Ok(Self::restore(author, stamp, by_another))
            }
            _ => Err(source.damaged(WHAT)),
        }
    }
}
