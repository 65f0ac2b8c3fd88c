//! TLS for clients: certificates by name, reloaded when their files change, and one for development when there are none.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;
use x509_parser::{error::X509Error, extensions::GeneralName, parse_x509_certificate};

use crate::{config::Certificate, event::GatewayEvent, gate::Gate};

/// How often certificate files are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// Age at which the development certificate is made anew; browsers refuse certificates that are valid for longer.
const DEVELOPMENT_DAYS: u64 = 397;

/// The certificates in use.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: Vec<Certificate>,
    provider: Arc<CryptoProvider>,
    keys: RwLock<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    names: Vec<String>,
    key: Arc<CertifiedKey>,
    stamp: Option<SystemTime>,
}

/// A certificate that cannot be used.
#[derive(Debug)]
pub(crate) struct CertificateError {
    pub(crate) path: PathBuf,
    pub(crate) problem: String,
}

impl Certificates {
    /// Loads all of them; none given: the development certificate of the state folder.
    pub(crate) fn load(files: &[Certificate], state: &Path) -> Result<Self, CertificateError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let files = match files.is_empty() {
            false => files.to_vec(),
            true => vec![development(state).map_err(|error| CertificateError {
                path: state.join("dev.pem"),
                problem: error.to_string(),
            })?],
        };
        let keys = files.iter().map(|file| read(file, &provider)).collect::<Result<_, _>>()?;
        Ok(Self { files, provider, keys: RwLock::new(keys) })
    }

    /// The acceptor for all listeners: tickets are shared, so that a client resumes on any thread.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        config.send_tls13_tickets = 1;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads files again that have changed. One that cannot be used leaves the old one in service.
    pub(crate) async fn watch(self: Arc<Self>, gate: Arc<Gate>) {
        loop {
            tokio::time::sleep(LOOK).await;
            for (i, file) in self.files.iter().enumerate() {
                let old =
                    self.keys.read().expect("no code panics while it holds the keys")[i].stamp;
                if stamp(file) == old {
                    continue;
                }
                match read(file, &self.provider) {
                    Ok(entry) => {
                        self.keys.write().expect("no code panics while it holds the keys")[i] =
                            entry;
                    }
                    Err(error) => gate.tell(GatewayEvent::Warning(format!(
                        "the changed certificate {} is not used: {}",
                        error.path.display(),
                        error.problem
                    ))),
                }
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = self.keys.read().expect("no code panics while it holds the keys");
        let asked = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let asked = asked.strip_suffix('.').unwrap_or(&asked);
        let named = keys.iter().find(|entry| entry.names.iter().any(|name| holds(name, asked)));
        named.or_else(|| keys.first()).map(|entry| entry.key.clone())
    }
}

/// A name of a certificate holds a name that was asked for; `*` stands for one label (RFC 6125 6.4.3).
fn holds(name: &str, asked: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => asked.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => name == asked,
    }
}

/// Whether all of them can be used.
pub(crate) fn look(files: &[Certificate]) -> Result<(), CertificateError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    files.iter().try_for_each(|file| read(file, &provider).map(drop))
}

fn stamp(file: &Certificate) -> Option<SystemTime> {
    let modified = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    modified(&file.cert).max(modified(&file.key))
}

fn read(file: &Certificate, provider: &CryptoProvider) -> Result<Entry, CertificateError> {
    let wrong = |path: &Path, problem: String| CertificateError { path: path.to_owned(), problem };
    let stamp = stamp(file);
    let chain: Vec<_> = CertificateDer::pem_file_iter(&file.cert)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(&file.cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(&file.cert, "it holds no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&file.key)
        .map_err(|error| wrong(&file.key, error.to_string()))?;
    let names = names(&chain[0]).map_err(|error| wrong(&file.cert, error.to_string()))?;
    let key = CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| wrong(&file.key, error.to_string()))?;
    Ok(Entry { names, key: Arc::new(key), stamp })
}

/// The DNS names of a certificate.
fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, X509Error> {
    let (_, parsed) =
        parse_x509_certificate(certificate).map_err(|_| X509Error::InvalidCertificate)?;
    let Some(names) = parsed.subject_alternative_name()? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for san in &names.value.general_names {
        if let GeneralName::DNSName(name) = san {
            found.push(name.to_ascii_lowercase());
        }
    }
    Ok(found)
}

/// The certificate for development, made when it is missing or old.
fn development(state: &Path) -> io::Result<Certificate> {
    let file = Certificate { cert: state.join("dev.pem"), key: state.join("dev.key") };
    let age = stamp(&file).and_then(|made| made.elapsed().ok());
    let fresh = Duration::from_secs((DEVELOPMENT_DAYS - 30) * 24 * 3600);
    if file.key.exists() && age.is_some_and(|age| age < fresh) {
        return Ok(file);
    }
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()));
    let mut params = rcgen::CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "Ostler development certificate");
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::DAY;
    params.not_after = now + time::Duration::days(DEVELOPMENT_DAYS as i64 - 2);
    let pair = rcgen::KeyPair::generate().map_err(io::Error::other)?;
    let made = params.self_signed(&pair).map_err(io::Error::other)?;
    ostler_private::replace(&file.key, pair.serialize_pem().as_bytes())?;
    ostler_private::replace(&file.cert, made.pem().as_bytes())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_holds_one_label() {
        assert!(holds("*.shop.example", "eu.shop.example"));
        assert!(!holds("*.shop.example", "shop.example"));
        assert!(!holds("*.shop.example", "a.b.shop.example"));
        assert!(holds("shop.example", "shop.example"));
    }

    #[test]
    fn the_development_certificate_is_made_once_and_names_localhost() {
        let state = tempfile::tempdir().unwrap();
        let first = Certificates::load(&[], state.path()).unwrap();
        let again = Certificates::load(&[], state.path()).unwrap();
        let leaf = |c: &Certificates| c.keys.read().unwrap()[0].key.cert[0].clone();
        assert_eq!(leaf(&first), leaf(&again));
        assert!(first.keys.read().unwrap()[0].names.contains(&"localhost".to_owned()));
    }
}
