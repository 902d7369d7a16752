//! A journal's file with anything in it changed: it is refused, or read; nothing is made up. Where
//! the chain holds up to the same end, every record is the one that was written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use lamparina_log::source::Source;
use lamparina_log::verify::{Against, verify};
use lamparina_order::{Action, Entry, LogIndex, Record};
use lamparina_protocol::message::Submit;
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, LogId, Nick, Pseq, SessionNumber, UnixMicros,
};
use lamparina_store::sqlite::{self, DATABASE, ReadOnly, SqliteReader};
use lamparina_store::{Chain, Journal, Reader};

use crate::choices::Choices;

/// Changes made to a file, at most.
const CHANGES_MAX: usize = 16;

/// A whole journal.
struct Written {
    bytes: Vec<u8>,
    records: Vec<Record>,
    chain: Chain,
    log: LogId,
}

/// Reads changes (a place and a byte each), and a length to which the file is cut.
pub fn journal(input: &[u8]) {
    let written = written();
    let mut choices = Choices::new(input);
    let mut bytes = written.bytes.clone();
    let judged = choices.below(4) == 0;
    if choices.below(4) == 3 {
        bytes.truncate(choices.u32() as usize % (bytes.len() + 1));
    }
    for _ in 0..choices.below(CHANGES_MAX + 1) {
        let (at, byte) = (choices.u32() as usize, choices.byte());
        if let Some(place) = bytes.get_mut(at % written.bytes.len()) {
            *place = byte;
        }
    }
    let scratch = Scratch::new();
    let file = scratch.0.join(DATABASE);
    fs::write(&file, &bytes).expect("the scratch folder takes a file");
    if let Ok(mut reader) = ReadOnly::journal(&file).map(reader) {
        read(&mut reader, written);
    }
    if judged && let Ok(source) = Source::open(&file) {
        // It may say what it likes of what is not as it was written; it comes to an end.
        let proof = verify(&source, Against::default());
        assert!(proof.is_err() || source.log() == written.log || bytes != written.bytes);
    }
    let after = fs::read(&file).expect("it is still there");
    assert!(after == bytes, "reading changes nothing");
}

fn reader(journal: ReadOnly) -> SqliteReader {
    journal.into_reader().expect("its settings are taken")
}

fn read(reader: &mut SqliteReader, written: &Written) {
    if let Ok(page) = reader.entries(LogIndex(0), 3, 1_000) {
        assert!(page.len() <= 3);
        assert!(page.windows(2).all(|two| two[0].index < two[1].index));
    }
    let _ = reader.terms();
    let _ = reader.all_positions();
    let (Ok(meta), Ok(Some(tip))) = (reader.meta(), reader.tip()) else {
        return;
    };
    let mut records = Vec::new();
    let verified = reader.verify(
        (LogIndex(0), Chain::genesis(meta.log)),
        tip.index,
        |record, _| {
            records.push(record);
            Ok(())
        },
    );
    if let Ok((index, chain)) = verified
        && chain == written.chain
    {
        assert_eq!(index.0, written.records.len() as u64);
        assert_eq!(records, written.records, "the chain is of other records");
        assert_eq!(meta.log, written.log);
    }
}

fn written() -> &'static Written {
    static WRITTEN: OnceLock<Written> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let scratch = Scratch::new();
        write(&scratch.0)
    })
}

/// Makes a journal as a server does, and closes it.
fn write(folder: &Path) -> Written {
    let log = LogId([7; 16]);
    let now = UnixMicros(1_700_000_000_000_000);
    let mut opened = sqlite::open(folder, now, log, Box::new(|_| {}))
        .expect("the scratch folder takes a journal");
    let mut index = opened.last_index;
    let mut records = opened.recent.clone();
    let actions = [(1, "ana"), (2, "bob")].map(|(who, name)| {
        let nick = Nick::try_from(name).expect("a nick");
        let epoch = Epoch(1);
        (who, Action::Enter { nick, epoch })
    });
    let say = |pseq| {
        Action::Say(Submit {
            epoch: Epoch(1),
            pseq: Pseq(pseq),
            clock: Lamport::new(pseq),
            seen: Lamport::ZERO,
            sent_at: now,
            audience: Audience::All,
            text: format!("message {pseq}"),
        })
    };
    let said = (1..=20).map(|pseq| (1, say(pseq)));
    for (who, action) in actions.into_iter().chain(said) {
        let entry = Entry {
            author: AuthorKey([who; 32]),
            session: SessionNumber(1),
            action,
        };
        let Some(event) = opened.state.apply_recorded(entry, &mut Vec::new()) else {
            continue;
        };
        index = LogIndex(index.0 + 1);
        records.push(Record {
            index,
            at: now,
            stamp: opened.state.last_stamp(),
            event,
        });
    }
    let new = &records[opened.recent.len()..];
    opened.journal.append(new, &[]).expect("it has room");
    drop(opened);
    let file = folder.join(DATABASE);
    let journal = ReadOnly::journal(&file).expect("what was written opens");
    let tip = reader(journal).tip().expect("it has a last entry");
    let chain = tip.expect("it has a last entry").chain;
    Written {
        bytes: fs::read(&file).expect("it can be read"),
        records,
        chain,
        log,
    }
}

/// A folder of one's own, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lamparina-fuzz-{}-{next}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("the folder for temporary files takes a folder");
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left over, it is in a place for such.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let change = |at: u32, byte: u8| [&at.to_be_bytes()[..], &[byte]].concat();
    vec![
        vec![0, 0, 0],
        // The header: page size, versions, what it is.
        [vec![0, 0, 3], change(16, 2), change(18, 9), change(68, 0)].concat(),
        // Cut to half.
        vec![0, 3, 0, 0, 0x20, 0, 0],
        // Near the ends of pages, where rows are.
        [vec![0, 0, 2], change(8_190, 0), change(12_280, 255)].concat(),
        [vec![0, 0, 2], change(4_100, 255), change(4_103, 255)].concat(),
    ]
}
