//! What a server needs of the machine that it runs on: its clocks, its randomness, threads that may block, room on its disk, figures of
//! its own process, and its end.
//!
//! It deliberately lacks requests and jobs: nothing here knows what it serves. It is separate so that the gateway's parts share it
//! without sharing anything else.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod boot;
pub mod clock;
pub mod disk;
pub mod peer;
pub mod process;
pub mod secret;
pub mod shutdown;
pub mod threads;
pub mod vital;
pub mod zones;
