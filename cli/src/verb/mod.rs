//! One verb a file.

pub(crate) mod check;
pub(crate) mod gateway;
pub(crate) mod launch;
pub(crate) mod runner;
pub(crate) mod serve;
pub(crate) mod token;
