//! CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320), whole or continued.
//!
//! Long runs go to `crc32fast`. Short continuations, twenty bytes for each recipient of a shared
//! body, go through eight tables at once (Kounavis and Berry, *A Systematic Approach to Building
//! High Performance Software-Based CRC Generators*, 2005), where `crc32fast` takes a byte at a time.

/// From this length on `crc32fast` uses carry-less multiplication and wins.
const LONG_BYTES: usize = 128;
const POLYNOMIAL: u32 = 0xEDB8_8320;

/// `TABLES[k][b]`: what byte `b` adds to the checksum when `k` bytes follow it.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ POLYNOMIAL
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut following = 1;
    while following < 8 {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[following - 1][byte];
            tables[following][byte] = (crc >> 8) ^ tables[0][(crc & 0xff) as usize];
            byte += 1;
        }
        following += 1;
    }
    tables
}

/// The CRC-32 of `bytes`.
pub fn of(bytes: &[u8]) -> u32 {
    extend(0, bytes)
}

/// The CRC-32 of what `crc` is the CRC-32 of, followed by `bytes`.
#[inline]
pub fn extend(crc: u32, bytes: &[u8]) -> u32 {
    if bytes.len() >= LONG_BYTES {
        let mut hasher = crc32fast::Hasher::new_with_initial(crc);
        hasher.update(bytes);
        return hasher.finalize();
    }
    let (eights, rest) = bytes.as_chunks::<8>();
    let crc = eights
        .iter()
        .fold(!crc, |crc, eight| step(crc, u64::from_le_bytes(*eight)));
    !rest.iter().fold(crc, |crc, &byte| {
        (crc >> 8) ^ TABLES[0][((crc ^ u32::from(byte)) & 0xff) as usize]
    })
}

/// As [`extend`] by eight bytes, given as a little-endian number: they need not be in memory.
#[inline]
pub(crate) fn extend_by_eight(crc: u32, eight: u64) -> u32 {
    !step(!crc, eight)
}

/// Eight bytes further, without the inversions at both ends: eight look-ups that wait for nothing
/// but the first four bytes' sum with what was before.
#[inline]
fn step(crc: u32, eight: u64) -> u32 {
    let sum = eight ^ u64::from(crc);
    let at = |byte: u32| (sum >> (8 * byte) & 0xff) as usize;
    TABLES[7][at(0)]
        ^ TABLES[6][at(1)]
        ^ TABLES[5][at(2)]
        ^ TABLES[4][at(3)]
        ^ TABLES[3][at(4)]
        ^ TABLES[2][at(5)]
        ^ TABLES[1][at(6)]
        ^ TABLES[0][at(7)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_standard() {
        assert_eq!(of(b"123456789"), 0xCBF4_3926);
        assert_eq!(of(b""), 0);
    }

    #[test]
    fn any_split_gives_what_crc32fast_gives() {
        let bytes: Vec<u8> = (0..600u32).map(|i| (i * 167 % 251) as u8).collect();
        for length in 0..bytes.len() {
            let whole = crc32fast::hash(&bytes[..length]);
            assert_eq!(of(&bytes[..length]), whole);
            let cut = length * 3 / 7;
            assert_eq!(extend(of(&bytes[..cut]), &bytes[cut..length]), whole);
        }
    }
}
