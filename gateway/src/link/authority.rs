//! The gateway's own certificate authority: it signs what the two ends of a runner link show each other.

use std::{fs, io, path::Path};

use nix::fcntl::{Flock, FlockArg};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// The name that runners expect in the gateway's certificate.
pub(crate) const SERVER_NAME: &str = "ostler-gateway";

/// See the module.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
    pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// Reads the authority of a state folder, or makes it.
    pub(crate) fn open(state: &Path) -> io::Result<Self> {
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
        let pem = fs::read_to_string(&cert)?;
        let broken = |e: &dyn std::fmt::Display| {
            io::Error::other(format!(
                "{} and {} do not fit together ({e}); remove both, and all runners join anew",
                cert.display(),
                key.display()
            ))
        };
        let pair = KeyPair::from_pem(&fs::read_to_string(&key)?).map_err(|e| broken(&e))?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| broken(&e))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, pair).map_err(|e| broken(&e))?;
        Ok(Self { issuer, certificate, pem })
    }

    /// SHA-256 of the authority's certificate, in hex: what a join token carries.
    pub(crate) fn fingerprint(&self) -> String {
        super::token::sha256_hex(&self.certificate)
    }

    /// A fresh certificate for the gateway's end.
    pub(crate) fn server_identity(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), rcgen::Error> {
        let pair = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let made = params.signed_by(&pair, &self.issuer)?;
        let chain = vec![made.der().clone(), self.certificate.clone()];
        Ok((chain, PrivateKeyDer::Pkcs8(pair.serialize_der().into())))
    }

    /// Signs a runner's request. Only the key is taken from it; the name is what we say.
    pub(crate) fn sign_runner(&self, csr_pem: &str, name: &str) -> Result<String, rcgen::Error> {
        let mut csr = CertificateSigningRequestParams::from_pem(csr_pem)?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        csr.params = params;
        let made = csr.signed_by(&self.issuer)?;
        Ok(format!("{}{}", made.pem(), self.pem))
    }
}

fn new_authority() -> Result<(CertificateParams, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, "Ostler runner authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok((params, KeyPair::generate()?))
}

#[cfg(test)]
mod tests {
    use super::*;

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
