//! A passing job: one HTTP request between its task and the carrier that takes it to a child.
//!
//! The request's task, the pool and the carrier's driver may run on different threads; this is what they share. Its
//! lock is the innermost: nothing else is locked while it is held. It knows nothing of carriers: its assignment `A`
//! is kept for whoever asks.

mod time;

pub use self::time::ProbeReason;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use ostler_job::{JobId, Mono, Span, TenantId, Termination};
use ostler_machine::clock;
use ostler_wire::Frame;

use super::{Pool, quarantine::Subject};

/// What a job may take, from its route.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// From the slot to the reply's head.
    pub first_byte: Span,
    /// Between two pieces of the reply.
    pub progress: Span,
    /// When everything must be over.
    pub deadline: Option<Mono>,
    /// May be given to another child after one died on it.
    pub idempotent: bool,
}

/// The request as it goes to a child.
#[derive(Debug)]
pub struct Outgoing {
    /// The REQ frame for stream 0; copied and given its stream's id at each start.
    pub frame: BytesMut,
    /// Where in the frame the ten digits of `:queue_us` are.
    pub queue_us_at: usize,
    /// The frame is not all: the request's task sends DATA once the job has started.
    pub more: bool,
    /// The DATA can be sent again, should the job be given to another child.
    pub replayable: bool,
}

/// How often a job may be given back by children that could have begun it.
const GIVEN_BACK_MAX: u32 = 3;
/// The same when the gateway asked for it.
const WITHDRAWN_MAX: u32 = 20;

/// Why a job failed without a whole answer.
#[derive(Clone, Debug)]
pub struct Failure {
    pub termination: Termination,
    /// What the child said about it, for the log and for a developer's eyes.
    pub detail: Bytes,
}

impl From<Termination> for Failure {
    fn from(termination: Termination) -> Self {
        Self { termination, detail: Bytes::new() }
    }
}

/// The head of the answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: Bytes,
    /// The whole body is in `first`.
    pub ended: bool,
    pub first: Bytes,
}

/// What the request's task waits for.
#[derive(Debug)]
pub enum Step<A> {
    /// The job has a child, which waits for the rest of the body.
    Send(A),
    /// The child answers.
    Answer(Answer),
}

#[derive(Debug)]
enum Phase<A> {
    Waiting,
    Started(A),
    Over,
}

#[derive(Debug)]
struct State<A> {
    phase: Phase<A>,
    /// It was assigned and the task has not been told yet.
    send_due: bool,
    /// When the child could begin it: nothing was before it any more.
    begun_at: Option<Mono>,
    /// How often a child that could begin it gave it back.
    given_back: u32,
    /// The same for what the gateway had asked for.
    withdrawn: u32,
    /// The last sign of life from the child.
    heard_at: Mono,
    /// The client last took something.
    taken_at: Mono,
    answer: Option<Answer>,
    answered: bool,
    failure: Option<Failure>,
    pieces: VecDeque<Bytes>,
    pieces_bytes: usize,
    ended: bool,
    waker: Option<Waker>,
    tenant: Option<TenantId>,
    retried: bool,
    /// How often its child was asked about.
    asked: u32,
    /// A time limit has been passed, and the job was ended for it.
    overdue: bool,
}

impl<A> State<A> {
    fn waiting() -> Self {
        Self {
            phase: Phase::Waiting,
            send_due: false,
            begun_at: None,
            given_back: 0,
            withdrawn: 0,
            heard_at: Mono::default(),
            taken_at: Mono::default(),
            answer: None,
            answered: false,
            failure: None,
            pieces: VecDeque::new(),
            pieces_bytes: 0,
            ended: false,
            waker: None,
            tenant: None,
            retried: false,
            asked: 0,
            overdue: false,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Passing<A> {
    pub id: JobId,
    pub pool: Arc<Pool>,
    pub terms: Terms,
    pub(crate) arrived: Mono,
    pub outgoing: Outgoing,
    pub subject: OnceLock<Subject>,
    /// Children that died while they had it.
    deaths: AtomicU32,
    state: Mutex<State<A>>,
}

impl<A: Clone> Passing<A> {
    pub fn new(
        id: JobId,
        pool: Arc<Pool>,
        arrived: Mono,
        terms: Terms,
        outgoing: Outgoing,
    ) -> Self {
        let (subject, deaths) = (OnceLock::new(), AtomicU32::new(0));
        let state = Mutex::new(State::waiting());
        Self { id, pool, terms, arrived, outgoing, subject, deaths, state }
    }

    fn lock(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().expect("no code panics while it holds a passing job")
    }

    pub(crate) fn set_tenant(&self, tenant: TenantId) {
        self.lock().tenant = Some(tenant);
    }

    pub fn tenant(&self) -> TenantId {
        self.lock().tenant.expect("the pool names the tenant when the job enters")
    }

    /// Asks for a second child after one died. Granted once, so that a request that kills children kills two at most.
    pub(crate) fn may_run_again(&self) -> bool {
        let mut state = self.lock();
        let whole = !self.outgoing.more || self.outgoing.replayable;
        self.terms.idempotent
            && !state.answered
            && state.failure.is_none()
            && whole
            && !std::mem::replace(&mut state.retried, true)
    }

    /// Says what the job asks for.
    pub fn is_about(&self, subject: Subject) {
        // A job is made for one request.
        let _ = self.subject.set(subject);
    }

    /// A child died while it had the job.
    pub fn child_died(&self) {
        self.deaths.fetch_add(1, Ordering::Relaxed);
        if let Some(subject) = self.subject.get() {
            subject.child_died();
        }
    }

    /// Whether the job is of a kind that is held back.
    pub(crate) fn is_held_back(&self, spare: u32) -> bool {
        self.subject.get().is_some_and(|subject| subject.is_held(spare))
    }

    /// How many children died while they had the job.
    pub fn deaths(&self) -> u32 {
        self.deaths.load(Ordering::Relaxed)
    }

    /// The job was put on a carrier. `true`: nobody wants it any more.
    pub fn started(&self, assignment: A) -> bool {
        let mut state = self.lock();
        state.phase = Phase::Started(assignment);
        state.send_due = self.outgoing.more;
        state.asked = 0;
        let unwanted = state.failure.is_some();
        if state.send_due {
            wake(state);
        }
        unwanted
    }

    /// Whether a child that gives the job back is believed that it did not run it. Nobody gives everything back for ever.
    pub(crate) fn may_come_back(&self) -> bool {
        let mut state = self.lock();
        if state.answered {
            return false;
        }
        state.given_back += u32::from(state.begun_at.is_some());
        state.given_back <= GIVEN_BACK_MAX
    }

    /// The same for what the child was asked for. Honest children give back what they could have begun when the run before it
    /// ends just then.
    pub(crate) fn may_be_withdrawn(&self) -> bool {
        let mut state = self.lock();
        state.withdrawn += u32::from(state.begun_at.is_some());
        !state.answered && state.withdrawn <= WITHDRAWN_MAX
    }

    /// Somebody ended the job before the child did.
    pub fn has_failed(&self) -> bool {
        self.lock().failure.is_some()
    }

    /// The job goes back to the queue, since nothing of it was started.
    pub fn returned(&self) {
        let mut state = self.lock();
        state.phase = Phase::Waiting;
        state.send_due = false;
        state.begun_at = None;
        state.overdue = false;
    }

    /// A piece of the answer came.
    pub(crate) fn deliver(&self, frame: Frame, ended: bool, now: Mono) {
        let mut state = self.lock();
        state.heard_at = now;
        if frame.header.kind == ostler_wire::Kind::Rsp {
            // Interim answers cannot be passed on by hyper's HTTP/1 server; the final one follows.
            if frame.header.code < 200 {
                return;
            }
            state.answered = true;
            let Frame { header, head, body } = frame;
            state.answer = Some(Answer { status: header.code, fields: head, ended, first: body });
        } else if !frame.body.is_empty() {
            state.pieces_bytes += frame.body.len();
            state.pieces.push_back(frame.body);
        }
        if ended {
            // From here on it is asked about for another reason.
            (state.ended, state.asked) = (true, 0);
        }
        wake(state);
    }

    /// The job is over without a whole answer.
    pub fn fail(&self, failure: Failure) {
        let mut state = self.lock();
        if state.ended || state.failure.is_some() {
            return;
        }
        state.failure = Some(failure);
        wake(state);
    }

    /// Waits for the answer's head, or for the moment to send the body.
    pub fn poll_step(&self, cx: &mut Context<'_>) -> Poll<Result<Step<A>, Failure>> {
        let mut state = self.lock();
        if let Some(answer) = state.answer.take() {
            return Poll::Ready(Ok(Step::Answer(answer)));
        }
        if let Some(failure) = &state.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        if std::mem::take(&mut state.send_due)
            && let Phase::Started(assignment) = &state.phase
        {
            return Poll::Ready(Ok(Step::Send(assignment.clone())));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits for a piece of the answer's body; `None` at its end.
    pub fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        let mut state = self.lock();
        state.taken_at = clock::now();
        if let Some(piece) = state.pieces.pop_front() {
            state.pieces_bytes -= piece.len();
            return Poll::Ready(Some(Ok(piece)));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        if let Some(failure) = &state.failure {
            return Poll::Ready(Some(Err(failure.clone())));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Bytes of the answer that wait in memory.
    pub fn pieces_bytes(&self) -> usize {
        self.lock().pieces_bytes
    }

    /// The child has given its whole answer.
    pub fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Where the job runs, if it does.
    pub fn assignment(&self) -> Option<A> {
        match &self.lock().phase {
            Phase::Started(assignment) => Some(assignment.clone()),
            Phase::Waiting | Phase::Over => None,
        }
    }

    /// The answer's head has come.
    pub fn is_answered(&self) -> bool {
        self.lock().answered
    }

    /// The child is done with the job, one way or the other.
    pub fn over(&self) {
        self.lock().phase = Phase::Over;
    }
}

/// Wakes the task after the lock is released, so that it does not run straight into it on another thread.
fn wake<A>(mut state: MutexGuard<'_, State<A>>) {
    let waker = state.waker.take();
    drop(state);
    waker.into_iter().for_each(Waker::wake);
}
