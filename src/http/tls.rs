//! The certificates of a TLS connection: the roots that are trusted, and the client certificate for mutual TLS.
//! `tls_connector.rs` uses them.
//!
//! One bundle file is read instead of every file of the system's store, which takes ten times as long. `SSL_CERT_FILE`
//! names the bundle, else the first known path that exists; `--ca-cert` adds to it. A machine without any bundle (an
//! empty container image) uses the roots that are compiled into the program.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

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

/// The trusted roots, and where they come from in words for people.
pub(super) struct Roots {
    pub(super) certs: RootCerts,
    pub(super) source: String,
}

/// Which certificates are trusted.
pub(super) enum RootCerts {
    /// Those of files.
    Listed(Vec<CertificateDer<'static>>),
    /// Mozilla's, compiled into the program.
    #[cfg(target_os = "linux")]
    Bundled,
    /// Those of the operating system's own store.
    #[cfg(not(target_os = "linux"))]
    Platform,
}

/// What a client shows of itself.
pub(super) struct ClientCert {
    /// The certificate, and those above it.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// Where they come from in words for people.
    pub(super) source: String,
}

/// Loads the roots. Fails with code 16 when a file that the user named cannot be used.
pub(super) fn load_roots(ca_cert: Option<&Path>) -> Result<Roots, Error> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty());
    let mut extra = Vec::new();
    if let Some(path) = ca_cert {
        extra = read(path, "--ca-cert")?;
    }
    if let Some(path) = &named {
        let path = Path::new(path);
        let mut certs = read(path, "SSL_CERT_FILE")?;
        certs.append(&mut extra);
        return Ok(Roots { certs: RootCerts::Listed(certs), source: with_extra(&path.display().to_string(), ca_cert) });
    }
    Ok(system(extra, ca_cert))
}

#[cfg(target_os = "linux")]
fn system(mut extra: Vec<CertificateDer<'static>>, ca_cert: Option<&Path>) -> Roots {
    for bundle in BUNDLES {
        let path = Path::new(bundle);
        if let Ok(text) = std::fs::read(path) {
            let mut certs = certificates(&text);
            if !certs.is_empty() {
                certs.append(&mut extra);
                return Roots { certs: RootCerts::Listed(certs), source: with_extra(bundle, ca_cert) };
            }
        }
    }
    match ca_cert {
        Some(path) => Roots {
            certs: RootCerts::Listed(extra),
            source: format!("{} alone (this machine has no bundle)", path.display()),
        },
        None => Roots {
            certs: RootCerts::Bundled,
            source: "the bundled Mozilla roots (this machine has no bundle)".to_owned(),
        },
    }
}

#[cfg(not(target_os = "linux"))]
fn system(extra: Vec<CertificateDer<'static>>, ca_cert: Option<&Path>) -> Roots {
    match ca_cert {
        Some(path) => Roots { certs: RootCerts::Listed(extra), source: format!("{} alone", path.display()) },
        None => Roots { certs: RootCerts::Platform, source: "the system store".to_owned() },
    }
}

fn with_extra(source: &str, ca_cert: Option<&Path>) -> String {
    match ca_cert {
        Some(path) => format!("{source} and {}", path.display()),
        None => source.to_owned(),
    }
}

fn read(path: &Path, name: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let what = || format!("{name} {}", path.display());
    let text = std::fs::read(path).map_err(|error| Error::local(what(), &error))?;
    let certs = certificates(&text);
    if !certs.iter().any(|certificate| webpki::anchor_from_trusted_cert(certificate).is_ok()) {
        return Err(Error::new(ExitCode::Local, what(), "the file holds no certificate that is readable")
            .with_hint("it must hold `-----BEGIN CERTIFICATE-----` blocks (PEM)"));
    }
    Ok(certs)
}

/// Reads the certificate chain from a PEM file, and the key from the same or from another one.
/// Fails with code 16.
pub(super) fn load_client_certificate(
    certificate: Option<&Path>,
    key: Option<&Path>,
) -> Result<Option<ClientCert>, Error> {
    let Some(certificate) = certificate else { return Ok(None) };
    let read = |path: &Path, name: &str| {
        std::fs::read(path).map_err(|error| Error::local(format!("{name} {}", path.display()), &error))
    };
    let missing = |path: &Path, thing: &str| {
        Error::new(ExitCode::Local, path.display().to_string(), format!("the file holds no {thing}"))
            .with_hint("it must hold `-----BEGIN …-----` blocks (PEM), and the key must not be encrypted")
    };
    let text = read(certificate, "--client-cert")?;
    let chain = certificates(&text);
    if chain.is_empty() {
        return Err(missing(certificate, "certificate"));
    }
    let (path, text) = match key {
        Some(path) => (path, read(path, "--client-key")?),
        None => (certificate, text),
    };
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| missing(path, "private key"))?;
    Ok(Some(ClientCert { chain, key, source: format!("--client-cert {}", certificate.display()) }))
}

/// Every certificate of a PEM file (RFC 7468). Blocks of other kinds and damaged ones are skipped, as OpenSSL does.
///
/// By hand, because a start would spend most of its time here: the 140 roots of a system cost 2.2 million instructions, with
/// the crate `pem` 18.8 million.
fn certificates(text: &[u8]) -> Vec<CertificateDer<'static>> {
    let blocks = memmem::find_iter(text, "-----BEGIN ").filter_map(|at| block(&text[at..]));
    let certificates = blocks.filter_map(|(label, der)| match label {
        b"CERTIFICATE" | b"X509 CERTIFICATE" => Some(der.into()),
        // OpenSSL's own form: the certificate is followed by what its owner trusts it for.
        b"TRUSTED CERTIFICATE" => Some(first_element(&der).to_vec().into()),
        _ => None,
    });
    certificates.collect()
}

/// Label and content of the block at the start of a PEM text.
fn block(text: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let text = &text["-----BEGIN ".len()..];
    let (label, text) = text.split_at(memmem::find(text, b"-----")?);
    let text = &text["-----".len()..];
    let text = &text[..memmem::find(text, b"-----END ")?];
    let mut digits = Vec::with_capacity(text.len());
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', text) {
        digits.extend_from_slice(text[start..end].trim_ascii());
        start = end + 1;
    }
    Some((label, STANDARD.decode(digits).ok()?))
}

/// The first element of a DER text: tag, length (X.690, 8.1.3) and content.
fn first_element(der: &[u8]) -> &[u8] {
    let length = match der {
        [_, short @ 0..=0x7f, ..] => Some(2 + usize::from(*short)),
        [_, 0x81, a, ..] => Some(3 + usize::from(*a)),
        [_, 0x82, a, b, ..] => Some(4 + usize::from(u16::from_be_bytes([*a, *b]))),
        _ => None,
    };
    length.and_then(|length| der.get(..length)).unwrap_or(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ders(pem: &str) -> Vec<Vec<u8>> {
        certificates(pem.as_bytes()).iter().map(|certificate| certificate.to_vec()).collect()
    }

    #[test]
    fn certificates_are_found_between_other_blocks_and_comments() {
        let text = "# a comment\n-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n\
                    -----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\r\n\
                    -----BEGIN CERTIFICATE-----\r\nMAMCAQI=\r\n-----END CERTIFICATE-----\r\n\
                    -----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        assert_eq!(ders(text), [vec![0x30, 3, 2, 1, 1], vec![0x30, 3, 2, 1, 2]]);
    }

    #[test]
    fn a_byte_order_mark_and_the_other_names_of_the_block_are_understood() {
        let block = |name: &str, base64: &str| format!("-----BEGIN {name}-----\n{base64}\n-----END {name}-----\n");
        let plain = vec![vec![0x30, 3, 2, 1, 1]];
        assert_eq!(ders(&format!("\u{feff}{}", block("CERTIFICATE", "MAMCAQE="))), plain);
        assert_eq!(ders(&block("X509 CERTIFICATE", "MAMCAQE=")), plain);
        // The certificate is followed by OpenSSL's trust settings.
        assert_eq!(ders(&block("TRUSTED CERTIFICATE", "MAMCAQEwAA==")), plain);
    }

    #[test]
    fn only_the_first_element_counts() {
        assert_eq!(first_element(&[0x30, 2, 1, 2, 9]), [0x30, 2, 1, 2]);
        let long = [&[0x30, 0x82, 1, 0][..], &[7; 256], &[9]].concat();
        assert_eq!(first_element(&long), &long[..260]);
        assert_eq!(first_element(&[0x30, 0x85, 1]), [0x30, 0x85, 1]);
        assert_eq!(first_element(&[]), [0_u8; 0]);
    }
}
