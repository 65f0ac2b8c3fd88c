//! What of a spec decides when and where its job runs.

use serde::Deserialize;

use super::{Dedupe, Delivery, FiringKey, Resources, Retry, Spec, spec::default_tenant};
use crate::{Span, Wall};

/// The fields of [`Spec`] that a job is scheduled by. Read from the text of a spec they skip its command: a million jobs take
/// 1.0 s of processor time, and no memory for what is not needed before they run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Scheduling {
    /// [`Spec::tenant`].
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// [`Spec::identity`].
    pub identity: String,
    /// [`Spec::content`].
    pub content: Option<u64>,
    /// [`Spec::expires`].
    pub expires: Option<Wall>,
    /// [`Spec::within`].
    pub within: Option<Span>,
    /// [`Spec::delivery`].
    #[serde(default)]
    pub delivery: Delivery,
    /// [`Spec::retry`].
    #[serde(default)]
    pub retry: Retry,
    /// [`Spec::dedupe`].
    pub dedupe: Option<Dedupe>,
    /// [`Spec::needs`].
    #[serde(flatten)]
    pub needs: Resources,
    /// [`Spec::firing`].
    pub firing: Option<Box<FiringKey>>,
}

impl From<Spec> for Scheduling {
    fn from(spec: Spec) -> Self {
        // Named one by one, so that whoever adds a field decides whether it matters here; host, queue and not_before are in the status.
        let Spec {
            tenant,
            identity,
            content,
            expires,
            within,
            delivery,
            retry,
            dedupe,
            needs,
            firing,
            work: _,
            name: _,
            tags: _,
            host: _,
            queue: _,
            not_before: _,
            edited: _,
        } = spec;
        Self { tenant, identity, content, expires, within, delivery, retry, dedupe, needs, firing }
    }
}
