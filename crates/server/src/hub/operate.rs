//! What operators ask, and what they are told: once it is durable, like everybody. An operator has
//! no connection to the chat; a ticket says whose question was answered.

use lamparina_order::record::Lasting;
use lamparina_order::{
    Effect, Invite, InviteHash, InviteId, LogIndex, Operation, Record, Standing,
};
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::message::{RefusalCode, ToClient};
use lamparina_protocol::{AuthorKey, MemberId, Nick, UnixMicros};

use super::applied::{Applied, Done};
use super::batch::{Batch, Note, Rings, Words};
use super::builder::Builder;
use super::{Hub, PRESENCE_TOLD_MAX};

/// Invites or members in one answer, at most.
pub const LISTED_MAX: usize = 1_000;

/// Whose question.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// A member as an operator names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Whom {
    /// By a nick that it holds or held.
    Nick(Nick),
    /// By its key.
    Key(AuthorKey),
}

/// What an operator asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OperatorAsk {
    /// A new invite.
    Invite {
        /// Of its code.
        hash: InviteHash,
        /// First claims that it admits.
        uses: u32,
        /// From this time on it admits nobody; 0 for never.
        expires_at: UnixMicros,
        /// Who asks.
        by: String,
    },
    /// An invite is taken back.
    Revoke {
        /// Which.
        invite: InviteId,
        /// Who asks.
        by: String,
    },
    /// Somebody's session ends; it may come back.
    Kick {
        /// Whose.
        whom: Whom,
    },
    /// Somebody may not come back.
    Ban {
        /// Who.
        whom: Whom,
        /// Who asks.
        by: String,
        /// Why; perhaps empty.
        reason: String,
    },
    /// Somebody may.
    Unban {
        /// Who.
        whom: Whom,
        /// Who asks.
        by: String,
    },
    /// Invites, newest first: those before this number, all there were or the open ones.
    Invites {
        /// Before this one.
        before: Option<InviteId>,
        /// Those too that admit nobody any more.
        all: bool,
    },
    /// Members, by number.
    Members {
        /// After this one.
        after: Option<MemberId>,
        /// Those alone who are connected.
        present: bool,
    },
}

/// One member, for operators.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemberLine {
    /// Its number.
    pub member: MemberId,
    /// The nick held.
    pub nick: Nick,
    /// Its key.
    pub author: AuthorKey,
    /// Whether it is connected.
    pub present: bool,
    /// Whether it is banned.
    pub banned: bool,
}

/// What an operator is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OperatorAnswer {
    /// There is an invite.
    Invited(InviteId),
    /// An invite was taken back.
    Revoked(InviteId),
    /// A member's session was ended.
    Kicked(Nick),
    /// A member was banned; whether it was connected.
    Banned(Nick, bool),
    /// A member is banned no more.
    Unbanned(Nick),
    /// Invites, and whether there are more.
    Invites(Vec<(InviteId, Invite)>, bool),
    /// Members, and whether there are more.
    Members(Vec<MemberLine>, bool),
    /// Not done, and why.
    Refused(Words),
}

impl Hub {
    /// What operators asked in batches that were kept or refused since the last call, answered.
    pub fn take_operated(&mut self) -> Vec<(Ticket, OperatorAnswer)> {
        std::mem::take(&mut self.operated)
    }

    pub(super) fn operate(
        &mut self,
        now: UnixMicros,
        ticket: Ticket,
        ask: OperatorAsk,
        applied: &mut Applied,
    ) {
        let answer = match self.operation(now, &ask) {
            Ok(operation) => self.operation_done(now, operation, applied),
            Err(answer) => answer,
        };
        applied.operated.push((ticket, answer));
        applied.entries.push(Done::Operated(ticket, Box::new(ask)));
    }

    /// The same while nothing can be stored: what needs no storing is done, the rest refused.
    pub(super) fn operate_unstored(
        &mut self,
        now: UnixMicros,
        ticket: Ticket,
        ask: OperatorAsk,
    ) -> Option<(Batch, Rings)> {
        let last_index = self.last_index;
        let mut applied = Applied::new(
            Builder::new(self.order.last_stamp(), 1, 0),
            1,
            &mut self.spare,
        );
        self.begin();
        self.operate(now, ticket, ask, &mut applied);
        if applied.records.is_empty() {
            return self.keep(applied);
        }
        self.undo();
        self.last_index = last_index;
        let text = "the server's disk is full: nothing was done; try again once there is room";
        self.operated.push((
            ticket,
            OperatorAnswer::Refused(Words {
                code: RefusalCode::StorageFull,
                text: text.to_owned(),
            }),
        ));
        None
    }

    /// What is to be done, or what is answered at once.
    fn operation(&self, now: UnixMicros, ask: &OperatorAsk) -> Result<Operation, OperatorAnswer> {
        Ok(match ask {
            OperatorAsk::Invite {
                hash,
                uses,
                expires_at,
                by,
            } => Operation::Invite {
                hash: *hash,
                uses: *uses,
                expires_at: *expires_at,
                by: by.clone(),
            },
            OperatorAsk::Revoke { invite, by } => Operation::Revoke {
                invite: *invite,
                by: by.clone(),
            },
            OperatorAsk::Kick { whom } => Operation::Kick {
                member: self.named(whom)?,
            },
            OperatorAsk::Ban { whom, by, reason } => Operation::Ban {
                member: self.named(whom)?,
                by: by.clone(),
                reason: reason.clone(),
            },
            OperatorAsk::Unban { whom, by } => Operation::Unban {
                member: self.named(whom)?,
                by: by.clone(),
            },
            OperatorAsk::Invites { before, all } => return Err(self.invites(now, *before, *all)),
            OperatorAsk::Members { after, present } => {
                return Err(self.members(*after, *present));
            }
        })
    }

    fn named(&self, whom: &Whom) -> Result<MemberId, OperatorAnswer> {
        let found = match whom {
            Whom::Nick(nick) => self.order.owner_of(nick),
            Whom::Key(author) => self.order.member_of(author),
        };
        found.ok_or_else(|| {
            let text = match whom {
                Whom::Nick(nick) => format!("nobody was ever called {nick}"),
                Whom::Key(_) => "nobody here has this key".to_owned(),
            };
            OperatorAnswer::Refused(Words {
                code: RefusalCode::NotFound,
                text: format!("{text}: lamparina-server members lists who there is"),
            })
        })
    }

    fn invites(&self, now: UnixMicros, before: Option<InviteId>, all: bool) -> OperatorAnswer {
        let invites = self.order.invites().rev();
        let mut wanted = invites
            .filter(|(id, _)| before.is_none_or(|before| *id < before))
            .filter(|(_, invite)| all || invite.is_open(now))
            .map(|(id, invite)| (id, *invite));
        let listed = wanted.by_ref().take(LISTED_MAX).collect();
        OperatorAnswer::Invites(listed, wanted.next().is_some())
    }

    fn members(&self, after: Option<MemberId>, present: bool) -> OperatorAnswer {
        let first = after.map_or(0, |after| after.0.saturating_add(1));
        let numbers = (first..self.order.members_len() as u32).map(MemberId);
        let mut wanted = numbers.filter_map(|member| {
            let is_present = self.order.session_of(member).is_some();
            if present && !is_present {
                return None;
            }
            Some(MemberLine {
                member,
                nick: self.order.nick_of(member)?.clone(),
                author: *self.order.author_of(member)?,
                present: is_present,
                banned: self.order.standing_of(member) == Standing::Banned,
            })
        });
        let listed = wanted.by_ref().take(LISTED_MAX).collect();
        OperatorAnswer::Members(listed, wanted.next().is_some())
    }

    fn operation_done(
        &mut self,
        now: UnixMicros,
        operation: Operation,
        applied: &mut Applied,
    ) -> OperatorAnswer {
        let lasting = self.order.operate(now, operation, &mut self.effects);
        let effect = self.effects.pop();
        if let Some(Lasting::Event(event)) = lasting {
            self.last_index = LogIndex(self.last_index.0 + 1);
            applied.records.push(Record {
                index: self.last_index,
                at: now,
                stamp: self.order.last_stamp(),
                event,
            });
        }
        match effect {
            Some(effect) => self.operated(effect, &mut applied.builder),
            // One operation has one effect.
            None => OperatorAnswer::Refused(Words {
                code: RefusalCode::Malformed,
                text: "nothing was done".to_owned(),
            }),
        }
    }

    fn operated(&mut self, effect: Effect, batch: &mut Builder) -> OperatorAnswer {
        match effect {
            Effect::InviteMade(invite) => OperatorAnswer::Invited(invite),
            Effect::InviteRevoked(invite) => OperatorAnswer::Revoked(invite),
            Effect::Unbanned { nick, .. } => {
                self.everybody = None;
                OperatorAnswer::Unbanned(nick)
            }
            Effect::Exited {
                member,
                nick,
                after,
            } => {
                self.end_session(member, Note::kicked(), batch);
                self.tell_left(member, nick.clone(), after, batch);
                OperatorAnswer::Kicked(nick)
            }
            Effect::Banned {
                member,
                nick,
                was_present,
                reason,
                after,
                rooms,
            } => {
                self.everybody = None;
                self.end_session(member, Note::banned(&reason), batch);
                for (room, recipients) in rooms {
                    let nick = nick.clone();
                    let left = ToClient::RoomLeft { nick, room, after };
                    batch.tell_done(&left, member, &recipients);
                }
                if was_present {
                    self.tell_left(member, nick.clone(), after, batch);
                }
                OperatorAnswer::Banned(nick, was_present)
            }
            Effect::Refused { code, text, .. } => OperatorAnswer::Refused(Words { code, text }),
            Effect::Entered { .. }
            | Effect::Renamed { .. }
            | Effect::RoomJoined { .. }
            | Effect::RoomLeft { .. }
            | Effect::Stamped { .. }
            | Effect::Repeated { .. } => OperatorAnswer::Refused(Words {
                code: RefusalCode::Malformed,
                text: "an operation has no such effect".to_owned(),
            }),
        }
    }

    /// Tells a member's session why it ends, and forgets its connection.
    fn end_session(&mut self, member: MemberId, note: Note, batch: &mut Builder) {
        if let Some(connection) = self.connection_of(Some(member)) {
            batch.note(connection, note);
            self.set_connection(member, None);
        }
        self.roster.changed();
    }

    fn tell_left(
        &self,
        member: MemberId,
        nick: Nick,
        after: lamparina_protocol::Lamport,
        batch: &mut Builder,
    ) {
        if self.order.present_len() < PRESENCE_TOLD_MAX {
            batch.tell_everyone(&ToClient::Left { nick, after }, Some(member));
        }
    }

    /// Why a connection that asks is not its member's any more.
    pub(super) fn why_ended(&self, member: MemberId) -> Note {
        match self.order.standing_of(member) {
            Standing::Banned => Note::banned(""),
            _ if self.order.session_of(member).is_none() => Note::kicked(),
            _ => Note::TakenOver,
        }
    }
}

impl Note {
    /// The session was ended by an operator, and may come back.
    fn kicked() -> Self {
        Self::Ended(Box::new((
            CloseCode::Kicked,
            "you were sent away by who runs this server: you may come back".to_owned(),
        )))
    }

    /// Its member was banned.
    fn banned(reason: &str) -> Self {
        let why = match reason {
            "" => String::new(),
            reason => format!(" ({reason})"),
        };
        Self::Ended(Box::new((
            CloseCode::Banned,
            format!("you were banned by who runs this server{why}: ask there"),
        )))
    }
}
