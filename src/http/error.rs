//! Why a request got no answer, and whether the other side can have acted on it.

use std::io;

use rustls::{CertificateError, Error as TlsError};

use super::url::Url;
use crate::error::{Error, ExitCode};

/// The stage at which a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The request was refused before anything was sent: plain `http`.
    Policy,
    /// The service redirects to where nobody may follow, or in a circle.
    Redirect,
    /// A file of this machine that a request needs cannot be used.
    Local,
    /// The host's name could not be resolved.
    Dns,
    /// No connection to the host.
    Connect,
    /// No trusted TLS connection.
    Tls,
    /// The proxy refused or failed.
    Proxy,
    /// A time limit passed.
    Timeout,
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

/// The resolver's error, marked as such so that it is not taken for a connection error.
#[derive(Debug)]
pub(super) struct DnsError(pub(super) io::Error);

impl std::fmt::Display for DnsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for DnsError {}

impl Fault {
    pub(super) fn unsent(kind: FaultKind, why: impl Into<String>, hint: &str) -> Self {
        Self { kind, sent: false, why: why.into(), hint: Some(hint.to_owned()) }
    }

    pub(super) fn too_large(limit: u64) -> Self {
        Self {
            kind: FaultKind::TooLarge,
            sent: true,
            why: format!("the answer is larger than {limit} bytes"),
            hint: None,
        }
    }

    /// Reads ureq's error. `proxy` is the proxy in use, without its credentials.
    pub(super) fn new(error: ureq::Error, url: &Url, proxy: Option<&str>, sent: bool) -> Self {
        let host = url.host();
        let sent = sent && !is_unread(&error);
        let (kind, why, hint) = match error {
            ureq::Error::Timeout(stage) => timeout(stage, host),
            ureq::Error::ConnectProxyFailed(why) => proxy_refused(&why),
            ureq::Error::Rustls(error) => tls(&error, host),
            ureq::Error::Io(error) => io_error(&error, host),
            ureq::Error::Other(error) if error.is::<DnsError>() => dns(host, &error.to_string()),
            ureq::Error::HostNotFound => dns(host, "no address"),
            ureq::Error::Protocol(error) if error.to_string().contains("output too small") => (
                FaultKind::Policy,
                "the address and the headers of the request are longer than 8 KiB, which servers refuse".to_owned(),
                Some("send large values in the body: as parameters, not in --header or the address".to_owned()),
            ),
            ureq::Error::Protocol(error) => (
                FaultKind::Broken,
                format!("{host} did not answer in HTTP ({error})"),
                Some("is this the right port, and does a proxy stand in between?".to_owned()),
            ),
            error => (FaultKind::Broken, error.to_string(), None),
        };
        let why = match proxy {
            Some(proxy) if kind != FaultKind::Tls => format!("{why}, through the proxy {proxy}"),
            _ => why,
        };
        Self { kind, sent, why, hint }
    }

    /// The failure of `what` that this fault means.
    pub fn into_error(self, what: impl Into<String>) -> Error {
        let code = match self.kind {
            FaultKind::Policy => ExitCode::Usage,
            FaultKind::Local => ExitCode::Local,
            _ => ExitCode::NoConnection,
        };
        let error = Error::new(code, what, self.why);
        match self.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// Whether another try may end differently: the network can come back, a certificate or a name will not change.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, FaultKind::Connect | FaultKind::Timeout | FaultKind::Broken)
            || self.kind == FaultKind::Dns && self.why.contains("ry again")
    }

    /// The reason in words.
    pub fn why(&self) -> &str {
        &self.why
    }
}

type Explanation = (FaultKind, String, Option<String>);

/// Whether the server refused the handshake for our certificate. In TLS 1.3 it says so after it was sent a request,
/// which it has not read then.
fn is_unread(error: &ureq::Error) -> bool {
    use rustls::AlertDescription as Alert;
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
    let (kind, why) = match stage {
        ureq::Timeout::Resolve => (FaultKind::Dns, format!("looking up {host} took too long")),
        ureq::Timeout::Connect => (FaultKind::Connect, format!("no connection to {host} within the time limit")),
        _ => (FaultKind::Timeout, format!("{host} did not answer within the time limit")),
    };
    (
        kind,
        why,
        Some("check the network and the proxy settings, or raise --connect-timeout and --answer-timeout".to_owned()),
    )
}

fn proxy_refused(why: &str) -> Explanation {
    let hint = if why.contains("407") {
        "the proxy wants credentials: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
    } else {
        "check HTTPS_PROXY, or name the host in NO_PROXY to connect directly"
    };
    (FaultKind::Proxy, format!("the proxy refused the connection ({why})"), Some(hint.to_owned()))
}

fn dns(host: &str, why: &str) -> Explanation {
    let why = why.trim_start_matches("failed to lookup address information: ");
    let hint = "check the name and this machine's resolver; a server that answers NXDOMAIN for the IPv6 address of a name that \
                has only an IPv4 one makes it unknown to a static binary: add the host to /etc/hosts, or use its address";
    (FaultKind::Dns, format!("the host name {host} does not resolve ({why})"), Some(hint.to_owned()))
}

fn io_error(error: &io::Error, host: &str) -> Explanation {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        return tls(error, host);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => (
            FaultKind::Connect,
            format!("{host} refused the connection"),
            Some("is the address right and the service running?".to_owned()),
        ),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => (
            FaultKind::Connect,
            format!("{host} cannot be reached ({error})"),
            Some("check the network and the proxy settings".to_owned()),
        ),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => {
            (FaultKind::Broken, format!("{host} closed the connection before it answered completely"), None)
        }
        _ => (FaultKind::Broken, format!("the connection to {host} failed ({error})"), None),
    }
}

/// Names the fault of the certificate or of the handshake.
fn tls(error: &TlsError, host: &str) -> Explanation {
    let certificate =
        |fault: &str, hint: &str| (FaultKind::Tls, format!("the certificate of {host} {fault}"), Some(hint.to_owned()));
    match error {
        TlsError::InvalidCertificate(fault) => match fault {
            CertificateError::UnknownIssuer => certificate(
                "is signed by an unknown authority",
                "if a company's proxy or own CA signs it, name its root with --ca-cert FILE or SSL_CERT_FILE",
            ),
            CertificateError::Expired => {
                certificate("has expired", "renew it on the server, and check this machine's clock")
            }
            CertificateError::ExpiredContext { not_after, .. } => {
                let end = std::time::UNIX_EPOCH + std::time::Duration::from_secs(not_after.as_secs());
                certificate(
                    &format!("expired on {}", humantime::format_rfc3339_seconds(end)),
                    "renew it on the server, and check this machine's clock",
                )
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                certificate("is not valid yet", "check this machine's clock")
            }
            CertificateError::NotValidForName => certificate("is for another host name", "check the URL's host name"),
            CertificateError::NotValidForNameContext { presented, .. } => certificate(
                &format!("is for another host name ({})", presented.join(", ")),
                "check the URL's host name",
            ),
            CertificateError::Revoked => certificate("was revoked", "the server needs a new one"),
            other => certificate(&format!("is not acceptable ({other})"), "the server needs another one"),
        },
        TlsError::InvalidMessage(_) => (
            FaultKind::Tls,
            format!("{host} does not speak TLS on this port"),
            Some("is it an http:// address, or another port?".to_owned()),
        ),
        TlsError::AlertReceived(alert) => (
            FaultKind::Tls,
            format!("{host} refused the TLS handshake ({alert:?})"),
            Some("the server may want a client certificate or another TLS version".to_owned()),
        ),
        other => (FaultKind::Tls, format!("no TLS connection to {host} ({other})"), None),
    }
}
