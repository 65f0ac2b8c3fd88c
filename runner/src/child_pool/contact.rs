//! Liveness of a child: whether it can be reached. What speaks against it is weighed here and nowhere else.
//!
//! A child counts as free only while nothing speaks against it. Some things settle it at once: its lane or its control
//! socket ended, or it said BYE. Others are a suspicion: it was sent work and its board does not show it, it has answered
//! and is not free again, or a PING stays unanswered. A suspected child is asked, and what it answers decides. The load of
//! the host must not: a PONG shows that the child got to run, and without one the patience is that of a host that stands
//! still. A run in progress is no suspicion: it may hold the interpreter, and has a time limit of its own.

use ostler_job::{Mono, Span};

/// Between two PINGs without a cause.
const ASK_EVERY: Span = Span::from_secs(5);
/// How long an idle child may take for its PONG.
const PATIENCE: Span = Span::from_secs(15);
/// The same while work waits for it.
const PATIENCE_SUSPECT: Span = Span::from_secs(5);
/// From the suspicion to the loss, for a child that answers and does not take its work. Its work is with others by then.
const CONFIRM: Span = Span::from_secs(2);
/// The most that one look lets a patience shrink: a runner that stood still itself has not waited.
const LOOK_MAX: Span = Span::from_millis(500);

/// Why a child is of no use any more, though it may live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Its lane ended, and nobody had asked for that.
    Lane,
    /// Its control socket ended.
    Control,
    /// It said BYE.
    Bye,
    /// It does not answer.
    Silent,
    /// It answers, and leaves the work in its lane.
    Deaf,
}

impl Loss {
    /// What the log says.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Lane => "its lane ended",
            Self::Control => "its control socket ended",
            Self::Bye => "it said that it leaves",
            Self::Silent => "it does not answer",
            Self::Deaf => "it does not take the work in its lane",
        }
    }

    /// Whether it can still be told to stop.
    pub(super) const fn is_steerable(self) -> bool {
        matches!(self, Self::Lane | Self::Bye)
    }
}

/// The stream that a child should be at, of which nothing was heard for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    pub stream: u32,
    /// Its answer has ended, and only the end of `close()` is awaited.
    pub is_over: bool,
}

impl Awaited {
    /// Whether a child that runs this stream is at work on it.
    fn is_run_by(self, running: Option<u32>) -> bool {
        // What the gateway said may be older than the board.
        !self.is_over && running.is_some_and(|running| running >= self.stream)
    }

    /// Whether the board speaks for the child no longer or not yet.
    fn is_open(self, running: Option<u32>) -> bool {
        match self.is_over {
            true => running == Some(self.stream),
            false => !self.is_run_by(running),
        }
    }
}

/// Work that a child is not seen to do.
#[derive(Clone, Copy, Debug)]
struct Suspicion {
    of: Awaited,
    since: Mono,
    /// It has answered since.
    answered: bool,
}

/// The questions to one child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contact {
    /// The number of the last PING.
    number: u32,
    /// How long its answer may still take, while there is none.
    left: Option<Span>,
    ask_at: Mono,
    looked_at: Mono,
    suspicion: Option<Suspicion>,
}

/// What comes of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Send a PING of this number.
    Ask(u32),
    /// It cannot be reached.
    Lost(Loss),
}

impl Contact {
    pub(super) fn new(now: Mono) -> Self {
        let ask_at = now + ASK_EVERY;
        Self { number: 0, left: None, ask_at, looked_at: now, suspicion: None }
    }

    /// Something is to happen soon.
    pub(super) fn is_restless(&self) -> bool {
        self.suspicion.is_some_and(|suspicion| !suspicion.of.is_over)
    }

    /// No answer is awaited and nothing suspected, so that no patience has to be counted.
    pub(super) fn is_calm(&self) -> bool {
        self.left.is_none() && self.suspicion.is_none()
    }

    /// What its board says: that it has begun something since clears it of a suspicion, as does that it is where it should be.
    pub(super) fn handle_board(&mut self, running: Option<u32>, has_begun: bool) {
        self.suspicion = self.suspicion.filter(|s| !has_begun && s.of.is_open(running));
    }

    /// The streams that were spoken of are numbers of a lane that is gone.
    pub(super) fn forget(&mut self) {
        self.suspicion = None;
    }

    /// Whether it is suspected while it may be in `close()`, which has a time limit of its own.
    pub(super) fn is_closing(&self) -> bool {
        self.suspicion.is_some_and(|suspicion| suspicion.of.is_over)
    }

    /// Nothing has been heard of a stream for a while.
    pub(super) fn handle_unanswered(
        &mut self,
        awaited: Awaited,
        running: Option<u32>,
        now: Mono,
    ) -> Option<Finding> {
        if !awaited.is_open(running) {
            return None;
        }
        match self.suspicion.filter(|suspicion| suspicion.of == awaited) {
            Some(Suspicion { since, answered: true, of: Awaited { is_over: false, .. } })
                if now - since >= CONFIRM =>
            {
                Some(Finding::Lost(Loss::Deaf))
            }
            Some(_) => None,
            None => {
                self.suspicion = Some(Suspicion { of: awaited, since: now, answered: false });
                // Nobody waits for the end of `close()`.
                Some(self.ask(if awaited.is_over { PATIENCE } else { PATIENCE_SUSPECT }))
            }
        }
    }

    /// It answered a PING. An answer to an earlier one than the last says nothing about now.
    pub(super) fn handle_pong(&mut self, number: u32, now: Mono) {
        if number == self.number && self.left.take().is_some() {
            self.ask_at = now + ASK_EVERY;
            if let Some(suspicion) = &mut self.suspicion {
                suspicion.answered = true;
            }
        }
    }

    /// Time passed. A child at work is not judged: what it runs may hold its interpreter.
    pub(super) fn look(&mut self, is_busy: bool, now: Mono) -> Option<Finding> {
        let passed = (now - self.looked_at).min(LOOK_MAX);
        self.looked_at = now;
        if is_busy && self.suspicion.is_none() {
            return None;
        }
        let Some(left) = self.left else {
            return (now >= self.ask_at).then(|| self.ask(PATIENCE));
        };
        self.left = Some(Span(left.0.saturating_sub(passed.0)));
        (left <= passed).then_some(Finding::Lost(Loss::Silent))
    }

    fn ask(&mut self, patience: Span) -> Finding {
        self.number = self.number.wrapping_add(1);
        self.left = Some(patience);
        Finding::Ask(self.number)
    }
}
