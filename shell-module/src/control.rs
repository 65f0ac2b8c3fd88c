//! The executor's end of the socket pairs, and the supervisors that they lead to.

use std::{
    cell::RefCell,
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream as StdStream,
    },
    path::Path,
    process::Stdio,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        signal::Signal,
        socket::{MsgFlags, recv},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};
use ostler_job::durable::Order;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::sleep,
};

use ostler_process::{fds, launch, pidfd};

use crate::{
    message::{ASK, MESSAGE_MAX, NEXT, Said, Task, encode, order_byte},
    outputs::Outputs,
};

/// Between two looks whether a supervisor that ends has ended.
const LOOK: Duration = Duration::from_millis(1);

/// How much is read at once.
const READ_CHUNK: usize = 512;

/// Supervisors that wait for their next task, at most.
const IDLE_MAX: usize = 32;

/// The way to a supervisor.
#[derive(Debug)]
pub(crate) struct Control {
    socket: UnixStream,
    /// Its process.
    pidfd: OwnedFd,
    received: Vec<u8>,
    /// The rest of the task, and orders.
    unsent: Vec<u8>,
    /// It was killed with bytes unread, of which the task was the last: nothing of it ran.
    is_untouched: bool,
    /// Orders came after the task.
    has_orders: bool,
}

/// Supervisors that have nothing to do.
#[derive(Debug, Default)]
pub(crate) struct IdleSupervisors(RefCell<Vec<Control>>);

impl IdleSupervisors {
    /// Hands a task to a supervisor, one that is idle or a new one.
    pub(crate) fn start(
        &self,
        launcher: &Path,
        task: &Task,
        stdin: Option<OwnedFd>,
        merge: bool,
    ) -> io::Result<(Control, Outputs)> {
        // One that was killed meanwhile is passed over.
        let idle = std::iter::from_fn(|| self.0.borrow_mut().pop()).find(Control::is_there);
        let mut control = match idle {
            Some(control) => control,
            None => start_supervisor(launcher)?,
        };
        let outputs = control.hand_over(task, stdin, merge)?;
        Ok((control, outputs))
    }

    /// Keeps a supervisor whose task has ended. Gives it back when there are enough.
    pub(crate) fn keep(&self, control: Control) -> Option<Control> {
        let mut idle = self.0.borrow_mut();
        if idle.len() >= IDLE_MAX {
            return Some(control);
        }
        idle.push(control);
        None
    }
}

fn start_supervisor(launcher: &Path) -> io::Result<Control> {
    let (ours, theirs) = StdStream::pair()?;
    let process = launch::command(launcher, theirs.into())
        .arg("job")
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Somebody may reap it before us, so its number is not to be relied on later.
    let pidfd = i32::try_from(process.id()).ok().map(Pid::from_raw);
    let pidfd = pidfd.and_then(|pid| pidfd::open(pid).ok());
    // One that cannot be held on to could not be woken or killed. It ends when it finds nobody at the other end.
    let pidfd = pidfd.ok_or(io::ErrorKind::NotFound)?;
    ours.set_nonblocking(true)?;
    let socket = UnixStream::from_std(ours)?;
    Ok(Control {
        socket,
        pidfd,
        received: Vec::new(),
        unsent: Vec::new(),
        is_untouched: false,
        has_orders: false,
    })
}

impl Control {
    /// Whether an idle one lives: it has nothing to say, but its end can be seen.
    fn is_there(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.socket.as_raw_fd(), &mut [0], flags) == Err(Errno::EAGAIN)
    }

    fn hand_over(
        &mut self,
        task: &Task,
        stdin: Option<OwnedFd>,
        merge: bool,
    ) -> io::Result<Outputs> {
        // Before the task is sent: an error here says that nothing runs.
        let (outputs, ends) = Outputs::open(merge)?;
        let mut fds: Vec<_> = ends.iter().map(AsFd::as_fd).collect();
        fds.extend(stdin.as_ref().map(AsFd::as_fd));
        let mut message = vec![NEXT];
        message.extend(encode(task));
        // One that somebody has stopped while it had nothing to do would never hear of it.
        self.wake();
        // The socket is empty, so it has room for some bytes; what does not fit follows.
        let sent = fds::send(self.socket.as_fd(), &message, &fds)?;
        // Orders for the task before are dropped too.
        self.unsent = message.split_off(sent);
        self.has_orders = false;
        Ok(outputs)
    }

    /// What the supervisor tells next; `None` when it is gone. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        while !self.unsent.is_empty() {
            let sent = self.socket.write(&self.unsent).await.ok()?;
            self.unsent.drain(..sent);
        }
        loop {
            if let Some(said) = self.take() {
                return said.ok();
            }
            self.received.reserve(READ_CHUNK);
            match self.socket.read_buf(&mut self.received).await {
                Ok(1..) => {}
                // The kernel's word for an end with bytes that were never read.
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => {
                    self.is_untouched = !self.has_orders;
                    return None;
                }
                Ok(0) | Err(_) => return None,
            }
        }
    }

    fn take(&mut self) -> Option<Result<Said, ()>> {
        let length = u32::from_le_bytes(self.received.get(..4)?.try_into().ok()?);
        if length > MESSAGE_MAX {
            return Some(Err(()));
        }
        let end = 4 + length as usize;
        let said = serde_json::from_slice(self.received.get(4..end)?).map_err(drop);
        self.received.drain(..end);
        Some(said)
    }

    /// Passes an order on, by way of [`Control::next`].
    pub(crate) fn order(&mut self, order: Order) {
        self.send(order_byte(order));
        // A supervisor that somebody has stopped would not hear of it.
        self.wake();
    }

    /// Asks the supervisor to say a word, by way of [`Control::next`].
    pub(crate) fn ask(&mut self) {
        self.send(ASK);
    }

    fn send(&mut self, byte: u8) {
        self.unsent.push(byte);
        self.has_orders = true;
    }

    /// Lets a supervisor go on that somebody has stopped.
    pub(crate) fn wake(&self) {
        pidfd::signal(&self.pidfd, Signal::SIGCONT);
    }

    /// Kills the supervisor, which does not answer.
    pub(crate) fn kill(&self) {
        pidfd::signal(&self.pidfd, Signal::SIGKILL);
    }

    /// Whether the supervisor was killed before it had read the task.
    pub(crate) fn is_untouched(&self) -> bool {
        self.is_untouched
    }

    /// Lets the supervisor end, which it does when it hears nothing more, and reaps it.
    pub(crate) async fn end(&mut self) {
        // What was still to be sent is of no use, and one that is gone already hears nothing either.
        self.unsent.clear();
        let _ = self.socket.shutdown().await;
        self.wake();
        while self.next().await.is_some() {}
        // It may take a moment, or longer: one that is traced ends when its tracer lets it. An error says that somebody
        // else was faster.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        while waitid(Id::PIDFd(self.pidfd.as_fd()), flags) == Ok(WaitStatus::StillAlive) {
            sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        let empty = r#"{"argv":[],"env":{},"no_new_privs":false,"limits":{},"terminate":"all"}"#;
        serde_json::from_str(empty).expect("a task")
    }

    /// Hands a task over, gives an order perhaps, and loses the supervisor before it has read any of it.
    fn lost_with(order: Option<Order>) -> Control {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let (ours, theirs) = UnixStream::pair().expect("a pair");
            let mut control = Control {
                socket: ours,
                pidfd: pidfd::open(Pid::this()).expect("this process lives"),
                received: Vec::new(),
                unsent: Vec::new(),
                is_untouched: false,
                // For the task before.
                has_orders: true,
            };
            let _outputs = control.hand_over(&task(), None, false).expect("room");
            order.into_iter().for_each(|order| control.order(order));
            // What is to be sent is sent before the other end goes.
            let (said, ()) = tokio::join!(control.next(), async { drop(theirs) });
            assert!(said.is_none());
            control
        })
    }

    #[test]
    fn a_task_that_nobody_read_may_be_begun_anew_unless_there_was_an_order_about_it() {
        assert!(lost_with(None).is_untouched());
        assert!(!lost_with(Some(Order::Stop)).is_untouched());
    }
}
