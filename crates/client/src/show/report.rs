//! The answers of `/conn` and `/queue`, in lines of plain text.

use std::fmt::Write;

use super::{clean, link};
use crate::core::conversation::{QueueLine, Status};
use crate::net::NetStatus;

/// `/conn`: who, where, and where in the order.
pub fn connection(status: &NetStatus) -> String {
    let talk = &status.conversation;
    let mut out = format!(
        "{} as {}: {}; connection number {}",
        clean::line(&talk.server),
        talk.nick,
        talk.state,
        talk.attempts
    );
    if let Some((here, there)) = &status.ends {
        let _ = write!(out, "\nfrom {here} to {there}");
    }
    // Writing to a String does not fail.
    let _ = write!(out, "\nlink {}", link::head(status));
    let _ = write!(
        out,
        "\nlog {}\nclock {}, delivered up to {}; {} messages shown, {} that came again were not, {} gaps",
        talk.log, talk.clock, talk.shown_upto, talk.shown, talk.shown_before, talk.gaps
    );
    let _ = write!(
        out,
        "\nsent {}, committed {}, refused {}, pending {} (epoch {})",
        talk.summary.sent,
        talk.summary.committed,
        talk.summary.refused,
        talk.summary.pending,
        talk.epoch
    );
    out
}

/// `/queue`: what has no place yet, and what waits for another log.
pub fn queue(status: &NetStatus) -> String {
    queue_of(&status.conversation)
}

fn queue_of(talk: &Status) -> String {
    let pending = talk.pending_here;
    let mut out = match pending {
        0 => "everything sent has its place in the order".to_owned(),
        pending => format!("{pending} without a place yet (/queue cancel NUMBER takes one back):"),
    };
    for line in &talk.queue {
        let _ = write!(out, "\n{}", queue_line(line));
    }
    let more = pending.saturating_sub(talk.queue.len() as u64);
    if more > 0 {
        let _ = write!(out, "\nand {more} more");
    }
    if talk.elsewhere_total > 0 {
        let _ = write!(
            out,
            "\n{} kept for another order, not sent here (/queue send sends them here, /queue forget \
             drops them):",
            talk.elsewhere_total
        );
    }
    for (audience, text) in &talk.elsewhere {
        let to = audience.names().join(",");
        let _ = write!(out, "\n- to {to}: {}", clean::line(text));
    }
    let more = talk
        .elsewhere_total
        .saturating_sub(talk.elsewhere.len() as u64);
    if more > 0 {
        let _ = write!(out, "\n- and {more} more");
    }
    out
}

fn queue_line(line: &QueueLine) -> String {
    let way = match (line.under_way, line.sent) {
        (true, _) => "on its way",
        (false, true) => "was sent, goes again",
        (false, false) => "waits",
    };
    let age = match line.age.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    };
    let to = line.audience.names().join(",");
    let text = clean::line(&line.text);
    format!("{} for {age} to {to} ({way}): {text}", line.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::MessageName;
    use lamparina_protocol::{Audience, Epoch, Pseq};
    use std::time::Duration;

    #[test]
    fn a_line_of_the_queue_says_where_it_is_and_since_when() {
        let show = |seconds, under_way, sent| {
            let (number, pseq, epoch) = (3, Pseq(1), Epoch(1));
            queue_line(&QueueLine {
                name: MessageName { epoch, pseq },
                number,
                age: Duration::from_secs(seconds),
                audience: Audience::All,
                text: "hi\u{1b}".to_owned(),
                under_way,
                sent,
            })
        };
        assert_eq!(show(0, true, true), "3 for 0 s to ALL (on its way): hi␛");
        let expected = "3 for 2 min to ALL (was sent, goes again): hi␛";
        assert_eq!(show(130, false, true), expected);
        assert_eq!(show(8_000, false, false), "3 for 2 h to ALL (waits): hi␛");
        assert!(show(400_000, false, false).starts_with("3 for 4 days"));
    }
}
