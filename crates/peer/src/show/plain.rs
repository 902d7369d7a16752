//! Events as readable lines: data for stdout, talk for stderr. Remote text is cleaned.

use lamparina_protocol::peer::PeerName;
use lamparina_protocol::{clean, nick::NickKey};

use super::called_plain;
use crate::event::{
    CoordinatorLine, Equivocation, Event, HistoryKey, Line as Said, MergeReport, Merged,
};

/// Places that a merge report names; what else there is, is counted.
const PLACES_SHOWN_MAX: usize = 5;

const DIM: &str = "\u{1b}[2m";
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

/// How lines look, and for whom.
#[derive(Clone, Debug)]
pub struct Style {
    /// The reader's own name: it is shown as `you`.
    pub own: PeerName,
    /// Whether colours are wanted.
    pub colour: bool,
}

/// A line, and where it belongs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// stdout.
    Data(String),
    /// stderr, behind `* `.
    Talk(String),
}

impl Style {
    /// A name as the reader sees it: its own is `you`, everybody is `all`.
    fn name(&self, name: &str) -> String {
        let own = |name: &PeerName| fold(name) == fold(&self.own);
        match PeerName::parse(name, &self.own.namespace) {
            _ if name == "ALL" => "all".to_owned(),
            Ok(name) if own(&name) => "you".to_owned(),
            _ => clean::line(name),
        }
    }
}

fn fold(name: &PeerName) -> (NickKey, NickKey) {
    (name.name.key(), name.namespace.key())
}

/// `event` as a line; `None` for what the shell itself shows, or only programs are told.
pub fn event(event: &Event, style: &Style) -> Option<Line> {
    Some(match event {
        Event::Listening(addr) => Line::Data(format!("listening on {addr}")),
        Event::Message(said) => Line::Data(message(said, style)),
        Event::Committed { key, to, text, .. } => {
            let head = format!("you -> {}:", names(to, style));
            Line::Data(data(&stamp(key, false), &head, text, style))
        }
        Event::Ready { stamp } => {
            Line::Talk(format!("ready as {}; the clock is at {stamp}", style.own))
        }
        Event::Merged(report) => Line::Talk(merged(report)),
        Event::Equivocation(found) => Line::Talk(equivocation(found)),
        Event::Joined(peer) => {
            let at = peer.addrs.first();
            let at = at.map_or_else(String::new, |addr| format!(" ({addr})"));
            Line::Talk(format!("{}{at} is here", called_plain(peer)))
        }
        Event::Left(peer) => Line::Talk(format!("{} is gone", called_plain(peer))),
        Event::Coordinator(who) => Line::Talk(coordinator(who.as_ref())),
        Event::Warning { code, text } => Line::Talk(format!("error {code}: {}", clean::text(text))),
        Event::Final { .. } | Event::LinkUp(_) | Event::LinkDown { .. } | Event::Closed(_) => {
            return None;
        }
    })
}

/// Somebody's line: its place (with `~` until it is final), who said it and where, for whom, and what.
pub fn message(said: &Said, style: &Style) -> String {
    let mut head = String::new();
    if said.history {
        head.push_str("(earlier) ");
    }
    if said.late {
        head.push_str("(late) ");
    }
    head.push_str(&author(said, style));
    let head = format!("{head} -> {}:", names(&said.to, style));
    data(&stamp(&said.key, said.is_final), &head, &said.text, style)
}

fn author(said: &Said, style: &Style) -> String {
    if let Some(via) = &said.via {
        let by = match said.own {
            true => "you".to_owned(),
            false => bearer(said),
        };
        let name = clean::line(&via.peer_id);
        return match via.addr {
            Some(addr) => format!("{name} ({addr}, via {by}, PyP2P)"),
            None => format!("{name} (via {by}, PyP2P)"),
        };
    }
    if said.own {
        return "you".to_owned();
    }
    // Somebody else may bear the same name: only what is one's own is `you`.
    let mut name = bearer(said);
    if fold(&said.from) == fold(&style.own) {
        name.push_str(" (another one)");
    }
    match said.addr {
        Some(addr) => format!("{name} ({addr})"),
        None => name,
    }
}

/// The name of who signed it, with the key where the name alone does not say who that is.
fn bearer(said: &Said) -> String {
    let name = clean::line(&said.from.to_string());
    match said.shares_name {
        true => format!("{name} {}", super::short_key(&said.key.author.to_string())),
        false => name,
    }
}

fn names(to: &[String], style: &Style) -> String {
    let names = to.iter().map(|name| style.name(name));
    names.collect::<Vec<_>>().join(",")
}

fn stamp(key: &HistoryKey, is_final: bool) -> String {
    match is_final {
        true => format!("[{}]", key.stamp),
        false => format!("[~{}]", key.stamp),
    }
}

fn data(stamp: &str, head: &str, text: &str, style: &Style) -> String {
    let text = clean::text(text);
    match style.colour {
        true => format!("{DIM}{stamp}{RESET} {BOLD}{head}{RESET} {text}"),
        false => format!("{stamp} {head} {text}"),
    }
}

/// Who coordinates, in words.
pub fn coordinator(who: Option<&CoordinatorLine>) -> String {
    let Some(who) = who else {
        return "nobody coordinates; chat does not need it".to_owned();
    };
    let name = match (&who.name, who.own) {
        (_, true) => "you coordinate".to_owned(),
        (Some(name), false) => format!("{name} coordinates"),
        (None, false) => format!("{} coordinates", super::short_key(&who.key.to_string())),
    };
    format!("{name} now (epoch {})", who.epoch)
}

fn lines(count: u64) -> String {
    match count {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    }
}

/// What came when peers met again, in words.
fn merged(report: &MergeReport) -> String {
    let mut out = format!("met again: {} came", lines(report.lines));
    match report.inserted {
        0 => out.push_str(", all behind what was here"),
        inserted => out.push_str(&format!(
            ", {inserted} of them between lines that were here"
        )),
    }
    if report.late > 0 {
        out.push_str(&format!(", {} late, among final lines", report.late));
    }
    out.push_str("; no final line moved");
    for place in report.ranges.iter().take(PLACES_SHOWN_MAX) {
        out.push('\n');
        out.push_str(&self::place(place));
    }
    if let Some(more) = report.ranges.len().checked_sub(PLACES_SHOWN_MAX + 1) {
        out.push_str(&format!("\n  and {} more places", more + 1));
    }
    out
}

fn place(place: &Merged) -> String {
    let count = lines(place.count);
    let (first, last) = (place.first.stamp, place.last.stamp);
    match first == last {
        true => format!("  {count} at {first}"),
        false => format!("  {count} from {first} to {last}"),
    }
}

fn equivocation(found: &Equivocation) -> String {
    let Equivocation {
        name,
        from,
        digests,
    } = found;
    let [one, other] = digests.map(|digest| digest.to_string()[..8].to_owned());
    format!(
        "{} ({}) has said two things in one place: its message {} is both {one}.. and {other}... Both \
         stand in the history, and both signatures are kept as proof",
        clean::line(&from.to_string()),
        super::short_key(&name.chain.author.to_string()),
        name.n,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::testing::{foreign, key, line, name, peer};

    fn style(colour: bool) -> Style {
        let own = name("rui@lan");
        Style { own, colour }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Said), expected: &str) {
        let mut said = line(42, "hi");
        change(&mut said);
        let shown = event(&Event::Message(said), &style(false));
        assert_eq!(shown, Some(Line::Data(expected.to_owned())));
    }

    #[test]
    fn lines_show_place_author_address_and_audience() {
        let to = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        check(|_| {}, "[~42] ana@lab (192.0.2.5:5001) -> all: hi");
        check(
            |said| said.is_final = true,
            "[42] ana@lab (192.0.2.5:5001) -> all: hi",
        );
        check(|said| said.addr = None, "[~42] ana@lab -> all: hi");
        check(
            |said| said.to = to(&["RUI@lan", "eva@lab"]),
            "[~42] ana@lab (192.0.2.5:5001) -> you,eva@lab: hi",
        );
        check(
            |said| said.to = to(&["#lab"]),
            "[~42] ana@lab (192.0.2.5:5001) -> #lab: hi",
        );
        check(
            |said| (said.late, said.is_final) = (true, true),
            "[42] (late) ana@lab (192.0.2.5:5001) -> all: hi",
        );
        check(
            |said| (said.late, said.history) = (true, true),
            "[~42] (earlier) (late) ana@lab (192.0.2.5:5001) -> all: hi",
        );
        check(
            |said| said.via = Some(foreign()),
            "[~42] kim@there (192.0.2.9:4000, via ana@lab, PyP2P) -> all: hi",
        );
        check(|said| said.own = true, "[~42] you -> all: hi");
        check(
            |said| said.from = name("rui@lan"),
            "[~42] rui@lan (another one) (192.0.2.5:5001) -> all: hi",
        );
        check(
            |said| said.shares_name = true,
            "[~42] ana@lab ~aaaaaaaa (192.0.2.5:5001) -> all: hi",
        );
        check(
            |said| (said.shares_name, said.via) = (true, Some(foreign())),
            "[~42] kim@there (192.0.2.9:4000, via ana@lab ~aaaaaaaa, PyP2P) -> all: hi",
        );
        check(
            |said| said.text = "a\n[43] eva: b\u{1b}[2J".to_owned(),
            "[~42] ana@lab (192.0.2.5:5001) -> all: a\n    [43] eva: b␛[2J",
        );
    }

    #[test]
    fn a_foreign_name_is_harmless() {
        let mut said = line(42, "hi");
        let mut via = foreign();
        via.peer_id = "k\u{1b}[31m\n[1] x".to_owned();
        said.via = Some(via);
        let shown = message(&said, &style(false));
        assert!(!shown.contains(['\u{1b}', '\n']), "{shown:?}");
    }

    #[test]
    fn colours_only_where_wanted() {
        let shown = |colour| message(&line(1, "hi"), &style(colour));
        assert!(shown(true).contains('\u{1b}'));
        assert!(!shown(false).contains('\u{1b}'));
    }

    #[test]
    fn one_own_line_shows_its_place() {
        let committed = Event::Committed {
            key: key(7, 1),
            kind: crate::event::Kind::Unicast,
            to: vec!["bob@lan".to_owned()],
            text: "hi".to_owned(),
        };
        let expected = Line::Data("[~7] you -> bob@lan: hi".to_owned());
        assert_eq!(event(&committed, &style(false)), Some(expected));
    }

    #[track_caller]
    fn talk(what: &Event, expected: &str) {
        let expected = Line::Talk(expected.to_owned());
        assert_eq!(event(what, &style(false)), Some(expected));
    }

    #[test]
    fn comings_goings_and_coordinators_in_words() {
        talk(
            &Event::Joined(peer("bob@lan", false)),
            "bob@lan (192.0.2.6:5002) is here",
        );
        let mut unnamed = peer("bob@lan", false);
        unnamed.name = None;
        talk(&Event::Left(unnamed.clone()), "~bbbbbbbb is gone");
        (unnamed.key, unnamed.foreign) = (None, Some("kim@x\u{7}".to_owned()));
        talk(&Event::Left(unnamed), "kim@x␇ is gone");
        talk(
            &Event::Coordinator(None),
            "nobody coordinates; chat does not need it",
        );
        let bob = CoordinatorLine {
            key: key(1, 0xbb).author,
            name: Some(name("bob@lan")),
            epoch: 3,
            own: false,
        };
        talk(
            &Event::Coordinator(Some(bob.clone())),
            "bob@lan coordinates now (epoch 3)",
        );
        let you = CoordinatorLine { own: true, ..bob };
        talk(
            &Event::Coordinator(Some(you)),
            "you coordinate now (epoch 3)",
        );
    }

    #[test]
    fn a_merge_is_told_in_words_with_a_few_places() {
        let place = |first, last, count| Merged {
            first: key(first, 1),
            last: key(last, 2),
            count,
        };
        let report = MergeReport {
            lines: 12,
            inserted: 9,
            late: 2,
            ranges: vec![place(4, 17, 9), place(30, 30, 1)],
        };
        talk(
            &Event::Merged(report),
            "met again: 12 lines came, 9 of them between lines that were here, 2 late, among final \
             lines; no final line moved\n  9 lines from 4 to 17\n  1 line at 30",
        );
        let report = MergeReport {
            lines: 1,
            inserted: 0,
            late: 0,
            ranges: vec![place(1, 2, 2); PLACES_SHOWN_MAX + 2],
        };
        let Some(Line::Talk(words)) = event(&Event::Merged(report), &style(false)) else {
            panic!("a merge is talk");
        };
        assert!(words.starts_with("met again: 1 line came, all behind what was here;"));
        assert!(words.ends_with("\n  and 2 more places"), "{words}");
    }

    #[test]
    fn two_messages_of_one_name_are_told() {
        let name = key(4, 0xaa).name();
        let found = Equivocation {
            name,
            from: crate::show::testing::name("ana@lab"),
            digests: [1, 2].map(|byte| lamparina_protocol::peer::message::Digest([byte; 32])),
        };
        talk(
            &Event::Equivocation(found),
            "ana@lab (~aaaaaaaa) has said two things in one place: its message 3 is both 01010101.. \
             and 02020202... Both stand in the history, and both signatures are kept as proof",
        );
    }
}
