//! Who is who on a link between hosts: the gateway by its authority's fingerprint, the runner by a certificate that the
//! authority signed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedCipherSuite,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, UnixTime,
    pem::{self, PemObject},
};

/// The name in the gateway's certificate, wherever it runs.
pub(super) const SERVER_NAME: &str = "ostler-gateway";

/// The runner's certificate with its authority's, and its key.
#[derive(Debug)]
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Where the identity is kept.
fn files(state: &Path) -> (PathBuf, PathBuf) {
    (state.join("runner.pem"), state.join("runner.key"))
}

/// The line before the certificates; what is outside of PEM blocks is for people, and for us.
fn title(name: &str) -> String {
    format!("runner {name}\n")
}

/// The kept identity, if there is one of this name from this authority.
pub(super) fn load(state: &Path, name: &str, fingerprint: &str) -> Option<Identity> {
    let (cert, key) = files(state);
    let text = fs::read_to_string(cert).ok().filter(|text| text.starts_with(&title(name)))?;
    let chain = certificates(text.as_bytes()).ok()?;
    let is_ours = chain.last().is_some_and(|ca| sha256_hex(ca) == fingerprint);
    let key = PrivateKeyDer::from_pem_file(key).ok()?;
    (is_ours && chain.len() > 1).then_some(Identity { chain, key })
}

/// Keeps a fresh identity.
pub(super) fn keep(state: &Path, name: &str, key_pem: &str, chain_pem: &str) -> io::Result<()> {
    certificates(chain_pem.as_bytes()).map_err(io::Error::other)?;
    let (cert, key) = files(state);
    ostler_private::replace(&key, key_pem.as_bytes())?;
    ostler_private::replace(&cert, format!("{}{chain_pem}", title(name)).as_bytes())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

/// A new key and the request to sign it, both PEM.
pub(super) fn request() -> Result<(String, String), rcgen::Error> {
    let pair = KeyPair::generate()?;
    let request = CertificateParams::new(Vec::<String>::new())?.serialize_request(&pair)?;
    Ok((pair.serialize_pem(), request.pem()?))
}

/// The client's side of TLS; without an identity it can only ask for one.
pub(super) fn client(
    fingerprint: &str,
    identity: Option<Identity>,
) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        Arc::new(Pinned { fingerprint: fingerprint.to_owned(), provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    Ok(Arc::new(match identity {
        Some(Identity { chain, key }) => config.with_client_auth_cert(chain, key)?,
        None => config.with_no_client_auth(),
    }))
}

/// Trusts the authority of one fingerprint, and what it signed for [`SERVER_NAME`].
#[derive(Debug)]
struct Pinned {
    fingerprint: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ca = intermediates.iter().find(|cert| sha256_hex(cert) == self.fingerprint);
        let ca = ca.ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .map_err(|e| Error::General(e.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("links are TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// SHA-256 in hex, by the hash that TLS brings along.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    let suite = aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let SupportedCipherSuite::Tls13(suite) = suite else {
        unreachable!("the suite is named for TLS 1.3")
    };
    let hash = suite.common.hash_provider.hash(bytes);
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}
