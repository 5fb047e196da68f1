//! What a request carries: bytes, and files that are read while they are sent.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// A request's body with its content type. Files are not held in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The content type.
    pub kind: String,
    /// What is sent, in order.
    pub chunks: Vec<Chunk>,
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// These bytes.
    Bytes(Vec<u8>),
    /// This many bytes of a file: what was announced is what is sent, or the request fails.
    File(PathBuf, u64),
}

impl Body {
    /// A body of bytes.
    pub fn bytes(kind: &str, bytes: Vec<u8>) -> Self {
        Self { kind: kind.to_owned(), chunks: vec![Chunk::Bytes(bytes)] }
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        let len = |chunk: &Chunk| match chunk {
            Chunk::Bytes(bytes) => bytes.len() as u64,
            Chunk::File(_, len) => *len,
        };
        self.chunks.iter().map(len).sum()
    }

    /// Its bytes, when it is nothing but bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self.chunks.as_slice() {
            [Chunk::Bytes(bytes)] => Some(bytes),
            _ => None,
        }
    }

    /// Whether it reads files, and so may take long to send.
    pub(super) fn has_files(&self) -> bool {
        self.chunks.iter().any(|chunk| matches!(chunk, Chunk::File(..)))
    }
}

/// Hands out a body and notes that it did. The head has been sent by then, so an error from here on may come after
/// the service has the whole request.
pub(super) struct Sender<'a> {
    chunks: std::slice::Iter<'a, Chunk>,
    current: Current<'a>,
    sent: &'a Cell<bool>,
}

enum Current<'a> {
    Bytes(&'a [u8]),
    File(io::Take<File>),
}

impl<'a> Sender<'a> {
    pub(super) fn new(body: &'a Body, sent: &'a Cell<bool>) -> Self {
        Self { chunks: body.chunks.iter(), current: Current::Bytes(&[]), sent }
    }
}

impl Read for Sender<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.sent.set(true);
        loop {
            let count = match &mut self.current {
                Current::Bytes(bytes) => bytes.read(buffer)?,
                Current::File(file) => {
                    let count = file.read(buffer)?;
                    if count == 0 && file.limit() > 0 {
                        return Err(io::Error::other("a file became shorter while it was sent"));
                    }
                    count
                }
            };
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.current = match self.chunks.next() {
                None => return Ok(0),
                Some(Chunk::Bytes(bytes)) => Current::Bytes(bytes),
                Some(Chunk::File(path, len)) => Current::File(File::open(path)?.take(*len)),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_sent_in_order_and_a_file_must_keep_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "file").unwrap();
        let body = |len| Body {
            kind: String::new(),
            chunks: vec![
                Chunk::Bytes(b"a-".to_vec()),
                Chunk::Bytes(Vec::new()),
                Chunk::File(path.clone(), len),
                Chunk::Bytes(b"-z".to_vec()),
            ],
        };
        let sent = Cell::new(false);
        let mut text = String::new();
        Sender::new(&body(4), &sent).read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), body(4).len(), sent.get()), ("a-file-z", 8, true));
        assert!(Sender::new(&body(9), &sent).read_to_string(&mut String::new()).is_err());
    }
}
