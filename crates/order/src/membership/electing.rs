//! How an election and its numbers are said on links. Keeps: what is flooded is new and proved; a neighbour is told
//! who coordinates when it does not know, not again and again.

use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::peer::control::{Announced, Candidacy, HISTORY_HINTS_MAX, JoinAnswer};
use lamparina_protocol::peer::{Attested, Control, Coordinator, Incarnation};
use lamparina_protocol::{AuthorKey, Instant};

use super::Membership;
use super::election::{Do, Heard};
use super::types::{Event, Output};
use crate::LinkId;

/// A neighbour is told who coordinates no more often than this.
pub(super) const TELL_APART: Duration = Duration::from_millis(500);

impl Membership {
    /// Lets the election hear something that is not to be passed on.
    pub(super) fn elect(
        &mut self,
        now: Instant,
        heard: Heard<'_>,
        from: Option<LinkId>,
        out: &mut Vec<Output>,
    ) {
        let mut todo = Vec::new();
        self.election.handle(now, heard, &mut todo);
        self.carry_out(now, todo, from, None, out);
    }

    fn carry_out(
        &mut self,
        now: Instant,
        todo: Vec<Do>,
        from: Option<LinkId>,
        came: Option<(&Bytes, Option<&Candidacy>)>,
        out: &mut Vec<Output>,
    ) {
        for one in todo {
            match one {
                Do::Elect {
                    round,
                    epoch,
                    cause,
                } => {
                    let said = Candidacy {
                        key: self.key,
                        incarnation: self.own.incarnation,
                        round,
                        epoch,
                        cause,
                    };
                    let said = Attested::sign(&self.own.identity, said);
                    self.flood(&Control::Election(said).to_bytes(), None, out);
                }
                Do::Announce(announced) => {
                    let said = Attested::sign(&self.own.identity, announced);
                    self.announcement = Some(said.clone());
                    self.flood(&Control::Announcement(said).to_bytes(), None, out);
                }
                Do::Forward => {
                    if let Some((bytes, _)) = came {
                        self.flood(bytes, from, out);
                    }
                }
                Do::AnswerOk => {
                    if let (Some(link), Some((_, Some(candidacy)))) = (from, came) {
                        let (key, round) = (candidacy.key, candidacy.round);
                        Self::send(link, &Control::ElectionOk { key, round }, out);
                    }
                }
                Do::Tell => {
                    if let Some(link) = from {
                        self.tell_coordinator(now, link, out);
                    }
                }
                Do::Persist(epoch) => out.push(Output::Persist(epoch)),
                Do::Changed(coordinator) => self.on_changed(now, coordinator, out),
            }
        }
    }

    fn on_changed(
        &mut self,
        now: Instant,
        coordinator: Option<Coordinator>,
        out: &mut Vec<Output>,
    ) {
        self.announcement = None;
        self.toward = None;
        self.ids.on_coordinator(now, coordinator);
        out.push(Output::Event(Event::Coordinator(coordinator)));
    }

    /// Sends the newest announcement of the coordinator that we follow.
    pub(super) fn tell_coordinator(&mut self, now: Instant, link: LinkId, out: &mut Vec<Output>) {
        let Some(announcement) = &self.announcement else {
            return;
        };
        let Some(live) = self.links.get_mut(link) else {
            return;
        };
        if live.told.is_none_or(|told| now >= told + TELL_APART) {
            live.told = Some(now);
            let announcement = announcement.clone();
            Self::send(link, &Control::Announcement(announcement), out);
        }
    }

    pub(super) fn on_election(
        &mut self,
        now: Instant,
        link: LinkId,
        candidacy: &Attested<Candidacy>,
        out: &mut Vec<Output>,
    ) {
        let said = candidacy.said();
        let number = (said.incarnation, said.round);
        if said.key == self.key || !self.rounds.is_new(&said.key, number) {
            return;
        }
        if !self.may_check(now, link) || !candidacy.is_proven() {
            return;
        }
        self.rounds.note(said.key, number);
        let coordinator = self.election.coordinator();
        let healthy = coordinator.is_some_and(|one| self.links.is_healthy(&one.key));
        let heard = Heard::Election {
            candidacy: said,
            healthy,
        };
        let mut todo = Vec::new();
        self.election.handle(now, heard, &mut todo);
        let bytes = Control::Election(candidacy.clone()).to_bytes();
        self.carry_out(now, todo, Some(link), Some((&bytes, Some(said))), out);
    }

    pub(super) fn on_announcement(
        &mut self,
        now: Instant,
        link: LinkId,
        announced: &Attested<Announced>,
        out: &mut Vec<Output>,
    ) {
        let said = announced.said();
        let key = said.coordinator.key;
        let number = (said.coordinator.epoch, said.beat);
        if !self.announced.is_new(&key, number) {
            return;
        }
        if !self.may_check(now, link) || !announced.is_proven() {
            return;
        }
        self.announced.note(key, number);
        let mut todo = Vec::new();
        self.election
            .handle(now, Heard::Announcement(said), &mut todo);
        let bytes = Control::Announcement(announced.clone()).to_bytes();
        self.carry_out(now, todo, Some(link), Some((&bytes, None)), out);
        if self.election.coordinator() == Some(said.coordinator) && key != self.key {
            self.announcement = Some(announced.clone());
            self.toward = Some(link);
        }
    }

    fn may_check(&mut self, now: Instant, link: LinkId) -> bool {
        let live = self.links.get_mut(link);
        live.is_some_and(|live| live.may_be_checked(now))
    }

    /// The way to the coordinator.
    fn way(&self) -> Option<LinkId> {
        let coordinator = self.election.coordinator()?;
        let direct = self.links.of(&coordinator.key).next();
        direct.or(self.toward)
    }

    pub(super) fn ask_for_id(&mut self, now: Instant, out: &mut Vec<Output>) {
        if !self.ids.is_due(now) {
            return;
        }
        let (key, incarnation) = (self.key, self.own.incarnation);
        if self.election.coordinates() {
            if let Some(by) = self.election.coordinator() {
                let id = self.ids.give(by, key, incarnation);
                self.take_id(id, out);
            }
        } else if let Some(link) = self.way() {
            Self::send(link, &Control::Join { key, incarnation }, out);
        }
    }

    fn take_id(&mut self, id: lamparina_protocol::peer::PeerId, out: &mut Vec<Output>) {
        self.ids.set_own(id);
        out.push(Output::Event(Event::Id(id)));
        self.publish_soon();
    }

    pub(super) fn on_join(
        &mut self,
        from: LinkId,
        key: AuthorKey,
        incarnation: Incarnation,
        out: &mut Vec<Output>,
    ) {
        if self.election.coordinates() {
            let Some(by) = self.election.coordinator() else {
                return;
            };
            let answer = JoinAnswer {
                key,
                incarnation,
                id: self.ids.give(by, key, incarnation),
                history: self.oldest(&key),
            };
            let answer = Attested::sign(&self.own.identity, answer);
            Self::send(from, &Control::Joined(answer), out);
        } else if let Some(way) = self.way().filter(|way| *way != from) {
            self.ids.route(key, from);
            Self::send(way, &Control::Join { key, incarnation }, out);
        }
    }

    /// Those that are there the longest, ourselves among them: they have heard the most.
    fn oldest(&self, but: &AuthorKey) -> Vec<AuthorKey> {
        let others = self.table.keyed().filter(|(_, entry)| entry.is_here());
        let mut lives: Vec<(Incarnation, AuthorKey)> = others
            .filter_map(|(key, entry)| Some((entry.incarnation?, *key)))
            .chain([(self.own.incarnation, self.key)])
            .filter(|(_, key)| key != but)
            .collect();
        lives.sort_unstable();
        lives.truncate(HISTORY_HINTS_MAX);
        lives.into_iter().map(|(_, key)| key).collect()
    }

    pub(super) fn on_joined(
        &mut self,
        now: Instant,
        link: LinkId,
        answer: &Attested<JoinAnswer>,
        out: &mut Vec<Output>,
    ) {
        let said = answer.said();
        if said.key != self.key {
            if let Some(back) = self.ids.back(&said.key).filter(|back| *back != link) {
                Self::send(back, &Control::Joined(answer.clone()), out);
            }
            return;
        }
        let is_ours = said.incarnation == self.own.incarnation
            && self.ids.own().is_none()
            && self.election.coordinator() == Some(said.id.by);
        if is_ours && self.may_check(now, link) && answer.is_proven() {
            self.take_id(said.id, out);
            out.push(Output::Event(Event::History(said.history.clone())));
        }
    }
}
