//! ACK's payload on links over datagrams: what is read is what is written again, bounded, newest first;
//! and what a listener reads of a datagram that belongs to no link: no answer is longer than it.

use std::net::{Ipv4Addr, SocketAddr};

use lamparina_protocol::Instant;
use lamparina_protocol::control::{PacketAck, RUNS_MAX};
use lamparina_protocol::datagram::{
    Gate, Load, SYN_DATAGRAM_BYTES_MIN, Verdict, peek, read_asking, read_retry, with_cookie,
};

/// Both readers on all of the input.
pub fn packet_ack(input: &[u8]) {
    if let Ok(ack) = PacketAck::from_bytes(input) {
        assert!(ack.runs.len() <= RUNS_MAX);
        assert!(ack.runs.iter().all(|run| run.first <= run.last));
        let pairs = ack.runs.windows(2);
        assert!(pairs.into_iter().all(|two| two[1].last + 1 < two[0].first));
        let mut again = Vec::new();
        ack.put(&mut again);
        assert_eq!(again, input, "one value, one form");
    }
    let gate = Gate::new([7; 32]);
    let from: SocketAddr = (Ipv4Addr::LOCALHOST, 9).into();
    let asking = read_asking(input);
    for under_way in [0, 8] {
        let load = Load {
            under_way,
            unproven_max: 4,
        };
        match gate.judge(Instant::ZERO, input, from, load) {
            Verdict::Open {
                connection, proven, ..
            } => {
                assert!(!proven, "a cookie was made up");
                assert!(under_way == 0 && input.len() >= SYN_DATAGRAM_BYTES_MIN);
                assert_eq!(Some(connection), peek(input).map(|(id, _)| id));
                assert!(asking.is_ok());
            }
            Verdict::Retry(retry) => {
                assert!(retry.len() <= input.len(), "an answer amplifies");
                let (_, cookie) = read_retry(&retry).expect("we read what we write");
                if let Some(again) = with_cookie(input, cookie) {
                    let verdict = gate.judge(Instant::ZERO, &again, from, load);
                    assert!(matches!(verdict, Verdict::Open { proven: true, .. }));
                }
            }
            Verdict::Silence(_) => assert!(asking.is_err()),
        }
    }
    let _ = read_retry(input);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let none = [&[0xff; 8][..], &[0; 5]].concat();
    let one = [&9_u64.to_be_bytes()[..], &[0, 0, 3, 0, 1, 2]].concat();
    let more = [
        &900_u64.to_be_bytes()[..],
        &[0, 0, 0, 9, 0, 0, 1, 4, 0x81, 1, 7],
    ]
    .concat();
    let mut seeds = vec![Vec::new(), none, one, more];
    seeds.extend(super::datagrams::asking());
    seeds
}
