//! `ostler launch job`: the process between a runner and the command of one attempt.
//!
//! It is started by posix_spawn with its end of the socket pair as standard input. It leads a session of its own, so that
//! no terminal's signal reaches it, and reaps everything below it. When an attempt has ended and nothing of it is left,
//! the executor may give it the next: executing this program costs more than the command does. It deliberately lacks
//! threads, a runtime and time limits: orders come from the executor, and when that is gone everything is killed.

mod command;
mod failure;
mod standing;
mod usage;
mod user;

use std::{
    io::{Read, Write},
    os::{
        fd::{AsFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::exit,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
        signalfd::{SfdFlags, SignalFd},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork, pipe2, setsid},
};
use ostler_job::{
    Span, Wall,
    durable::{Order, Terminate, Usage},
};
use serde::de::DeserializeOwned;

use self::{failure::Failure, standing::Standing, usage::End};
use crate::{
    fds,
    message::{Ended, MESSAGE_MAX, NEXT, Said, Task, encode, order_of},
    proc,
};

/// Signals that end whoever does not take them; this process only notes that they came.
const ENDING: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];
/// Exit status of a supervisor that was not started by a runner.
const EXIT_USAGE: i32 = 64;

/// Supervises the commands that come over standard input, one after the other. Returns to nobody.
pub fn supervise() -> ! {
    let why = match Supervisor::new() {
        Ok(mut supervisor) => loop {
            if let Err(why) = supervisor.run_next() {
                break why;
            }
        },
        Err(why) => why,
    };
    // A closed standard error leaves nobody to tell.
    let _ =
        writeln!(std::io::stderr(), "ostler launch job is started by a runner, not by hand: {why}");
    exit(EXIT_USAGE)
}

struct Supervisor {
    socket: UnixStream,
    /// SIGCHLD, and what this process is told to end by.
    signals: SignalFd,
    /// What its commands inherit.
    standing: Standing,
    /// Of the command that runs, or ran last.
    running: Running,
}

struct Running {
    /// Ends at exec, or carries the reason why there was none.
    failure: Option<std::fs::File>,
    main: Pid,
    /// Who is asked to end.
    terminate: Terminate,
    begun: Instant,
    /// How the main process ended, and how long that took.
    end: Option<(End, Span)>,
    /// By everything that was waited for.
    usage: Usage,
    /// An order to kill came while it ran.
    hit: bool,
    /// Somebody told this process to end while it ran.
    signalled: bool,
    /// What is left has until the next order to end by itself.
    in_grace: bool,
    /// Its end was told.
    is_over: bool,
}

impl Supervisor {
    fn new() -> Result<Self, String> {
        // It fails only for a leader, which has a session of its own already.
        let _ = setsid();
        prctl::set_child_subreaper(true).map_err(|e| format!("cannot become a reaper: {e}"))?;
        ignore_signals();
        let mut heard = SigSet::from(Signal::SIGCHLD);
        heard.extend(ENDING);
        heard.thread_block().map_err(|e| format!("cannot block signals: {e}"))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&heard, flags)
            .map_err(|e| format!("cannot listen to signals: {e}"))?;
        // SAFETY: standard input is the socket, nothing else in this process uses it, and it stays open to the end.
        let socket = UnixStream::from(unsafe { OwnedFd::from_raw_fd(0) });
        let running = Running {
            failure: None,
            main: Pid::this(),
            terminate: Terminate::default(),
            begun: Instant::now(),
            end: None,
            usage: Usage::default(),
            hit: false,
            signalled: false,
            in_grace: false,
            is_over: false,
        };
        Ok(Self { socket, signals, standing: Standing::now(), running })
    }

    /// Takes a task, forks its command and sees it to its end.
    fn run_next(&mut self) -> Result<(), String> {
        let (task, fds) = receive(&mut self.socket)?;
        // What was sent before was not about this one.
        self.hear_signals();
        let (failure, told) = pipe2(OFlag::O_CLOEXEC).map_err(|e| format!("cannot pipe: {e}"))?;
        // SAFETY: this process has one thread, so its child may do whatever it may.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => command::become_command(&task, &fds, told),
            Ok(ForkResult::Parent { child: main }) => {
                self.running = Running {
                    failure: Some(failure.into()),
                    main,
                    terminate: task.terminate,
                    begun: Instant::now(),
                    end: None,
                    usage: Usage::default(),
                    hit: false,
                    signalled: false,
                    in_grace: false,
                    is_over: false,
                };
            }
            Err(_) => {
                self.tell(&Said::NoRoom);
                return Ok(());
            }
        }
        // What only the command needs: its ends are seen by whoever reads them.
        drop((task, fds, told));
        while !self.running.is_over {
            self.wait();
            self.hear_failure();
            self.hear_orders();
            self.running.signalled |= self.hear_signals();
            let has_children = self.reap();
            let is_done = self.running.end.is_some() && !self.running.in_grace;
            if !self.running.is_over && (!has_children || is_done) {
                self.finish();
            }
        }
        Ok(())
    }

    /// Until a child ends, an order comes or the command was executed.
    fn wait(&self) {
        let wanted = PollFlags::POLLIN;
        let socket = PollFd::new(self.socket.as_fd(), wanted);
        let signals = PollFd::new(self.signals.as_fd(), wanted);
        // Interrupted is as good as an event: every source is looked at without waiting.
        let _ = match &self.running.failure {
            Some(failure) => {
                let failure = PollFd::new(failure.as_fd(), wanted);
                poll(&mut [failure, signals, socket], PollTimeout::NONE)
            }
            None => poll(&mut [signals, socket], PollTimeout::NONE),
        };
    }

    /// Learns whether the command was executed.
    fn hear_failure(&mut self) {
        let failure = self.running.failure.as_mut();
        let Some(failure) = failure.filter(|f| is_readable(f.as_fd())) else { return };
        let why = Failure::receive(failure);
        self.running.failure = None;
        let Some(why) = why else {
            self.running.begun = Instant::now();
            let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let at = Wall(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
            return self.tell(&Said::Started { at, pid: self.running.main.as_raw() });
        };
        // It ends next, and has started nothing.
        let _ = waitpid(self.running.main, None);
        self.running.is_over = true;
        self.tell(&match why {
            Failure::NoRoom => Said::NoRoom,
            Failure::Cannot(why) => Said::Failed(why),
        });
    }

    /// Whether somebody tells this process to end. It does not, since the runner sees to that, but it is worth telling:
    /// whoever signals a supervisor means the whole service, and its command has had the signal too.
    fn hear_signals(&self) -> bool {
        let mut signalled = false;
        while let Ok(Some(signal)) = self.signals.read_signal() {
            signalled |= ENDING.iter().any(|&it| signal.ssi_signo == it as u32);
        }
        signalled
    }

    fn hear_orders(&mut self) {
        while !self.running.is_over && is_readable(self.socket.as_fd()) {
            let mut byte = [0];
            match self.socket.read(&mut byte) {
                Ok(1..) => {
                    if let Some(order) = order_of(byte[0]) {
                        self.obey(order);
                    }
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                // The runner is gone.
                Ok(0) | Err(_) => {
                    self.kill_all();
                    exit(0);
                }
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Kill => {
                self.reap();
                self.running.hit |= self.running.end.is_none();
                match self.running.terminate {
                    Terminate::All => {
                        self.running.in_grace = true;
                        proc::signal_once(Signal::SIGTERM);
                    }
                    // The others were not asked, so there is nothing to wait for once it has ended.
                    Terminate::Main if self.running.end.is_none() => {
                        proc::signal_child(self.running.main, Signal::SIGTERM);
                        // A paused one would wait in vain for those that it asks in turn.
                        proc::signal_once(Signal::SIGCONT);
                    }
                    Terminate::Main => {}
                }
            }
            Order::KillNow => {
                self.reap();
                self.running.hit |= self.running.end.is_none();
                self.finish();
            }
            Order::Stop => {
                proc::signal_all(Signal::SIGSTOP);
                self.tell(&Said::Stopped(true));
            }
            Order::Continue => {
                proc::signal_all(Signal::SIGCONT);
                self.tell(&Said::Stopped(false));
            }
        }
    }

    /// Waits for what has ended; `false` when there is no child any more.
    fn reap(&mut self) -> bool {
        loop {
            match usage::wait() {
                Ok(None) => return true,
                Ok(Some((pid, end, used))) => {
                    let running = &mut self.running;
                    running.usage = usage::sum(running.usage, used);
                    if pid == running.main {
                        let ran = u64::try_from(running.begun.elapsed().as_nanos());
                        running.end = Some((end, Span(ran.unwrap_or(u64::MAX))));
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
    }

    fn kill_all(&mut self) -> u32 {
        proc::kill_all(|| self.reap(), await_child)
    }

    /// Kills what is left and tells the end.
    fn finish(&mut self) {
        let left = self.kill_all();
        // It may have ended before its exec was noticed.
        self.hear_failure();
        if self.running.is_over {
            return;
        }
        self.running.is_over = true;
        self.running.signalled |= self.hear_signals();
        let Running { hit, signalled, usage, .. } = self.running;
        let worn = Standing::now() != self.standing;
        let mut ended = Ended { hit, signalled, left, worn, usage, ..Ended::default() };
        if let Some((end, ran)) = self.running.end {
            ended.ran = ran;
            match end {
                End::Status(status) => ended.exit_status = Some(status),
                End::Signal(signal) => ended.signal = Some(signal),
            }
        }
        self.tell(&Said::Ended(Box::new(ended)));
    }

    /// Tells the executor. One that is gone shows at the next look at the socket.
    fn tell(&mut self, said: &Said) {
        let _ = self.socket.write_all(&encode(said));
    }
}

/// The next task and its descriptors. The end of the socket is the end of this process.
fn receive(socket: &mut UnixStream) -> Result<(Task, Vec<OwnedFd>), String> {
    loop {
        let mut byte = [0];
        let (got, fds) = fds::receive(socket.as_fd(), &mut byte)
            .map_err(|e| format!("standard input is not its socket: {e}"))?;
        if got == 0 {
            exit(0);
        }
        // Anything else is an order that came too late for the task before.
        if byte[0] == NEXT {
            let mut length = [0; 4];
            socket.read_exact(&mut length).map_err(|e| format!("no task came: {e}"))?;
            return Ok((read_json(socket, u32::from_le_bytes(length))?, fds));
        }
    }
}

fn read_json<T: DeserializeOwned>(socket: &mut UnixStream, length: u32) -> Result<T, String> {
    if length > MESSAGE_MAX {
        return Err(format!("a task of {length} bytes, but at most {MESSAGE_MAX} are taken"));
    }
    let mut json = vec![0; length as usize];
    socket.read_exact(&mut json).map_err(|e| format!("the task is cut short: {e}"))?;
    serde_json::from_slice(&json).map_err(|e| format!("the task is wrong: {e}"))
}

/// Nobody has a word for this process by them.
fn ignore_signals() {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGPIPE] {
        // SAFETY: ignoring a signal runs no code of ours.
        let _ = unsafe { sigaction(signal, &ignore) };
    }
}

fn is_readable(fd: std::os::fd::BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Until a child ends, at most 20 ms.
fn await_child() {
    let set = SigSet::from(Signal::SIGCHLD);
    let limit = libc::timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    // SAFETY: the set and the limit live through the call, and the null pointer says that no details are wanted.
    unsafe { libc::sigtimedwait(set.as_ref(), std::ptr::null_mut(), &limit) };
}
