//! Answers, read whole or as a stream.

use std::io::{self, BufRead as _, BufReader, Read};
use std::time::{Duration, SystemTime};

use flate2::bufread::MultiGzDecoder;
use ureq::http::{HeaderMap, HeaderValue};

use super::connection::SocketUse;
use super::error::Fault;
use super::rate_limit::{self, RateLimit};
use super::url::Url;

/// Bytes of a page that are read for its words, and those within which its title is searched.
const WORDS_WITHIN: usize = 1024 * 1024;
const TITLE_WITHIN: usize = 64 * 1024;

/// An answer that was read as a whole.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The address that answered, after redirects.
    pub url: Url,
    pub body: Vec<u8>,
    headers: HeaderMap,
}

impl Response {
    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// An answer for unit tests.
    #[cfg(test)]
    pub fn example(status: u16, url: &str, headers: &[(&'static str, &str)], body: &str) -> Self {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Self { status, url: Url::parse(url).unwrap(), body: body.as_bytes().to_vec(), headers: map }
    }

    /// The values of a header that may occur several times.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }

    /// The beginning of the body as text; invalid UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(WORDS_WITHIN)]).into_owned()
    }

    /// The title of an HTML page; empty without one. Only the beginning of the page is searched.
    pub fn title(&self) -> String {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(TITLE_WITHIN)]);
        let lower = text.to_ascii_lowercase();
        let Some(start) = lower.find("<title").and_then(|at| Some(at + lower[at..].find('>')? + 1)) else {
            return String::new();
        };
        let end = lower[start..].find("</title").map_or(start, |length| start + length);
        let words: Vec<_> = text.get(start..end).unwrap_or_default().split_whitespace().collect();
        words.join(" ")
    }

    /// How long the service asks to wait before the next request. `None` unless the status is 429 or 503.
    pub fn retry_after(&self) -> Option<Duration> {
        matches!(self.status, 429 | 503).then(|| rate_limit::retry_after(|name| self.header(name)))?
    }

    /// What the service's rate limit leaves, if the answer says so.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        RateLimit::read(|name| self.header(name))
    }

    /// The service's own clock, which may differ from ours.
    pub fn date(&self) -> Option<SystemTime> {
        self.header("date").and_then(rate_limit::parse_http_date)
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the body is an HTML page, which a proxy, a login page or a broken gateway sends in place of an API's answer.
    pub fn is_html(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.contains("html"))
            || self.body.trim_ascii_start().get(..1) == Some(b"<")
    }
}

/// An answer whose body is still to be read.
pub struct Stream {
    /// The status code.
    pub status: u16,
    /// The address that answered, after redirects.
    pub url: Url,
    headers: HeaderMap,
    body: Box<dyn Read + Send>,
    /// Whether the body is decompressed while it is read, so that sizes and ranges in the head are not those of what
    /// is read.
    is_decoded: bool,
    /// The proxy in use, without its credentials.
    proxy: Option<String>,
    /// A signal closes the connection while it is in use.
    _socket: Option<SocketUse>,
}

impl Stream {
    /// Fails if the body is compressed in a way that this program cannot read. Nothing asks for that, but some gateways
    /// compress unasked.
    pub(super) fn new(
        parts: ureq::http::response::Parts,
        body: ureq::Body,
        url: Url,
        proxy: Option<String>,
        socket: Option<SocketUse>,
    ) -> Result<Self, Fault> {
        let encodings = parts.headers.get_all("content-encoding").iter().filter_map(|value| value.to_str().ok());
        let encodings: Vec<String> = encodings
            .flat_map(|value| value.split(','))
            .map(|encoding| encoding.trim().to_ascii_lowercase())
            .filter(|encoding| !matches!(encoding.as_str(), "" | "identity"))
            .collect();
        let body = body.into_with_config().limit(u64::MAX).reader();
        let body: Box<dyn Read + Send> = match encodings.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => Box::new(body),
            ["gzip" | "x-gzip"] => Box::new(Gzip::Unread(BufReader::new(body))),
            _ => return Err(Fault::unreadable_encoding(&url, &encodings.join(", "))),
        };
        let status = parts.status.as_u16();
        let is_decoded = !encodings.is_empty();
        Ok(Self { status, url, headers: parts.headers, body, is_decoded, proxy, _socket: socket })
    }

    /// The answer with a body that was read from this stream.
    pub(super) fn into_response(self, body: Vec<u8>) -> Response {
        Response { status: self.status, url: self.url, headers: self.headers, body }
    }

    /// The bytes of a header's value, which may be anything but line ends.
    pub(super) fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name).map(HeaderValue::as_bytes)
    }

    /// A header's value, if it is there and is ASCII text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether what is read differs from what is sent, because it is decompressed: such a body has no ranges and no
    /// stated size.
    pub fn is_decoded(&self) -> bool {
        self.is_decoded
    }

    /// How long the service asks to wait before the next request. `None` unless the status is 429 or 503.
    pub fn retry_after(&self) -> Option<Duration> {
        matches!(self.status, 429 | 503).then(|| rate_limit::retry_after(|name| self.header(name)))?
    }

    /// The fault behind an error of reading the body.
    pub fn fault(&self, error: io::Error) -> Fault {
        Fault::new(&ureq::Error::from(error), &self.url, self.proxy.as_deref(), true)
    }

    /// The fault of a body that takes longer than its time limit.
    pub(super) fn timed_out(&self) -> Fault {
        Fault::new(&ureq::Error::Timeout(ureq::Timeout::RecvBody), &self.url, self.proxy.as_deref(), true)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}

/// A body that is decompressed while it is read. One without any byte is empty, not damaged: some services state an
/// encoding for it, too.
enum Gzip<R: Read> {
    Unread(BufReader<R>),
    Reading(Box<MultiGzDecoder<BufReader<R>>>),
    Empty,
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Self::Unread(body) = self {
            let is_empty = body.fill_buf()?.is_empty();
            *self = match std::mem::replace(self, Self::Empty) {
                Self::Unread(body) if !is_empty => Self::Reading(Box::new(MultiGzDecoder::new(body))),
                _ => Self::Empty,
            };
        }
        match self {
            Self::Reading(decoder) => decoder.read(buffer),
            Self::Unread(_) | Self::Empty => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(bytes: &[u8]) -> io::Result<String> {
        io::read_to_string(Gzip::Unread(BufReader::new(bytes)))
    }

    #[test]
    fn a_compressed_body_is_read_to_its_end() {
        assert_eq!(decoded(&gzip("text")).unwrap(), "text");
        assert_eq!(decoded(&[gzip("one, "), gzip("two")].concat()).unwrap(), "one, two", "several members");
        assert_eq!(decoded(b"").unwrap(), "");
        assert!(decoded(b"plain text").is_err());
        let bytes = gzip(&"text".repeat(1000));
        assert!(decoded(&bytes[..bytes.len() - 4]).is_err(), "cut off");
    }

    #[test]
    fn the_title_of_a_page_is_found() {
        let page = |body: &str| Response::example(200, "https://a.example", &[], body);
        assert_eq!(page("<html><TITLE lang=en> Log\n in </title>").title(), "Log in");
        assert_eq!(page("<p>no title").title(), "");
        assert!(page(" <p>").is_html() && !page("{}").is_html());
    }
}
