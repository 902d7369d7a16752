//! Why one message stands before another, from the journal alone: one author; a chain of messages,
//! each seen before the next was written; or arrival.

use std::collections::{BTreeMap, BTreeSet};

use lamparina_order::why::{Answer, Progress, Said, Search, There};
use lamparina_order::{LogIndex, Record, Recorded, RoomId};
use lamparina_protocol::message::WhyOrdered;
use lamparina_protocol::{Lamport, MemberId};
use serde::Serialize;

use crate::finding::Stop;
use crate::source::{Row, Source};

/// Who came and went when, as far as a search asks: read once, upwards.
#[derive(Clone, Debug, Default)]
struct Past {
    /// By member: the entry of its first claim.
    members: Vec<LogIndex>,
    /// By room and member: the entries by which it came or went, alternately.
    rooms: BTreeMap<(MemberId, RoomId), Vec<LogIndex>>,
    /// By member: the entries by which it was banned or pardoned, alternately.
    bans: BTreeMap<MemberId, Vec<LogIndex>>,
    claimed: BTreeSet<MemberId>,
}

impl Past {
    fn note(&mut self, record: &Record) {
        match &record.event {
            Recorded::Claimed { member, .. } | Recorded::Redeemed { member, .. }
                if self.claimed.insert(*member) =>
            {
                self.members.push(record.index);
            }
            Recorded::RoomJoined { member, room, .. } | Recorded::RoomLeft { member, room, .. } => {
                self.rooms
                    .entry((*member, *room))
                    .or_default()
                    .push(record.index);
            }
            Recorded::Banned { member, .. } => {
                let of_member = (*member, RoomId(0))..=(*member, RoomId(u64::MAX));
                for (_, moves) in self.rooms.range_mut(of_member) {
                    // It is in after an odd number, and goes out of all.
                    if moves.len() % 2 == 1 {
                        moves.push(record.index);
                    }
                }
                self.bans.entry(*member).or_default().push(record.index);
            }
            Recorded::Unbanned { member, .. } => {
                self.bans.entry(*member).or_default().push(record.index);
            }
            _ => {}
        }
    }

    fn was_banned(&self, member: MemberId, at: LogIndex) -> bool {
        is_odd_before(self.bans.get(&member), at)
    }
}

/// Whether an odd number of these entries is before `at`.
fn is_odd_before(entries: Option<&Vec<LogIndex>>, at: LogIndex) -> bool {
    entries.is_some_and(|entries| entries.partition_point(|entry| *entry < at) % 2 == 1)
}

impl There for Past {
    fn was_there(&self, member: MemberId, room: Option<RoomId>, at: LogIndex) -> bool {
        match room {
            None => {
                let since = self.members.get(member.0 as usize);
                since.is_some_and(|since| *since < at) && !self.was_banned(member, at)
            }
            // In after an odd number of comings and goings.
            Some(room) => is_odd_before(self.rooms.get(&(member, room)), at),
        }
    }
}

/// Why the messages at two stamps stand in their order.
///
/// # Errors
///
/// [`Stop::Failed`] where there is no such message, or a row cannot be read.
pub fn why(source: &Source, one: u64, other: u64) -> Result<Answer, Stop> {
    if one == other {
        return Err(Stop::Failed("give two different stamps".to_owned()));
    }
    let said = |stamp: u64| {
        let record = source.message(stamp)?;
        let said = record.as_ref().and_then(Said::of);
        said.ok_or_else(|| {
            Stop::Failed(format!(
                "no message has stamp {stamp} in {}",
                source.file().display()
            ))
        })
    };
    let (one, other) = (said(one)?, said(other)?);
    let later = one.index.max(other.index);
    let mut past = Past::default();
    source.each(|row| {
        // What comes after both has no say.
        if row.index() < later.0 as i64 && !row.has_text() {
            past.note(&record(row)?);
        }
        Ok(())
    })?;
    let (mut search, mut progress) = Search::new(&one, &other, &past);
    if progress == Progress::More {
        source.each_before(Some(later), |row| {
            progress = search.step_record(&record(row)?, &past);
            Ok(progress == Progress::More)
        })?;
    }
    source.read_in_peace()?;
    match progress {
        Progress::Done(answer) => Ok(answer),
        Progress::More => Err(Stop::Failed(damaged(
            "the walk did not meet the earlier message",
        ))),
        Progress::TooMuch => Err(Stop::Failed(
            "too many messages would have to be remembered to say why".to_owned(),
        )),
    }
}

fn record(row: &Row) -> Result<Record, Stop> {
    let record = row.columns().decode();
    record.map_err(|error| Stop::Failed(damaged(&format!("{}: {error}", row.words()))))
}

fn damaged(what: &str) -> String {
    format!("the journal is damaged ({what}): run lamparina-log verify")
}

#[derive(Serialize)]
struct Json {
    v: u8,
    r#type: &'static str,
    earlier: u64,
    later: u64,
    reason: &'static str,
    chain: Vec<Link>,
    left_out: usize,
}

#[derive(Serialize)]
struct Link {
    stamp: u64,
    from: String,
    seen: u64,
}

/// The answer as one line of JSON.
pub fn json(answer: &Answer) -> String {
    let chain = answer.chain.iter().map(|link| Link {
        stamp: link.stamp.get(),
        from: link.from.to_string(),
        seen: link.seen.get(),
    });
    let line = Json {
        v: 1,
        r#type: "why",
        earlier: answer.earlier.get(),
        later: answer.later.get(),
        reason: match answer.reason {
            WhyOrdered::SameAuthor => "same-author",
            WhyOrdered::Seen => "seen",
            WhyOrdered::Concurrent => "concurrent",
        },
        chain: chain.collect(),
        left_out: answer.left_out,
    };
    // Numbers and texts: every value has a form.
    crate::export::visible(serde_json::to_string(&line).unwrap_or_default())
}

/// The answer in words; `brief` gives a message as one line.
pub fn words(answer: &Answer, brief: impl Fn(Lamport) -> String) -> String {
    let (earlier, later) = (answer.earlier, answer.later);
    let mut out = match answer.reason {
        WhyOrdered::SameAuthor => format!(
            "{earlier} before {later}: one author wrote both, in this order.\n  {}\n  {}",
            brief(earlier),
            brief(later)
        ),
        WhyOrdered::Concurrent => format!(
            "{earlier} before {later}: by arrival. Neither author had seen the other's message, nor anything that followed from it; both could have stood the other way round.\n  {}\n  {}",
            brief(earlier),
            brief(later)
        ),
        WhyOrdered::Seen if answer.chain.len() <= 2 && answer.left_out == 0 => format!(
            "{earlier} before {later}: because of cause. The author of {later} had been delivered {earlier} before writing."
        ),
        WhyOrdered::Seen => format!(
            "{earlier} before {later}: because of cause. Each of these messages was seen, or written, by the author of the next one before it was written."
        ),
    };
    let middle = answer.chain.len() / 2;
    for (place, link) in answer.chain.iter().enumerate() {
        if place == middle && answer.left_out > 0 {
            out.push_str(&format!("\n  .. {} more ..", answer.left_out));
        }
        out.push_str(&format!(
            "\n  {} (had seen up to {})",
            brief(link.stamp),
            link.seen
        ));
    }
    lamparina_protocol::clean::words(&out)
}
