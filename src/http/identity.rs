//! The certificate with which this side proves who it is, for a proxy or controller that asks for one.

use std::path::Path;

use ureq::tls::{ClientCert, PemItem, PrivateKey, parse_pem};

use crate::error::{Error, ExitCode};

/// Reads the certificate chain from a PEM file, and the key from the same or from another one.
/// Fails with code 16.
pub(super) fn load(certificate: Option<&Path>, key: Option<&Path>) -> Result<Option<ClientCert>, Error> {
    let Some(certificate) = certificate else { return Ok(None) };
    let read = |path: &Path, name: &str| {
        std::fs::read(path)
            .map_err(|error| Error::new(ExitCode::Local, format!("{name} {}", path.display()), error.to_string()))
    };
    let missing = |path: &Path, thing: &str| {
        Error::new(ExitCode::Local, path.display().to_string(), format!("the file holds no {thing}"))
            .with_hint("it must hold `-----BEGIN …-----` blocks (PEM), and the key must not be encrypted")
    };
    let text = read(certificate, "--client-cert")?;
    let chain: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if chain.is_empty() {
        return Err(missing(certificate, "certificate"));
    }
    let (path, text) = match key {
        Some(path) => (path, read(path, "--client-key")?),
        None => (certificate, text),
    };
    let key = PrivateKey::from_pem(&text).map_err(|_| missing(path, "private key"))?;
    Ok(Some(ClientCert::new_with_certs(&chain, key)))
}
