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

use anyhow::Context as _;

use crate::error::{Error, ExitCode};
use crate::input_files::read_whole;

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
    Listed(Bundle),
    /// Mozilla's, compiled into the program.
    #[cfg(target_os = "linux")]
    Bundled,
    /// Those of the operating system's own store.
    #[cfg(not(target_os = "linux"))]
    Platform,
}

/// PEM texts with trusted certificates. They are read when they are needed: of the 140 of a system all but one would be
/// kept for nothing.
#[derive(Debug)]
pub(super) struct Bundle(Vec<Vec<u8>>);

impl Bundle {
    pub(super) fn certificates(&self) -> impl Iterator<Item = CertificateDer<'static>> {
        self.0.iter().flat_map(|text| certificates(text))
    }

    /// The certificates in which one of these names occurs, as its own or as its issuer's.
    pub(super) fn with_names(&self, names: &[&[u8]]) -> impl Iterator<Item = CertificateDer<'static>> {
        self.certificates().filter(|der| names.iter().any(|name| memmem::find(der, name).is_some()))
    }
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
    let extra = ca_cert.map(|path| read(path, "--ca-cert")).transpose()?;
    if let Some(path) = &named {
        let path = Path::new(path);
        let texts = [Some(read(path, "SSL_CERT_FILE")?), extra].into_iter().flatten();
        let certs = RootCerts::Listed(Bundle(texts.collect()));
        return Ok(Roots { certs, source: with_extra(&path.display().to_string(), ca_cert) });
    }
    Ok(system(extra, ca_cert))
}

#[cfg(target_os = "linux")]
fn system(extra: Option<Vec<u8>>, ca_cert: Option<&Path>) -> Roots {
    for bundle in BUNDLES {
        if let Ok(text) = std::fs::read(bundle)
            && certificates(&text).next().is_some()
        {
            let certs = RootCerts::Listed(Bundle([Some(text), extra].into_iter().flatten().collect()));
            return Roots { certs, source: with_extra(bundle, ca_cert) };
        }
    }
    match (ca_cert, extra) {
        (Some(path), Some(extra)) => Roots {
            certs: RootCerts::Listed(Bundle(vec![extra])),
            source: format!("{} alone (this machine has no bundle)", path.display()),
        },
        _ => Roots {
            certs: RootCerts::Bundled,
            source: "the bundled Mozilla roots (this machine has no bundle)".to_owned(),
        },
    }
}

#[cfg(not(target_os = "linux"))]
fn system(extra: Option<Vec<u8>>, ca_cert: Option<&Path>) -> Roots {
    match (ca_cert, extra) {
        (Some(path), Some(extra)) => {
            let certs = RootCerts::Listed(Bundle(vec![extra]));
            Roots { certs, source: format!("{} alone", path.display()) }
        }
        _ => Roots { certs: RootCerts::Platform, source: "the system store".to_owned() },
    }
}

fn with_extra(source: &str, ca_cert: Option<&Path>) -> String {
    match ca_cert {
        Some(path) => format!("{source} and {}", path.display()),
        None => source.to_owned(),
    }
}

/// Reads a PEM file with at least one certificate that is readable.
fn read(path: &Path, name: &str) -> Result<Vec<u8>, Error> {
    let what = || format!("{name} {}", path.display());
    let text = read_whole(path).with_context(what)?;
    if !certificates(&text).any(|certificate| webpki::anchor_from_trusted_cert(&certificate).is_ok()) {
        return Err(Error::new(ExitCode::Local, what(), "the file holds no certificate that is readable")
            .with_hint("it must hold `-----BEGIN CERTIFICATE-----` blocks (PEM)"));
    }
    Ok(text)
}

/// Reads the certificate chain from a PEM file, and the key from the same or from another one.
/// Fails with code 16.
pub(super) fn load_client_certificate(
    certificate: Option<&Path>,
    key: Option<&Path>,
) -> Result<Option<ClientCert>, Error> {
    let Some(certificate) = certificate else { return Ok(None) };
    let read = |path: &Path, name: &str| read_whole(path).with_context(|| format!("{name} {}", path.display()));
    let missing = |path: &Path, thing: &str| {
        Error::new(ExitCode::Local, path.display().to_string(), format!("the file holds no {thing}"))
            .with_hint("it must hold `-----BEGIN …-----` blocks (PEM), and the key must not be encrypted")
    };
    let text = read(certificate, "--client-cert")?;
    let chain: Vec<_> = certificates(&text).collect();
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
/// By hand, because a start would spend most of its time here: the crate `pem` takes 18.8 million instructions for the 140
/// roots of a system.
fn certificates(text: &[u8]) -> impl Iterator<Item = CertificateDer<'static>> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    memmem::find_iter(text, BEGIN).filter_map(|begin| {
        let text = &text[begin + BEGIN.len()..];
        let (label, text) = text.split_at(memmem::find(text, b"-----")?);
        let lines = &text["-----".len()..];
        let lines = &lines[..memmem::find(lines, b"-----END ")?];
        match label {
            b"CERTIFICATE" | b"X509 CERTIFICATE" => Some(decode(lines)?.into()),
            // OpenSSL's own form: the certificate is followed by what its owner trusts it for.
            b"TRUSTED CERTIFICATE" => {
                let der = decode(lines)?;
                Some(first_element(&der).unwrap_or(&der).to_vec().into())
            }
            _ => None,
        }
    })
}

/// Decodes complete lines.
fn decode(lines: &[u8]) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(lines.len());
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', lines) {
        digits.extend_from_slice(lines[start..end].trim_ascii());
        start = end + 1;
    }
    STANDARD.decode(digits).ok()
}

/// The first element of a DER text, with its tag and length (X.690, 8.1.3).
fn first_element(der: &[u8]) -> Option<&[u8]> {
    let length = match der {
        [_, short @ 0..=0x7f, ..] => 2 + usize::from(*short),
        [_, 0x81, a, ..] => 3 + usize::from(*a),
        [_, 0x82, a, b, ..] => 4 + usize::from(u16::from_be_bytes([*a, *b])),
        _ => return None,
    };
    der.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ders(pem: &str) -> Vec<Vec<u8>> {
        certificates(pem.as_bytes()).map(|certificate| certificate.to_vec()).collect()
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
    fn only_the_first_element_of_a_trusted_certificate_counts() {
        let first = |der: &[u8]| {
            let text = format!("-----BEGIN TRUSTED CERTIFICATE-----\n{}\n-----END", STANDARD.encode(der));
            ders(&format!("{text} TRUSTED CERTIFICATE-----\n")).concat()
        };
        assert_eq!(first(&[0x30, 2, 1, 2, 9]), [0x30, 2, 1, 2]);
        let long = [&[0x30, 0x82, 1, 0][..], &[7; 256], &[9]].concat();
        assert_eq!(first(&long), &long[..260]);
        for odd in [&[0x30, 0x85, 1][..], &[0x30, 5, 1], &[]] {
            assert_eq!(first(odd), odd);
        }
    }

    #[test]
    fn certificates_are_found_by_the_names_in_them() {
        let pem = |der: &[u8]| {
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der)).into_bytes()
        };
        let bundle = Bundle(vec![[pem(b"0 us 1"), pem(b"0 them 1")].concat(), pem(b"0 others 1")]);
        let found = |names: &[&[u8]]| bundle.with_names(names).map(|der| der.to_vec()).collect::<Vec<_>>();
        assert_eq!(found(&[b"us", b"others"]), [&b"0 us 1"[..], b"0 others 1"]);
        assert_eq!(found(&[b"nobody"]), Vec::<Vec<u8>>::new());
        assert_eq!(bundle.certificates().count(), 3);
    }
}
