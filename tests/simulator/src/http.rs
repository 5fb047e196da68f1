//! HTTP/1.1 messages: what a request says and what an answer is made of. Knows no sockets and no service.

use crate::content::Content;
use serde_json::Value;

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

/// How the body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    None,
    Known(u64),
    Chunked,
}

impl Request {
    /// Reads the head of a request, which ends before the empty line.
    pub(crate) fn parse(head: &str) -> Result<Self, String> {
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let parts: Vec<&str> = first.split(' ').collect();
        let [method, target, version] = parts[..] else {
            return Err(format!("bad request line {first:?}"));
        };
        if !version.starts_with("HTTP/1.") {
            return Err(format!("unknown version {version:?}"));
        }
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| format!("bad header line {line:?}"))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        // A proxy is sent the whole address; the part after the authority is what counts here.
        let target = match target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |i| &rest[i..]),
            None => target,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: Vec::new(),
            old: version == "HTTP/1.0",
        })
    }

    /// First header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub(crate) fn body_length(&self) -> BodyLength {
        if self.header("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked")) {
            return BodyLength::Chunked;
        }
        match self.header("content-length").and_then(|v| v.parse().ok()) {
            None | Some(0) => BodyLength::None,
            Some(n) => BodyLength::Known(n),
        }
    }

    pub(crate) fn expects_continue(&self) -> bool {
        self.header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue"))
    }

    /// Will the client send more requests on this connection?
    pub(crate) fn keeps_alive(&self) -> bool {
        let connection = self.header("connection").unwrap_or_default().to_ascii_lowercase();
        if self.old { connection.contains("keep-alive") } else { !connection.contains("close") }
    }

    /// All values of a query parameter, decoded.
    pub(crate) fn query_all(&self, name: &str) -> Vec<String> {
        parse_query(&self.query).into_iter().filter(|(n, _)| n == name).map(|(_, v)| v).collect()
    }

    /// First value of a query parameter, decoded; an empty one counts as absent.
    pub(crate) fn query_one(&self, name: &str) -> Option<String> {
        self.query_all(name).into_iter().next().filter(|v| !v.is_empty())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// Undoes percent encoding.
pub(crate) fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Encodes everything but letters, digits and `-._~`.
pub(crate) fn encode(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}

/// Splits a query into decoded pairs.
pub(crate) fn parse_query(query: &str) -> Vec<(String, String)> {
    let plain = |text: &str| decode(&text.replace('+', " "));
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (plain(name), plain(value))
        })
        .collect()
}

/// One answer.
#[derive(Clone, Debug)]
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
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self { status, headers, content, start: 0, len }
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

    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Replaces all headers of this name.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// Does it want to be sent in chunks?
    pub(crate) fn chunked(&self) -> bool {
        self.has("transfer-encoding")
    }

    /// The whole body, for small ones.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len as usize];
        self.content.read_at(self.start, &mut bytes);
        bytes
    }

    /// Puts another body into the answer.
    pub(crate) fn set_body(&mut self, content: Content) {
        self.len = content.len();
        self.start = 0;
        self.content = content;
    }
}

/// The words after the number in a status line.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        208 => "Already Reported",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_request_and_keeps_its_path_raw() {
        let r = Request::parse("GET //artifacts/.a%20b?x=1&l=a%2Bb&l=c+d HTTP/1.1\r\nHost: h\r\nX-A:  b ").unwrap();
        assert_eq!((r.path.as_str(), r.header("x-a")), ("//artifacts/.a%20b", Some("b")));
        assert_eq!(r.query_all("l"), ["a+b", "c d"]);
        assert!(r.keeps_alive());
    }

    #[test]
    fn takes_the_path_of_a_proxied_request() {
        let r = Request::parse("GET http://h:1/a/b?c HTTP/1.0").unwrap();
        assert_eq!((r.path.as_str(), r.query.as_str(), r.keeps_alive()), ("/a/b", "c", false));
    }

    #[test]
    fn refuses_what_is_not_http() {
        assert!(Request::parse("\u{16}\u{3}").is_err());
        assert!(Request::parse("GET / HTTP/2").is_err());
        assert!(Request::parse("GET / HTTP/1.1\r\nno colon").is_err());
    }

    #[test]
    fn encodes_names() {
        assert_eq!(encode("a b/c"), "a%20b%2Fc");
        assert_eq!(decode(&encode("é/?")), "é/?");
    }
}
