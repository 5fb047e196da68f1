//! What a request carries: its query, a form in either encoding, files. Knows no service.

use super::run::JenkinsFile;
use crate::http::{Request, parse_query};
use std::io::BufRead;

/// How the body was encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// No content type that means a form.
    #[default]
    None,
    Urlencoded,
    Multipart,
}

/// All fields of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) files: Vec<JenkinsFile>,
    pub(crate) encoding: Encoding,
}

impl Form {
    pub(crate) fn read(request: &Request) -> Self {
        let mut form = Self { fields: parse_query(&request.query), ..Self::default() };
        let kind = request.header("content-type").unwrap_or_default();
        if kind.starts_with("application/x-www-form-urlencoded") {
            form.encoding = Encoding::Urlencoded;
            form.fields.extend(parse_query(&String::from_utf8_lossy(&request.body)));
        } else if let Some(boundary) = boundary(kind) {
            form.encoding = Encoding::Multipart;
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
            let (size, sha256) = (body.len() as u64, sha256(body));
            return self.files.push(JenkinsFile { parameter: name, filename, size, sha256 });
        }
        // Text is Latin-1 unless its part says otherwise.
        let utf8 =
            header("content-type").is_some_and(|t| t.to_ascii_lowercase().replace('"', "").contains("charset=utf-8"));
        let value = if utf8 {
            String::from_utf8_lossy(body).into_owned()
        } else {
            body.iter().map(|&b| char::from(b)).collect()
        };
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
    let mut out = String::new();
    let mut escaped = false;
    for c in text.chars() {
        match c {
            _ if escaped => {
                out.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => break,
            _ => out.push(c),
        }
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

/// SHA-256 in hex, by the library that TLS uses anyway.
fn sha256(bytes: &[u8]) -> String {
    use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let Some(suite) = TLS13_AES_128_GCM_SHA256.tls13() else { return String::new() };
    let mut context = suite.common.hash_provider.start();
    context.update(bytes);
    context.finish().as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(content_type: &str, body: &[u8]) -> Form {
        Form::read(&Request {
            query: "q=1".into(),
            headers: vec![("Content-Type".into(), content_type.into())],
            body: body.to_vec(),
            ..Request::default()
        })
    }

    #[test]
    fn urlencoded_is_utf8() {
        let form = form("application/x-www-form-urlencoded", b"S=a%20b%26%C3%A4&T=1+2");
        assert_eq!((form.all("S"), form.all("T"), form.all("q")), (vec!["a b&ä"], vec!["1 2"], vec!["1"]));
    }

    #[test]
    fn multipart_text_is_latin1_unless_it_says_otherwise() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"S\"\r\n\r\nä\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"T\"\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nä\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"F\"; filename=\"d/x.bin\"\r\n\r\nabc\r\n--b--\r\n";
        let form = form("multipart/form-data; boundary=b", body.as_bytes());
        assert_eq!((form.all("S"), form.all("T")), (vec!["Ã¤"], vec!["ä"]));
        let file = form.file("F").unwrap();
        assert_eq!((file.filename.as_str(), file.size), ("x.bin", 3));
        assert_eq!(file.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(form.encoding, Encoding::Multipart);
    }

    #[test]
    fn a_file_may_hold_anything() {
        let mut body = b"--xy\r\nContent-Disposition: form-data; name=F; filename=f\r\n\r\n".to_vec();
        let content = b"\r\n--x\n--xz\r\n\r\n\0";
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--xy--");
        let form = form("multipart/form-data; boundary=\"xy\"", &body);
        assert_eq!(form.files[0].size, content.len() as u64);
    }
}
