//! Runs the real binary with real apps and talks to it as clients do: sockets, TLS, raw frames.
//!
//! It deliberately knows nothing of the inside: no crate of Ostler is used here, only its binary, its files and its
//! doors. Separate from the tests, so that a test says what happens and not how to make it happen.

mod app;
mod binary;
mod client;
mod gateway;
mod h2;
mod h2_raw;
mod jobs;
mod load;
mod net;
mod pids;
mod process;
mod remote;
mod rng;
mod script;
mod session;
mod setup;
mod venv;
mod wait;

pub use app::{APP, App};
pub use binary::ostler;
pub use client::{Conn, Response, sha256};
pub use gateway::{Gateway, Remains};
pub use h2::{H2, block_on, send_all};
pub use h2_raw::{Ending, RawH2};
pub use jobs::Api;
pub use load::{End, Load, Outcome};
pub use net::{Net, own_address};
pub use pids::PidSpace;
pub use process::{all_pids, command_of, has_mark, is_alive, kill, parent_of, pids_of, signal};
pub use remote::{Runner, create_token, run_ostler, run_python};
pub use rng::Rng;
pub use script::{Script, blocks_of};
pub use session::Session;
pub use setup::Setup;
pub use venv::venv_python;
pub use wait::{DEADLINE, wait_for, wait_until};
