//! Bytes that exist only when they are read: artifacts of any size and long logs.

use crate::ids::mix;
use md5::{Digest, Md5};
use std::sync::Arc;

/// Digits of the number at the beginning of a numbered line.
pub(crate) const DIGITS: u64 = 10;

/// Something that can be read at any offset.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Arc<[u8]>),
    /// `size` bytes that depend on `seed` and on their offset.
    Generated {
        seed: u64,
        size: u64,
    },
    /// `count` lines: a number of ten digits, counted from `first`, and `rest` with its line end.
    Numbered {
        first: u64,
        count: u64,
        rest: Arc<[u8]>,
    },
    /// One after the other.
    Joined(Arc<[Content]>),
}

impl Content {
    pub(crate) fn from_text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().into())
    }

    /// About `bytes` bytes of numbered lines, then `tail`.
    pub(crate) fn log(bytes: u64, tail: &str) -> Self {
        const REST: &[u8; 70] = b" compiling module of the demonstration app, nothing to see here ....c\n";
        let lines = Self::Numbered { first: 1, count: bytes.div_ceil(DIGITS + 70), rest: REST.as_slice().into() };
        Self::Joined([lines, Self::from_text(tail)].into())
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Generated { size, .. } => *size,
            Self::Numbered { count, rest, .. } => count * (DIGITS + rest.len() as u64),
            Self::Joined(parts) => parts.iter().map(Self::len).sum(),
        }
    }

    /// Fills `buffer` from `offset` on; the content has to cover it.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) {
        let mut done = 0;
        match self {
            Self::Bytes(bytes) => buffer.copy_from_slice(&bytes[offset as usize..][..buffer.len()]),
            Self::Generated { seed, .. } => {
                let key = mix(*seed);
                let word = |at: u64| mix(key ^ (at / 8)).to_le_bytes();
                // Up to the first whole word, then word by word: downloads of gigabytes are measured against this.
                let start = buffer.len().min((offset.wrapping_neg() % 8) as usize);
                copy_part(&word(offset), offset % 8, &mut buffer[..start]);
                let mut at = offset + start as u64;
                let (words, rest) = buffer[start..].as_chunks_mut();
                for piece in words {
                    *piece = word(at);
                    at += 8;
                }
                rest.copy_from_slice(&word(at)[..rest.len()]);
            }
            Self::Numbered { first, rest, .. } => {
                let width = DIGITS + rest.len() as u64;
                while done < buffer.len() {
                    let at = offset + done as u64;
                    let line = [format!("{:010}", first + at / width).as_bytes(), rest].concat();
                    done += copy_part(&line, at % width, &mut buffer[done..]);
                }
            }
            Self::Joined(parts) => {
                let mut begin = 0;
                for part in parts.iter() {
                    let (len, from) = (part.len(), (offset + done as u64).saturating_sub(begin));
                    if done < buffer.len() && from < len {
                        let size = (len - from).min((buffer.len() - done) as u64) as usize;
                        part.read_at(from, &mut buffer[done..done + size]);
                        done += size;
                    }
                    begin += len;
                }
            }
        }
    }

    /// `len` bytes from `start` on.
    pub(crate) fn bytes(&self, start: u64, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; len as usize];
        self.read_at(start, &mut bytes);
        bytes
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes(0, self.len())).into_owned()
    }

    /// The MD5 sum in hex, read piece by piece.
    pub(crate) fn md5(&self) -> String {
        const PIECE: u64 = 64 * 1024;
        let mut digest = Md5::new();
        for at in (0..self.len()).step_by(PIECE as usize) {
            digest.update(self.bytes(at, PIECE.min(self.len() - at)));
        }
        digest.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    }
}

/// Copies what fits of `from`, without its first `skip` bytes; returns how much that was.
fn copy_part(from: &[u8], skip: u64, to: &mut [u8]) -> usize {
    let from = &from[skip as usize..];
    let size = from.len().min(to.len());
    to[..size].copy_from_slice(&from[..size]);
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_of_a_content_is_the_same() {
        let lines = Content::Numbered { first: 9, count: 3, rest: b" x\r\n".as_slice().into() };
        let content =
            Content::Joined([Content::from_text("a"), lines, Content::Generated { seed: 3, size: 20 }].into());
        let whole = content.bytes(0, content.len());
        assert!(whole.starts_with(b"a0000000009 x\r\n0000000010 x\r\n0000000011 x\r\n"));
        for from in 0..content.len() {
            for to in from..=content.len() {
                assert_eq!(content.bytes(from, to - from), whole[from as usize..to as usize]);
            }
        }
        assert_eq!(Content::from_text("abc").md5(), "900150983cd24fb0d6963f7d28e17f72");
    }
}
