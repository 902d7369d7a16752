//! What clients saw of a journal, and what its server logged.

use lamparina_order::verify::journal::Judge;
use lamparina_order::{Record, Recorded};
use lamparina_protocol::MemberId;

use crate::export::json;

/// What the client of `member` prints with `--json` while all of `records` happens.
pub(crate) fn capture(records: &[Record], member: u32, log: &str) -> Vec<String> {
    let mut lines = vec![format!(
        r#"{{"v":1,"type":"connected","server":"x:1","as":"x","stamp":0,"member":{member},"log":"{log}"}}"#
    )];
    let (mut judge, mut prev) = (Judge::default(), 0);
    for record in records {
        judge.admit(record).unwrap();
        let Recorded::Message(message) = &record.event else {
            continue;
        };
        let (epoch, pseq) = (message.epoch, message.pseq);
        let stamp = record.stamp.get();
        if message.member.0 == member {
            let text = serde_json::to_string(&message.text).unwrap();
            lines.push(format!(
                r#"{{"v":1,"type":"committed","epoch":{epoch},"pseq":{pseq},"stamp":{stamp},"text":{text}}}"#
            ));
        } else if judge.receives(MemberId(member), message) {
            let mut line = serde_json::from_str::<serde_json::Value>(&json::line(record)).unwrap();
            line["history"] = false.into();
            line["prev"] = prev.into();
            lines.push(line.to_string());
            prev = stamp;
        }
    }
    lines
}

/// What the server logs while all of `records` happens, without a line for its start.
pub(crate) fn server_log(records: &[Record]) -> Vec<String> {
    let messages = records.iter().filter_map(|record| match &record.event {
        Recorded::Message(message) => Some((record.stamp, message)),
        _ => None,
    });
    messages
        .map(|(stamp, message)| {
            let to = message.audience.names().join(",");
            let (kind, from) = (message.audience.kind(), &message.from);
            let (bytes, seen) = (message.text.len(), message.seen);
            format!("2026-11-20T18:42:01.123456Z event=produced stamp={stamp} kind={kind} from={from} to={to} bytes={bytes} seen={seen}")
        })
        .collect()
}
