//! TLS for clients: certificates by name, reloaded when their files change, and one for development when there are none.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::{Duration, SystemTime},
};

use ostler_notices::{GatewayEvent, Notices};
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use tokio_rustls::TlsAcceptor;
use x509_parser::{error::X509Error, extensions::GeneralName, parse_x509_certificate};

use crate::config::Certificate;

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
    stamp: Stamp,
}

/// What tells one state of a pair of files from another, of each apart: a file that is put in place keeps the time of its making,
/// which may be before that of the other one.
#[derive(Debug, PartialEq, Eq)]
struct Stamp([Option<(SystemTime, u64, u64)>; 2]);

impl Stamp {
    fn of(pair: &Certificate) -> Self {
        Self([&pair.cert, &pair.key].map(|path| {
            let found = fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.ino(), found.len()))
        }))
    }
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
    pub(crate) async fn watch(self: Arc<Self>, notices: Arc<Notices>) {
        loop {
            tokio::time::sleep(LOOK).await;
            for error in self.look_again() {
                notices.tell(GatewayEvent::Warning(format!(
                    "the changed certificate {} is not used: {}",
                    error.path.display(),
                    error.problem
                )));
            }
        }
    }

    /// What of the files that have changed cannot be used.
    fn look_again(&self) -> Vec<CertificateError> {
        let mut wrong = Vec::new();
        for (i, file) in self.files.iter().enumerate() {
            let is_old = |keys: &[Entry]| keys[i].stamp == Stamp::of(file);
            if is_old(&self.keys.read().expect("no code panics while it holds the keys")) {
                continue;
            }
            match read(file, &self.provider) {
                Ok(entry) => {
                    self.keys.write().expect("no code panics while it holds the keys")[i] = entry;
                }
                Err(error) => wrong.push(error),
            }
        }
        wrong
    }

    /// The certificate for a name that a client asked for; of a name that none has, the first.
    fn of_name(&self, asked: &str) -> Option<Arc<CertifiedKey>> {
        let keys = self.keys.read().expect("no code panics while it holds the keys");
        let asked = asked.to_ascii_lowercase();
        // A name with a dot at its end is the same name (RFC 1034 3.1).
        let asked = asked.strip_suffix('.').unwrap_or(&asked);
        let named = keys.iter().find(|entry| entry.names.iter().any(|name| holds(name, asked)));
        named.or_else(|| keys.first()).map(|entry| entry.key.clone())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.of_name(hello.server_name().unwrap_or_default())
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

fn read(file: &Certificate, provider: &CryptoProvider) -> Result<Entry, CertificateError> {
    let wrong = |path: &Path, problem: String| CertificateError { path: path.to_owned(), problem };
    let stamp = Stamp::of(file);
    let chain: Vec<_> = CertificateDer::pem_file_iter(&file.cert)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(&file.cert, unreadable(&error)))?;
    if chain.is_empty() {
        return Err(wrong(&file.cert, "it holds no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&file.key)
        .map_err(|error| wrong(&file.key, unreadable(&error)))?;
    let names = names(&chain[0]).map_err(|error| wrong(&file.cert, error.to_string()))?;
    let key = CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| wrong(&file.key, error.to_string()))?;
    Ok(Entry { names, key: Arc::new(key), stamp })
}

fn unreadable(error: &pem::Error) -> String {
    if let pem::Error::Io(error) = error {
        return format!("{error}; {}", ostler_private::cure(error));
    }
    error.to_string()
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

/// The certificate for development, made when it is missing, old or of no use: half of another pair, perhaps, since a start was cut
/// short.
fn development(state: &Path) -> io::Result<Certificate> {
    let file = Certificate { cert: state.join("dev.pem"), key: state.join("dev.key") };
    let made = fs::metadata(&file.cert).and_then(|found| found.modified());
    let age = made.ok().and_then(|made| made.elapsed().ok());
    let fresh = Duration::from_secs((DEVELOPMENT_DAYS - 30) * 24 * 3600);
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    if age.is_some_and(|age| age < fresh) && read(&file, &provider).is_ok() {
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

    fn pair(folder: &Path, name: &str, ages_s: [u64; 2]) -> Certificate {
        pair_of(&rcgen::KeyPair::generate().unwrap(), folder, name, ages_s)
    }

    /// Makes a pair for a name, whose files are as old as the given times.
    fn pair_of(key: &rcgen::KeyPair, folder: &Path, name: &str, ages_s: [u64; 2]) -> Certificate {
        let made = rcgen::CertificateParams::new([name.to_owned()]).unwrap().self_signed(key);
        let path = |kind: &str| folder.join(format!("{name}.{kind}"));
        let pair = Certificate { cert: path("pem"), key: path("key") };
        for (path, text, age) in [
            (&pair.cert, made.unwrap().pem(), ages_s[0]),
            (&pair.key, key.serialize_pem(), ages_s[1]),
        ] {
            fs::write(path, text).unwrap();
            let then = SystemTime::now() - Duration::from_secs(age);
            fs::File::open(path).unwrap().set_modified(then).unwrap();
        }
        pair
    }

    fn leaf(key: Option<Arc<CertifiedKey>>) -> Vec<u8> {
        key.unwrap().cert[0].to_vec()
    }

    #[test]
    fn a_name_is_found_however_it_is_written_and_the_first_serves_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["one.example", "two.example"].map(|name| pair(folder.path(), name, [0, 0]));
        let loaded = Certificates::load(&files, folder.path()).unwrap();
        let of = |name: &str| leaf(loaded.of_name(name));
        assert_ne!(of("one.example"), of("two.example"));
        for same in ["TWO.example", "two.example.", "Two.Example."] {
            assert_eq!(of(same), of("two.example"), "{same}");
        }
        for other in ["", "three.example", "two.example.."] {
            assert_eq!(of(other), of("one.example"), "{other:?}");
        }
    }

    #[test]
    fn files_that_were_put_in_place_are_noticed_however_old_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let new = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let file = pair_of(&key, folder.path(), "a.example", [100, 50]);
        let loaded = Certificates::load(std::slice::from_ref(&file), folder.path()).unwrap();
        let used = || leaf(loaded.of_name(""));
        let first = used();
        assert!(loaded.look_again().is_empty());
        assert_eq!(used(), first, "nothing has changed");
        // For the same key, which stays.
        let renewed = pair_of(&key, new.path(), "a.example", [80, 0]);
        fs::rename(&renewed.cert, &file.cert).unwrap();
        assert!(loaded.look_again().is_empty());
        assert_ne!(used(), first);
        // The key first: there is a moment at which the two do not belong together.
        for ages in [[10, 5], [500, 400], [80, 50]] {
            let newer = pair(new.path(), "a.example", ages);
            fs::rename(&newer.key, &file.key).unwrap();
            let before = used();
            assert_eq!(loaded.look_again().len(), 1, "{ages:?}");
            assert_eq!(used(), before, "the old one serves on");
            fs::rename(&newer.cert, &file.cert).unwrap();
            assert!(loaded.look_again().is_empty());
            assert_ne!(used(), before, "{ages:?}");
        }
        fs::remove_file(&file.cert).unwrap();
        assert_eq!(loaded.look_again()[0].path, file.cert);
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

    #[test]
    fn half_of_a_development_certificate_is_made_anew() {
        let (state, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        development(other.path()).unwrap();
        for name in ["dev.pem", "dev.key"] {
            let path = state.path().join(name);
            development(state.path()).unwrap();
            fs::remove_file(&path).unwrap();
            Certificates::load(&[], state.path()).unwrap();
            fs::copy(other.path().join(name), &path).unwrap();
            Certificates::load(&[], state.path()).unwrap();
            fs::write(&path, "").unwrap();
            Certificates::load(&[], state.path()).unwrap();
        }
    }
}
