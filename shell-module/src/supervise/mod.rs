//! `ostler launch job`: the process between a runner and the command of one attempt.
//!
//! It is started by posix_spawn with its end of the socket pair as standard input. It leads a session of its own, so that
//! no terminal's signal reaches it, and reaps everything below it. When an attempt has ended and nothing of it is left,
//! the executor may give it the next: executing this program costs more than the command does. It deliberately lacks
//! threads, a runtime and time limits: orders come from the executor, and when that is gone everything is killed.

mod command;
mod failure;
mod hit;
mod inbox;
mod memory;
mod signals;
mod standing;
mod usage;

use std::{
    io::{Read, Write},
    os::{
        fd::{AsFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::exit,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork, pipe2, setsid},
};
use ostler_job::{
    Span, Wall,
    durable::{Order, Terminate, Usage},
};

use ostler_process::tree::{self, Killed};

use self::{
    failure::Failure,
    hit::KillOutcome,
    inbox::{is_asked, is_readable, receive},
    memory::Shortage,
    signals::{await_child, ignore_signals},
    standing::ProcessAttributes,
    usage::End,
};
use crate::message::{ASK, Ended, Said, encode, order_of};

/// Signals that end whoever does not take them; this process only notes that they came.
const ENDING: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];
/// After a command that took longer, it is worth a look how the host stands.
const LONG: Span = Span::from_secs(1);
/// Exit status of a supervisor that was not started by a runner.
const EXIT_USAGE: i32 = 64;
/// Exit status of one that cannot see what is below it, so that the runner kills that.
const EXIT_BLIND: i32 = 70;

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
    standing: ProcessAttributes,
    shortage: Shortage,
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
    /// How the main process ended, how long that took, and how long of that it was stopped.
    end: Option<(End, Span, Span)>,
    /// By everything that was waited for.
    usage: Usage,
    /// An order to stop came, and none to go on, since then.
    stopped_since: Option<Instant>,
    /// How long it was stopped, up to then.
    stopped: Duration,
    /// What an order to kill found while it ran.
    hit: KillOutcome,
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
        Ok(Self {
            socket,
            signals,
            standing: ProcessAttributes::now(),
            shortage: Shortage::now(),
            running: Running::new(Pid::this(), None, Terminate::default()),
        })
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
                self.running = Running::new(main, Some(failure.into()), task.terminate);
                self.running.in_grace = task.lingers;
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
            let has_children = self.running.reap();
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
                Ok(1..) if byte[0] == ASK => self.tell(&Said::Here),
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
        if matches!(order, Order::Kill | Order::KillNow) {
            self.running.go_on();
        }
        match order {
            Order::Kill => {
                self.running.hit_by(Signal::SIGTERM);
                match self.running.terminate {
                    Terminate::All => {
                        self.running.in_grace = true;
                        tree::signal_once(Signal::SIGTERM);
                    }
                    // The others were not asked, so there is nothing to wait for once it has ended.
                    Terminate::Main if self.running.end.is_none() => {
                        tree::signal_child(self.running.main, Signal::SIGTERM);
                        // A paused one would wait in vain for those that it asks in turn.
                        tree::signal_once(Signal::SIGCONT);
                    }
                    Terminate::Main => {}
                }
            }
            Order::KillNow => {
                self.running.hit_by(Signal::SIGKILL);
                self.finish();
            }
            Order::Stop => {
                tree::signal_all(Signal::SIGSTOP);
                self.running.stopped_since.get_or_insert_with(Instant::now);
                self.tell(&Said::Stopped(true));
            }
            Order::Continue => {
                tree::signal_all(Signal::SIGCONT);
                self.running.go_on();
                self.tell(&Said::Stopped(false));
            }
        }
    }

    /// Kills all that is below this process. One that cannot see it leaves that to the runner, which looks for itself.
    fn kill_all(&mut self) -> Killed {
        let Self { socket, running, .. } = self;
        let pause = || {
            await_child();
            // A process that the kernel does not let go yet is no reason to be taken for dead.
            if is_asked(socket) {
                tell(socket, &Said::Here);
            }
        };
        tree::kill_all(|| running.reap(), pause).unwrap_or_else(|| exit(EXIT_BLIND))
    }

    /// Kills what is left and tells the end.
    fn finish(&mut self) {
        let Killed { refused, live, names } = self.kill_all();
        // It may have ended before its exec was noticed.
        self.hear_failure();
        if self.running.is_over {
            return;
        }
        self.running.is_over = true;
        self.running.signalled |= self.hear_signals();
        let Running { signalled, usage, .. } = self.running;
        let hit = self.running.hit.is_why(self.running.end.map(|(end, ..)| end));
        let worn = ProcessAttributes::now() != self.standing;
        let killed = if hit { 0 } else { u32::try_from(live.len()).unwrap_or(u32::MAX) };
        let left = refused;
        let mut ended =
            Ended { hit, signalled, left, killed, names, worn, usage, ..Ended::default() };
        if let Some((end, ran, stopped)) = self.running.end {
            (ended.ran, ended.stopped) = (ran, stopped);
            match end {
                End::Status(status) => ended.exit_status = Some(status),
                End::Signal(signal) => ended.signal = Some(signal),
            }
            // Looking takes longer than a short command does.
            if end.is_kill() {
                ended.shortage = self.shortage.has_come();
            } else if ran > LONG {
                self.shortage = Shortage::now();
            }
        }
        self.tell(&Said::Ended(Box::new(ended)));
    }

    /// Tells the executor. One that is gone shows at the next look at the socket.
    fn tell(&mut self, said: &Said) {
        tell(&mut self.socket, said);
    }
}

impl Running {
    fn new(main: Pid, failure: Option<std::fs::File>, terminate: Terminate) -> Self {
        Self {
            failure,
            main,
            terminate,
            begun: Instant::now(),
            end: None,
            usage: Usage::default(),
            stopped_since: None,
            stopped: Duration::ZERO,
            hit: KillOutcome::No,
            signalled: false,
            in_grace: false,
            is_over: false,
        }
    }

    /// It is about to be sent the signal.
    fn hit_by(&mut self, signal: Signal) {
        self.reap();
        if self.end.is_none() {
            self.hit.by(signal, self.main);
        }
    }

    fn go_on(&mut self) {
        self.stopped += self.stopped_since.take().map_or(Duration::ZERO, |since| since.elapsed());
    }

    /// Waits for what has ended; `false` when there is no child any more.
    fn reap(&mut self) -> bool {
        loop {
            match usage::wait() {
                Ok(None) => return true,
                Ok(Some((pid, end, used))) => {
                    self.usage = usage::sum(self.usage, used);
                    if pid == self.main {
                        self.go_on();
                        let ran = self.begun.elapsed().saturating_sub(self.stopped);
                        self.end = Some((end, span(ran), span(self.stopped)));
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
    }
}

fn span(length: Duration) -> Span {
    Span(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX))
}

fn tell(socket: &mut UnixStream, said: &Said) {
    let _ = socket.write_all(&encode(said));
}
