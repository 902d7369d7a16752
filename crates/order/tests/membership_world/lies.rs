//! What a member may say of membership that is not so: coordinators, numbers, peers, losses, as it likes.

use lamparina_order::LinkId;
use lamparina_protocol::peer::control::{Announced, Candidacy, Cause, JoinAnswer, Sighting};
use lamparina_protocol::peer::{
    Attested, Control, Coordinator, ElectionEpoch, Incarnation, PeerId, PeerRecord,
};
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Instant};

use super::{At, Ev, World, addr, name};

impl World {
    /// A liar says something on one of its links.
    pub(crate) fn lie(&mut self, at: At) {
        let links: Vec<LinkId> = self.nodes[at].links.keys().copied().collect();
        if !self.is_up(at) || links.is_empty() {
            return;
        }
        let link = links[self.below(links.len() as u64) as usize];
        let control = self.something(at).to_bytes();
        let Some(pipe) = self.nodes[at].links.get(&link).copied() else {
            return;
        };
        let when: Instant = self.after(pipe.last);
        if let Some(pipe) = self.nodes[at].links.get_mut(&link) {
            pipe.last = when;
        }
        let life = self.nodes[pipe.other].life;
        self.at(when, Ev::Control(pipe.other, life, pipe.their, at, control));
    }

    fn something(&mut self, at: At) -> Control {
        let identity = self.nodes[at].identity.clone();
        let key = self.nodes[at].key;
        let other = self.below(self.nodes.len() as u64) as usize;
        let other_key = self.nodes[other].key;
        let epoch = ElectionEpoch(1 + self.below(40));
        let coordinator = Coordinator { epoch, key };
        let (beat, n) = (1 + self.below(1_000), self.below(9));
        match self.below(8) {
            0 | 1 => {
                Control::Announcement(Attested::sign(&identity, Announced { coordinator, beat }))
            }
            2 | 3 => {
                let id = PeerId { by: coordinator, n };
                let incarnation = Incarnation(self.nodes[other].life);
                let history = vec![AuthorKey([n as u8; 32]), other_key];
                let answer = JoinAnswer {
                    key: other_key,
                    incarnation,
                    id,
                    history,
                };
                Control::Joined(Attested::sign(&identity, answer))
            }
            4 => {
                let candidacy = Candidacy {
                    key,
                    incarnation: Incarnation(self.nodes[at].life),
                    round: 1_000_000 + beat,
                    epoch,
                    cause: if n < 4 { Cause::Lost } else { Cause::Challenge },
                };
                Control::Election(Attested::sign(&identity, candidacy))
            }
            5 => Control::Lost {
                key: other_key,
                incarnation: Incarnation(self.nodes[other].life),
                beat: n,
            },
            6 => Control::ElectionOk {
                key: other_key,
                round: n,
            },
            _ => Control::Here(self.invented(beat)),
        }
    }

    /// A peer that there is not.
    fn invented(&mut self, beat: u64) -> Sighting {
        let mut seed = [9; 32];
        seed[0] = self.below(20) as u8;
        let identity = IdentityKey::from_seed(&seed);
        let far = 500 + usize::from(seed[0]);
        let record = PeerRecord {
            key: AuthorKey(identity.public().0),
            incarnation: Incarnation(1),
            beat,
            name: name(far),
            port: 5_000,
            udp: false,
            addrs: vec![addr(far)],
            id: None,
            gone: false,
        };
        let record = Attested::sign(&identity, record);
        let at = Some(addr(far));
        Sighting { record, at }
    }
}
