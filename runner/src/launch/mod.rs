//! `ostler launch`: sets one child up and becomes it.
//!
//! It is a process of its own between the runner and the child because only a single-threaded process may look up
//! users, allocate and change its identity between fork and exec. The runner starts it by posix_spawn with one end of a
//! Unix socketpair as standard input and sends the [`LaunchSpec`] over it, together with the child's descriptors.
//! It deliberately lacks a runtime, threads and logs: a step that fails is told to the runner as a FAIL frame.

mod descriptors;
mod failure;
mod identity;
mod spec;

use std::{
    ffi::{CString, OsString},
    io::Write,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::exit,
};

use nix::{
    sys::{
        prctl,
        stat::{Mode, umask},
    },
    unistd,
};

use ostler_process::{fds, launch, signals};

pub(crate) use self::descriptors::{BOARD_FD, CODE_FD, CTL_FD, LANE_FD};
pub(crate) use self::spec::{LaunchSpec, SPEC_MAX};
use self::{descriptors::Descriptors, failure::Failure};

/// Exit status of a launch that failed; the reason went over the control socket.
pub(crate) const EXIT_LAUNCH: i32 = 71;
/// Exit status of a launch that was not started by a runner.
const EXIT_USAGE: i32 = 64;

/// Reads the spec from standard input, prepares the process and executes the child. Returns to nobody. `launch job` is
/// the supervisor of a durable job instead.
pub fn main() -> ! {
    if std::env::args_os().nth(2).is_some_and(|what| what == "job") {
        ostler_shell_module::supervise();
    }
    let (spec, mut descriptors) = match receive() {
        Ok(received) => received,
        Err(why) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(
                std::io::stderr(),
                "ostler launch is started by a runner, not by hand: {why}"
            );
            exit(EXIT_USAGE);
        }
    };
    let failure = match become_child(&spec, &mut descriptors) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    failure.report(descriptors.ctl());
    exit(EXIT_LAUNCH)
}

/// The spec and the descriptors that the runner sends: `len u32 LE`, JSON; descriptors come with the first byte.
fn receive() -> Result<(LaunchSpec, Descriptors), String> {
    let stdin = std::io::stdin();
    let mut length = [0; 4];
    let (got, fds) = fds::receive(stdin.as_fd(), &mut length)
        .map_err(|e| format!("standard input is not its socket: {e}"))?;
    // A duplicate, so that the socket can be read without the buffer of `Stdin`.
    let socket: OwnedFd = stdin.as_fd().try_clone_to_owned().map_err(|e| e.to_string())?;
    let mut socket = UnixStream::from(socket);
    let spec = launch::read(&mut socket, &length[..got], SPEC_MAX, "spec")?;
    Ok((spec, Descriptors::from_received(fds)?))
}

/// Every step from a started process to the child. Order matters: limits while still root, the folder as the child's
/// user, descriptors last, since they take away the way to report.
fn become_child(
    spec: &LaunchSpec,
    descriptors: &mut Descriptors,
) -> Result<std::convert::Infallible, Failure> {
    // A session of its own is also a process group of its own: the whole family can be killed at once, and a
    // Ctrl-C on the runner's terminal does not reach it. It fails only for a leader, which then has both already.
    let _ = unistd::setsid();
    if let Some(code) = &spec.code {
        descriptors.open_code(code)?;
    }
    identity::limit_resources(&spec.rlimits)?;
    if let Some(mask) = spec.umask {
        umask(Mode::from_bits_truncate(mask));
    }
    let home = identity::become_user(spec.user.as_deref())?;
    prctl::set_no_new_privs().map_err(|e| {
        Failure::new("no_new_privs", format!("the kernel refuses no_new_privs: {e}"))
    })?;
    std::env::set_current_dir(&spec.root).map_err(|e| {
        let root = spec.root.display();
        Failure::new("chdir", format!("cannot enter the app's folder {root}: {e}"))
            .hint("the folder must exist and the app's user must be allowed to enter it")
    })?;
    signals::reset();
    let argv = c_strings(spec.argv.iter().cloned().map(OsString::from))?;
    let environment = c_strings(environment(spec, home))?;
    descriptors.install()?;
    let program = argv.first().ok_or_else(|| Failure::new("exec", "no program is named".into()))?;
    let Err(error) = unistd::execve(program, &argv, &environment);
    let name = &spec.argv[0];
    Err(Failure::new("exec", format!("cannot execute {name}: {error}")).hint(format!(
        "the interpreter must exist and be executable for the app's user; set `{}`",
        spec.key
    )))
}

/// What opens doors of Ostler itself, and is for whoever started it: no child gets it by way of its runner.
const KEYS_OF_OURS: [&str; 3] = ["OSTLER_JOIN", "OSTLER_TOKEN", "NOTIFY_SOCKET"];

/// The runner's own environment, then the user's, then the app's.
fn environment(spec: &LaunchSpec, home: Vec<(String, String)>) -> impl Iterator<Item = OsString> {
    let mut all: std::collections::BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    all.retain(|name, _| !KEYS_OF_OURS.iter().any(|ours| name == ours));
    let added = home.into_iter().chain(spec.env.clone());
    all.extend(added.map(|(name, value)| (name.into(), value.into())));
    all.into_iter().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    })
}

fn c_strings(items: impl IntoIterator<Item = OsString>) -> Result<Vec<CString>, Failure> {
    launch::c_strings(items)
        .map_err(|e| Failure::new("exec", format!("an argument or variable contains a NUL: {e}")))
}
