//! Which runners of other hosts may come in, and by which certificates.

use std::{io, path::PathBuf, sync::Arc};

use ostler_durable::members::{Members, authority::Authority};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::{certificate::LinkCertificate, verify};

/// See the module: what the listeners of runners share.
pub(crate) struct RunnerAdmission {
    pub(super) authority: Arc<Authority>,
    pub(super) members: Arc<Members>,
    pub(super) acceptor: TlsAcceptor,
    pub(super) state: PathBuf,
}

impl std::fmt::Debug for RunnerAdmission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunnerAdmission").field("state", &self.state).finish_non_exhaustive()
    }
}

impl RunnerAdmission {
    pub(crate) fn open(state: PathBuf, members: Arc<Members>) -> io::Result<Self> {
        let authority = Arc::new(Authority::open(&state)?);
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = verify::runners(roots, provider.clone())?;
        let certificate = LinkCertificate::new(authority.clone(), provider.clone())?;
        let config = ServerConfig::builder_with_provider(provider);
        let tls13 = config.with_protocol_versions(&[&rustls::version::TLS13]);
        let config = tls13
            .map_err(io::Error::other)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(certificate));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { authority, members, acceptor, state })
    }
}
