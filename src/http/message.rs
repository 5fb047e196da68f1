//! Requests and answers as plain data.

use std::borrow::Cow;
use std::io::{self, Read};

use super::body::Body;
use super::error::Fault;
use super::url::Url;

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads; may be repeated and redirected.
    Get,
    /// Acts; never repeated, never redirected.
    Post,
    /// Removes; never redirected.
    Delete,
}

impl Method {
    /// The method's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// A request to send.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The address.
    pub url: Url,
    /// Headers beside the credential, `User-Agent` and the body's.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body.
    pub body: Option<Body>,
    /// Whether a GET is redirected. Where a redirect is an answer in itself, it is not.
    pub redirected: bool,
    /// Sent without any credential: the address itself is the permission.
    pub anonymous: bool,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: Vec::new(), body: None, redirected: true, anonymous: false }
    }

    /// The same request without any credential.
    pub fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// The same request with a header.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same request, answered with the 3xx itself.
    pub fn unredirected(mut self) -> Self {
        self.redirected = false;
        self
    }

    /// The same request with a JSON body.
    pub fn json(mut self, body: &impl serde::Serialize) -> Self {
        // A value made of strings, numbers, lists and maps with string keys always has a JSON form.
        self.body = Some(Body::bytes("application/json", serde_json::to_vec(body).unwrap_or_default()));
        self
    }
}

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

    /// An answer for tests of what an answer means.
    #[cfg(test)]
    pub fn example(status: u16, url: &str, headers: &[(&'static str, &str)], body: &str) -> Self {
        let mut map = ureq::http::HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Self { status, url: Url::parse(url).unwrap(), body: body.as_bytes().to_vec(), headers: map }
    }

    /// The values of a header that may be there several times.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }

    /// The body as text, damaged characters replaced.
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

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the body is an HTML page: what a proxy, a login page or a broken gateway sends instead of an API's answer.
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
    /// What an error of reading the body means.
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
