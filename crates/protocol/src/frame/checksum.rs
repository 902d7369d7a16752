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
    let mut crc = !crc;
    let mut eights = bytes.chunks_exact(8);
    for eight in &mut eights {
        // `chunks_exact(8)` gives eight bytes; the pattern only names them.
        let &[b0, b1, b2, b3, b4, b5, b6, b7] = eight else {
            continue;
        };
        let low = crc ^ u32::from_le_bytes([b0, b1, b2, b3]);
        crc = TABLES[7][(low & 0xff) as usize]
            ^ TABLES[6][(low >> 8 & 0xff) as usize]
            ^ TABLES[5][(low >> 16 & 0xff) as usize]
            ^ TABLES[4][(low >> 24) as usize]
            ^ TABLES[3][b4 as usize]
            ^ TABLES[2][b5 as usize]
            ^ TABLES[1][b6 as usize]
            ^ TABLES[0][b7 as usize];
    }
    for &byte in eights.remainder() {
        crc = (crc >> 8) ^ TABLES[0][((crc ^ u32::from(byte)) & 0xff) as usize];
    }
    !crc
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
