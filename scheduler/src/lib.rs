//! Decides which waiting job runs next, and on which supplier's slot.
//!
//! One owner holds a [`Scheduler`], tells it what happened and does what it answers:
//!
//! | told | when |
//! |---|---|
//! | [`handle_submit`](Scheduler::handle_submit) | a job arrived |
//! | [`handle_submit_claiming`](Scheduler::handle_submit_claiming) | the same of one that needs resources for itself, or shared |
//! | [`handle_set_aside`](Scheduler::handle_set_aside) | a waiting job waits no more for now, and keeps its resources |
//! | [`handle_keep`](Scheduler::handle_keep), [`handle_release`](Scheduler::handle_release) | a job keeps its resources until it is tried again, or gives them up |
//! | [`handle_finish`](Scheduler::handle_finish) | a granted job is over, however it ended: its slot is free |
//! | [`handle_return`](Scheduler::handle_return) | a granted job provably never started: it waits again with its old key |
//! | [`handle_again`](Scheduler::handle_again) | a granted job waits again, in another way: its slot is free once it stands in its place |
//! | [`handle_cancel`](Scheduler::handle_cancel) | nobody wants the job any more |
//! | [`handle_adopt`](Scheduler::handle_adopt) | a supplier has a job that was granted before anybody here knew of it |
//! | [`handle_supply`](Scheduler::handle_supply) | a supplier offers this many slots, in absolute numbers |
//! | [`handle_supply_gone`](Scheduler::handle_supply_gone) | a supplier takes nothing more |
//! | [`handle_queue`](Scheduler::handle_queue) | a queue is new, or another one than it was |
//! | [`handle_queue_gone`](Scheduler::handle_queue_gone) | a queue without jobs is gone |
//! | [`handle_limits`](Scheduler::handle_limits) | queues are limited to some hosts, or to others, or not any more |
//! | [`handle_caps`](Scheduler::handle_caps) | tenants of a queue may run so many jobs there |
//! | [`handle_weights`](Scheduler::handle_weights) | tenants of a queue have other weights there |
//! | [`handle_timeout`](Scheduler::handle_timeout) | the moment of [`poll_timeout`](Scheduler::poll_timeout) has come |
//!
//! After each of them, [`poll_action`](Scheduler::poll_action) is drained to `None`: `Grant`, `Refuse`, `Expire`.
//!
//! A job is bound late: only when a slot is free, or, where a supplier allows it, prefetched to the one that will be
//! free soonest. Until then it waits in its queue, one of a tree of them (`tree`) in which a discipline for each decides the order;
//! `discipline::promise` is the default and says how.
//!
//! It deliberately lacks sockets, a clock, randomness and threads: time comes in as an argument, hashed maps are never
//! iterated to decide anything, so a run can be replayed from its inputs. It is separate from the gateway so that a day
//! of traffic can be simulated in a second.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod adopt;
mod again;
mod allot;
mod arrivals;
mod backlog;
mod claims;
mod config;
mod discipline;
mod dispatch;
mod event;
mod expiry;
mod fleet;
mod hash;
mod heap;
mod invariants;
mod jobs;
mod lane;
mod marks;
mod reach;
mod resources;
pub mod retry;
mod scheduler;
mod standing;
mod tenants;
mod tree;
mod view;
mod waitlist;
mod why;

pub use config::{Config, DisciplineKind, QueueConfig, Rate};
pub use event::{Action, Arrival, Cancelled, Estimate, Left, Refusal, Submit, Supply};
pub use hash::IdMap;
pub use resources::{Claim, ResourceId};
pub use scheduler::Scheduler;
pub use standing::{Level, Place, Standing};
