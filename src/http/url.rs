//! Absolute URLs, their origins, and path segments that cannot break out of their place.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Uri;

/// An absolute `http` or `https` URL without user information.
///
/// The path is kept as it was given: Codemagic's download links hold `//artifacts/.…`, which must not be normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    uri: Uri,
}

/// Scheme, host and port: what a credential is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Url {
    /// Reads an absolute URL. The error says in words what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return Err(format!("`{text}` does not begin with https://"));
        }
        let uri: Uri = text.parse().map_err(|error| format!("`{text}` is not a URL ({error})"))?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            other => return Err(format!("`{text}` has the scheme `{}`, not https", other.unwrap_or_default())),
        }
        let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
            return Err(format!("`{text}` names no host"));
        };
        if authority.as_str().contains('@') {
            return Err("the URL holds a user name or password, which belongs into the credentials".to_owned());
        }
        Ok(Self { uri })
    }

    /// The URL of `path`, which begins with `/`, below this one as a base. A `/` at the base's end does not count.
    pub fn below(&self, path: &str) -> Result<Self, String> {
        let base = self.uri.to_string();
        Self::parse(&format!("{}{path}", base.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/')))
    }

    /// The URL that a `Location` header of an answer from this URL means.
    pub fn redirected(&self, location: &str) -> Result<Self, String> {
        let location = location.split('#').next().unwrap_or_default();
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        if location.contains("://") {
            Self::parse(location)
        } else if location.starts_with("//") {
            Self::parse(&format!("{scheme}:{location}"))
        } else if location.starts_with('/') {
            Self::parse(&format!("{scheme}://{authority}{location}"))
        } else {
            let folder = self.uri.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            Self::parse(&format!("{scheme}://{authority}{folder}/{location}"))
        }
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> Origin {
        let scheme = self.uri.scheme_str().unwrap_or_default().to_owned();
        let default = if scheme == "https" { 443 } else { 80 };
        Origin { host: self.host().to_ascii_lowercase(), port: self.uri.port_u16().unwrap_or(default), scheme }
    }

    /// The host name or address, IPv6 addresses in brackets.
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Whether the host is this machine, so that plain `http` leaves no secret on a wire.
    pub fn is_loopback(&self) -> bool {
        let host = self.host().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The URL without its query, which may hold a signature.
    pub fn without_query(&self) -> String {
        self.to_string().split('?').next().unwrap_or_default().to_owned()
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// What must be escaped in one path segment (RFC 3986, `pchar`), and `%` itself.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// One path segment, percent-encoded once (a space becomes `%20`).
///
/// `.` and `..` have no encoded form that servers keep apart from navigation; [`Segment::new`] refuses them.
pub struct Segment<'a>(&'a str);

impl<'a> Segment<'a> {
    /// A segment, or `None` for an empty one, `.` and `..`.
    pub fn new(text: &'a str) -> Option<Self> {
        match text {
            "" | "." | ".." => None,
            text => Some(Self(text)),
        }
    }
}

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf8_percent_encode(self.0, SEGMENT).fmt(f)
    }
}

/// A query such as `?branch=feature%2Fx&label=a`, or nothing for no pairs.
pub fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.extend(utf8_percent_encode(name, NON_ALPHANUMERIC));
        query.push('=');
        query.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_and_redirects_join_as_browsers_join_them() {
        let base = Url::parse("https://codemagic.io/api/v3/").unwrap();
        assert_eq!(base.below("/apps/1").unwrap().to_string(), "https://codemagic.io/api/v3/apps/1");
        let link = Url::parse("https://api.codemagic.io//artifacts/.eJw.sig").unwrap();
        assert_eq!(link.to_string(), "https://api.codemagic.io//artifacts/.eJw.sig");
        for (location, target) in [
            ("https://storage.example/a?b=c", "https://storage.example/a?b=c"),
            ("//storage.example/a", "https://storage.example/a"),
            ("/login", "https://api.codemagic.io/login"),
            ("other", "https://api.codemagic.io//artifacts/other"),
        ] {
            assert_eq!(link.redirected(location).unwrap().to_string(), target);
        }
    }

    #[test]
    fn origins_know_default_ports_and_ignore_case() {
        let origin = |text: &str| Url::parse(text).unwrap().origin();
        assert_eq!(origin("https://A.example/x"), origin("https://a.example:443/y"));
        assert_ne!(origin("https://a.example/"), origin("http://a.example/"));
        assert_ne!(origin("https://a.example/"), origin("https://a.example:8443/"));
    }

    #[test]
    fn what_is_no_url_is_told_in_words() {
        for (text, part) in [
            ("codemagic.io/api", "does not begin with https://"),
            ("ftp://codemagic.io", "scheme `ftp`"),
            ("https://me:pw@codemagic.io", "user name or password"),
            ("https://", "is not a URL"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("pw@"), "{error}");
        }
    }

    #[test]
    fn segments_stay_one_segment() {
        assert_eq!(Segment::new("a b/c%?").unwrap().to_string(), "a%20b%2Fc%25%3F");
        assert!(Segment::new("..").is_none());
        assert_eq!(query([("branch", "feature/x y")]), "?branch=feature%2Fx%20y");
    }
}
