//! Starts one child by way of `ostler launch`.

use std::{
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use nix::unistd::Pid;

use crate::{
    board::Board,
    fds,
    launch::{LaunchSpec, SPEC_MAX},
    reap,
};

/// A launch reads its spec within a millisecond; one that does not is broken, and must not hold the runner up.
const SPEC_TIMEOUT: Duration = Duration::from_secs(2);

/// A child that was started, and everything that leads to it.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Its process, the leader of its own group.
    pub pid: Pid,
    /// Its process as a descriptor.
    pub pidfd: OwnedFd,
    /// Our end of the control socket.
    pub ctl: UnixStream,
    /// The gateway's end of the lane.
    pub lane: OwnedFd,
    /// Its board.
    pub board: Board,
    /// Its standard output.
    pub stdout: OwnedFd,
    /// Its standard error.
    pub stderr: OwnedFd,
}

/// Starts `launcher launch` and sends it the spec.
pub(crate) fn spawn(launcher: &Path, spec: &LaunchSpec) -> std::io::Result<Spawned> {
    let (spec_ours, spec_theirs) = fds::pair()?;
    let (ctl, ctl_theirs) = fds::pair()?;
    let (lane, lane_theirs) = fds::lane_pair()?;
    let board = Board::new()?;
    let message = message(spec)?;
    // No uid, group or pre_exec here: any of them would make the standard library fork instead of posix_spawn.
    let mut process = Command::new(launcher)
        .arg("launch")
        .stdin(spec_theirs)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = Pid::from_raw(i32::try_from(process.id()).expect("Linux pids fit in 22 bits"));
    let sent = send_spec(spec_ours, &message, &[ctl_theirs, lane_theirs], &board);
    let pidfd = sent.and_then(|()| Ok(reap::pidfd_open(pid)?));
    let pidfd = match pidfd {
        Ok(pidfd) => pidfd,
        Err(error) => {
            // Nobody else knows this process yet; an error here only means that it is gone already.
            let _ = process.kill().and_then(|()| process.wait());
            return Err(error);
        }
    };
    let stdout = process.stdout.take().expect("standard output was asked for as a pipe").into();
    let stderr = process.stderr.take().expect("standard error was asked for as a pipe").into();
    let ctl = UnixStream::from(ctl);
    Ok(Spawned { pid, pidfd, ctl, lane, board, stdout, stderr })
}

fn message(spec: &LaunchSpec) -> std::io::Result<Vec<u8>> {
    let json = serde_json::to_vec(spec)?;
    let length = u32::try_from(json.len()).ok().filter(|&length| length <= SPEC_MAX);
    let length = length.ok_or_else(|| {
        let what = format!("the child's environment takes {} bytes of {SPEC_MAX}", json.len());
        std::io::Error::new(std::io::ErrorKind::InvalidInput, what)
    })?;
    Ok([&length.to_le_bytes()[..], &json].concat())
}

fn send_spec(
    socket: OwnedFd,
    message: &[u8],
    theirs: &[OwnedFd; 2],
    board: &Board,
) -> std::io::Result<()> {
    use std::io::Write;
    let mut socket = UnixStream::from(socket);
    socket.set_write_timeout(Some(SPEC_TIMEOUT))?;
    let fds = [theirs[0].as_fd(), theirs[1].as_fd(), board.fd()];
    let sent = fds::send(socket.as_fd(), message, &fds)?;
    socket.write_all(&message[sent..])
}
