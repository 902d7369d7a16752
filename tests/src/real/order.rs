//! The promises of one order, checked over what clients printed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::Client;

/// What stands at a stamp: author, audience, text.
type Said = (String, String, String);

/// Checks, over everything these clients have printed until now:
/// each sees strictly ascending stamps, each `prev` is the stamp before, nobody is delivered a
/// message of its own, and what two of them see at a stamp is the same.
#[track_caller]
pub fn assert_one_order(clients: &[&Client]) {
    let mut order: BTreeMap<u64, Said> = BTreeMap::new();
    for client in clients {
        let heard = client.transcript().heard();
        let mut last = 0;
        for message in heard.messages() {
            let stamp = number(message, "stamp");
            let name = client.nick();
            assert!(stamp > last, "{name}: {stamp} after {last}\n{heard}");
            assert_eq!(
                number(message, "prev"),
                last,
                "{name}: a gap before {stamp}\n{heard}"
            );
            assert_ne!(
                message["from"], name,
                "{name} was delivered its own {stamp}"
            );
            last = stamp;
            let said = said(message);
            let known = order.entry(stamp).or_insert_with(|| said.clone());
            assert_eq!(*known, said, "{name} sees something else at {stamp}");
        }
        assert_commits_ascend(client.nick(), heard.of_type("committed"));
    }
}

/// Checks that what `author` said is seen by `reader` at the stamps committed to the author.
#[track_caller]
pub fn assert_committed_as_delivered(author: &Client, reader: &Client) {
    let stamps = |values: Vec<Value>| -> Vec<u64> {
        values.iter().map(|value| number(value, "stamp")).collect()
    };
    let mut delivered = reader.events("message");
    delivered.retain(|message| message["from"] == author.nick());
    assert_eq!(stamps(author.events("committed")), stamps(delivered));
}

/// One author's messages get ascending stamps and a `pseq` without a hole.
fn assert_commits_ascend<'a>(name: &str, commits: impl Iterator<Item = &'a Value>) {
    let mut before: Option<(u64, u64, u64)> = None;
    for commit in commits {
        let [stamp, epoch, pseq] = ["stamp", "epoch", "pseq"].map(|key| number(commit, key));
        if let Some((last, last_epoch, last_pseq)) = before {
            assert!(stamp > last, "{name}: commit {stamp} after {last}");
            assert!(epoch > last_epoch || pseq > last_pseq, "{name}: {commit}");
        }
        before = Some((stamp, epoch, pseq));
    }
}

fn said(message: &Value) -> Said {
    let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
    (text("from"), message["to"].to_string(), text("text"))
}

/// A field that must be a number.
#[track_caller]
pub fn number(value: &Value, key: &str) -> u64 {
    let field = value[key].as_u64();
    field.unwrap_or_else(|| panic!("no number `{key}` in {value}"))
}
