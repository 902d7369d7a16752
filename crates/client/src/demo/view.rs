//! What each person saw, and the proof: one order, and everything meant for each is there once.

use std::collections::BTreeMap;

use lamparina_order::verify::{MessageId, Observed, OrderCheck, Violation};
use lamparina_protocol::message::Delivery;
use lamparina_protocol::{Lamport, MemberId};

use super::script::{Line, PEOPLE};
use crate::core::event::{Commit, Event};
use crate::show::clean;
use crate::show::plain::{Line as Shown, Style, event as show};

/// What all of them saw so far.
#[derive(Debug)]
pub struct Views {
    script: Vec<Line>,
    /// By person: what they saw, by place.
    seen: [BTreeMap<Lamport, String>; PEOPLE.len()],
    /// How often each line of the script was delivered, by person.
    delivered: [BTreeMap<String, u32>; PEOPLE.len()],
    /// The stamps that authors were told, by text.
    committed: BTreeMap<String, Lamport>,
    members: [Option<MemberId>; PEOPLE.len()],
    check: OrderCheck,
    violation: Option<Violation>,
    errors: Vec<String>,
}

/// What the views show.
#[derive(Debug)]
pub struct Proof {
    /// Whether everything holds.
    pub holds: bool,
    /// Each step, in words.
    pub lines: Vec<String>,
}

impl Views {
    /// Nothing seen yet of `script`.
    pub fn new(script: &[Line]) -> Self {
        Self {
            script: script.to_vec(),
            seen: Default::default(),
            delivered: Default::default(),
            committed: BTreeMap::new(),
            members: [None; PEOPLE.len()],
            check: OrderCheck::default(),
            violation: None,
            errors: Vec::new(),
        }
    }

    /// `person` was told `event`.
    pub fn saw(&mut self, person: usize, event: &Event) {
        match event {
            Event::Connected { member, .. } => self.members[person] = Some(*member),
            Event::Message(delivery) => self.delivery(person, delivery),
            Event::Committed(commit) => self.commit(person, commit),
            Event::Error { code, text, .. } => {
                self.errors
                    .push(clean::line(&format!("{}: {code}: {text}", PEOPLE[person])));
            }
            _ => return,
        }
        let style = Style {
            own: super::script::nick(person),
            colour: false,
        };
        let stamp = match event {
            Event::Message(delivery) => delivery.stamp,
            Event::Committed(commit) => commit.stamp,
            _ => return,
        };
        if let Some(Shown::Data(line)) = show(event, &style) {
            self.seen[person].insert(stamp, line);
        }
    }

    /// Whether every line is committed and has reached everybody it is for.
    pub fn is_whole(&self) -> bool {
        self.committed.len() == self.script.len()
            && (0..PEOPLE.len()).all(|person| self.delivered[person].len() == self.expected(person))
    }

    /// Each person's view, by place.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (person, seen) in self.seen.iter().enumerate() {
            lines.push(format!("what {} saw:", PEOPLE[person]));
            lines.extend(seen.values().map(|line| format!("  {line}")));
        }
        lines
    }

    /// Whether it was one order, and whole.
    pub fn prove(&self) -> Proof {
        let checked = self.check.checked();
        let order = match &self.violation {
            None => Ok(format!(
                "one order: {} sightings of {} messages by {} people, {} of them seen by more than one: stamps grow, \
                 each `prev` is the stamp before, and all agree",
                checked.sightings, checked.messages, checked.viewers, checked.shared
            )),
            Some(violation) => Err(format!("not one order: {violation}")),
        };
        let steps = [self.prove_commits(), self.prove_deliveries(), order];
        let holds = steps.iter().all(Result::is_ok) && self.errors.is_empty();
        let words = steps.into_iter().map(|step| match step {
            Ok(words) => format!("  ok    {words}"),
            Err(words) => format!("  FAIL  {words}"),
        });
        let errors = self
            .errors
            .iter()
            .map(|error| format!("  FAIL  an error was shown to {error}"));
        let lines = ["the proof:".to_owned()]
            .into_iter()
            .chain(words)
            .chain(errors)
            .collect();
        Proof { holds, lines }
    }

    fn delivery(&mut self, person: usize, delivery: &Delivery) {
        *self.delivered[person]
            .entry(delivery.text.clone())
            .or_default() += 1;
        let found = self
            .check
            .delivered(PEOPLE[person], &Observed::from(delivery));
        self.note(found);
    }

    fn commit(&mut self, person: usize, commit: &Commit) {
        self.committed.insert(commit.text.clone(), commit.stamp);
        let Some(member) = self.members[person] else {
            return;
        };
        let id = MessageId {
            member,
            epoch: commit.name.epoch,
            pseq: commit.name.pseq,
        };
        let found = self.check.committed(PEOPLE[person], id, commit.stamp);
        self.note(found);
    }

    fn note(&mut self, found: Result<(), Violation>) {
        if let (Err(violation), None) = (found, &self.violation) {
            self.violation = Some(violation);
        }
    }

    fn expected(&self, person: usize) -> usize {
        self.script
            .iter()
            .filter(|line| super::listeners(line).any(|to| to == person))
            .count()
    }

    fn prove_commits(&self) -> Result<String, String> {
        let missing = self
            .script
            .iter()
            .filter(|line| !self.committed.contains_key(&line.text));
        match missing.map(Line::typed).next() {
            None => Ok(format!(
                "each of {} messages has its place",
                self.script.len()
            )),
            Some(line) => Err(format!("without a place: {line}")),
        }
    }

    fn prove_deliveries(&self) -> Result<String, String> {
        let mut count = 0;
        for (person, name) in PEOPLE.iter().enumerate() {
            for line in &self.script {
                let wanted = u32::from(super::listeners(line).any(|to| to == person));
                let got = self.delivered[person]
                    .get(&line.text)
                    .copied()
                    .unwrap_or_default();
                if got != wanted {
                    return Err(format!(
                        "{name} was delivered {got} times, not {wanted}: {}",
                        line.typed()
                    ));
                }
                count += got;
            }
        }
        Ok(format!(
            "{count} deliveries: each once, to those it is for and to nobody else"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::MessageName;
    use crate::demo::script::{nick, write};
    use lamparina_protocol::lamport::Prev;
    use lamparina_protocol::{Epoch, LogId, Pseq, UnixMicros};

    /// Three lines, as a perfect server would tell them.
    fn events() -> (Vec<Line>, Vec<(usize, Event)>) {
        let script = write(1, 3);
        let mut events: Vec<(usize, Event)> = (0..PEOPLE.len())
            .map(|person| {
                let connected = Event::Connected {
                    server: String::new(),
                    nick: nick(person),
                    member: MemberId(person as u32),
                    log: LogId::default(),
                    stamp: Lamport::ZERO,
                };
                (person, connected)
            })
            .collect();
        let mut prevs = [Lamport::ZERO; PEOPLE.len()];
        for (number, line) in script.iter().enumerate() {
            let stamp = Lamport::new(number as u64 + 2);
            let (epoch, pseq) = (Epoch(line.who as u64), Pseq(1));
            let name = MessageName { epoch, pseq };
            let (audience, text) = (line.audience.clone(), line.text.clone());
            events.push((
                line.who,
                Event::Committed(Commit {
                    name,
                    was: None,
                    stamp,
                    audience,
                    text,
                }),
            ));
            for &to in &line.to {
                let delivery = Delivery {
                    stamp,
                    member: MemberId(line.who as u32),
                    from: nick(line.who),
                    epoch,
                    pseq,
                    clock: Lamport::new(1),
                    seen: Lamport::ZERO,
                    sent_at: UnixMicros(0),
                    audience: line.audience.clone(),
                    history: false,
                    text: line.text.clone(),
                    prev: Prev(prevs[to]),
                };
                prevs[to] = stamp;
                events.push((to, Event::Message(delivery)));
            }
        }
        (script, events)
    }

    fn proof(script: &[Line], events: &[(usize, Event)]) -> Proof {
        let mut views = Views::new(script);
        events
            .iter()
            .for_each(|(person, event)| views.saw(*person, event));
        views.prove()
    }

    #[test]
    fn a_perfect_run_is_proved() {
        let (script, events) = events();
        let proof = proof(&script, &events);
        assert!(proof.holds, "{:#?}", proof.lines);
    }

    #[test]
    fn whatever_is_lost_doubled_or_misplaced_is_found() {
        let (script, events) = events();
        for place in PEOPLE.len()..events.len() {
            let mut lost = events.clone();
            lost.remove(place);
            assert!(!proof(&script, &lost).holds, "{place} lost");
            let mut doubled = events.clone();
            doubled.insert(place, events[place].clone());
            if let (_, Event::Message(_)) = &events[place] {
                assert!(!proof(&script, &doubled).holds, "{place} doubled");
            }
            let mut moved = events.clone();
            if let (_, Event::Message(delivery)) = &mut moved[place] {
                delivery.stamp = Lamport::new(40);
                assert!(!proof(&script, &moved).holds, "{place} moved");
            }
        }
    }

    #[test]
    fn an_error_shown_to_anybody_is_a_failure() {
        let (script, mut events) = events();
        let error = Event::Error {
            code: "gap".to_owned(),
            text: String::new(),
            message: None,
        };
        events.push((0, error));
        assert!(!proof(&script, &events).holds);
    }
}
