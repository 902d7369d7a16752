//! Bytes of a terminal become keys, whatever pieces they come in. Unknown sequences do nothing.

/// Bytes of a sequence, at most; what is longer is no key.
const SEQUENCE_MAX: usize = 32;

/// A key, by what it means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Key {
    /// A character.
    Char(char),
    Enter,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    ToStart,
    ToEnd,
    WordLeft,
    WordRight,
    RemoveWord,
    RemoveToStart,
    RemoveToEnd,
    Redraw,
    /// Control-D: the end of input on an empty line, else [`Key::Delete`].
    End,
}

/// What has come of a key so far.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    begun: Vec<u8>,
    /// Between the marks of a paste nothing is a command but the line's end.
    pasting: bool,
}

impl Keys {
    /// Takes some bytes; pushes the keys that are complete now to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<Key>) {
        for byte in bytes {
            self.begun.push(*byte);
            match self.begun.first() {
                Some(0x1b) => self.sequence(out),
                Some(0x80..) => self.character(out),
                _ => {
                    self.begun.clear();
                    out.extend(self.plain(*byte));
                }
            }
        }
    }

    fn plain(&self, byte: u8) -> Option<Key> {
        Some(match byte {
            b'\r' | b'\n' => Key::Enter,
            b'\t' => Key::Char('\t'),
            0x20..=0x7e => Key::Char(char::from(byte)),
            _ if self.pasting => return None,
            0x7f | 0x08 => Key::Backspace,
            0x01 => Key::ToStart,
            0x02 => Key::Left,
            0x04 => Key::End,
            0x05 => Key::ToEnd,
            0x06 => Key::Right,
            0x0b => Key::RemoveToEnd,
            0x0c => Key::Redraw,
            0x0e => Key::Down,
            0x10 => Key::Up,
            0x15 => Key::RemoveToStart,
            0x17 => Key::RemoveWord,
            _ => return None,
        })
    }

    fn character(&mut self, out: &mut Vec<Key>) {
        match str::from_utf8(&self.begun) {
            Ok(text) => out.extend(text.chars().map(Key::Char)),
            // More of it is to come.
            Err(error) if error.error_len().is_none() => return,
            Err(_) => {}
        }
        self.begun.clear();
    }

    fn sequence(&mut self, out: &mut Vec<Key>) {
        let key = match self.begun[1..] {
            [] => return,
            [b'[' | b'O'] => return,
            [b'[', .., 0x20..=0x3f] if self.begun.len() < SEQUENCE_MAX => return,
            [b'[', ref rest @ ..] => self.control(rest),
            [b'O', last] => arrow(last),
            [b'b'] => Some(Key::WordLeft),
            [b'f'] => Some(Key::WordRight),
            [0x7f] => Some(Key::RemoveWord),
            _ => None,
        };
        self.pasting = match self.begun[1..] {
            [b'[', b'2', b'0', b'0', b'~'] => true,
            [b'[', b'2', b'0', b'1', b'~'] => false,
            _ => self.pasting,
        };
        self.begun.clear();
        out.extend(key);
    }

    fn control(&self, sequence: &[u8]) -> Option<Key> {
        match sequence {
            [last] => arrow(*last),
            b"1~" | b"7~" => Some(Key::ToStart),
            b"3~" => Some(Key::Delete),
            b"4~" | b"8~" => Some(Key::ToEnd),
            b"1;5D" | b"1;3D" => Some(Key::WordLeft),
            b"1;5C" | b"1;3C" => Some(Key::WordRight),
            _ => None,
        }
    }
}

const fn arrow(last: u8) -> Option<Key> {
    Some(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'F' => Key::ToEnd,
        b'H' => Key::ToStart,
        _ => return None,
    })
}
