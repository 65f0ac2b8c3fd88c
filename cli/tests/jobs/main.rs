//! The verbs that speak with the API, against a fake of it: what they ask, what they say, how they end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod fake;
mod listing;
mod lists;
mod logs;
mod operating;
mod queues;
mod schedules;
mod steering;
mod submit;
mod tls;
mod waiting;
