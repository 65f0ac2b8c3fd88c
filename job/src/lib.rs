//! The nouns that every part of Ostler shares: ids, time, promises and terminations.
//!
//! It deliberately lacks behaviour: no clock, no I/O, no dependency but serde's derives. It is separate so that the pure crates and the
//! processes that act on their decisions use the same words without depending on each other.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod calendar;
pub mod durable;
mod ids;
pub mod labels;
pub mod name;
mod promise;
mod selector;
mod termination;
mod time;
pub mod units;
mod wall;

pub use calendar::{Calendar, Heard};
pub use ids::{HostId, JobId, QueueId, SupplierId, TenantId};
pub use labels::Labels;
pub use promise::Promise;
pub use selector::Selector;
pub use termination::Termination;
pub use time::{Mono, Since, Span};
pub use wall::{Now, Wall};
