//! HTTP/1.1 messages: what a request says and what an answer is made of. Knows no sockets and no service.

use crate::content::Content;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use std::collections::BTreeMap;

/// One request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path as sent: not decoded, double slashes kept.
    pub(crate) path: String,
    /// Query as sent, without the question mark.
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// HTTP/1.0, which closes after the answer.
    pub(crate) old: bool,
}

impl Request {
    /// Reads the head of a request, with the empty line at its end.
    pub(crate) fn parse(head: &[u8]) -> Result<Self, httparse::Error> {
        let mut headers = [httparse::EMPTY_HEADER; 256];
        let mut parsed = httparse::Request::new(&mut headers);
        parsed.parse(head)?;
        let target = parsed.path.unwrap_or_default();
        // A proxy is sent the whole address; the part after the authority is what counts here.
        let target = match target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |i| &rest[i..]),
            None => target,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |h: &httparse::Header<'_>| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned());
        Ok(Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: parsed.headers.iter().map(header).collect(),
            body: Vec::new(),
            old: parsed.version == Some(0),
        })
    }

    /// First header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Does the header hold this word, whatever its case?
    pub(crate) fn says(&self, name: &str, word: &str) -> bool {
        self.header(name).is_some_and(|v| v.to_ascii_lowercase().contains(word))
    }

    /// Will the client send more requests on this connection?
    pub(crate) fn keeps_alive(&self) -> bool {
        if self.old { self.says("connection", "keep-alive") } else { !self.says("connection", "close") }
    }

    /// All values of a query parameter, decoded.
    pub(crate) fn query_all(&self, name: &str) -> Vec<String> {
        parse_query(&self.query).into_iter().filter(|(n, _)| n == name).map(|(_, v)| v).collect()
    }

    /// First value of a query parameter, decoded; an empty one counts as absent.
    pub(crate) fn query_one(&self, name: &str) -> Option<String> {
        self.query_all(name).into_iter().next().filter(|v| !v.is_empty())
    }

    pub(crate) fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// Undoes percent encoding.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Encodes everything but letters, digits and `-._~`.
pub(crate) fn encode(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

/// Splits a query into decoded pairs.
pub(crate) fn parse_query(query: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// One answer.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
    /// First byte of the content that is sent.
    pub(crate) start: u64,
    /// Number of bytes that are sent.
    pub(crate) len: u64,
}

impl Response {
    pub(crate) fn new(status: u16, content_type: &str, content: Content) -> Self {
        let len = content.len();
        Self { status, headers: vec![("Content-Type".into(), content_type.into())], content, start: 0, len }
    }

    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", Content::from_text(text))
    }

    pub(crate) fn html(status: u16, text: &str) -> Self {
        Self::new(status, "text/html; charset=utf-8", Content::from_text(text))
    }

    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self::new(status, "application/json", Content::from_text(&value.to_string()))
    }

    /// No body at all, not even a type.
    pub(crate) fn empty(status: u16) -> Self {
        Self { headers: Vec::new(), ..Self::text(status, "") }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Replaces all headers of this name.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn set_all(&mut self, headers: &BTreeMap<String, String>) {
        for (name, value) in headers {
            self.set(name, value);
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.remove_all(&[name]);
    }

    pub(crate) fn remove_all(&mut self, names: &[impl AsRef<str>]) {
        self.headers.retain(|(n, _)| !names.iter().any(|name| n.eq_ignore_ascii_case(name.as_ref())));
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// The bytes that are sent.
    pub(crate) fn body(&self) -> Vec<u8> {
        self.content.bytes(self.start, self.len)
    }

    /// Puts another body into the answer.
    pub(crate) fn set_body(&mut self, content: Content) {
        (self.start, self.len) = (0, content.len());
        self.content = content;
    }

    /// The part of the answer that `Range` asks for. What is not understood gives the whole, as RFC 9110 allows.
    pub(crate) fn ranged(mut self, range: &str) -> Self {
        let whole = self.len;
        let last_byte = whole.saturating_sub(1);
        let Some((first, last)) = range.strip_prefix("bytes=").and_then(|r| r.split_once('-')) else { return self };
        let (from, to) = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(from), Ok(to)) if from <= to => (from, to.min(last_byte)),
            (Ok(from), Err(_)) if last.is_empty() => (from, last_byte),
            (Err(_), Ok(count)) if first.is_empty() && count > 0 => (whole.saturating_sub(count), last_byte),
            _ => return self,
        };
        if from >= whole {
            let refused = storage_error(416, "InvalidRange", "The requested range cannot be satisfied.");
            return refused.with("Content-Range", &format!("bytes */{whole}"));
        }
        (self.status, self.start, self.len) = (206, from, to - from + 1);
        self.with("Content-Range", &format!("bytes {from}-{to}/{whole}"))
    }
}

/// An error as an object storage words it.
pub(crate) fn storage_error(status: u16, code: &str, message: &str) -> Response {
    let body =
        format!("<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Response::new(status, "application/xml; charset=UTF-8", Content::from_text(&body))
}

/// The words after the number in a status line.
pub(crate) fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_as_it_was_sent() {
        let head = b"GET //artifacts/.a%20b?x=1&l=a%2Bb&l=c+d HTTP/1.1\r\nHost: h\r\nX-A:  b \r\n\r\n";
        let r = Request::parse(head).unwrap();
        assert_eq!((r.path.as_str(), r.header("x-a")), ("//artifacts/.a%20b", Some("b")));
        assert_eq!(r.query_all("l"), ["a+b", "c d"]);
        let r = Request::parse(b"GET http://h:1/a/b?c HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!((r.path.as_str(), r.query.as_str(), r.keeps_alive()), ("/a/b", "c", false));
    }

    #[test]
    fn a_range_is_cut_out_or_ignored() {
        let ranged = |range: &str| {
            let r = Response::text(200, "0123456789").ranged(range);
            (r.status, r.start, r.len)
        };
        assert_eq!(ranged("bytes=2-4"), (206, 2, 3));
        assert_eq!(ranged("bytes=7-"), (206, 7, 3));
        assert_eq!(ranged("bytes=-4"), (206, 6, 4));
        assert_eq!(ranged("bytes=8-99"), (206, 8, 2));
        assert_eq!(ranged("bytes=10-").0, 416);
        for odd in ["bytes=4-2", "bytes=1-2,4-5", "lines=1-2", "bytes=x-"] {
            assert_eq!(ranged(odd), (200, 0, 10), "{odd}");
        }
    }
}
