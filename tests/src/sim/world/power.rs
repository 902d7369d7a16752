//! Power cuts: at which point of the server's work they come, and what they leave behind. All that
//! is in memory is lost: links, sessions, the order, the tail, bytes not yet on a wire.

use std::time::Duration;

use lamparina_store::AppendError;

use super::super::client::Client;
use super::super::dice::Dice;
use super::super::disk::Fate;
use super::{Due, Stage, World};

/// A point that is not reached within this is not waited for: the power goes where it stands.
const WAITED_FOR: Duration = Duration::from_secs(3);
/// From the end of the power to the next start, at most.
const OFF_MS_MAX: u64 = 400;
/// From a start to the next cut, at most.
const ON_MS_MAX: u64 = 1_500;
/// A disk is full for so long, at most.
const FULL_MS_MAX: u64 = 2_000;

/// Where a cut comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Point {
    /// A batch is applied, and not on its way to the disk.
    BeforeAppend,
    /// While it is written: nothing of it is there.
    InsideAppend,
    /// It is durable, and nobody was told.
    AfterSync,
    /// The disk fails, and the server ends.
    Failed,
    /// The batch lies in the tail, and no session has looked.
    BeforeRead,
    /// Some sessions have read it, and one has half of it on its wire.
    BetweenReads,
    /// Clients are coming back.
    Resuming,
    /// A server starts, and has read the journal.
    BeforeTerm,
    /// It begins its term: nothing of that is there.
    InsideTerm,
    /// Its term is durable, and nobody was served.
    AfterTerm,
    /// Wherever it stands.
    Anywhere,
}

/// How many points there are.
pub const POINTS: usize = Point::Anywhere as usize + 1;

/// What is planned, and what was done.
pub(super) struct Power {
    /// Cuts to come.
    left: u64,
    /// The point waited for; of [`Point::Resuming`] after so many steps.
    armed: Option<(Point, u64)>,
    /// The point that the disk's next append is.
    planned: Option<Point>,
    /// Sessions that may still read.
    reads_left: Option<u64>,
    /// Connections whose clients have not noticed.
    unnoticed: Vec<u64>,
    /// How often a disk is full instead, of a hundred.
    full_chance: u64,
    /// Cuts at each point.
    pub(super) cuts: [u64; POINTS],
    /// Times when the disk was full.
    pub(super) fulls: u64,
    dice: Dice,
}

impl Power {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 5_000);
        Self {
            left: dice.within(30..130),
            armed: None,
            planned: None,
            reads_left: None,
            unnoticed: Vec::new(),
            full_chance: [0, 0, 0, 20][dice.index(4)],
            cuts: [0; POINTS],
            fulls: 0,
            dice,
        }
    }

    fn arm(&mut self) {
        const POINTS: [Point; 7] = [
            Point::BeforeAppend,
            Point::InsideAppend,
            Point::AfterSync,
            Point::Failed,
            Point::BeforeRead,
            Point::BetweenReads,
            Point::BetweenReads,
        ];
        self.armed = Some((POINTS[self.dice.index(POINTS.len())], 0));
    }

    fn is_armed(&self, point: Point) -> bool {
        self.armed.is_some_and(|(armed, _)| armed == point)
    }

    fn soon(&mut self, millis: u64) -> Duration {
        Duration::from_micros(self.dice.within(1..millis * 1_000))
    }
}

impl World {
    /// The time has come to wait for a point, or to wait no more.
    pub(super) fn power(&mut self) {
        let Some(power) = self.power.as_mut().filter(|_| self.stage == Stage::Storm) else {
            return;
        };
        if power.armed.is_some() {
            return self.power_cut(Point::Anywhere);
        }
        if power.dice.percent(power.full_chance) {
            power.fulls += 1;
            let room_at = self.now + power.soon(FULL_MS_MAX);
            self.server.disk.set_full(true);
            self.agenda.set(Due::Room, Some(room_at));
            let next = self.now + power.soon(ON_MS_MAX);
            return self.agenda.set(Due::Power, Some(next));
        }
        power.arm();
        self.agenda.set(Due::Power, Some(self.now + WAITED_FOR));
    }

    /// The server orders.
    pub(super) fn order(&mut self) {
        let rung = self
            .server
            .order(self.now, &mut self.served, &mut self.check);
        self.rang(rung);
        let Some(stores) = self.server.under_way() else {
            return;
        };
        let micros = self.dice.within(1..1_500);
        let at = self.now + Duration::from_micros(micros);
        self.agenda.no_later(Due::Stored, at);
        if let Some(power) = self.power.as_mut().filter(|_| stores)
            && power.is_armed(Point::BeforeAppend)
        {
            let at = self.now + Duration::from_micros(power.dice.within(0..micros));
            self.agenda.set(Due::Cut, Some(at));
        }
    }

    /// The power goes while a batch is applied and not stored, as planned.
    pub(super) fn cut_before_append(&mut self) {
        match self.server.under_way() {
            Some(_) => self.power_cut(Point::BeforeAppend),
            None => self.power_cut(Point::Anywhere),
        }
    }

    /// The disk has done what it was given.
    pub(super) fn stored(&mut self) {
        if self.server.under_way() == Some(true) {
            self.plan_append();
        }
        let stored = self
            .server
            .store(self.now, &mut self.served, &mut self.check);
        let Ok(rung) = stored else {
            let planned = self.power.as_mut().and_then(|power| power.planned.take());
            return self.power_cut(planned.unwrap_or(Point::Failed));
        };
        if let Some(power) = self.power.as_mut().filter(|_| !rung.is_empty()) {
            if power.is_armed(Point::BeforeRead) {
                return self.power_cut(Point::BeforeRead);
            }
            if power.is_armed(Point::BetweenReads) && rung.len() > 1 {
                power.armed = None;
                power.reads_left = Some(power.dice.within(1..rung.len() as u64));
            }
        }
        self.rang(rung);
    }

    /// Sessions look soon.
    fn rang(&mut self, rung: Vec<u64>) {
        for id in rung {
            let at = self.soon(2_000);
            self.agenda.no_later(Due::Served(id), at);
        }
    }

    fn plan_append(&mut self) {
        let Some(power) = self.power.as_mut() else {
            return;
        };
        let fate = match power.armed {
            Some((Point::InsideAppend, _)) => Fate::CutInside,
            Some((Point::AfterSync, _)) => Fate::CutAfterSync,
            Some((Point::Failed, _)) => Fate::Failed {
                stored: power.dice.percent(50),
            },
            _ => return,
        };
        power.planned = power.armed.take().map(|(point, _)| point);
        self.server.disk.plan(fate);
    }

    /// A session has spoken, or not: whether the power goes while its bytes go out.
    pub(super) fn goes_between_reads(&mut self, spoke: bool) -> bool {
        let Some(left) = self
            .power
            .as_mut()
            .and_then(|power| power.reads_left.as_mut())
        else {
            return false;
        };
        *left -= u64::from(spoke);
        *left == 0
    }

    /// A session takes a step: whether the power goes before it, while clients come back.
    pub(super) fn goes_while_resuming(&mut self) -> bool {
        let Some((Point::Resuming, left)) =
            self.power.as_mut().and_then(|power| power.armed.as_mut())
        else {
            return false;
        };
        let live = |client: &Client| client.is_live();
        let mut clients = self.people.iter().map(|person| person.client.as_ref());
        if clients.all(|client| client.is_some_and(live)) {
            return false;
        }
        *left = left.saturating_sub(1);
        *left == 0
    }

    /// The power goes, or the server ends because its disk failed.
    pub(super) fn power_cut(&mut self, point: Point) {
        let Some(mut power) = self.power.take() else {
            panic!("no power cut was planned in this world");
        };
        self.trace
            .note(self.now, "power-cut", point as u64, power.left);
        power.cuts[point as usize] += 1;
        power.left = power.left.saturating_sub(1);
        (power.armed, power.planned, power.reads_left) = (None, None, None);
        self.off = true;
        self.server.stop();
        for due in [Due::Order, Due::Stored, Due::Cut, Due::Power] {
            self.agenda.set(due, None);
        }
        let ids: Vec<u64> = std::mem::take(&mut self.served).into_keys().collect();
        for id in ids {
            self.agenda.set(Due::Served(id), None);
            self.cut_wires(id, &mut power);
        }
        let at = self.now + power.soon(OFF_MS_MAX);
        self.agenda.set(Due::Start, Some(at));
        self.power = Some(power);
    }

    /// What becomes of a connection when the server's end is gone: what is under way arrives or
    /// does not, and the client notices or does not.
    fn cut_wires(&mut self, id: u64, power: &mut Power) {
        let Some(wires) = self.wires.get_mut(&id) else {
            return;
        };
        wires.up.kill();
        match power.dice.within(0..3) {
            0 => wires.down.close(),
            1 => wires.down.snap(),
            _ => {
                wires.down.kill();
                power.unnoticed.push(id);
            }
        }
        self.watch_wires(id);
    }

    /// The power is back: the server starts, and the power may go again while it does.
    pub(super) fn start(&mut self) {
        let Some(mut power) = self.power.take() else {
            return;
        };
        let again = match power.dice.within(0..100) {
            _ if power.left == 0 => None,
            0..=4 => Some((Point::BeforeTerm, Fate::CutInside)),
            5..=8 => Some((Point::InsideTerm, Fate::CutInside)),
            9..=13 => Some((Point::AfterTerm, Fate::CutAfterSync)),
            _ => None,
        };
        let fate = again.map_or(Fate::Stored, |(_, fate)| fate);
        match self.server.start(&mut self.check, fate) {
            Ok(()) => self.started(&mut power),
            Err(why) => {
                if let (Some((point, _)), AppendError::Failed(_)) = (again, &why) {
                    self.trace
                        .note(self.now, "power-cut", point as u64, power.left);
                    power.cuts[point as usize] += 1;
                    power.left -= 1;
                }
                let at = self.now + power.soon(OFF_MS_MAX);
                self.agenda.set(Due::Start, Some(at));
            }
        }
        self.power = Some(power);
    }

    fn started(&mut self, power: &mut Power) {
        let term = u64::from(self.server.term.0);
        self.trace.note(self.now, "started", term, power.left);
        self.off = false;
        // The new server knows nothing of the old connections, and says so.
        for id in std::mem::take(&mut power.unnoticed) {
            if let Some(wires) = self.wires.get_mut(&id) {
                wires.down.snap();
            }
            self.watch_wires(id);
        }
        if power.left == 0 {
            return self.agenda.set(Due::Calm, Some(self.now));
        }
        let mut next = self.now + power.soon(ON_MS_MAX);
        if power.dice.percent(30) {
            power.armed = Some((Point::Resuming, power.dice.within(1..60)));
            next = self.now + WAITED_FOR;
        }
        self.agenda.set(Due::Power, Some(next));
    }

    /// Faults of power and disk stop.
    pub(super) fn power_is_calm(&mut self) {
        self.server.disk.set_full(false);
        for due in [Due::Power, Due::Cut, Due::Room] {
            self.agenda.set(due, None);
        }
        if let Some(power) = &mut self.power {
            (power.left, power.armed, power.reads_left) = (0, None, None);
        }
    }
}
