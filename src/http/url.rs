//! Absolute URLs, their origins, and path segments that cannot break out of their place.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use ureq::http::Uri;

/// An absolute `http` or `https` URL without user information.
///
/// The path is kept as it was given: Codemagic's download links hold `//artifacts/.…`, which must not be normalized.
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
    /// Parses an absolute URL. Characters that must be percent-encoded in its path and query (a space, `ü`, `"`) are.
    /// The error says in words what is wrong with it; it quotes neither user, password nor query.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown = without_secrets(text);
        if !text.contains("://") {
            return Err(match text.split_once(':') {
                Some((scheme, _)) if has_scheme(text) => format!("the scheme is `{scheme}` instead of https"),
                _ => format!("`{shown}` does not begin with https://"),
            });
        }
        let uri: Uri = encode_path(text).parse().map_err(|error| format!("`{shown}` is not a URL ({error})"))?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            other => {
                return Err(format!("the scheme of `{shown}` is `{}` instead of https", other.unwrap_or_default()));
            }
        }
        let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
            return Err(format!("`{shown}` has no host"));
        };
        if authority.as_str().contains('@') {
            return Err(format!("`{shown}` contains a user name or password"));
        }
        let port = &authority.as_str()[authority.host().len()..];
        if port.len() > 1 && authority.port_u16().is_none() {
            return Err(format!("`{shown}` has no valid port"));
        }
        Ok(Self { uri })
    }

    /// The URL of `path`, which begins with `/`, below this one as a base. A `/` at the base's end does not count.
    pub fn below(&self, path: &str) -> Result<Self, String> {
        let base = self.uri.to_string();
        Self::parse(&format!("{}{path}", base.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/')))
    }

    /// The URL that `reference`, the value of a `Location` header, means relative to this one (RFC 3986, 5.2). Many
    /// services send spaces and UTF-8 as they are.
    ///
    /// An absolute path keeps its `//` and dots: storage services sign paths as they are.
    pub fn join(&self, reference: impl AsRef<[u8]>) -> Result<Self, String> {
        let reference = percent_encode(reference.as_ref().trim_ascii(), NOT_IN_URL).to_string();
        let reference = reference.split('#').next().unwrap_or_default();
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        if has_scheme(reference) {
            return Self::parse(reference);
        }
        if reference.starts_with("//") {
            return Self::parse(&format!("{scheme}:{reference}"));
        }
        let path = if reference.starts_with('/') {
            reference.to_owned()
        } else if reference.is_empty() {
            self.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()
        } else if reference.starts_with('?') {
            format!("{}{reference}", self.uri.path())
        } else {
            let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
            format!("{}{query}", merge_paths(self.uri.path(), path))
        };
        Self::parse(&format!("{scheme}://{authority}{path}"))
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> Origin {
        let scheme = self.uri.scheme_str().unwrap_or_default().to_owned();
        Origin { host: self.host().to_ascii_lowercase(), port: self.port(), scheme }
    }

    /// The host name or address, IPv6 addresses in brackets.
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// The port, also where the URL leaves it to the scheme.
    pub fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(if self.is_https() { 443 } else { 80 })
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

/// What must be escaped in a URL as a whole (RFC 3986, 2.2): neither reserved nor unreserved. `percent_encode` always
/// escapes what is not ASCII. `%` is kept, because it begins an escape.
const NOT_IN_URL: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// The URL with what must be escaped in its path and query escaped. Host and scheme stay as they are.
fn encode_path(url: &str) -> String {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    format!("{}{}", &url[..path], utf8_percent_encode(&url[path..], NOT_IN_URL))
}

/// Whether a reference begins with a scheme, and so is absolute.
fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// The path that a relative one means beside `base`: its last segment is replaced, `.` and `..` are resolved.
fn merge_paths(base: &str, relative: &str) -> String {
    let mut segments: Vec<&str> = base.split('/').collect();
    segments.pop();
    let mut parts = relative.split('/').peekable();
    while let Some(part) = parts.next() {
        match part {
            "." | ".." => {
                // The first segment is the empty one before the leading `/`.
                if part == ".." && segments.len() > 1 {
                    segments.pop();
                }
                if parts.peek().is_none() {
                    segments.push("");
                }
            }
            part => segments.push(part),
        }
    }
    let path = segments.join("/");
    if path.starts_with('/') { path } else { format!("/{path}") }
}

/// An address as it may be shown: without user, password, query and fragment, even if it is no valid URL.
pub(super) fn without_secrets(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let text = &text[..end];
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.rsplit_once('@').map_or(text, |(_, host)| host).to_owned();
    };
    // A password may hold a `/`, so everything up to the last `@` goes.
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{host}")
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

/// What must be escaped in one path segment (RFC 3986, `pchar`), and `%` itself. `;` too: what follows it is taken for
/// path parameters, and Jetty answers 400 (measured with Jenkins 2.516.2).
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b';')
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
    fn a_path_is_appended_and_a_location_is_resolved_as_browsers_do() {
        let base = Url::parse("https://codemagic.io/api/v3/").unwrap();
        assert_eq!(base.below("/apps/1").unwrap().to_string(), "https://codemagic.io/api/v3/apps/1");
        let link = Url::parse("https://api.codemagic.io//artifacts/.eJw.sig").unwrap();
        assert_eq!(link.to_string(), "https://api.codemagic.io//artifacts/.eJw.sig");
        for (location, target) in [
            ("https://storage.example/a?b=c", "https://storage.example/a?b=c"),
            ("//storage.example/a", "https://storage.example/a"),
            ("/login", "https://api.codemagic.io/login"),
            ("other", "https://api.codemagic.io//artifacts/other"),
            ("?x=1", "https://api.codemagic.io//artifacts/.eJw.sig?x=1"),
            ("", "https://api.codemagic.io//artifacts/.eJw.sig"),
            ("../a", "https://api.codemagic.io//a"),
            ("../../../../a?b=../c", "https://api.codemagic.io/a?b=../c"),
            ("./a/./b/../c", "https://api.codemagic.io//artifacts/a/c"),
            ("a/..", "https://api.codemagic.io//artifacts/"),
            (".", "https://api.codemagic.io//artifacts/"),
            ("//storage.example//a/../b", "https://storage.example//a/../b"),
            ("a:b/c", ""),
            (" My App.ipa?n=\"a\" ", "https://api.codemagic.io//artifacts/My%20App.ipa?n=%22a%22"),
            ("https://a.example/Müller%20x", "https://a.example/M%C3%BCller%20x"),
            ("a?t=10:30", "https://api.codemagic.io//artifacts/a?t=10:30"),
        ] {
            assert_eq!(link.join(location).map_or(String::new(), |url| url.to_string()), target, "{location}");
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
    fn what_is_no_url_is_explained_without_its_secrets() {
        for (text, part) in [
            ("codemagic.io/api", "does not begin with https://"),
            ("ftp://codemagic.io", "the scheme of `ftp://codemagic.io` is `ftp`"),
            ("s3:bucket", "the scheme is `s3`"),
            ("https://me:pw@codemagic.io/x?sig", "`https://codemagic.io/x` contains a user name or password"),
            ("https://a:99999?sig", "`https://a:99999` has no valid port"),
            ("https://a b?sig", "`https://a b` is not a URL"),
            ("https://ü.example/?sig", "is not a URL"),
            ("https://", "is not a URL"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("pw") && !error.contains("sig"), "{error}");
        }
    }

    #[test]
    fn segments_stay_one_segment() {
        assert_eq!(Segment::new("a b/c%?;d").unwrap().to_string(), "a%20b%2Fc%25%3F%3Bd");
        assert!(Segment::new("..").is_none());
        assert_eq!(query([("branch", "feature/x y")]), "?branch=feature%2Fx%20y");
    }
}
