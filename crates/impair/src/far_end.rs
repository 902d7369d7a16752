//! Copies that have arrived and are held back until others have gone past: each comes out once,
//! after as many as it was told to wait for or after [`HOLD_AT_MOST`], whichever is first.

use std::collections::VecDeque;
use std::time::Duration;

use lamparina_protocol::Instant;

use crate::channel::FrameCopy;
use crate::fate::BEHIND_FRAMES_MAX;

/// A frame held back comes out after this, however few have gone past: there may never be another.
pub const HOLD_AT_MOST: Duration = Duration::from_millis(50);

/// Those that wait, and how many have gone past.
#[derive(Debug, Default)]
pub(crate) struct FarEnd {
    /// `lanes[k]` holds those that let `k + 1` others go past, in the order in which they arrived;
    /// all in a lane wait equally long, so the front one is always the first to go.
    lanes: [VecDeque<Held>; BEHIND_FRAMES_MAX],
    /// Copies that went past, ever.
    passed: u64,
}

#[derive(Debug)]
struct Held {
    copy: FrameCopy,
    /// Comes out when so many copies have gone past,
    passed: u64,
    /// or then.
    until: Instant,
}

impl FarEnd {
    /// Holds `copy`, arrived at `at`, back until `behind` others have gone past: at least 1.
    pub(crate) fn hold(&mut self, at: Instant, copy: FrameCopy, behind: usize) {
        self.lanes[behind - 1].push_back(Held {
            copy,
            passed: self.passed + behind as u64,
            until: at + HOLD_AT_MOST,
        });
    }

    /// Notes that a copy has gone past.
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    /// The next one that has let enough others past.
    pub(crate) fn next_passed(&mut self) -> Option<FrameCopy> {
        let passed = self.passed;
        let lane = self
            .lanes
            .iter_mut()
            .find(|lane| lane.front().is_some_and(|held| held.passed <= passed))?;
        lane.pop_front().map(|held| held.copy)
    }

    /// When the next one will have been held back long enough, and its lane.
    pub(crate) fn next_due(&self) -> Option<(Instant, usize)> {
        let fronts = self.lanes.iter().enumerate();
        fronts
            .filter_map(|(lane, held)| Some((held.front()?.until, lane)))
            .min()
    }

    /// Lets go the one that has been held back longest in `lane`.
    pub(crate) fn let_go(&mut self, lane: usize) -> Option<FrameCopy> {
        self.lanes[lane].pop_front().map(|held| held.copy)
    }
}
