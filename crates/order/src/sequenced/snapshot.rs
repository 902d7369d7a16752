//! The state that lasts as bytes, and back: one state has one form, and bytes are only taken where
//! entries can have led to such a state. Sessions are not in it.
//!
//! Numbers are big-endian; a name stands behind one byte with its length.
//!
//! | part | is |
//! |---|---|
//! | version | one byte, [`SNAPSHOT_VERSION`] |
//! | clocks | head, last stamp, the newest said to all |
//! | members | how many (u32), then each: key, nick, former nicks, epoch, since, direct, answers, rooms |
//! | rooms | how many were ever made (u64), how many there are (u32), then each: number, name, newest |
//!
//! Who is in a room is said by its members, once.

use std::collections::BTreeMap;

use lamparina_protocol::{AuthorKey, Epoch, Lamport, MemberId};

use super::members::{Member, Members};
use super::newest::Newest;
use super::outcomes::Outcomes;
use super::rooms::{Room, Rooms};
pub use super::source::SnapshotError;
use super::source::{Source, put_count, put_name, put_u64};
use super::undo::Undo;
use super::{MEMBERS_MAX, NICKS_PER_MEMBER_MAX, ROOMS_MAX, ROOMS_PER_MEMBER_MAX, Sequenced};
use crate::record::RoomId;

/// The version of these bytes.
pub const SNAPSHOT_VERSION: u8 = 1;

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
        if found != SNAPSHOT_VERSION {
            let known = SNAPSHOT_VERSION;
            return Err(SnapshotError::Version { found, known });
        }
        let head = Lamport::new(source.u64("the clock")?);
        let last_stamp = source.time(head, "the last stamp")?;
        let all = Newest::decode(source, last_stamp)?;
        let (members, mut inside) = decode_members(source, head, last_stamp)?;
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
        let member = Member {
            direct: source.time(last_stamp, "the last stamp of a member")?,
            outcomes: Outcomes::decode(source, last_stamp)?,
            rooms: decode_seats(source, head)?,
            ..Member::new(author, nick, former, epoch, since)
        };
        for room in member.rooms.keys() {
            inside.entry(*room).or_default().push(id);
        }
        source.check(members.restore(member), "a key or nick that is there twice")?;
    }
    Ok((members, inside))
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
