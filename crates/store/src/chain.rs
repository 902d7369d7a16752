//! The journal's chain: whoever has the log's id and the rows can make it again, and a row that
//! was changed, lost, added or moved gives another chain from there to the end.
//!
//! Before the first row the chain is `BLAKE3("lamparina journal 1" || log id)`, the text in ASCII
//! and the id's 16 bytes. After a row it is BLAKE3 (32 bytes of output, no key) over, one after the
//! other:
//!
//! | bytes | |
//! |---|---|
//! | 32 | the chain before this row |
//! | 8 each | `log_index`, `kind`, `stamp`, `at` |
//! | 1 or 9 | `member`: 0 for NULL, else 1 and the number |
//! | 1 or 5 + n | `from`: 0 for NULL, else 1, the length in bytes (4), the UTF-8 text |
//! | 1 or 5 + n | `to`: the same |
//! | 5 + n | `detail`: 1, its length (4), its bytes |
//! | 1 or 5 + n | `text`: as `from` |
//!
//! All numbers are big-endian; those of 8 bytes are SQLite's signed integers.

use lamparina_protocol::LogId;

use crate::code::Columns;
use crate::traits::Chain;

/// What stands before the log's id in the chain's beginning.
const GENESIS: &[u8] = b"lamparina journal 1";

impl Chain {
    /// The chain of a log before its first row.
    pub fn genesis(log: LogId) -> Self {
        Self(*blake3::hash(&[GENESIS, &log.0].concat()).as_bytes())
    }
}

/// Makes chains. Keeps the buffer that rows are laid out in.
#[derive(Debug, Default)]
pub struct Chainer(Vec<u8>);

impl Chainer {
    /// The chain after `row`, where it was `before` before it.
    #[must_use]
    pub fn next(&mut self, before: Chain, row: &Columns<'_>) -> Chain {
        let out = &mut self.0;
        out.clear();
        out.extend_from_slice(&before.0);
        for number in [row.index, row.kind, row.stamp, row.at] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        match row.member {
            None => out.push(0),
            Some(member) => {
                out.push(1);
                out.extend_from_slice(&member.to_be_bytes());
            }
        }
        for bytes in [row.from, row.to, Some(row.detail), row.text] {
            put(out, bytes);
        }
        Chain(*blake3::hash(out).as_bytes())
    }
}

fn put(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        out.push(0);
        return;
    };
    // SQLite keeps less than 2 GiB in a value, so its length always fits.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.push(1);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}
