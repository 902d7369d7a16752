//! The two ends of a sliding window with selective repeat or Go-Back-N. Neither side holds more
//! than the window agreed on, in frames and in bytes.

#[cfg(test)]
mod model;
mod recv;
mod send;

pub(crate) use recv::{Parking, RecvWindow};
pub(crate) use send::{AckFault, Piece, SendWindow};

use crate::frame::Seq;

/// Where a frame lies, seen from the place that is awaited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Position {
    /// The place awaited.
    Next,
    /// Later, inside the window; `gap` places are missing before it.
    Inside { gap: u16 },
    /// Received already: the half of all places that lies behind.
    Behind,
    /// Ahead of the window. No honest sender gets there.
    Beyond,
}

impl Position {
    /// Places from which on a distance means "behind".
    const HALF: u16 = 1 << 15;

    /// The position of `seq` when `next` is awaited and the window has `frames` places.
    #[inline]
    pub(crate) fn of(next: Seq, frames: u16, seq: Seq) -> Self {
        match seq.distance_from(next) {
            0 => Self::Next,
            gap if gap < frames => Self::Inside { gap },
            gap if gap >= Self::HALF => Self::Behind,
            _ => Self::Beyond,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Position::{Behind, Beyond, Inside, Next};
    use super::*;

    #[track_caller]
    fn check(next: u16, frames: u16, seq: u16, expected: Position) {
        assert_eq!(
            Position::of(Seq::new(next), frames, Seq::new(seq)),
            expected
        );
    }

    #[test]
    fn positions_around_the_wrap() {
        check(10, 64, 10, Next);
        check(10, 64, 11, Inside { gap: 1 });
        check(10, 64, 73, Inside { gap: 63 });
        check(10, 64, 74, Beyond);
        check(10, 64, 9, Behind);
        check(10, 1, 11, Beyond);
        check(10, 1, 9, Behind);
        check(65_535, 64, 65_535, Next);
        check(65_535, 64, 0, Inside { gap: 1 });
        check(65_535, 64, 62, Inside { gap: 63 });
        check(65_535, 64, 63, Beyond);
        check(0, 64, 65_535, Behind);
        check(0, 16_384, 16_383, Inside { gap: 16_383 });
        check(0, 16_384, 16_384, Beyond);
        check(0, 16_384, 32_767, Beyond);
        check(0, 16_384, 32_768, Behind);
        check(40_000, 16_384, 56_384, Beyond);
        check(60_000, 16_384, 10_847, Inside { gap: 16_383 });
    }
}
