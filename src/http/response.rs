//! Answers, read whole or as a stream.

use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use super::error::Fault;
use super::rate_limit::{self, RateLimit};
use super::url::Url;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The address that answered, after redirects.
    pub url: Url,
    /// The body.
    pub body: Vec<u8>,
    pub(super) headers: ureq::http::HeaderMap,
}

impl Response {
    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// An answer for unit tests.
    #[cfg(test)]
    pub fn example(status: u16, url: &str, headers: &[(&'static str, &str)], body: &str) -> Self {
        let mut map = ureq::http::HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Self { status, url: Url::parse(url).unwrap(), body: body.as_bytes().to_vec(), headers: map }
    }

    /// The values of a header that may occur several times.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }

    /// The body as text; invalid UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The title of an HTML page; empty without one.
    pub fn title(&self) -> String {
        let text = self.text();
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
    pub(super) headers: ureq::http::HeaderMap,
    pub(super) body: Box<dyn Read + Send>,
    /// The proxy in use, without its credentials.
    pub(super) proxy: Option<String>,
}

impl Stream {
    /// How long the service asks to wait before the next request. `None` unless the status is 429 or 503.
    pub fn retry_after(&self) -> Option<Duration> {
        matches!(self.status, 429 | 503).then(|| rate_limit::retry_after(|name| self.header(name)))?
    }

    /// The fault behind an error of reading the body.
    pub fn fault(&self, error: io::Error) -> Fault {
        Fault::new(ureq::Error::from(error), &self.url, self.proxy.as_deref(), true)
    }

    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}
