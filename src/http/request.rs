//! Requests and their bodies.

use std::borrow::Cow;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::url::{Url, query};

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads; may be repeated and redirected.
    Get,
    /// Acts. Never redirected, and not repeated unless the request says so.
    Post,
    /// Replaces. Never redirected.
    Put,
    /// Changes. Never redirected.
    Patch,
    /// Removes. Never redirected.
    Delete,
}

impl Method {
    /// The method's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The method with this name, in upper or lower case.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];
        all.into_iter().find(|method| method.name().eq_ignore_ascii_case(name))
    }
}

/// A request to send.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    /// The address.
    pub url: Url,
    /// Headers beside the credential, `User-Agent` and the body's.
    pub headers: Vec<(Cow<'static, str>, String)>,
    pub body: Option<Body>,
    /// Whether redirects of a GET are followed. Where the redirect itself is the answer, they are not.
    pub follow_redirects: bool,
    /// Sent without any credential: the address itself is the permission.
    pub anonymous: bool,
    /// Whether sending it twice does the same as sending it once.
    is_repeatable: bool,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: Url) -> Self {
        let is_repeatable = !matches!(method, Method::Post | Method::Patch);
        Self { method, url, headers: Vec::new(), body: None, follow_redirects: true, anonymous: false, is_repeatable }
    }

    /// Drops every credential.
    pub fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// Declares that a POST may be sent twice: it does the same then as if it was sent once. Such a request can use an
    /// idle connection, and is repeated at once if that turns out to be closed. A signal leaves it a second to finish,
    /// so that it need not be sent again.
    pub fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    pub(super) fn is_repeatable(&self) -> bool {
        self.is_repeatable
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Takes a 3xx as the answer instead of following it.
    pub fn without_redirects(mut self) -> Self {
        self.follow_redirects = false;
        self
    }

    /// Sets a JSON body.
    pub fn json(mut self, body: &impl serde::Serialize) -> Self {
        // Strings, numbers, lists and maps with string keys always have a JSON form.
        self.body = Some(Body::bytes("application/json", serde_json::to_vec(body).unwrap_or_default()));
        self
    }
}

/// A request's body with its content type. Files are not held in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub(super) content_type: String,
    pub(super) chunks: Vec<Chunk>,
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunk {
    /// These bytes.
    Bytes(Vec<u8>),
    /// This many bytes of a file: the announced length is what is sent, or the request fails.
    File(PathBuf, u64),
}

impl Body {
    /// A body of bytes.
    pub fn bytes(content_type: &str, bytes: Vec<u8>) -> Self {
        Self { content_type: content_type.to_owned(), chunks: vec![Chunk::Bytes(bytes)] }
    }

    /// A form, as a browser sends it.
    pub fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let text = query(fields);
        Self::bytes("application/x-www-form-urlencoded", text.trim_start_matches('?').as_bytes().to_vec())
    }

    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The length in bytes.
    pub(super) fn len(&self) -> u64 {
        let len = |chunk: &Chunk| match chunk {
            Chunk::Bytes(bytes) => bytes.len() as u64,
            Chunk::File(_, len) => *len,
        };
        self.chunks.iter().map(len).sum()
    }

    /// The bytes of a body without files.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self.chunks.as_slice() {
            [Chunk::Bytes(bytes)] => Some(bytes),
            _ => None,
        }
    }
}

/// Reads a body and notes when it was begun. The head has been sent by then, so an error from here on may come after
/// the service has received the whole request.
pub(super) struct BodyReader<'a> {
    chunks: std::slice::Iter<'a, Chunk>,
    current: Current<'a>,
    begun: &'a Cell<bool>,
}

enum Current<'a> {
    Bytes(&'a [u8]),
    File(io::Take<File>),
}

impl<'a> BodyReader<'a> {
    pub(super) fn new(body: &'a Body, begun: &'a Cell<bool>) -> Self {
        Self { chunks: body.chunks.iter(), current: Current::Bytes(&[]), begun }
    }
}

impl Read for BodyReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.begun.set(true);
        loop {
            let count = match &mut self.current {
                Current::Bytes(bytes) => bytes.read(buffer)?,
                Current::File(file) => {
                    let count = file.read(buffer)?;
                    if count == 0 && file.limit() > 0 {
                        return Err(io::Error::other("the file became shorter while it was sent"));
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
            content_type: String::new(),
            chunks: vec![
                Chunk::Bytes(b"a-".to_vec()),
                Chunk::Bytes(Vec::new()),
                Chunk::File(path.clone(), len),
                Chunk::Bytes(b"-z".to_vec()),
            ],
        };
        let begun = Cell::new(false);
        let mut text = String::new();
        BodyReader::new(&body(4), &begun).read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), body(4).len(), begun.get()), ("a-file-z", 8, true));
        assert!(BodyReader::new(&body(9), &begun).read_to_string(&mut String::new()).is_err());
    }
}
