//! A certificate authority made at the start, and the leaf it vouches for.

use crate::config::{Issuer, Leaf, TlsOptions};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::io;
use std::sync::Arc;

/// Settings of the listeners and the certificate clients have to trust.
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    /// PEM of the authority, or of the certificate that is trusted itself.
    pub(crate) ca: String,
    /// PEM of a client's certificate and its key.
    pub(crate) client: String,
}

impl Tls {
    pub(crate) fn new(options: TlsOptions) -> io::Result<Self> {
        let trusted = authority("cibridge simulator CA").map_err(other)?;
        let mut ca = trusted.pem();
        let client_key = KeyPair::generate().map_err(other)?;
        let client = client().signed_by(&client_key, &trusted).map_err(other)?;
        let client = client.pem() + &client_key.serialize_pem();
        let mut roots = RootCertStore::empty();
        roots.add(trusted.der().clone()).map_err(other)?;
        let issuer = match options.leaf {
            Leaf::OtherCa => authority("unknown CA").map_err(other)?,
            _ if options.issuer == Issuer::Intermediate => intermediate(&trusted).map_err(other)?,
            _ => trusted,
        };
        let key = KeyPair::generate().map_err(other)?;
        let mut params = leaf(options.leaf).map_err(other)?;
        let leaf = if options.issuer == Issuer::Itself {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.self_signed(&key)
        } else {
            params.signed_by(&key, &issuer)
        };
        let leaf = leaf.map_err(other)?;
        if matches!(options.issuer, Issuer::HiddenCa | Issuer::Itself) {
            let twin = KeyPair::generate().and_then(|key| params.self_signed(&key)).map_err(other)?;
            ca = if options.leaf == Leaf::OtherCa { twin.pem() } else { leaf.pem() };
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[&rustls::SupportedProtocolVersion] =
            if options.tls12_only { &[&rustls::version::TLS12] } else { rustls::ALL_VERSIONS };
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(other)?;
        let config = if options.client_auth {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.map_err(other)?)
        } else {
            config.with_no_client_auth()
        };
        let mut chain = vec![leaf.der().clone()];
        chain.extend((options.issuer == Issuer::Intermediate).then(|| issuer.der().clone()));
        let mut config = config.with_single_cert(chain, private).map_err(other)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), ca, client })
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

fn named(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate()?)
}

fn intermediate(root: &CertifiedIssuer<'static, KeyPair>) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    CertifiedIssuer::signed_by(authority_params("cibridge simulator intermediate CA"), KeyPair::generate()?, root)
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn client() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("client");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn leaf(kind: Leaf) -> Result<CertificateParams, rcgen::Error> {
    let hosts: &[&str] = match kind {
        Leaf::WrongHost => &["elsewhere.example.com"],
        _ => &["localhost", "127.0.0.1"],
    };
    let mut params = CertificateParams::new(hosts.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name = named(hosts[0]);
    match kind {
        Leaf::Expired => {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        Leaf::Future => {
            params.not_before = rcgen::date_time_ymd(2190, 1, 1);
            params.not_after = rcgen::date_time_ymd(2200, 1, 1);
        }
        _ => {}
    }
    Ok(params)
}
