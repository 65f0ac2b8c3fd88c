//! Jobs as the command line handles them: how they are named, listed, read and shown.
//!
//! It deliberately knows no rule of the gateway: what a field may hold, which state allows what and
//! which filter exists is told by the API. Separate from the verbs, which share it.

pub(crate) mod batch;
pub(crate) mod capture;
pub(crate) mod counts;
pub(crate) mod cut;
pub(crate) mod draft;
pub(crate) mod explanation;
pub(crate) mod filter;
pub(crate) mod follow;
pub(crate) mod moment;
pub(crate) mod output;
pub(crate) mod parse;
pub(crate) mod patience;
pub(crate) mod retries;
pub(crate) mod select;
pub(crate) mod steer;
pub(crate) mod table;
pub(crate) mod tail;
pub(crate) mod view;
pub(crate) mod when;
