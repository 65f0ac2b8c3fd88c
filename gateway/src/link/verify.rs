//! Certificates of runners, checked for who signed them and when they end. When they begin is not asked: a gateway whose clock is
//! behind, as on a machine that has just started without a battery, would refuse every runner of its own.

use std::{io, sync::Arc, time::Duration};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::CryptoProvider,
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};

/// Who may come in by the authority of these roots. A runner without a certificate may, to ask for one and for nothing else.
pub(super) fn runners(
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
) -> io::Result<Arc<dyn ClientCertVerifier>> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
        .allow_unauthenticated()
        .build()
        .map_err(io::Error::other)?;
    Ok(Arc::new(Begun(verifier)))
}

/// See the module.
#[derive(Debug)]
struct Begun(Arc<dyn ClientCertVerifier>);

/// The present, or the certificate's beginning if that is later.
fn begun(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<UnixTime, Error> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let from = u64::try_from(parsed.validity().not_before.timestamp()).unwrap_or(0);
    Ok(now.max(UnixTime::since_unix_epoch(Duration::from_secs(from))))
}

impl ClientCertVerifier for Begun {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.verify_client_cert(end_entity, intermediates, begun(end_entity, now)?)
    }

    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject as _;

    use super::*;
    use ostler_durable::members::authority::Authority;
    use ostler_machine::clock;

    #[test]
    fn a_clock_that_is_behind_keeps_nobody_out_and_one_that_is_ahead_ends_certificates() {
        let state = tempfile::tempdir().unwrap();
        let authority = Authority::open(state.path()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        let request = request.serialize_request(&key).unwrap().pem().unwrap();
        let chain = authority.sign_runner(&request, "far").unwrap();
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
        let chain: Vec<_> = chain.collect::<Result<_, _>>().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = runners(roots, provider).unwrap();
        let day = Duration::from_secs(86_400);
        let at = |now| {
            let now = UnixTime::since_unix_epoch(now);
            verifier.verify_client_cert(&chain[0], &chain[1..], now).is_ok()
        };
        assert!(at(Duration::ZERO) && at(clock::wall() - 40 * day) && at(clock::wall() + 80 * day));
        assert!(!at(clock::wall() + 100 * day));
        let other = Authority::open(tempfile::tempdir().unwrap().path()).unwrap();
        let strange = other.sign_runner(&request, "far").unwrap();
        let strange = CertificateDer::from_pem_slice(strange.as_bytes()).unwrap();
        let now = UnixTime::since_unix_epoch(clock::wall());
        assert!(verifier.verify_client_cert(&strange, &[], now).is_err());
    }
}
