//! The root certificates of a TLS connection.
//!
//! One bundle file is read instead of every file of the store: 0.8 ms instead of 5 to 8 for each start of the
//! program. `SSL_CERT_FILE` names the bundle, else the first known place that exists; `--ca-cert` adds to it.
//! A machine without any bundle (an empty container image) gets the roots compiled into the program.

use std::borrow::Cow;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::tls::{Certificate, RootCerts};

use crate::error::{Error, ExitCode};

/// Where distributions keep their bundle: Debian and Alpine, Fedora, openSUSE, RHEL, the BSDs.
#[cfg(target_os = "linux")]
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The roots in use and where they come from, in words.
pub(super) struct Roots {
    pub(super) certs: RootCerts,
    pub(super) source: String,
}

/// Loads the roots. Fails with code 16 when a file that somebody named cannot be used.
pub(super) fn load(ca_cert: Option<&Path>) -> Result<Roots, Error> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty());
    let mut extra = Vec::new();
    if let Some(path) = ca_cert {
        extra = read(path, "--ca-cert")?;
    }
    if let Some(path) = &named {
        let path = Path::new(path);
        let mut certs = read(path, "SSL_CERT_FILE")?;
        certs.append(&mut extra);
        return Ok(Roots { certs: certs.into(), source: with_extra(&path.display().to_string(), ca_cert) });
    }
    Ok(system(extra, ca_cert))
}

#[cfg(target_os = "linux")]
fn system(mut extra: Vec<Certificate<'static>>, ca_cert: Option<&Path>) -> Roots {
    for bundle in BUNDLES {
        let path = Path::new(bundle);
        if let Ok(text) = std::fs::read(path) {
            let mut certs = certificates(&text);
            if !certs.is_empty() {
                certs.append(&mut extra);
                return Roots { certs: certs.into(), source: with_extra(bundle, ca_cert) };
            }
        }
    }
    match ca_cert {
        Some(path) => {
            Roots { certs: extra.into(), source: format!("{} alone (this machine has no bundle)", path.display()) }
        }
        None => Roots {
            certs: RootCerts::WebPki,
            source: "the bundled Mozilla roots (this machine has no bundle)".to_owned(),
        },
    }
}

#[cfg(not(target_os = "linux"))]
fn system(extra: Vec<Certificate<'static>>, ca_cert: Option<&Path>) -> Roots {
    match ca_cert {
        Some(path) => Roots { certs: extra.into(), source: format!("{} alone", path.display()) },
        None => Roots { certs: RootCerts::PlatformVerifier, source: "the system store".to_owned() },
    }
}

fn with_extra(source: &str, ca_cert: Option<&Path>) -> String {
    match ca_cert {
        Some(path) => format!("{source} and {}", path.display()),
        None => source.to_owned(),
    }
}

fn read(path: &Path, name: &str) -> Result<Vec<Certificate<'static>>, Error> {
    let what = || format!("{name} {}", path.display());
    let text = std::fs::read(path).map_err(|error| Error::new(ExitCode::Local, what(), error.to_string()))?;
    let certs = certificates(&text);
    if certs.is_empty() {
        return Err(Error::new(ExitCode::Local, what(), "the file holds no certificate")
            .with_hint("it must hold `-----BEGIN CERTIFICATE-----` blocks (PEM)"));
    }
    Ok(certs)
}

/// Every certificate of a PEM text; blocks of other kinds and damaged ones are passed over.
fn certificates(text: &[u8]) -> Vec<Certificate<'static>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    // The lossy way is slow, and needed for odd comments only.
    let text = std::str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::Borrowed);
    let (mut certs, mut base64, mut inside) = (Vec::new(), Vec::new(), false);
    // Line by line, because a bundle is long and is read at every start.
    for line in text.lines().map(str::trim) {
        match line {
            BEGIN => {
                base64.clear();
                inside = true;
            }
            END if inside => {
                inside = false;
                if let Ok(der) = STANDARD.decode(&base64) {
                    certs.push(Certificate::from_der(&der).to_owned());
                }
            }
            _ if inside => base64.extend_from_slice(line.as_bytes()),
            _ => {}
        }
    }
    certs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_found_between_other_blocks_and_comments() {
        let text = "# a comment\n-----BEGIN CERTIFICATE-----\nAAEC\nAwQ=\n-----END CERTIFICATE-----\n\
                    -----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\r\n\
                    -----BEGIN CERTIFICATE-----\r\nBQYH\r\n-----END CERTIFICATE-----\r\n\
                    -----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        let found = certificates(text.as_bytes());
        assert_eq!(
            found.iter().map(|cert| cert.der().to_vec()).collect::<Vec<_>>(),
            [vec![0, 1, 2, 3, 4], vec![5, 6, 7]]
        );
    }
}
