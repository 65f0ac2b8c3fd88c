//! Types of other crates whose values are words, as the API reads, shows and describes them.

use ostler_job::durable::{
    DedupeScope, Delivery, Fate, FoldPolicy, GapPolicy, JobState, OnRetry, OverlapPolicy,
    QueueDiscipline, Reason, ResourceMode, ShapeOwner, Terminate, Then, WaitReason,
};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident as $called:literal: $of:ty = $all:expr;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
            pub(crate) struct $name(pub(crate) $of);

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let words = $all.iter().filter_map(|one: &$of| serde_json::to_value(one).ok());
                    let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
                    text.description(about(&[$($doc),+])).into()
                }
            }

            impl ToSchema for $name {
                fn name() -> std::borrow::Cow<'static, str> {
                    $called.into()
                }
            }
        )+
    };
}

/// What a type's head says of it; nothing of one that its name explains.
fn about(head: &[&str]) -> Option<String> {
    let text = head.join("").trim().to_owned();
    (!text.starts_with('[')).then_some(text)
}

words! {
    /// Whom SIGTERM goes to: every process, or the main one alone.
    TerminateName as "Terminate": Terminate = [Terminate::All, Terminate::Main];
    /// What happens when a runner is lost with a job: tried again, or not.
    DeliveryName as "Delivery": Delivery = [Delivery::AtLeastOnce, Delivery::AtMostOnce];
    /// Which of the jobs that are the same count.
    DedupeScopeName as "DedupeScope": DedupeScope = [DedupeScope::Queued, DedupeScope::Done];
    /// What becomes of a superfluous job.
    ThenName as "DedupeThen": Then = [Then::Reject, Then::Coalesce];
    /// What becomes of a job's key and resources while it waits to be tried again: it keeps them, or others may have them meanwhile.
    OnRetryName as "OnRetry": OnRetry = OnRetry::ALL;
    /// How a job has a resource: for itself, or shared with others that share it.
    ResourceModeName as "ResourceMode": ResourceMode = ResourceMode::ALL;
    /// The order among waiting jobs: fair shares and then promises, plain arrival, tenants in turns by hash, or in turns by weight.
    QueueDisciplineName as "QueueDiscipline": QueueDiscipline = QueueDiscipline::ALL;
    /// Where a queue's shape is written: in the store, or in the configuration file.
    ShapeOwnerName as "ShapeOwner": ShapeOwner = [ShapeOwner::Api, ShapeOwner::File];
    /// What fires whose time of day is not there, since clocks are set forward: it fires at the end of the gap, or not.
    GapPolicyName as "GapPolicy": GapPolicy = [GapPolicy::AfterGap, GapPolicy::Skip];
    /// When that fires whose time of day is there twice, since clocks are set back.
    FoldPolicyName as "FoldPolicy": FoldPolicy = [FoldPolicy::First, FoldPolicy::Both];
    /// What becomes of a firing while the one before it, retries included, has not finished: it does not run; it waits, alone or with
    /// others; that one is ended for it; or it runs beside it.
    OverlapPolicyName as "OverlapPolicy": OverlapPolicy = [
        OverlapPolicy::Skip, OverlapPolicy::QueueOne, OverlapPolicy::QueueAll, OverlapPolicy::Replace, OverlapPolicy::Allow,
    ];
    /// What became of a moment at which a schedule fires.
    FateName as "Fate": Fate = Fate::ALL;
    /// [`JobState`].
    State as "State": JobState = JobState::ALL;
    /// [`Reason`].
    ReasonCode as "ReasonCode": Reason = Reason::ALL;
}

/// Why a job waits, or why it ended so: each a word of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum JobReason {
    Waits(WaitReason),
    Ended(Reason),
}

impl JobReason {
    /// Every word, those of jobs that wait before those of jobs that ended.
    pub(crate) fn words() -> impl Iterator<Item = &'static str> {
        let waits = WaitReason::ALL.iter().map(|it| it.code());
        waits.chain(Reason::ALL.iter().map(|it| it.code()))
    }
}

impl PartialSchema for JobReason {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::words()));
        text.description(Some("Why a job waits, or why it ended so.")).into()
    }
}

impl ToSchema for JobReason {
    fn name() -> std::borrow::Cow<'static, str> {
        "JobReason".into()
    }
}
