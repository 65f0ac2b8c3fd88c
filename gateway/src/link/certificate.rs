//! The gateway's own certificate towards runners, made anew long before it ends.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ostler_durable::members::authority::{Authority, LEAF_DAYS};
use ostler_machine::clock;
use rustls::{
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// A certificate of this age is replaced.
const FRESH: Duration = Duration::from_secs(LEAF_DAYS * 86_400 / 3);

/// See the module.
pub(super) struct LinkCertificate {
    authority: Arc<Authority>,
    provider: Arc<CryptoProvider>,
    /// When it was made, by the wall clock, which certificates go by.
    current: Mutex<(Duration, Arc<CertifiedKey>)>,
}

impl std::fmt::Debug for LinkCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkCertificate")
    }
}

impl LinkCertificate {
    pub(super) fn new(
        authority: Arc<Authority>,
        provider: Arc<CryptoProvider>,
    ) -> io::Result<Self> {
        let now = clock::wall();
        let current = Mutex::new((now, make(&authority, &provider, now)?));
        Ok(Self { authority, provider, current })
    }

    fn at(&self, now: Duration) -> Arc<CertifiedKey> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (made, _) = *current;
        // A clock that went back has made it one of the future.
        if now < made || now - made > FRESH {
            // Without a new one the old one is better than none.
            if let Ok(key) = make(&self.authority, &self.provider, now) {
                *current = (now, key);
            }
        }
        current.1.clone()
    }
}

fn make(
    authority: &Authority,
    provider: &CryptoProvider,
    now: Duration,
) -> io::Result<Arc<CertifiedKey>> {
    let (chain, key) = authority.server_identity(now).map_err(io::Error::other)?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(io::Error::other)?;
    Ok(Arc::new(key))
}

impl ResolvesServerCert for LinkCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.at(clock::wall()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_anew_before_it_ends_and_when_the_clock_went_back() {
        let state = tempfile::tempdir().unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let authority = Arc::new(Authority::open(state.path()).unwrap());
        let certificate = LinkCertificate::new(authority, provider).unwrap();
        let day = Duration::from_secs(86_400);
        let now = clock::wall() + day;
        let valid = |now: Duration| {
            let key = certificate.at(now);
            let (_, parsed) = x509_parser::parse_x509_certificate(&key.cert[0]).unwrap();
            let at = i64::try_from(now.as_secs()).unwrap();
            let (from, to) = (parsed.validity().not_before, parsed.validity().not_after);
            assert!(from.timestamp() <= at && at + 30 * 86_400 < to.timestamp(), "{from} {to}");
            key
        };
        let first = valid(now);
        assert!(Arc::ptr_eq(&first, &valid(now + day)), "it is not made for each link");
        for later in [now + 40 * day, now + 400 * day, now - 40 * day] {
            valid(later);
        }
    }
}
