//! TLS below ureq, whose own connector has no place for a verifier.
//!
//! rustls-webpki refuses a server that shows a CA certificate, which is what `openssl req -x509` makes. curl accepts it
//! with `--cacert`, so [`Verifier`] does where the user listed that very certificate.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

#[cfg(target_os = "linux")]
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    ALL_VERSIONS, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError,
    RootCertStore, SignatureScheme, StreamOwned,
};
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};
use webpki::EndEntityCert;

use super::tls::{Bundle, ClientCert, RootCerts, Roots};
use crate::error::{Error, ExitCode};

/// The link of the chain that speaks TLS; without settings it only hands on.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsConnector(Option<Arc<ClientConfig>>);

impl TlsConnector {
    /// Fails with code 16 when none of the roots is usable, or the client's key is not that of its certificate.
    pub(super) fn new(roots: Roots, client: Option<ClientCert>) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(ALL_VERSIONS);
        let unusable = |source: &str, why: String| Error::new(ExitCode::Local, source, why);
        let builder = versions.map_err(|error| unusable("TLS", error.to_string()))?.dangerous();
        let builder = match roots.certs {
            RootCerts::Listed(listed) => {
                if !listed.certificates().any(|root| webpki::anchor_from_trusted_cert(&root).is_ok()) {
                    return Err(unusable(&roots.source, "no certificate in it is readable".to_owned()));
                }
                let algorithms = provider.signature_verification_algorithms;
                builder.with_custom_certificate_verifier(Arc::new(Verifier { listed, algorithms }))
            }
            #[cfg(target_os = "linux")]
            RootCerts::Bundled => {
                let store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
                let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build();
                builder.with_custom_certificate_verifier(
                    webpki.map_err(|error| unusable(&roots.source, error.to_string()))?,
                )
            }
            #[cfg(not(target_os = "linux"))]
            RootCerts::Platform => {
                let system = rustls_platform_verifier::Verifier::new(provider);
                builder.with_custom_certificate_verifier(Arc::new(
                    system.map_err(|error| unusable(&roots.source, error.to_string()))?,
                ))
            }
        };
        let config = match client {
            Some(ClientCert { chain, key, source }) => {
                builder.with_client_auth_cert(chain, key).map_err(|error| match error {
                    TlsError::InconsistentKeys(_) => {
                        unusable(&source, "the private key belongs to another certificate".to_owned())
                            .with_hint("pass the key of this certificate with --client-key")
                    }
                    error => unusable(&source, error.to_string()),
                })?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Self(Some(Arc::new(config))))
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        let Some(config) = self.0.as_ref().filter(|_| details.needs_tls() && !transport.is_tls()) else {
            return Ok(Some(Either::A(transport)));
        };
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        // No certificate can be for what is neither an address nor a name, such as `127.1`.
        let name = ServerName::try_from(host).map_err(|_| TlsError::from(CertificateError::NotValidForName))?;
        let mut timeout = details.timeout;
        if let (Instant::Exact(begin), Instant::Exact(now), Duration::Exact(limit)) =
            (details.now, (details.current_time)(), timeout.after)
        {
            timeout.after = Duration::Exact(limit.saturating_sub(now.saturating_duration_since(begin)));
        }
        let mut conn = ClientConnection::new(Arc::clone(config), name.to_owned())?;
        let mut sock = TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        sock.set_timeout(timeout);
        conn.complete_io(&mut sock)?;
        // A head must fit; of a body one record comes at a time, 16 KiB at most (RFC 8446, 5.1).
        let input = details.config.max_response_header_size();
        let buffers = LazyBuffers::new(input, details.config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream: StreamOwned::new(conn, sock) })))
    }
}

/// A TLS connection.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl std::fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        Ok(self.stream.write_all(&self.buffers.output()[..amount])?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let read = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

/// Verifies as webpki does, and accepts a certificate for this host that is itself one of the listed.
#[derive(Debug)]
struct Verifier {
    listed: Bundle,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// The listed certificates that may have signed one of the chain: the name of its issuer occurs in them.
    fn roots_for<'a>(&self, chain: impl Iterator<Item = &'a CertificateDer<'a>>) -> RootCertStore {
        let certificates: Vec<EndEntityCert> = chain.filter_map(|der| EndEntityCert::try_from(der).ok()).collect();
        let issuers: Vec<&[u8]> = certificates.iter().map(|certificate| certificate.issuer()).collect();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.listed.with_names(&issuers));
        roots
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let roots = self.roots_for(std::iter::once(certificate).chain(intermediates));
        match verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, now, self.algorithms.all) {
            Err(TlsError::InvalidCertificate(fault))
                if is_only_untrusted(&fault) && self.listed.certificates().any(|listed| listed == *certificate) => {}
            result => result?,
        }
        verify_server_name(&parsed, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a certificate is within its validity and lacks nothing but an issuer: it is a CA, or its CA is not listed.
/// webpki compares the validity before either (`check_issuer_independent_properties` in `src/verify_cert.rs` at 0.103.17).
fn is_only_untrusted(fault: &CertificateError) -> bool {
    match fault {
        CertificateError::UnknownIssuer => true,
        CertificateError::Other(other) => {
            matches!(other.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}
