//! Schedules as the command line handles them: what they mean, how they are put and shown, and crontabs that become some.
//!
//! It deliberately decides nothing of when something fires: that is the gateway's, by the same crate that explains it here. Separate
//! from the verbs, which share it.

pub(crate) mod explanation;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod shape;
pub(crate) mod view;
