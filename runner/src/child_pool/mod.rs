//! The supervisor of an app's children, as a prefork server's master is: how many there are, and what becomes of each.
//!
//! No processes, no clock, no randomness of its own: time and the seed come in as arguments, what was decided goes out
//! as [`Action`]s, so that a day in the life of a pool can be tried in a millisecond.

mod backoff;
mod contact;
mod ending;
mod escalation;
mod invariants;
mod lifecycle;
mod member;
mod next_wakeup;
mod reach;
mod scale;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use ostler_job::{Mono, Span};
use ostler_wire::message::exit;

use self::{
    backoff::{Backoff, SpawnLimit},
    contact::Contact,
    escalation::Escalation,
    member::{Member, Phase},
};
pub(crate) use self::{
    contact::{Awaited, Loss},
    ending::Ending,
};

/// A child, by a number that its runner never uses again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChildId(pub(crate) u64);

impl std::fmt::Display for ChildId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How many children an app may have, and what each of them may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildPoolConfig {
    /// Fewest children.
    pub min: u32,
    /// Most children.
    pub max: u32,
    /// From spawn to READY.
    pub boot: Span,
    /// From the first, polite step of an end to the rough one.
    pub grace: Span,
    /// Idle time after which a child above the minimum ends.
    pub idle: Span,
    /// Requests after which a child is replaced; 0: never.
    pub requests: u64,
    /// Age at which a child is replaced.
    pub lifetime: Option<Span>,
}

/// Why a child ended, as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExitReason {
    /// By itself.
    Exited,
    /// By a signal that was not ours.
    Signal,
    /// Before it was READY.
    BootFailed,
    /// It had served enough requests.
    MaxRequests,
    /// It was old enough.
    Lifetime,
    /// Killed because a request outlived its deadline or its client.
    Timeout,
    /// It lived and could not be reached any more.
    Lost,
    /// Idle, or the runner stops.
    Stopped,
}

impl ExitReason {
    /// Every reason.
    pub(crate) const ALL: [Self; 8] = [
        Self::Exited,
        Self::Signal,
        Self::BootFailed,
        Self::MaxRequests,
        Self::Lifetime,
        Self::Timeout,
        Self::Lost,
        Self::Stopped,
    ];

    /// The reason as frames and logs write it.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Exited => exit::EXITED,
            Self::Signal => exit::SIGNAL,
            Self::BootFailed => exit::BOOT_FAILED,
            Self::MaxRequests => exit::MAX_REQUESTS,
            Self::Lifetime => exit::LIFETIME,
            Self::Timeout => exit::TIMEOUT,
            Self::Lost => exit::LOST,
            Self::Stopped => exit::STOPPED,
        }
    }
}

/// What is to be done to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Let it have no further requests.
    Retire(ChildId),
    /// Let it begin nothing of what it was sent, up to the stream.
    TakeBack(ChildId, u32),
    /// Tell it to finish what it has and to exit.
    Stop(ChildId),
    /// Tell it that its running request is not wanted any more.
    Cancel(ChildId),
    /// It was given up for this reason.
    Note(ChildId, Loss),
    /// Ask it whether it is there, by a PING of this number.
    Ask(ChildId, u32),
    /// Ask it for all its stacks.
    Dump(ChildId),
    /// SIGTERM to its group.
    Terminate(ChildId),
    /// SIGKILL to its group.
    Kill(ChildId),
}

/// How many children are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Spawned and not READY.
    pub starting: u32,
    /// READY, without a request.
    pub idle: u32,
    /// READY, with a request.
    pub busy: u32,
    /// On their way out.
    pub draining: u32,
    /// Wanted, but held back after failures.
    pub backoff: u32,
}

/// From the retirement of a lane to STOP: a request that the gateway had just sent shows on the board by then.
const STOP_AFTER: Span = Span::from_millis(100);
/// From SIGTERM to SIGKILL.
const KILL_AFTER: Span = Span::from_secs(5);
/// Between two attempts to kill what does not die.
const KILL_AGAIN: Span = Span::from_secs(1);
/// A child that reported its failure exits by itself within this time.
const FAIL_EXIT: Span = Span::from_secs(2);

/// The children of one app.
#[derive(Debug)]
pub(crate) struct ChildPool {
    limits: ChildPoolConfig,
    members: BTreeMap<ChildId, Member>,
    /// How many children there should be: between min and max, raised by demand, lowered by idleness.
    level: u32,
    /// Jobs waiting at the gateway for this app.
    waiting: u32,
    /// Requests that a child is given at once.
    streams: u32,
    backoff: Backoff,
    starts: SpawnLimit,
    shrink_at: Mono,
    stopping: bool,
    actions: VecDeque<Action>,
    random: u64,
}

impl ChildPool {
    pub(crate) fn new(limits: ChildPoolConfig, seed: u64) -> Self {
        Self {
            limits,
            members: BTreeMap::new(),
            level: limits.min,
            waiting: 0,
            streams: 1,
            backoff: Backoff::default(),
            starts: SpawnLimit::new(limits.max.saturating_mul(2).saturating_add(8)),
            shrink_at: Mono::default(),
            stopping: false,
            actions: VecDeque::new(),
            random: seed,
        }
    }

    /// A child was started.
    pub(crate) fn handle_spawned(&mut self, id: ChildId, now: Mono) {
        self.starts.take(now);
        let fresh = self.members.insert(id, Member::new(now, now + self.limits.boot));
        debug_assert!(fresh.is_none(), "child {id} was spawned twice");
    }

    /// A child could not even be started.
    pub(crate) fn handle_spawn_failed(&mut self, now: Mono) {
        let jitter = self.draw();
        self.backoff.handle_boot_failed(now, jitter);
    }

    /// A child's app is loaded.
    pub(crate) fn handle_ready(&mut self, id: ChildId, now: Mono) {
        let (spread_requests, spread_life) = (self.draw(), self.draw());
        let limits = self.limits;
        let Some(member) = self.members.get_mut(&id) else { return };
        if !matches!(member.phase, Phase::Booting { .. }) {
            return;
        }
        member.phase = Phase::Ready;
        member.ready_at = Some(now);
        member.idle_since = Some(now);
        member.contact = Contact::new(now);
        member.requests_max = match limits.requests {
            0 => None,
            requests => Some(requests + spread(requests, spread_requests)),
        };
        member.expires =
            limits.lifetime.map(|lifetime| now + lifetime + Span(spread(lifetime.0, spread_life)));
        self.backoff.handle_ready();
    }

    /// A child said that it cannot boot, and why.
    pub(crate) fn handle_fail(&mut self, id: ChildId, now: Mono) {
        if let Some(Member { phase: Phase::Booting { limit, .. }, .. }) = self.members.get_mut(&id)
        {
            *limit = (*limit).min(now + FAIL_EXIT);
        }
    }

    /// A child's board was read.
    pub(crate) fn handle_board(&mut self, id: ChildId, busy: Option<u32>, done: u64, now: Mono) {
        let takes_turns = self.streams == 1;
        let Some(member) = self.members.get_mut(&id) else { return };
        if done > 0 {
            self.backoff.handle_served();
        }
        member.contact.handle_board(busy, done != member.requests);
        member.is_active = busy.is_some() || done != member.requests;
        member.requests = done;
        member.running = busy;
        member.idle_since = match busy {
            Some(_) => None,
            None => member.idle_since.or(Some(now)),
        };
        if member.escalation.is_some_and(|escalation| busy != Some(escalation.stream())) {
            member.escalation = None;
        }
        if member.meet_unwanted(now, self.limits.grace, takes_turns) {
            self.actions.push_back(Action::Cancel(id));
        }
    }

    /// A child's request, on this stream, outlived its deadline or its client. It counts while the board shows it: the
    /// child may have gone on to another, which is innocent, or come to it only later.
    pub(crate) fn handle_overdue(&mut self, id: ChildId, stream: u32, now: Mono) {
        let (grace, takes_turns) = (self.limits.grace, self.streams == 1);
        let Some(member) = self.members.get_mut(&id) else { return };
        member.unwanted = Some((stream, now + grace));
        if member.meet_unwanted(now, grace, takes_turns) {
            self.actions.push_back(Action::Cancel(id));
        }
    }

    /// The runner ends: children finish what they have within `grace`.
    pub(crate) fn handle_stop(&mut self, grace: Span, now: Mono) {
        self.stopping = true;
        self.level = 0;
        for id in self.members.keys().copied().collect::<Vec<_>>() {
            match self.members[&id].phase {
                Phase::Booting { .. } => self.end(id, now),
                Phase::Ready | Phase::Retiring { .. } => {
                    self.retire(id, ExitReason::Stopped, Some(now + grace), now);
                }
                Phase::Stopping { .. } | Phase::Ending { .. } => {}
            }
        }
    }

    /// The runner ends at once.
    pub(crate) fn handle_stop_now(&mut self, now: Mono) {
        self.stopping = true;
        self.level = 0;
        for id in self.members.keys().copied().collect::<Vec<_>>() {
            self.end(id, now);
        }
    }

    /// A child's process is gone. Says how that is to be counted.
    pub(crate) fn handle_exited(&mut self, id: ChildId, how: Ending, now: Mono) -> ExitReason {
        let Some(member) = self.members.remove(&id) else { return ExitReason::Exited };
        let reason = member.exit_reason(how);
        let jitter = self.draw();
        match reason {
            // A child that we end during its boot because the runner stops says nothing about the app.
            ExitReason::BootFailed if self.stopping => ExitReason::Stopped,
            ExitReason::BootFailed => {
                self.backoff.handle_boot_failed(now, jitter);
                reason
            }
            // What a child died of while it served says nothing about how the next one will start.
            ExitReason::Exited | ExitReason::Signal | ExitReason::Lost if member.requests > 0 => {
                self.backoff.handle_served();
                reason
            }
            ExitReason::Exited | ExitReason::Signal | ExitReason::Lost => {
                self.backoff.handle_crash(member.ready_at, now, jitter);
                reason
            }
            ExitReason::MaxRequests
            | ExitReason::Lifetime
            | ExitReason::Timeout
            | ExitReason::Stopped => reason,
        }
    }

    /// Something in the app's folder changed: it may boot at once.
    pub(crate) fn handle_app_changed(&mut self) {
        self.backoff.lift();
    }

    /// What is to be done next; `None` when nothing is.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        if action.is_none() {
            self.drained();
        }
        action
    }

    /// Whether the app fails: no child is READY and the last attempts ended badly.
    pub(crate) fn is_failing(&self) -> bool {
        self.backoff.is_failing() && self.ready() == 0
    }

    /// Whether the child may be given requests.
    pub(crate) fn is_serving(&self, id: ChildId) -> bool {
        self.members.get(&id).is_some_and(|m| m.phase == Phase::Ready)
    }

    /// Whether the child had loaded the app.
    pub(crate) fn was_ready(&self, id: ChildId) -> bool {
        self.members.get(&id).is_some_and(|m| m.ready_at.is_some())
    }

    /// Whether the child was sent a signal by us.
    pub(crate) fn was_ended(&self, id: ChildId) -> bool {
        self.members.get(&id).is_some_and(Member::is_ending)
    }

    /// Children that may be given requests.
    pub(crate) fn ready(&self) -> u32 {
        self.count(|m| m.phase == Phase::Ready)
    }

    /// Children that are loading the app.
    pub(crate) fn booting(&self) -> u32 {
        self.count(|m| matches!(m.phase, Phase::Booting { .. }))
    }

    /// How many children are in which state.
    pub(crate) fn counts(&self) -> Counts {
        let idle = self.count(|m| m.phase == Phase::Ready && m.idle_since.is_some());
        let starting = self.booting();
        let live = starting + self.ready();
        let held = if self.backoff.is_held() { self.level.saturating_sub(live) } else { 0 };
        Counts {
            starting,
            idle,
            busy: self.ready() - idle,
            draining: self.count(Member::is_leaving),
            backoff: held,
        }
    }

    fn count(&self, is: impl Fn(&Member) -> bool) -> u32 {
        u32::try_from(self.members.values().filter(|m| is(m)).count()).unwrap_or(u32::MAX)
    }

    /// A number from the pool's own sequence (splitmix64).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Up to a tenth of `value`, so that children of one age are not replaced at one moment.
fn spread(value: u64, random: u64) -> u64 {
    random % (value / 10 + 1)
}
