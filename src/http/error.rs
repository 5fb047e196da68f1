//! Why a request got no answer, and whether the other side can have acted on it.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use rustls::{AlertDescription as Alert, CertificateError, Error as TlsError};

use super::dns::DnsError;
use super::url::Url;
use crate::clock::format_time;
use crate::error::{Error, ExitCode, RequestError, is_shortage, system_reason};

/// The stage at which a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The request was refused before anything was sent: plain `http`.
    Policy,
    /// The service redirects to an address that is not usable, or too often.
    Redirect,
    /// A file of this machine that the request needs cannot be used.
    Local,
    /// This process has too few file descriptors or threads; this may pass.
    Shortage,
    /// The host has no address.
    Dns,
    /// The host could not be resolved, or no connection was made; this may pass.
    Connect,
    /// No trusted TLS connection.
    Tls,
    /// The proxy refused or failed.
    Proxy,
    /// A time limit passed.
    Timeout,
    /// The time limit of the whole call passed.
    Deadline,
    /// The connection broke, or what came is not HTTP.
    Broken,
    /// The answer is larger than the limit.
    TooLarge,
}

/// A request without an answer.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The stage at which it failed.
    pub kind: FaultKind,
    /// Whether the request, body included, had been handed to the connection: the service may have acted on it.
    pub sent: bool,
    why: String,
    hint: Option<String>,
}

impl Fault {
    pub(super) fn unsent(kind: FaultKind, why: impl Into<String>, hint: &str) -> Self {
        Self { kind, sent: false, why: why.into(), hint: Some(hint.to_owned()) }
    }

    /// A request that was not begun because the process is to end.
    pub(super) fn interrupted() -> Self {
        Self { kind: FaultKind::Broken, sent: false, why: "interrupted by a signal".to_owned(), hint: None }
    }

    /// A request that was not begun because the time limit of the call passed.
    pub(super) fn out_of_time() -> Self {
        let (kind, why, hint) = timeout(ureq::Timeout::Global, "");
        Self { kind, sent: false, why, hint }
    }

    pub(super) fn too_large(limit: u64) -> Self {
        let why = format!("the response is larger than {} MiB", limit / (1024 * 1024));
        Self { kind: FaultKind::TooLarge, sent: true, why, hint: None }
    }

    pub(super) fn unreadable_encoding(url: &Url, encoding: &str) -> Self {
        let why = format!("{} sent a response compressed with `{encoding}`, which was not requested", url.host());
        let hint = "check the proxy or gateway in front of the service".to_owned();
        Self { kind: FaultKind::Broken, sent: true, why, hint: Some(hint) }
    }

    /// The fault behind ureq's error. `proxy` is the proxy in use, without its credentials.
    pub(super) fn new(error: &ureq::Error, url: &Url, proxy: Option<&str>, sent: bool) -> Self {
        let sent = sent && !is_unread(error);
        let (kind, why, hint) = explain(error, url.host());
        let (why, hint) = match proxy {
            Some(proxy) if kind == FaultKind::Connect => {
                (format!("{why}, through the proxy {proxy}"), Some(PROXY_HINT.to_owned()))
            }
            Some(proxy) if kind != FaultKind::Tls => (format!("{why}, through the proxy {proxy}"), hint),
            _ => (why, hint),
        };
        Self { kind, sent, why, hint }
    }

    /// The reason for an error in words.
    pub(super) fn describe(error: &ureq::Error, url: &Url) -> String {
        explain(error, url.host()).1
    }

    /// The error of `subject` that this fault means.
    pub fn into_error(self, subject: impl Into<String>) -> Error {
        let code = match self.kind {
            FaultKind::Policy => ExitCode::Usage,
            FaultKind::Local | FaultKind::Shortage => ExitCode::Local,
            FaultKind::Deadline => ExitCode::TimedOut,
            _ => ExitCode::NoConnection,
        };
        Error::new(code, subject, self.why).with_optional_hint(self.hint)
    }

    /// The error of a request about `subject` that this fault means.
    pub fn into_request_error(self, subject: impl Into<String>) -> RequestError {
        RequestError { retryable: self.is_retryable(), retry_after: None, error: self.into_error(subject) }
    }

    /// Whether another attempt may end differently: the network can come back, a certificate or a name will not change.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, FaultKind::Shortage | FaultKind::Connect | FaultKind::Timeout | FaultKind::Broken)
    }
}

type Explanation = (FaultKind, String, Option<String>);

const PROXY_HINT: &str = "check HTTPS_PROXY, or list the host in NO_PROXY to connect directly";

const NETWORK_HINT: &str = "check the network; behind a company proxy set HTTPS_PROXY";

fn explain(error: &ureq::Error, host: &str) -> Explanation {
    match error {
        ureq::Error::Timeout(stage) => timeout(*stage, host),
        ureq::Error::ConnectProxyFailed(why) => proxy_refused(why),
        ureq::Error::Rustls(error) => tls(error, host),
        ureq::Error::Io(error) => io_error(error, host),
        ureq::Error::Other(error) => match error.downcast_ref::<DnsError>() {
            Some(error) => dns(host, error),
            None => (FaultKind::Broken, error.to_string(), None),
        },
        ureq::Error::HostNotFound => dns(host, &DnsError::NotFound("no address".to_owned())),
        ureq::Error::Protocol(error) if error.to_string().contains("output too small") => (
            FaultKind::Policy,
            "the URL and the headers of the request are longer than 8 KiB".to_owned(),
            Some("send large values in the body: as parameters, not in --header or the URL".to_owned()),
        ),
        ureq::Error::Protocol(error) => (
            FaultKind::Broken,
            format!("{host} sent no valid HTTP response ({error})"),
            Some("check the port, and whether a proxy answers in place of the service".to_owned()),
        ),
        error => (FaultKind::Broken, error.to_string(), None),
    }
}

/// Whether the server refused the handshake because of our certificate. In TLS 1.3 it reports that after it was sent a
/// request, which it has not read then (RFC 8446, 4.4.2.4).
fn is_unread(error: &ureq::Error) -> bool {
    let error = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()),
        _ => None,
    };
    matches!(
        error,
        Some(TlsError::AlertReceived(
            Alert::CertificateRequired
                | Alert::HandshakeFailure
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
        ))
    )
}

fn timeout(stage: ureq::Timeout, host: &str) -> Explanation {
    let (kind, why, flag) = match stage {
        ureq::Timeout::Global => {
            let why = "the time limit of the call passed".to_owned();
            return (FaultKind::Deadline, why, Some("raise --timeout".to_owned()));
        }
        ureq::Timeout::Resolve => (FaultKind::Connect, format!("looking up {host} timed out"), "--connect-timeout"),
        ureq::Timeout::Connect => (FaultKind::Connect, format!("connecting to {host} timed out"), "--connect-timeout"),
        _ => (FaultKind::Timeout, format!("{host} did not answer within the time limit"), "--answer-timeout"),
    };
    (kind, why, Some(format!("check the network and HTTPS_PROXY, or raise {flag}")))
}

fn proxy_refused(why: &str) -> Explanation {
    let hint = if why.contains("407") {
        "the proxy requires credentials: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
    } else {
        PROXY_HINT
    };
    (FaultKind::Proxy, format!("the proxy refused the connection ({why})"), Some(hint.to_owned()))
}

fn dns(host: &str, error: &DnsError) -> Explanation {
    let kind = match error {
        DnsError::Interrupted => return (FaultKind::Broken, "interrupted by a signal".to_owned(), None),
        DnsError::Shortage(error) => return shortage(host, error),
        DnsError::NotFound(_) => FaultKind::Dns,
        DnsError::Temporary(_) | DnsError::Timeout => FaultKind::Connect,
    };
    let hint = "check the host name and this machine's DNS; behind a company proxy set HTTPS_PROXY";
    (kind, format!("cannot resolve the host name {host} ({error})"), Some(hint.to_owned()))
}

fn shortage(host: &str, error: &io::Error) -> Explanation {
    let local = Error::local("", error);
    let why = format!("no connection to {host} could be made: {}", local.reason());
    (FaultKind::Shortage, why, local.hint().map(str::to_owned))
}

fn io_error(error: &io::Error, host: &str) -> Explanation {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        return tls(error, host);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => (
            FaultKind::Connect,
            format!("{host} refused the connection"),
            Some(
                "check the address, and whether the service is running; behind a company proxy set HTTPS_PROXY"
                    .to_owned(),
            ),
        ),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            let why = format!("{host} is unreachable ({})", system_reason(error));
            (FaultKind::Connect, why, Some(NETWORK_HINT.to_owned()))
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => {
            (FaultKind::Broken, format!("{host} closed the connection before the response was complete"), None)
        }
        _ if is_shortage(error) => shortage(host, error),
        _ => (FaultKind::Broken, format!("the connection to {host} failed ({})", system_reason(error)), None),
    }
}

/// Names the fault of a certificate or of a handshake.
fn tls(error: &TlsError, host: &str) -> Explanation {
    let handshake = |why: String, hint: &str| (FaultKind::Tls, why, Some(hint.to_owned()));
    match error {
        TlsError::InvalidCertificate(fault) => {
            let (fault, hint) = certificate(fault);
            handshake(format!("the certificate of {host} {fault}"), hint)
        }
        TlsError::InvalidMessage(_) => handshake(
            format!("{host} does not speak TLS on this port"),
            "check whether the address must begin with http:// or have another port",
        ),
        TlsError::AlertReceived(Alert::ProtocolVersion) | TlsError::PeerIncompatible(_) => handshake(
            format!("{host} supports neither TLS 1.2 nor TLS 1.3 with a current cipher"),
            "enable TLS 1.2 or 1.3 with ECDHE on the server",
        ),
        TlsError::AlertReceived(Alert::CertificateRequired) => {
            handshake(format!("{host} requires a client certificate"), "for Jenkins pass it with --client-cert")
        }
        TlsError::AlertReceived(alert) => handshake(
            format!("{host} refused the TLS handshake ({alert:?})"),
            "the server may require a client certificate, or have no cipher with ECDHE",
        ),
        other => handshake(format!("no TLS connection to {host} ({other})"), NETWORK_HINT),
    }
}

/// What is wrong with a certificate, as words that follow "the certificate of HOST", and what to do about it.
fn certificate(error: &CertificateError) -> (String, &'static str) {
    const CLOCK: &str = "renew it on the server, and check this machine's clock";
    const REPLACE: &str = "replace it on the server";
    let words = |words: &str| words.to_owned();
    match error {
        CertificateError::UnknownIssuer => (
            words("is signed by an unknown authority"),
            "if a company proxy or an internal CA signs it, pass its root certificate with --ca-cert or SSL_CERT_FILE",
        ),
        CertificateError::Expired => (words("has expired"), CLOCK),
        CertificateError::ExpiredContext { not_after, .. } => {
            let end = UNIX_EPOCH.checked_add(Duration::from_secs(not_after.as_secs())).and_then(format_time);
            (end.map_or_else(|| words("has expired"), |end| format!("expired on {end}")), CLOCK)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (words("is not valid yet"), "check this machine's clock")
        }
        CertificateError::NotValidForName => (words("is for another host name"), "check the host name of the URL"),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => (
            words("names no host (it has no subjectAltName)"),
            "create it again with `openssl req -x509 -addext subjectAltName=DNS:HOST …`",
        ),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().map(|name| plain_name(name)).collect();
            (format!("is for another host name ({})", names.join(", ")), "check the host name of the URL")
        }
        CertificateError::Revoked => (words("was revoked"), REPLACE),
        CertificateError::BadEncoding => (words("is malformed"), REPLACE),
        CertificateError::BadSignature => (words("has an invalid signature"), REPLACE),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            (words("is not meant for a server"), REPLACE)
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            (words("is signed with an outdated algorithm such as SHA-1"), REPLACE)
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::CaUsedAsEndEntity) => (
                words("is self-signed, and not among the trusted ones"),
                "if it is the right one, pass it with --ca-cert",
            ),
            Some(webpki::Error::UnsupportedCertVersion) => (words("has an outdated format (X.509 version 1)"), REPLACE),
            Some(webpki::Error::NameConstraintViolation) => {
                (words("is for a host name that its CA must not sign"), REPLACE)
            }
            Some(webpki::Error::EndEntityUsedAsCa) => (words("is signed by a certificate that is no CA"), REPLACE),
            _ => (format!("is not acceptable ({error})"), REPLACE),
        },
        other => (format!("is not acceptable ({other})"), REPLACE),
    }
}

/// The name in rustls' notation of a certificate's name, e.g. `a.example` of `DnsName("a.example")`.
fn plain_name(presented: &str) -> &str {
    match (presented.find('('), presented.rfind(')')) {
        (Some(start), Some(end)) if start < end => presented[start + 1..end].trim_matches('"'),
        _ => presented,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    fn shown(error: TlsError) -> String {
        let url = Url::parse("https://a.example/x").unwrap();
        Fault::new(&ureq::Error::Rustls(error), &url, None, true).why
    }

    #[test]
    fn each_fault_of_a_certificate_is_explained_in_words() {
        let other = |error| CertificateError::Other(OtherError(Arc::new(error)));
        let presented = vec!["DnsName(\"b.example\")".to_owned(), "IpAddress(127.0.0.1)".to_owned()];
        let expected = rustls::pki_types::ServerName::try_from("a.example").unwrap();
        for (error, words) in [
            (CertificateError::UnknownIssuer, "is signed by an unknown authority"),
            (other(webpki::Error::CaUsedAsEndEntity), "is self-signed, and not among the trusted ones"),
            (other(webpki::Error::UnsupportedCertVersion), "has an outdated format (X.509 version 1)"),
            (
                CertificateError::NotValidForNameContext { expected: expected.clone(), presented: Vec::new() },
                "names no host",
            ),
            (
                CertificateError::NotValidForNameContext { expected, presented },
                "is for another host name (b.example, 127.0.0.1)",
            ),
        ] {
            let sentence = shown(TlsError::InvalidCertificate(error));
            assert!(sentence.starts_with(&format!("the certificate of a.example {words}")), "{sentence}");
        }
    }

    #[test]
    fn only_faults_that_may_pass_are_retried() {
        let url = Url::parse("https://a.example/x").unwrap();
        let is_retryable = |error| Fault::new(&error, &url, None, false).is_retryable();
        let resolver = |error: DnsError| ureq::Error::Other(Box::new(error));
        assert!(is_retryable(resolver(DnsError::Temporary(String::new()))));
        assert!(is_retryable(resolver(DnsError::Timeout)));
        assert!(!is_retryable(resolver(DnsError::NotFound(String::new()))));
        assert!(is_retryable(ureq::Error::Timeout(ureq::Timeout::Resolve)));
        assert!(is_retryable(ureq::Error::Io(io::ErrorKind::ConnectionReset.into())));
        assert!(!is_retryable(ureq::Error::Rustls(TlsError::InvalidCertificate(CertificateError::Expired))));
        assert!(!is_retryable(ureq::Error::ConnectProxyFailed("407".to_owned())));
    }
}
