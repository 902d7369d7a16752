//! What curves and bars are made of, one column each.

/// A set of characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Glyphs {
    /// Eighths of a block.
    Blocks,
    /// What every terminal has.
    Ascii,
}

impl Glyphs {
    /// In flight, sent again, free.
    pub(super) const fn bar(self) -> [char; 3] {
        match self {
            Self::Blocks => ['█', '▒', '·'],
            Self::Ascii => ['#', '+', '.'],
        }
    }

    pub(super) const fn rule(self) -> char {
        match self {
            Self::Blocks => '─',
            Self::Ascii => '-',
        }
    }

    /// A curve from zero to `most`; a blank where nothing is known.
    pub(super) fn curve(self, points: &[Option<u64>], most: u64) -> String {
        let levels: &[char] = match self {
            Self::Blocks => &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Self::Ascii => &['_', '.', '-', '=', '+', '*', '%', '#'],
        };
        let glyph = |value: u64| {
            // At most `levels.len() - 1`, since no value is above `most`.
            let level = u128::from(value) * (levels.len() as u128 - 1) / u128::from(most.max(1));
            let level = usize::try_from(level).unwrap_or(usize::MAX);
            levels[level.min(levels.len() - 1)]
        };
        let shown = points.iter().map(|point| point.map_or(' ', glyph));
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_goes_from_zero_to_the_most() {
        let points = [Some(0), Some(1), None, Some(35), Some(69), Some(70)];
        assert_eq!(Glyphs::Blocks.curve(&points, 70), "▁▁ ▄▇█");
        assert_eq!(Glyphs::Ascii.curve(&points, 70), "__ =%#");
        assert_eq!(Glyphs::Blocks.curve(&[Some(0)], 0), "▁");
        assert_eq!(Glyphs::Blocks.curve(&[Some(u64::MAX)], u64::MAX), "█");
        assert_eq!(Glyphs::Blocks.curve(&[], 1), "");
    }
}
