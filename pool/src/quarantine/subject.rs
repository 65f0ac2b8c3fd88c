//! What a job asks for, kept with it until its end: its child may die when its client has long left.

use std::{ops::Deref, sync::Arc};

use http::{Method, Uri};
use ostler_machine::{clock, peer::Peer};
use ostler_notices::{GatewayEvent, Notices};

use super::{Death, Quarantine, RequestKind};

/// The quarantine, and what enforces it on requests that wait already.
pub struct QuarantineEnforcer {
    quarantine: Quarantine,
    notices: Arc<Notices>,
    hold_back: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for QuarantineEnforcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuarantineEnforcer")
            .field("quarantine", &self.quarantine)
            .finish_non_exhaustive()
    }
}

impl QuarantineEnforcer {
    /// `hold_back` ends what waits of kinds that are held back.
    pub fn new(notices: Arc<Notices>, hold_back: impl Fn() + Send + Sync + 'static) -> Self {
        let hold_back = Box::new(hold_back);
        Self { quarantine: Quarantine::default(), notices, hold_back }
    }
}

impl Deref for QuarantineEnforcer {
    type Target = Quarantine;

    fn deref(&self) -> &Quarantine {
        &self.quarantine
    }
}

/// See the module.
#[derive(Debug)]
pub struct Subject {
    pub enforcer: Arc<QuarantineEnforcer>,
    pub route: Arc<str>,
    pub method: Method,
    pub uri: Uri,
    pub client: Peer,
}

impl Subject {
    fn asked(&self) -> RequestKind<'_> {
        let Self { route, method, uri, client, .. } = self;
        RequestKind { route, method, uri, client: *client }
    }

    /// A child died while it had the job. Those of its kind that wait are not worth another one.
    pub fn child_died(&self) {
        let Death { is_news, is_doubtful } = self.enforcer.died(self.asked(), clock::now());
        if is_news {
            self.enforcer.notices.tell(GatewayEvent::Warning(format!(
                "{} {} ended several children within a minute: such requests are held back, but for a probe now and then",
                self.method,
                self.uri.path(),
            )));
        }
        if !is_news && !is_doubtful {
            return;
        }
        // The caller may hold a carrier, which goes after the pool.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let enforcer = self.enforcer.clone();
            runtime.spawn(async move { (enforcer.hold_back)() });
        }
    }

    /// Whether jobs of this kind are held back.
    pub(crate) fn is_held(&self, spare: u32) -> bool {
        let kinds = self.enforcer.kinds(self.asked());
        kinds.is_some_and(|kinds| self.enforcer.is_held(&kinds, spare, clock::now()))
    }
}
