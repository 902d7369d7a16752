//! Reads again what cannot be read as it should be: where nothing but a name is ill-formed, a
//! person's mistake came through another's program, and costs that one request, not the connection.
//! Everything else is as strict as before. Names are looked at one at a time; none is kept.

use std::fmt;

use lamparina_order::Action;
use lamparina_protocol::message::TextName;
use lamparina_protocol::nick::NickError;
use lamparina_protocol::{Epoch, Lamport, Nick, Pseq, RoomName, UnixMicros, codec};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

/// A request that can be read but for its names.
pub(super) enum Misnamed {
    /// A message: the order settles it without a place.
    Message(Action),
    /// The same, of one whose text comes in the BULK lane.
    Parted(Action),
    /// A room to go into, or out of.
    Room(NickError),
}

/// Reads a message from a client whose only fault is a name; `None` for every other one.
pub(super) fn misnamed(body: &[u8]) -> Option<Misnamed> {
    let read: Loose = codec::decode(body).ok()?;
    match read {
        Loose::Submit(said) => said.misaddressed().map(Misnamed::Message),
        Loose::SubmitParted(_name, said) => said.misaddressed().map(Misnamed::Parted),
        Loose::Join(room) | Loose::Leave(room) => room.0.map(Misnamed::Room),
        _ => None,
    }
}

/// The variants of `ToServer` in their order; those that hold no name are of no concern here.
#[derive(Deserialize)]
enum Loose {
    Submit(Said),
    Join(Room),
    Leave(Room),
    Consumed,
    History,
    Find,
    Trace,
    Why,
    Invite,
    Password,
    SubmitParted(TextName, Said),
}

/// `Submit`, field by field.
#[derive(Deserialize)]
struct Said {
    epoch: Epoch,
    pseq: Pseq,
    clock: Lamport,
    #[serde(rename = "seen")]
    _seen: Lamport,
    #[serde(rename = "sent_at")]
    _sent_at: UnixMicros,
    audience: Audience,
    #[serde(rename = "text")]
    _text: String,
}

impl Said {
    fn misaddressed(self) -> Option<Action> {
        let why = self.audience.fault()?;
        let Self {
            epoch, pseq, clock, ..
        } = self;
        Some(Action::Misaddressed {
            epoch,
            pseq,
            clock,
            why,
        })
    }
}

/// `Audience`, variant by variant.
#[derive(Deserialize)]
enum Audience {
    Unicast(Name),
    Multicast(Names),
    All,
    Room(Room),
}

impl Audience {
    fn fault(&self) -> Option<NickError> {
        match self {
            Self::Unicast(Name(fault))
            | Self::Multicast(Names(fault))
            | Self::Room(Room(fault)) => *fault,
            Self::All => None,
        }
    }
}

/// What is wrong with a nick.
struct Name(Option<NickError>);
/// What is wrong with a room's name.
struct Room(Option<NickError>);
/// What is wrong with the first of several nicks that is none.
struct Names(Option<NickError>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Nick::try_from(text).err()))
    }
}

impl<'de> Deserialize<'de> for Room {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(RoomName::try_from(text).err()))
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(FirstFault)
    }
}

struct FirstFault;

impl<'de> Visitor<'de> for FirstFault {
    type Value = Names;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Names, A::Error> {
        let mut first = None;
        while let Some(Name(fault)) = names.next_element()? {
            first = first.or(fault);
        }
        Ok(Names(first))
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    /// `ToServer::Submit` with names as they come.
    #[derive(Serialize)]
    enum Sent<'a> {
        Submit(u64, u64, u64, u64, u64, To<'a>, &'a str),
        Join(&'a str),
        Leave(&'a str),
        Consumed(u64, u64),
    }

    #[derive(Serialize)]
    enum To<'a> {
        Unicast(&'a str),
        Multicast(Vec<&'a str>),
        All,
        Room(&'a str),
    }

    fn read(sent: &Sent<'_>) -> String {
        let body = codec::encode(sent).unwrap();
        match misnamed(&body) {
            Some(Misnamed::Message(Action::Misaddressed {
                epoch,
                pseq,
                clock,
                why,
            })) => format!("{epoch} {pseq} {clock} {why:?}"),
            Some(Misnamed::Message(other)) => format!("{other:?}"),
            Some(Misnamed::Parted(action)) => format!("parted {action:?}"),
            Some(Misnamed::Room(why)) => format!("room {why:?}"),
            None => "strict".to_owned(),
        }
    }

    #[test]
    fn only_names_are_forgiven() {
        let say = |to| read(&Sent::Submit(7, 2, 9, 1, 1, to, "x"));
        assert_eq!(say(To::Unicast("a b")), "7 2 9 Forbidden(' ')");
        let many = vec!["ana", "", "a:b"];
        assert_eq!(say(To::Multicast(many)), "7 2 9 Empty");
        assert_eq!(say(To::Room("#lab")), "7 2 9 Forbidden('#')");
        assert_eq!(say(To::All), "strict", "it has another fault, or none");
        assert_eq!(say(To::Unicast("ana")), "strict");
        assert_eq!(read(&Sent::Join("#lab")), "room Forbidden('#')");
        assert_eq!(read(&Sent::Leave("all")), "room Reserved");
        assert_eq!(read(&Sent::Leave("lab")), "strict");
        assert_eq!(read(&Sent::Consumed(1, 1)), "strict");
        let whole = codec::encode(&Sent::Submit(7, 2, 9, 1, 1, To::Unicast("a b"), "x")).unwrap();
        for end in 0..whole.len() {
            assert!(misnamed(&whole[..end]).is_none(), "a part is no message");
        }
        let mut longer = whole.to_vec();
        longer.push(0);
        assert!(misnamed(&longer).is_none());
    }
}
