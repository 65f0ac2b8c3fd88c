//! The gateway's own certificate authority: it signs what the two ends of a runner link show each other.

use std::{io, path::Path, time::Duration};

use nix::fcntl::{Flock, FlockArg};
use ostler_machine::{clock, secret::sha256_hex};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use time::OffsetDateTime;

/// How long the certificates of both ends hold.
pub const LEAF_DAYS: u64 = 90;
/// How long the authority's own does, by what it says of itself: it is trusted by its fingerprint.
const AUTHORITY_DAYS: u64 = 3650;
/// How much earlier they begin, for hosts whose clock is behind.
const BACKDATED: Duration = Duration::from_secs(86_400);

/// The name that runners expect in the gateway's certificate.
pub const SERVER_NAME: &str = "ostler-gateway";

/// See the module.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: CertificateDer<'static>,
    pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// Reads the authority of a state folder, or makes it.
    pub fn open(state: &Path) -> io::Result<Self> {
        let (cert, key) = (state.join("ca.pem"), state.join("ca.key"));
        // A gateway that starts and a `token join` may both be the first.
        let lock = ostler_private::lock(&state.join("ca.lock"))?;
        let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
        if !cert.exists() {
            let (params, pair) = new_authority().map_err(io::Error::other)?;
            let made = params.self_signed(&pair).map_err(io::Error::other)?;
            ostler_private::replace(&key, pair.serialize_pem().as_bytes())?;
            ostler_private::replace(&cert, made.pem().as_bytes())?;
        }
        let pem = ostler_private::read_to_string(&cert)?;
        let broken = |e: &dyn std::fmt::Display| {
            io::Error::other(format!(
                "{} and {} do not fit together ({e}); remove both, and all runners join anew",
                cert.display(),
                key.display()
            ))
        };
        let pair =
            KeyPair::from_pem(&ostler_private::read_to_string(&key)?).map_err(|e| broken(&e))?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| broken(&e))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, pair).map_err(|e| broken(&e))?;
        Ok(Self { issuer, certificate, pem })
    }

    /// SHA-256 of the authority's certificate, in hex: what a join token carries.
    pub(crate) fn fingerprint(&self) -> String {
        sha256_hex(&self.certificate)
    }

    /// A fresh certificate for the gateway's end.
    pub fn server_identity(
        &self,
        now: Duration,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), rcgen::Error> {
        let pair = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        limit(&mut params, now, LEAF_DAYS);
        let made = params.signed_by(&pair, &self.issuer)?;
        let chain = vec![made.der().clone(), self.certificate.clone()];
        Ok((chain, PrivateKeyDer::Pkcs8(pair.serialize_der().into())))
    }

    /// Signs a runner's request. Only the key is taken from it; the name is what we say.
    pub fn sign_runner(&self, csr_pem: &str, name: &str) -> Result<String, rcgen::Error> {
        let mut csr = CertificateSigningRequestParams::from_pem(csr_pem)?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        limit(&mut params, clock::wall(), LEAF_DAYS);
        csr.params = params;
        let made = csr.signed_by(&self.issuer)?;
        Ok(format!("{}{}", made.pem(), self.pem))
    }
}

/// Certificates that hold for ever are good for ever to whoever steals their key.
fn limit(params: &mut CertificateParams, now: Duration, days: u64) {
    // Nothing is older than the epoch, and no clock is thousands of years ahead.
    let at = |time: Duration| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    params.not_before = at(now.saturating_sub(BACKDATED));
    params.not_after = at(now + Duration::from_secs(days * 86_400));
}

/// What a key is known by: SHA-256 of its public half, in hex.
pub fn key_of(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(sha256_hex(&parsed.public_key().subject_public_key.data))
}

/// The same of a certificate request in PEM, whose signature shows that the key is there.
pub fn key_of_request(pem: &str) -> Option<String> {
    let request = CertificateSigningRequestParams::from_pem(pem).ok()?;
    Some(sha256_hex(request.public_key.der_bytes()))
}

fn new_authority() -> Result<(CertificateParams, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, "Ostler runner authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    limit(&mut params, clock::wall(), AUTHORITY_DAYS);
    Ok((params, KeyPair::generate()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_hold_for_months_and_know_their_key() {
        let state = tempfile::tempdir().unwrap();
        let authority = Authority::open(state.path()).unwrap();
        let pair = KeyPair::generate().unwrap();
        let params = CertificateParams::new(Vec::<String>::new()).unwrap();
        let request = params.serialize_request(&pair).unwrap().pem().unwrap();
        let signed = authority.sign_runner(&request, "a").unwrap();
        let signed = CertificateDer::from_pem_slice(signed.as_bytes()).unwrap();
        assert_eq!(key_of(&signed), key_of_request(&request));
        assert!(key_of(&signed).is_some());
        let (server, _) = authority.server_identity(clock::wall()).unwrap();
        for (certificate, days) in
            [(&signed, LEAF_DAYS), (&server[0], LEAF_DAYS), (&server[1], AUTHORITY_DAYS)]
        {
            let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
            let (from, to) = (parsed.validity().not_before, parsed.validity().not_after);
            let life = u64::try_from(to.timestamp() - from.timestamp()).unwrap();
            assert_eq!(life, (days + 1) * 86_400);
            let now = i64::try_from(clock::wall().as_secs()).unwrap();
            assert!((0..=86_460).contains(&(now - from.timestamp())), "{from}");
        }
        assert_eq!(key_of_request("nonsense"), None);
    }

    #[test]
    fn two_that_come_first_find_one_authority() {
        for _ in 0..5 {
            let state = tempfile::tempdir().unwrap();
            let prints = std::thread::scope(|scope| {
                let open = || Authority::open(state.path()).unwrap().fingerprint();
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
                threads.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>()
            });
            assert!(prints.windows(2).all(|pair| pair[0] == pair[1]), "{prints:?}");
        }
    }
}
