//! Who says what to whom. The same seed writes the same script.

use lamparina_protocol::{Audience, Nick};

/// The three who talk.
pub const PEOPLE: [&str; 3] = ["ana", "bob", "carla"];

const PHRASES: [&str; 12] = [
    "the pump in room 3 is off again",
    "who has the key to the mast?",
    "I am on my way",
    "pressure is back at 4.1",
    "copy that",
    "the link drops every few minutes here",
    "rain from the west, about an hour out",
    "can somebody read me the last value?",
    "42.7",
    "thanks!",
    "say again, please",
    "all hands at the winch",
];

/// One thing said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Who says it: a place in [`PEOPLE`].
    pub who: usize,
    /// For whom.
    pub audience: Audience,
    /// Who hears it, ascending; never the speaker.
    pub to: Vec<usize>,
    /// Its text; no two lines are alike.
    pub text: String,
}

impl Line {
    /// The line as a person types it.
    pub fn typed(&self) -> String {
        let names = self.audience.names().join(",");
        let command = match self.audience {
            Audience::Unicast(_) => "MSG",
            Audience::Multicast(_) => "MULTICAST",
            Audience::All | Audience::Room(_) => "BROADCAST",
        };
        format!("{command}:{names}:{}", self.text)
    }
}

/// `count` lines: all three ways and all three people in turn, the rest as the seed has it.
pub fn write(seed: u64, count: u16) -> Vec<Line> {
    let mut state = seed;
    let mut draw = |choices: u64| (split_mix(&mut state) % choices) as usize;
    (0..usize::from(count))
        .map(|number| {
            let who = match number {
                0..3 => number,
                _ => draw(PEOPLE.len() as u64),
            };
            let others: Vec<usize> = (0..PEOPLE.len()).filter(|&other| other != who).collect();
            let way = match number {
                0..3 => number,
                _ => draw(3),
            };
            let (audience, to) = match way {
                0 => {
                    let one = others[draw(others.len() as u64)];
                    (Audience::Unicast(nick(one)), vec![one])
                }
                1 => {
                    let all = others.iter().map(|&other| nick(other)).collect();
                    (Audience::Multicast(all), others)
                }
                _ => (Audience::All, others),
            };
            let text = format!("{} ({})", PHRASES[draw(PHRASES.len() as u64)], number + 1);
            Line {
                who,
                audience,
                to,
                text,
            }
        })
        .collect()
}

/// A person's nick.
pub fn nick(person: usize) -> Nick {
    Nick::try_from(PEOPLE[person]).expect("the names above are nicks: a test takes each of them")
}

/// SplitMix64 (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*, 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_writes_one_script_with_all_three_ways() {
        let script = write(7, 30);
        assert_eq!(script, write(7, 30));
        assert_ne!(script, write(8, 30));
        let kinds: Vec<_> = script
            .iter()
            .take(3)
            .map(|line| line.audience.kind())
            .collect();
        assert_eq!(kinds, ["unicast", "multicast", "broadcast"]);
        for line in &script {
            assert!(!line.to.contains(&line.who) && !line.to.is_empty());
        }
    }

    #[test]
    fn lines_are_typed_as_people_type_them() {
        let line = |audience, to: &[usize]| Line {
            who: 0,
            audience,
            to: to.to_vec(),
            text: "hi".to_owned(),
        };
        assert_eq!(line(Audience::Unicast(nick(1)), &[1]).typed(), "MSG:bob:hi");
        let both = Audience::Multicast(vec![nick(1), nick(2)]);
        assert_eq!(line(both, &[1, 2]).typed(), "MULTICAST:bob,carla:hi");
        assert_eq!(line(Audience::All, &[1, 2]).typed(), "BROADCAST:ALL:hi");
    }
}
