//! What the end of a connection means: try again, or not. One table, by the code of DISCONNECT.

use lamparina_protocol::control::CloseCode;
use lamparina_protocol::link::CloseReason;

/// What follows from an end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The channel, the server's health, or chance: come back.
    Retry(String),
    /// Not now, by a word for programs: who has been there before comes back.
    Later(&'static str, String),
    /// Somebody's bug: come back a few times.
    Fault(String),
    /// The nick cannot be had.
    Nick(String),
    /// Not wanted, by a word for programs.
    Refused(&'static str, String),
}

/// Judges the end of a connection; `parting` is what the peer said before it.
pub(super) fn judge(reason: CloseReason, parting: Option<(u16, String)>) -> Verdict {
    match (reason, parting) {
        (CloseReason::ByPeer { code, text }, _) => by_peer(code, text),
        (CloseReason::Unproven { code, text }, _) => of_unproven(code, text),
        (
            CloseReason::ByUs { .. } | CloseReason::Eof | CloseReason::Orderly,
            Some((code, text)),
        ) => by_peer(code, text),
        (CloseReason::ByUs { code, text }, None) => by_code(code as u16, text, "the server's"),
        (CloseReason::Eof, None) => Verdict::Retry("the connection was cut".to_owned()),
        (CloseReason::Orderly, None) => Verdict::Retry("the connection was closed".to_owned()),
    }
}

/// Judges what was said before anything was proved: what concerns a person's own choice of program and
/// server is told; nothing else is believed.
pub(super) fn of_unproven(code: u16, text: String) -> Verdict {
    match code {
        1..=3 | 20 | 21 => by_code(code, text, "the server's"),
        _ if text.is_empty() => Verdict::Retry("the server refused, without words".to_owned()),
        _ => Verdict::Retry(text),
    }
}

fn by_peer(code: u16, text: String) -> Verdict {
    by_code(code, text, "this client's")
}

fn by_code(code: u16, text: String, whose: &str) -> Verdict {
    const NICK: u16 = CloseCode::Nick as u16;
    const TAKEN_OVER: u16 = CloseCode::TakenOver as u16;
    const BANNED: u16 = CloseCode::Banned as u16;
    const NOT_ADMITTED: u16 = CloseCode::NotAdmitted as u16;
    const KICKED: u16 = CloseCode::Kicked as u16;
    let or = |words: &str| match text.is_empty() {
        true => words.to_owned(),
        false => text.clone(),
    };
    match code {
        1 => Verdict::Refused("wrong-protocol", or("what answers there is not Lamparina")),
        2 => Verdict::Refused("wrong-version", or("the server speaks another version")),
        3 => Verdict::Refused("bad-terms", or("the server does not accept these link settings")),
        4..=11 => Verdict::Fault(format!("{whose} fault, code {code}: {}", or("no words"))),
        12 => Verdict::Retry(or("the connection was damaged on the way")),
        13 => Verdict::Retry(or("nothing was heard for too long")),
        14 => Verdict::Retry(or("nothing was acknowledged for too long")),
        15 => Verdict::Retry(or("the server is closing")),
        16 => Verdict::Later("limit", or("a limit of the server is reached")),
        17 => Verdict::Retry(or("this client did not read for too long")),
        NICK => Verdict::Nick(or("the name belongs to somebody else")),
        TAKEN_OVER => Verdict::Refused(
            "taken-over",
            "a newer session of the same profile has taken over; close it, or use `--profile` to be somebody else"
                .to_owned(),
        ),
        20 => Verdict::Refused("sealed-only", or("links must be sealed there: connect without --cleartext")),
        21 => Verdict::Refused("clear-only", or("links are in clear there: connect with --cleartext")),
        22 => Verdict::Fault(format!("{whose} fault, code {code}: {}", or("no words"))),
        23 => Verdict::Later("storage-full", or("the server's disk is full")),
        BANNED => Verdict::Refused("banned", or("who runs the server has banned this key")),
        NOT_ADMITTED => Verdict::Refused(
            "not-admitted",
            or("the server lets in who has an invite: --invite CODE"),
        ),
        KICKED => Verdict::Refused("kicked", or("who runs the server has ended this session")),
        _ => Verdict::Retry(or("the server closed the connection")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_meaning() {
        let row = |code: u16| {
            let reason = CloseReason::ByPeer {
                code,
                text: String::new(),
            };
            format!("{code} {:?}\n", judge(reason, None))
        };
        let table: String = (0..=27).map(row).collect();
        assert_eq!(table, include_str!("verdict.table"));
    }
}
