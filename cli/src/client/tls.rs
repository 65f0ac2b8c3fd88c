//! TLS towards an API behind a public route: whom to trust.

use std::{fs, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio_rustls::TlsConnector;

use crate::failure::Failure;

/// Where systems keep the authorities that everybody trusts.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Trusts the file that was named, or else the system's authorities and the development certificate.
pub(super) fn connector(ca: Option<&Path>, state: Option<&Path>) -> Result<TlsConnector, Failure> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            let unusable = |why: &dyn std::fmt::Display| {
                Failure::usage(format!("--ca {}: {why}", file.display()))
            };
            let text = fs::read(file).map_err(|error| unusable(&error))?;
            if add(&mut roots, &text) == 0 {
                return Err(unusable(&"no certificate in it"));
            }
        }
        None => {
            if let Some(text) = SYSTEM.iter().find_map(|file| fs::read(file).ok()) {
                add(&mut roots, &text);
            }
            if let Some(text) = state.and_then(|folder| fs::read(folder.join("dev.pem")).ok()) {
                add(&mut roots, &text);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::broken(format!("cannot speak TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Adds what can be used; a bundle may hold certificates that cannot.
fn add(roots: &mut RootCertStore, pem: &[u8]) -> usize {
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    certificates.filter(|certificate| roots.add(certificate.clone()).is_ok()).count()
}

/// The name that the certificate must have.
pub(super) fn name(host: &str) -> Result<ServerName<'static>, Failure> {
    ServerName::try_from(host.to_owned())
        .map_err(|_| Failure::usage(format!("{host:?} is not a host's name")))
}
