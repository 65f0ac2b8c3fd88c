//! Starts one child by way of `ostler launch`.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::Stdio,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::socket::{setsockopt, sockopt},
    unistd::Pid,
};

use ostler_process::{fds, launch, pidfd};

use super::board::Board;
use crate::launch::{LaunchSpec, SPEC_MAX};

/// A launch reads its spec within a millisecond; one that does not is broken, and must not hold the runner up.
const SPEC_TIMEOUT: Duration = Duration::from_secs(2);

/// Send buffer of a lane in bytes: a blocking child's only brake is the socket, and a small one costs wake-ups.
const LANE_BUFFER: usize = 512 << 10;

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
pub(crate) fn spawn(launcher: &Path, spec: &LaunchSpec) -> io::Result<Spawned> {
    let (spec_ours, spec_theirs) = fds::pair()?;
    let (ctl, ctl_theirs) = fds::pair()?;
    let (lane, lane_theirs) = lane_pair()?;
    let board = Board::new()?;
    let message = message(spec)?;
    let mut process = launch::command(launcher, spec_theirs)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = Pid::from_raw(i32::try_from(process.id()).expect("Linux pids fit in 22 bits"));
    let sent = send_spec(spec_ours, &message, &[ctl_theirs, lane_theirs], &board);
    let pidfd = sent.and_then(|()| Ok(pidfd::open(pid)?));
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

fn message(spec: &LaunchSpec) -> io::Result<Vec<u8>> {
    let message = launch::encode(spec)?;
    let length = message.len() - 4;
    if length > SPEC_MAX as usize {
        let what = format!("the child's environment takes {length} bytes of {SPEC_MAX}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    Ok(message)
}

fn send_spec(
    socket: OwnedFd,
    message: &[u8],
    theirs: &[OwnedFd; 2],
    board: &Board,
) -> io::Result<()> {
    use std::io::Write;
    let mut socket = UnixStream::from(socket);
    socket.set_write_timeout(Some(SPEC_TIMEOUT))?;
    let fds = [theirs[0].as_fd(), theirs[1].as_fd(), board.fd()];
    let sent = fds::send(socket.as_fd(), message, &fds)?;
    socket.write_all(&message[sent..])
}

/// The pair of a lane: our end or the gateway's first, the child's second.
pub(crate) fn lane_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, childs) = fds::pair()?;
    setsockopt(&ours, sockopt::SndBuf, &LANE_BUFFER)?;
    setsockopt(&childs, sockopt::SndBuf, &LANE_BUFFER)?;
    Ok((ours, childs))
}
