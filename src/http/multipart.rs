//! Forms with files: `multipart/form-data` (RFC 7578).
//!
//! Own code, because ureq's is not covered by its version promises and cannot state the charset of a part.

use std::path::Path;

use anyhow::Context as _;

use super::request::{Body, Chunk};
use crate::error::{Error, ExitCode};

/// A form with files, built field by field.
#[derive(Debug)]
pub struct Multipart {
    boundary: String,
    chunks: Vec<Chunk>,
}

impl Default for Multipart {
    fn default() -> Self {
        let boundary = format!("cibridge-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        Self { boundary, chunks: Vec::new() }
    }
}

impl Multipart {
    /// Adds a text. Its charset is stated, because Jenkins reads a text part as Latin-1 without one.
    pub fn text(&mut self, name: &str, text: &str) {
        let part = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\n{text}\r\n",
            self.boundary,
            quoted(name)
        );
        self.chunks.push(Chunk::Bytes(part.into_bytes()));
    }

    /// Adds a file, which is read while it is sent. Fails with code 16 if it is no regular file.
    pub fn file(&mut self, name: &str, path: &Path) -> Result<(), Error> {
        let subject = || format!("file {}", path.display());
        let metadata = std::fs::metadata(path).with_context(subject)?;
        if !metadata.is_file() {
            return Err(Error::new(ExitCode::Local, subject(), "not a regular file"));
        }
        let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: application/octet-stream\r\n\r\n",
            self.boundary,
            quoted(name),
            quoted(&file_name)
        );
        self.chunks.extend([
            Chunk::Bytes(head.into_bytes()),
            Chunk::File(path.to_owned(), metadata.len()),
            Chunk::Bytes(b"\r\n".to_vec()),
        ]);
        Ok(())
    }

    /// The complete body.
    pub fn into_body(mut self) -> Body {
        self.chunks.push(Chunk::Bytes(format!("--{}--\r\n", self.boundary).into_bytes()));
        Body { content_type: format!("multipart/form-data; boundary={}", self.boundary), chunks: self.chunks }
    }
}

/// A name between quotation marks, escaped as browsers do (WHATWG HTML, "multipart form data").
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_states_its_charset_and_a_file_is_read_later() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "data").unwrap();
        let mut form = Multipart::default();
        form.text("A \"b\"\n", "a b&ä");
        form.file("F", file.path()).unwrap();
        let body = form.into_body();
        let boundary = body.content_type.split_once("boundary=").unwrap().1;
        let Chunk::Bytes(first) = &body.chunks[0] else { panic!("a text is sent as bytes") };
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"A %22b%22%0A\"\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\na b&ä\r\n"
        );
        assert_eq!(String::from_utf8_lossy(first), expected);
        assert!(body.chunks.contains(&Chunk::File(file.path().to_owned(), 4)));
        assert_eq!(body.chunks.last(), Some(&Chunk::Bytes(format!("--{boundary}--\r\n").into_bytes())));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_local_error() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path(), Path::new("/nowhere/at/all")] {
            assert_eq!(Multipart::default().file("F", path).unwrap_err().code(), ExitCode::Local);
        }
    }
}
