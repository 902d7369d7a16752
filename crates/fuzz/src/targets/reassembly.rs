//! Fragments: a message cut is the message joined; any fragments are taken or refused as a plain
//! model says, and a refused one changes nothing.

use bytes::Bytes;
use lamparina_protocol::fragment::{FragmentFault, Reassembly, Uncut};
use lamparina_protocol::frame::{FrameType, SharedBody};

use crate::choices::Choices;

const KINDS: [FrameType; 3] = [FrameType::Data, FrameType::SetNick, FrameType::Channel];

/// Cuts and joins a message, then adds whatever fragments follow.
pub fn reassembly(input: &[u8]) {
    let mut choices = Choices::new(input);
    cut_and_join(&mut choices);
    any_fragments(&mut choices);
}

fn cut_and_join(choices: &mut Choices<'_>) {
    let fragment_bytes = 1 + choices.below(200);
    let tail = choices.flag().then(|| choices.u64().to_be_bytes());
    let body = Bytes::copy_from_slice(choices.bytes(300));
    let whole = [&body[..], tail.as_ref().map_or(&[], |tail| tail)].concat();
    let mut uncut = Uncut::new(FrameType::Data, SharedBody::new(body), tail);
    let mut joined = Reassembly::default();
    let fragments_max = whole.len() / fragment_bytes + 1;
    for count in 1.. {
        assert!(
            count <= fragments_max,
            "no empty fragment but of an empty message"
        );
        let fragment = uncut.cut(fragment_bytes);
        let part = &fragment.body.bytes()[fragment.stretch.clone()];
        let payload = [part, fragment.tail].concat();
        assert!(payload.len() <= fragment_bytes);
        let last = fragment.last;
        let limit = whole.len().max(1) as u32;
        let added = joined.add(FrameType::Data, last, payload.into(), limit);
        assert_eq!(added, Ok(last.then(|| Bytes::from(whole.clone()))));
        if last {
            break;
        }
    }
}

fn any_fragments(choices: &mut Choices<'_>) {
    let limit = choices.below(64) as u32;
    let mut reassembly = Reassembly::default();
    // The model: the type begun with, and all that was joined.
    let mut begun: Option<(FrameType, Vec<u8>)> = None;
    while !choices.is_empty() {
        let kind = KINDS[choices.below(KINDS.len())];
        let last = choices.flag();
        let payload = choices.bytes(40);
        let before = begun.as_ref().map_or(0, |(_, bytes)| bytes.len());
        let added = reassembly.add(kind, last, Bytes::copy_from_slice(payload), limit);
        let expected = if before + payload.len() > limit as usize {
            Err(FragmentFault::TooLong)
        } else if begun.as_ref().is_some_and(|(first, _)| *first != kind) {
            Err(FragmentFault::MixedTypes)
        } else {
            let (first, mut bytes) = begun.take().unwrap_or((kind, Vec::new()));
            bytes.extend_from_slice(payload);
            if last {
                Ok(Some(Bytes::from(bytes)))
            } else {
                begun = Some((first, bytes));
                Ok(None)
            }
        };
        assert_eq!(added, expected);
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let cut = [63, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 70];
    let parts = [
        20, 0, 0, 0, 3, b'a', b'b', b'c', 0, 1, 0, 1, b'd', 1, 1, 0, 30,
    ];
    vec![
        [&cut[..], &[7; 70]].concat(),
        [&cut[..], &[7; 70], &parts].concat(),
        [&[0, 0, 0, 0][..], &parts].concat(),
    ]
}
