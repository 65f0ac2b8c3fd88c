//! When schedules fire: expressions, time zones, and nights in which the clocks are changed.
//!
//! An [`Expression`] is what people write (`0 3 * * *`, `@every 90s`, `H(0-29) 2 * * MON#1`), by the word of the Open Cron Pattern
//! Specification 1.0 to 1.4 or, for crontabs, of Vixie's cron. A [`Timing`] is one in a time zone, and answers with the moment
//! at which it fires next. A [`Cron`] makes plans of schedules: what becomes of each firing, by the policies for those that were missed and
//! those that overlap.
//!
//! This crate deliberately lacks a clock, a source of time zones and jobs: the moment and the zone are handed in, and what fires is the
//! driver's. It is separate so that what a night in March does to a schedule can be tried in a test.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod crontab;
pub mod explain;
pub mod expression;
mod plan;
mod round;
mod source;
pub mod timing;

pub use explain::{Line, calendar, explain};
pub use ostler_module::{Plan, Source};

pub use expression::{Dialect, Expression, fault::Fault};
pub use ostler_job::Wall;
pub use source::Cron;
pub use timing::{Fold, Gap, Occurrence, Oddity, Timing};
