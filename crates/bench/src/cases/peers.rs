//! The case `peers`: everybody talks to everybody with no server between them, and two halves that have gone on
//! without each other meet again.

use std::time::Duration;

use serde_json::json;

use super::Setting;
use crate::args;
use crate::child::Side;
use crate::folder::Folder;
use crate::peers::crew::{Crew, Order};
use crate::report::{self, median};
use crate::wire::Fault;

/// What a round of talk showed.
#[derive(Clone, Copy, Debug)]
struct Talk {
    deliveries: u64,
    elapsed: Duration,
    cpu: Duration,
    sent_bytes: u64,
}

impl Talk {
    fn per_core(&self) -> f64 {
        self.deliveries as f64 / self.cpu.as_secs_f64()
    }

    fn bytes_each(&self) -> f64 {
        self.sent_bytes as f64 / self.deliveries as f64
    }
}

impl Setting {
    /// Rounds of both, raw and ours in alternation.
    pub(super) fn peers(&self, wanted: &args::PeersOptions) -> Result<(), Fault> {
        self.talk(wanted)?;
        self.heal(wanted)
    }

    fn crew(&self, side: Side, count: u16) -> Result<Crew, Fault> {
        let folder = Folder::fresh(&self.within).map_err(Fault::io("making a folder"))?;
        Crew::start(side, count, folder)
    }

    fn talk(&self, wanted: &args::PeersOptions) -> Result<(), Fault> {
        let (count, each, size) = (wanted.peers, wanted.messages, self.common.size);
        println!("\npeers: {count} of them, all linked; each says {each} messages of {size} bytes");
        println!("{}", report::PEERS_HEAD);
        let mut rounds = Vec::new();
        for round in 1..=self.rounds {
            let mut pair = Vec::new();
            for side in self.sides() {
                let talk = self.talk_round(side, wanted)?;
                self.tell_talk(round, side, &talk);
                pair.push(talk);
            }
            rounds.push(pair);
        }
        let pairs: Vec<_> = rounds
            .iter()
            .filter_map(|pair| pair.first_chunk::<2>())
            .collect();
        if !pairs.is_empty() {
            let per_core = pairs
                .iter()
                .map(|[raw, ours]| ours.per_core() / raw.per_core());
            let bytes = pairs
                .iter()
                .map(|[raw, ours]| ours.bytes_each() / raw.bytes_each());
            let (per_core, bytes) = (median(per_core), median(bytes));
            let figures = [
                ("per_core_of_raw", format!("{per_core:.3}"), per_core),
                ("bytes_of_raw", format!("{bytes:.3}"), bytes),
            ];
            self.result("peers", &figures, None);
        }
        Ok(())
    }

    fn talk_round(&self, side: Side, wanted: &args::PeersOptions) -> Result<Talk, Fault> {
        let mut crew = self.crew(side, wanted.peers)?;
        crew.link_all()?;
        let (peers, each) = (u64::from(wanted.peers), wanted.messages);
        let orders = [
            Order::Say {
                count: each,
                bytes: self.common.size.into(),
            },
            Order::Expect(peers * each),
        ];
        let (cpu, sent) = (crew.cpu()?, crew.sent_bytes()?);
        let elapsed = crew.time(&orders)?;
        let after = crew.cpu()?;
        let spent = after
            .iter()
            .zip(&cpu)
            .map(|(after, before)| after.since(before));
        Ok(Talk {
            deliveries: peers * each * (peers - 1),
            elapsed,
            cpu: spent.sum(),
            sent_bytes: crew.sent_bytes()? - sent,
        })
    }

    fn tell_talk(&self, round: u32, side: Side, talk: &Talk) {
        let (per_core, bytes) = (talk.per_core(), talk.bytes_each());
        let seconds = talk.elapsed.as_secs_f64();
        let text = format!(
            "{round:>5}  {:<9}  {:>12.0}  {per_core:>17.0}  {bytes:>14.1}  {seconds:>8.2}",
            side.name(),
            talk.deliveries as f64 / seconds,
        );
        let twin = json!({
            "v": 1, "type": "round", "case": "peers", "round": round, "side": side.name(),
            "deliveries": talk.deliveries, "seconds": seconds, "cpu_s": talk.cpu.as_secs_f64(),
            "deliveries_per_s_and_core": per_core, "sent_bytes_per_delivery": bytes,
        });
        self.report.line(&text, &twin);
    }

    fn heal(&self, wanted: &args::PeersOptions) -> Result<(), Fault> {
        let (each, size) = (wanted.heal, self.common.size);
        println!("\nhealing: two peers that said {each} messages of {size} bytes each, apart");
        println!("{}", report::HEALING_HEAD);
        let mut rounds = Vec::new();
        for round in 1..=self.rounds {
            let mut pair = Vec::new();
            for side in self.sides() {
                let seconds = self.heal_round(side, wanted)?.as_secs_f64();
                let text = format!("{round:>5}  {:<9}  {seconds:>13.3}", side.name());
                let twin = json!({
                    "v": 1, "type": "round", "case": "healing", "round": round, "side": side.name(),
                    "messages_each": each, "seconds": seconds,
                });
                self.report.line(&text, &twin);
                pair.push(seconds);
            }
            rounds.push(pair);
        }
        let pairs = rounds.iter().filter_map(|pair| pair.first_chunk::<2>());
        let times: Vec<_> = pairs.map(|[raw, ours]| ours / raw).collect();
        if !times.is_empty() {
            let of_raw = median(times);
            self.result(
                "healing",
                &[("time_of_raw", format!("{of_raw:.2}"), of_raw)],
                None,
            );
        }
        Ok(())
    }

    /// From the order to link until both have everything.
    fn heal_round(&self, side: Side, wanted: &args::PeersOptions) -> Result<Duration, Fault> {
        let mut crew = self.crew(side, 2)?;
        let say = Order::Say {
            count: wanted.heal,
            bytes: self.common.size.into(),
        };
        crew.time(&[say, Order::Expect(wanted.heal)])?;
        let began = std::time::Instant::now();
        crew.link(1, 0)?;
        crew.tell_all(Order::Expect(2 * wanted.heal))?;
        Ok(began.elapsed())
    }
}
