//! A signed message as a row of the store and a line of the chat: what it says to us, and to whom it is.

use bytes::Bytes;
use lamparina_protocol::nick::RoomName;
use lamparina_protocol::peer::private::{self, PrivateText, SealingKey};
use lamparina_protocol::peer::{Body, Content, Signed};
use lamparina_protocol::{AuthorKey, UnixMicros};

use super::names::{Names, SHOWN_DIGITS};
use crate::event::{HistoryKey, Kind, Line};
use crate::store::{NewRow, StoredLine};

/// Who reads: private messages for others have no text.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) own: AuthorKey,
    pub(super) sealing: SealingKey,
}

/// What a body says to us.
struct Said {
    kind: Kind,
    to: Vec<String>,
    room: Option<String>,
    text: Option<String>,
}

impl Reader {
    /// The row of a delivered message.
    pub(super) fn row(
        &self,
        message: &Signed,
        key: HistoryKey,
        position: u64,
        late: bool,
        received_at: UnixMicros,
    ) -> NewRow {
        let content = message.content();
        let said = self.said(content);
        NewRow {
            position,
            late,
            line: StoredLine {
                key,
                from: content.from.clone(),
                addr: content.addr,
                kind: said.kind,
                to: said.to,
                room: said.room,
                text: said.text,
                sent_at: content.sent_at,
                received_at,
                own: key.author == self.own,
                via: content.foreign.clone(),
            },
            signed: Bytes::clone(message.bytes()),
        }
    }

    fn said(&self, content: &Content) -> Said {
        match &content.body {
            Body::All(text) => Said {
                kind: Kind::Broadcast,
                to: vec!["ALL".to_owned()],
                room: None,
                text: Some(text.clone()),
            },
            Body::Room(room, text) => Said {
                kind: Kind::Broadcast,
                to: vec![format!("#{room}")],
                room: Some(room_key(room)),
                text: Some(text.clone()),
            },
            Body::Private { envelopes, .. } => {
                match private::open(&self.sealing, &content.name, &content.body) {
                    Ok(PrivateText { to, text }) => Said {
                        kind: kind_of(to.len()),
                        to: to.iter().map(ToString::to_string).collect(),
                        room: None,
                        text: Some(text),
                    },
                    // For others, or made so that nobody can read it: it is kept and passed on.
                    Err(_) => {
                        let author = content.name.chain.author;
                        let others = envelopes.iter().map(|envelope| envelope.to);
                        let others = others.filter(|to| *to != author);
                        let to: Vec<String> = others.map(|to| short(&to)).collect();
                        Said {
                            kind: kind_of(to.len()),
                            to,
                            room: None,
                            text: None,
                        }
                    }
                }
            }
        }
    }
}

const fn kind_of(recipients: usize) -> Kind {
    match recipients {
        0 | 1 => Kind::Unicast,
        _ => Kind::Multicast,
    }
}

/// How a room is compared.
pub(super) fn room_key(room: &RoomName) -> String {
    room.folded().into_owned()
}

fn short(key: &AuthorKey) -> String {
    format!("~{}", &key.to_string()[..SHOWN_DIGITS])
}

/// The line that is told; none where it is not for us.
pub(super) fn told(
    stored: StoredLine,
    late: bool,
    history: bool,
    final_upto: Option<&HistoryKey>,
    names: &Names,
) -> Option<Line> {
    Some(Line {
        shares_name: names.is_shared(&stored.key.author, &stored.from),
        is_final: final_upto.is_some_and(|upto| stored.key <= *upto),
        key: stored.key,
        from: stored.from,
        addr: stored.addr,
        kind: stored.kind,
        to: stored.to,
        text: stored.text?,
        sent_at: stored.sent_at,
        via: stored.via,
        late,
        history,
        own: stored.own,
    })
}
