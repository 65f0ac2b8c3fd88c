//! Durable jobs: what was asked for, what state it is in, what each attempt came to.
//!
//! These types are what the store keeps, the link between gateway and runner carries, and the API answers with; their
//! serde form (JSON) is part of the store's format and of the wire. Fields are only ever added, with a default.

mod attempt;
mod change;
mod claims;
mod edit;
mod fault;
mod group;
mod mailto;
mod query;
mod queue;
mod queue_tree;
mod rate;
mod record;
mod retry;
mod schedule;
mod scheduling;
mod slots;
mod sort;
mod spec;
mod state;
mod status;
mod term;
mod wait;

pub use attempt::{
    Attempt, AttemptKey, Ending, Fence, Finish, LogState, NoAttemptKey, Order, Report, Start, Usage,
};
pub use change::{Applied, Change, Event, EventKind, Token, TokenHash};
pub use claims::{OnRetry, RESOURCE_NAME_MAX, RESOURCES_MAX, ResourceMode, Resources};
pub use edit::{Edit, Edited};
pub use fault::{Fault, StoreError};
pub use group::{CountQuery, Counts, GroupKey};
pub use mailto::{MAILTO_MAX, checked_mailto};
pub use query::{Filter, IdRange, NameFilter, Page, Query};
pub use queue::{Held, Queue, QueueDiscipline, QueueName, QueueShape, ShapeOwner};
pub use queue_tree::{QUEUE_LEVELS_MAX, QueueTree, TreeFault};
pub use rate::{RATE_RULE, Rate};
pub use record::{Job, Loaded, Same, Unfinished};
pub use retry::{Futile, Retry};
pub use schedule::{
    Fate, Firing, FiringKey, FoldPolicy, GapPolicy, KeptSchedule, MissedPolicy, OverlapPolicy,
    Schedule, ScheduleName, ScheduleShape, Stand,
};
pub use scheduling::Scheduling;
pub use slots::{SLOTS_RULE, Slots};
pub use sort::{Cursor, Sort};
pub use spec::{
    Command, Dedupe, DedupeScope, Delivery, Input, Payload, Spec, TENANT_DEFAULT, Terminate, Then,
    Work, line_of_shell,
};
pub use state::{JobState, Reason};
pub use status::Status;
pub use term::{Epoch, Term};
pub use wait::WaitReason;
