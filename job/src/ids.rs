//! Identities, one type each, so that no two can be mistaken for one another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A job, unique within the process that queued it; of a durable job, within its store for good.
    JobId(u64)
);
id!(
    /// Whose share a job is charged to.
    TenantId(u32)
);
id!(
    /// A queue, as the process that holds its jobs numbers them.
    QueueId(u32)
);

impl QueueId {
    /// The queue that is always there.
    pub const DEFAULT: Self = Self(0);
}

id!(
    /// What offers slots to the scheduler: one child's lane, or one app on one runner link.
    SupplierId(u32)
);
id!(
    /// The host that a supplier belongs to.
    HostId(u32)
);
