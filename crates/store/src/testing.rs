//! Records for this crate's tests.

use std::sync::Arc;

use lamparina_order::{
    Action, Entry, InviteHash, InviteId, LogIndex, Record, Recorded, RecordedMessage, RoomId,
    Sequenced, To,
};
use lamparina_protocol::message::{RefusalCode, Submit};
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, MemberId, Nick, Pseq, RoomName, SessionNumber, Term,
    UnixMicros,
};
use proptest::prelude::*;

pub(crate) fn record(index: u64, stamp: u64, event: Recorded) -> Record {
    Record {
        index: LogIndex(index),
        at: UnixMicros(1_000_000 + index),
        stamp: Lamport::new(stamp),
        event,
    }
}

/// A message to all.
pub(crate) fn message(member: u32, pseq: u64, stamp: u64, text: &str) -> RecordedMessage {
    RecordedMessage {
        member: MemberId(member),
        from: format!("m{member}").try_into().unwrap(),
        epoch: Epoch(1),
        pseq: Pseq(pseq),
        clock: Lamport::new(stamp.saturating_sub(1)),
        seen: Lamport::new(stamp.saturating_sub(2)),
        sent_at: UnixMicros(9),
        audience: Audience::All,
        to: To::All,
        text: text.to_owned(),
    }
}

fn nick() -> impl Strategy<Value = Nick> {
    prop_oneof![Just("ana"), Just("bob"), Just("zoë"), Just("علی")]
        .prop_map(|name| name.try_into().unwrap())
}

fn room() -> impl Strategy<Value = RoomName> {
    prop_oneof![Just("lab"), Just("küche")].prop_map(|name| name.try_into().unwrap())
}

fn addressed() -> impl Strategy<Value = (Audience, To)> {
    let members = || {
        proptest::collection::btree_set(any::<u32>(), 0..5).prop_map(|members| {
            To::Members(members.into_iter().map(MemberId).collect::<Arc<[_]>>())
        })
    };
    prop_oneof![
        Just((Audience::All, To::All)),
        (room(), any::<u64>())
            .prop_map(|(name, room)| (Audience::Room(name), To::Room(RoomId(room)))),
        (nick(), members()).prop_map(|(nick, to)| (Audience::Unicast(nick), to)),
        (proptest::collection::vec(nick(), 1..5), members())
            .prop_map(|(nicks, to)| (Audience::Multicast(nicks), to)),
    ]
}

fn any_message() -> impl Strategy<Value = RecordedMessage> {
    let numbers = any::<(u32, u64, u64, u64, u64, u64)>();
    (numbers, nick(), addressed(), ".{0,40}").prop_map(|(n, from, (audience, to), text)| {
        RecordedMessage {
            member: MemberId(n.0),
            from,
            epoch: Epoch(n.1),
            pseq: Pseq(n.2),
            clock: Lamport::new(n.3),
            seen: Lamport::new(n.4),
            sent_at: UnixMicros(n.5),
            audience,
            to,
            text,
        }
    })
}

fn any_event() -> impl Strategy<Value = Recorded> {
    let numbers = any::<(u32, u64, u64, u64)>();
    let others = (numbers, nick(), nick(), room(), any::<[u8; 32]>(), 0..12);
    let others = others.prop_map(|(n, nick, to, name, key, which)| {
        let (member, room) = (MemberId(n.0), RoomId(n.1));
        match which {
            0 => Recorded::Began { term: Term(n.0) },
            1 => Recorded::Clock {
                clock: Lamport::new(n.1),
            },
            2 => Recorded::Claimed {
                member,
                author: AuthorKey(key),
                epoch: Epoch(n.1),
                nick,
            },
            3 => Recorded::Renamed {
                member,
                from: nick,
                to,
            },
            4 => Recorded::RoomJoined {
                member,
                nick,
                room,
                name,
            },
            5 => Recorded::RoomLeft {
                member,
                nick,
                room,
                name,
            },
            6 => Recorded::InviteMade {
                invite: InviteId(n.1),
                hash: InviteHash(key),
                uses: n.0,
                expires_at: UnixMicros(n.2),
                by: to.to_string(),
            },
            7 => Recorded::InviteRevoked {
                invite: InviteId(n.1),
                by: to.to_string(),
            },
            8 => Recorded::Redeemed {
                member,
                author: AuthorKey(key),
                epoch: Epoch(n.2),
                nick,
                invite: InviteId(n.1),
            },
            9 => Recorded::Banned {
                member,
                nick,
                by: to.to_string(),
                reason: name.to_string(),
            },
            10 => Recorded::Unbanned {
                member,
                nick,
                by: to.to_string(),
            },
            _ => Recorded::Refused {
                member,
                epoch: Epoch(n.1),
                pseq: Pseq(n.2),
                clock: Lamport::new(n.3),
                code: RefusalCode::Gap,
            },
        }
    });
    prop_oneof![any_message().prop_map(Recorded::Message), others]
}

/// Any record that a journal can hold.
pub(crate) fn any_record() -> impl Strategy<Value = Record> {
    let numbers = (0..1_u64 << 62, 0..1_u64 << 62, 0..1_u64 << 62);
    (numbers, any_event()).prop_map(|((index, at, stamp), event)| Record {
        index: LogIndex(index),
        at: UnixMicros(at),
        stamp: Lamport::new(stamp),
        event,
    })
}

/// An order that people talk in: what it gives can be replayed.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    pub(crate) state: Sequenced,
    pub(crate) index: LogIndex,
}

impl Talk {
    /// Goes on from a state after the entry `index`, where everybody enters anew.
    pub(crate) fn from(state: Sequenced, index: LogIndex) -> Self {
        Self { state, index }
    }

    fn apply(&mut self, who: u8, action: Action) -> Option<Record> {
        let entry = Entry {
            author: AuthorKey([who; 32]),
            session: SessionNumber(1),
            action,
        };
        let event = self.state.apply_recorded(entry, &mut Vec::new())?;
        self.index.0 += 1;
        Some(Record {
            index: self.index,
            at: UnixMicros(1_000_000 + self.index.0),
            stamp: self.state.last_stamp(),
            event,
        })
    }

    pub(crate) fn enter(&mut self, who: u8) -> Option<Record> {
        let nick = format!("m{who}").try_into().unwrap();
        let epoch = Epoch(1);
        self.apply(who, Action::Enter { nick, epoch })
    }

    pub(crate) fn join(&mut self, who: u8) -> Option<Record> {
        let room = "lab".try_into().unwrap();
        self.apply(who, Action::Join { room })
    }

    /// A message to all from one who entered.
    pub(crate) fn say(&mut self, who: u8, text: &str) -> Record {
        let member = self.state.member_of(&AuthorKey([who; 32])).unwrap();
        let (epoch, settled) = self.state.settled_of(member).unwrap();
        let message = Submit {
            epoch,
            pseq: Pseq(settled.0 + 1),
            clock: self.state.clock(),
            seen: self.state.last_addressed(member),
            sent_at: UnixMicros(7),
            audience: Audience::All,
            text: text.to_owned(),
        };
        let said = self.apply(who, Action::Say(message)).unwrap();
        assert!(matches!(said.event, Recorded::Message(_)), "{said:?}");
        said
    }
}
