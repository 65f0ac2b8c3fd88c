//! The processes of apps' children, and the tasks around each: started, listened to, waited for.
//!
//! What becomes of a child is decided in `child_pool/` and carried out by the agent; here is only what it takes to have one.

mod board;
mod child;
mod failure;
mod reap;
mod spawn;

pub(crate) use self::{
    child::{Child, End, attend},
    failure::Failure,
    reap::{kill_group, sweep_strangers},
    spawn::{lane_pair, spawn},
};
