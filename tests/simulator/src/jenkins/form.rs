//! The fields of a request: its query, a form in either encoding, files.

use super::run::JenkinsFile;
use crate::http::{Request, parse_query};
use ring::digest::{SHA256, digest};
use std::io::BufRead;

/// All fields of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) files: Vec<JenkinsFile>,
    /// The body is a form.
    pub(crate) submitted: bool,
}

impl Form {
    pub(crate) fn read(request: &Request) -> Self {
        let mut form = Self { fields: parse_query(&request.query), ..Self::default() };
        let kind = request.header("content-type").unwrap_or_default();
        if kind.starts_with("application/x-www-form-urlencoded") {
            form.submitted = true;
            form.fields.extend(parse_query(&String::from_utf8_lossy(&request.body)));
        } else if let Some(boundary) = boundary(kind) {
            form.submitted = true;
            for part in parts(&request.body, &boundary) {
                form.take(part);
            }
        }
        form
    }

    fn take(&mut self, part: &[u8]) {
        let Some(end) = part.windows(4).take(4096).position(|w| w == b"\r\n\r\n") else { return };
        let head = String::from_utf8_lossy(&part[..end]).into_owned();
        let body = &part[end + 4..];
        let header = |name: &str| {
            let line = |l: &&str| l.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
            head.split("\r\n").find(line).and_then(|l| l.split_once(':')).map(|(_, v)| v.trim().to_owned())
        };
        let disposition = header("content-disposition").unwrap_or_default();
        let Some(name) = attribute(&disposition, "name") else { return };
        if let Some(filename) = attribute(&disposition, "filename") {
            let filename = filename.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
            let digest = digest(&SHA256, body);
            let sha256 = digest.as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            let size = body.len() as u64;
            return self.files.push(JenkinsFile { parameter: name, filename, size, sha256 });
        }
        // Text is Latin-1 unless its part says otherwise.
        let kind = header("content-type").unwrap_or_default().to_ascii_lowercase().replace('"', "");
        let latin1 = || body.iter().map(|&b| char::from(b)).collect();
        let utf8 = kind.contains("charset=utf-8").then(|| String::from_utf8_lossy(body).into_owned());
        let value = utf8.unwrap_or_else(latin1);
        self.fields.push((name, value));
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }

    pub(crate) fn first(&self, name: &str) -> Option<String> {
        self.all(name).first().map(|&v| v.to_owned())
    }

    pub(crate) fn file(&self, name: &str) -> Option<&JenkinsFile> {
        self.files.iter().find(|f| f.parameter == name)
    }
}

fn boundary(content_type: &str) -> Option<String> {
    content_type.starts_with("multipart/form-data").then(|| attribute(content_type, "boundary")).flatten()
}

/// The value of `name=` or `name="…"` in a header.
fn attribute(header: &str, name: &str) -> Option<String> {
    let mut rest = header;
    loop {
        rest = &rest[rest.find(';')? + 1..];
        let trimmed = rest.trim_start();
        let Some(value) = trimmed.strip_prefix(name).and_then(|v| v.strip_prefix('=')) else { continue };
        return Some(match value.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => value.split(';').next().unwrap_or_default().trim().to_owned(),
        });
    }
}

/// Reads up to the closing quote; browsers write a quote as `%22`, others with a backslash.
fn unquote(text: &str) -> String {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next().filter(|c| *c != '"') {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out.replace("%22", "\"")
}

/// The parts of a multipart body, without looking at every byte one by one.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let mark = format!("--{boundary}");
    let mut found = Vec::new();
    let (mut at, mut begin) = (0, None);
    while at < body.len() {
        if body[at..].starts_with(mark.as_bytes()) {
            if let Some(begin) = begin {
                found.push(&body[begin..at.saturating_sub(2).max(begin)]);
            }
            let rest = &body[at + mark.len()..];
            if rest.starts_with(b"--") {
                break;
            }
            begin = Some((at + mark.len() + 2).min(body.len()));
        }
        let mut rest = &body[at..];
        at += rest.skip_until(b'\n').unwrap_or(0).max(1);
    }
    found
}
