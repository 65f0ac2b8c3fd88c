//! Who is who on a link between hosts: the gateway by its authority's fingerprint, the runner by a certificate that the
//! authority signed.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use data_encoding::HEXLOWER;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
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
use sha2::{Digest as _, Sha256};

/// The name in the gateway's certificate, wherever it runs.
pub(super) const SERVER_NAME: &str = "ostler-gateway";

/// The runner's certificate with its authority's, and its key.
#[derive(Debug)]
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// From when to when the certificate holds.
    valid: Range<SystemTime>,
    /// SHA-256 of the secret that it was asked for with, if it is known.
    joined_with: Option<String>,
}

impl Identity {
    /// When another certificate is to be asked for: a third of the time is left then.
    pub(super) fn renew_at(&self) -> SystemTime {
        let life = self.valid.end.duration_since(self.valid.start).unwrap_or_default();
        self.valid.end - life / 3
    }

    /// SHA-256 of the secret that it was asked for with, if it is known.
    pub(super) fn joined_with(&self) -> Option<&str> {
        self.joined_with.as_deref()
    }

    /// Whether it came with a token that has this secret.
    pub(super) fn came_with(&self, secret: &str) -> bool {
        self.joined_with.as_deref() == Some(&sha256_hex(secret.as_bytes()))
    }
}

/// Where the identity is kept.
fn files(state: &Path) -> (PathBuf, PathBuf) {
    (state.join("runner.pem"), state.join("runner.key"))
}

/// The line before the certificates; what is outside of PEM blocks is for people, and for us.
fn title(name: &str, joined_with: Option<&str>) -> String {
    match joined_with {
        Some(hash) => format!("runner {name} token {hash}\n"),
        None => format!("runner {name}\n"),
    }
}

/// The kept identity, if there is one of this name from this authority that still holds.
pub(super) fn load(state: &Path, name: &str, fingerprint: &str) -> Option<Identity> {
    let (cert, key) = files(state);
    let text = fs::read_to_string(cert).ok()?;
    let told = text.lines().next()?.strip_prefix("runner ")?;
    let (of, joined_with) = match told.split_once(" token ") {
        Some((of, hash)) => (of, Some(hash.to_owned())),
        None => (told, None),
    };
    let chain = certificates(text.as_bytes()).ok()?;
    let is_ours = of == name && chain.last().is_some_and(|ca| sha256_hex(ca) == fingerprint);
    let key = PrivateKeyDer::from_pem_file(key).ok()?;
    let valid = validity(chain.first()?)?;
    (is_ours && chain.len() > 1 && SystemTime::now() < valid.end).then_some(Identity {
        chain,
        key,
        valid,
        joined_with,
    })
}

fn validity(certificate: &CertificateDer<'_>) -> Option<Range<SystemTime>> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let at = |time: x509_parser::time::ASN1Time| {
        let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    };
    let valid = parsed.validity();
    Some(at(valid.not_before)..at(valid.not_after))
}

/// Keeps a certificate for the key that is kept.
pub(super) fn keep(
    state: &Path,
    name: &str,
    joined_with: Option<&str>,
    chain_pem: &str,
) -> io::Result<()> {
    certificates(chain_pem.as_bytes()).map_err(io::Error::other)?;
    let (cert, _) = files(state);
    let text = format!("{}{chain_pem}", title(name, joined_with));
    ostler_private::replace(&cert, text.as_bytes())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

/// The request to sign a key, in PEM. The key is kept before anybody hears of it, so that the same one asks again when the
/// answer gets lost; a new one is made when there is none, or when the gateway does not want that any more.
pub(super) fn request(state: &Path, anew: bool) -> io::Result<String> {
    let (cert, path) = files(state);
    let kept = match anew {
        true => None,
        false => fs::read_to_string(&path).ok().and_then(|pem| KeyPair::from_pem(&pem).ok()),
    };
    let pair = match kept {
        Some(pair) => pair,
        None => {
            let pair = KeyPair::generate().map_err(io::Error::other)?;
            match fs::remove_file(cert) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            ostler_private::replace(&path, pair.serialize_pem().as_bytes())?;
            pair
        }
    };
    let params = CertificateParams::new(Vec::<String>::new()).map_err(io::Error::other)?;
    let request = params.serialize_request(&pair).map_err(io::Error::other)?;
    request.pem().map_err(io::Error::other)
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
        Some(Identity { chain, key, .. }) => config.with_client_auth_cert(chain, key)?,
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
        // This host's clock may be behind, as after a start without a battery: its beginning is not asked.
        let begun = validity(end_entity).and_then(|it| it.start.duration_since(UNIX_EPOCH).ok());
        let now = begun.map_or(now, |begun| now.max(UnixTime::since_unix_epoch(begun)));
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

/// SHA-256 in lower-case hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertifiedIssuer, IsCa, date_time_ymd};

    use super::*;

    /// An authority, and its fingerprint.
    fn authority() -> (CertifiedIssuer<'static, KeyPair>, String) {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let authority = CertifiedIssuer::self_signed(params, key).expect("it signs itself");
        let fingerprint = sha256_hex(authority.der());
        (authority, fingerprint)
    }

    #[test]
    fn a_clock_that_is_behind_keeps_no_gateway_out_and_what_has_ended_stays_out() {
        let (authority, fingerprint) = authority();
        let mut params = CertificateParams::new([SERVER_NAME.to_owned()]).expect("a name");
        (params.not_before, params.not_after) =
            (date_time_ymd(2030, 1, 1), date_time_ymd(2030, 4, 1));
        let key = KeyPair::generate().expect("a key can be made");
        let leaf = params.signed_by(&key, &authority).expect("it signs");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let name = ServerName::try_from(SERVER_NAME).expect("it is a name");
        let verified = |fingerprint: &str, seconds: u64| {
            let verifier =
                Pinned { fingerprint: fingerprint.to_owned(), provider: Arc::clone(&provider) };
            let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            let chain = [authority.der().clone()];
            verifier.verify_server_cert(leaf.der(), &chain, &name, &[], at).is_ok()
        };
        let begin = 1_893_456_000;
        // A board without a battery; forty days; a minute; within; its last day.
        for seconds in [0, begin - 40 * 86_400, begin - 60, begin + 60, begin + 89 * 86_400] {
            assert!(verified(&fingerprint, seconds), "{seconds}");
        }
        for seconds in [begin + 91 * 86_400, begin + 4000 * 86_400] {
            assert!(!verified(&fingerprint, seconds), "{seconds}");
        }
        assert!(!verified(&"0".repeat(64), begin + 60), "another authority's");
    }
}
