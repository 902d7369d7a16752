//! Numbers of one to ten bytes, each in exactly one way.

use super::CodeError;

/// Appends `value`.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What is left of a detail.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, CodeError> {
        let (first, rest) = self.0.split_first().ok_or(CodeError::Detail("too short"))?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodeError> {
        let (first, rest): (&'a [u8; N], _) = self
            .0
            .split_first_chunk()
            .ok_or(CodeError::Detail("too short"))?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], CodeError> {
        let split = self.0.split_at_checked(bytes);
        let (taken, rest) = split.ok_or(CodeError::Detail("too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn number(&mut self) -> Result<u64, CodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && byte > 1 {
                return Err(CodeError::Detail("a number is too large"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(CodeError::Detail("a number is longer than it must be"));
                }
                return Ok(value);
            }
        }
        Err(CodeError::Detail("a number is too large"))
    }

    pub(super) fn end(self) -> Result<(), CodeError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(CodeError::Detail("something follows its end"))
        }
    }
}
