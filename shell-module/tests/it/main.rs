//! Commands as real processes, by way of the executor that runners keep.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bench;
mod ending;
mod mail;
mod output;
mod starting;
mod trees;
