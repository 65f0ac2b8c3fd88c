//! Queues on the command line.

pub(crate) mod shape;
pub(crate) mod view;
