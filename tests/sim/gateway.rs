//! A model of the gateway around the driver: actions are committed one after the other and then carried out.

use std::collections::{BTreeMap, VecDeque};

use ostler_gateway::driver::{Action, Driver, DriverConfig, Ticket};
use ostler_job::{Mono, Now};
use ostler_store::{Memory, Store};

use crate::agenda::{Agenda, Event, ToGateway};
use ostler_gateway::driver::Steer;

/// A life of the gateway.
pub(crate) struct Gateway {
    pub(crate) life: u64,
    pub(crate) driver: Driver,
    /// Actions that wait for their commit; the first one's is under way.
    pub(crate) queue: VecDeque<Action>,
    pub(crate) stopped: bool,
    /// What arrived while it was stopped.
    pub(crate) inbox: Vec<Event>,
    /// Requests that are not answered: which client's.
    pub(crate) tickets: BTreeMap<Ticket, usize>,
    /// The wake that the driver wants.
    wake: Option<Mono>,
}

impl Gateway {
    /// Starts from the store.
    pub(crate) fn start(store: &Memory, now: Now, seed: u64) -> Self {
        let mut jobs = Vec::new();
        let term = store.begin(0).expect("the model begins");
        let loaded = store.load(&mut |job| jobs.push(job)).expect("the model loads");
        let config = DriverConfig { waiting_max: 60, crashes_max: 2, ..DriverConfig::default() };
        let mut driver = Driver::new(config, &term, loaded.next_job, seed);
        for job in jobs {
            driver.restore(job, now);
        }
        Self {
            life: term.epoch.0,
            driver,
            queue: VecDeque::new(),
            stopped: false,
            inbox: Vec::new(),
            tickets: BTreeMap::new(),
            wake: None,
        }
    }

    /// After an event: takes the actions, and sees to the next wake and commit.
    pub(crate) fn drain(&mut self, agenda: &mut Agenda, now: Now, commit_at: Mono) {
        self.driver.check_invariants();
        while let Some(action) = self.driver.poll_action() {
            if self.queue.is_empty() {
                agenda.at(commit_at, Event::Commit(self.life));
            }
            self.queue.push_back(action);
        }
        let wake = self.driver.poll_timeout().map(|(at, _)| at.max(now.mono));
        if let Some(at) = wake
            && self.wake.is_none_or(|before| at < before || before <= now.mono)
        {
            agenda.at(at, Event::Timeout(self.life));
            self.wake = Some(at);
        }
    }

    /// Hands an event of the links or of people to the driver, or keeps it while the gateway is stopped.
    pub(crate) fn holds_back(&mut self, event: Event) -> Option<Event> {
        if self.stopped {
            self.inbox.push(event);
            return None;
        }
        Some(event)
    }

    pub(crate) fn steer(&mut self, steer: Steer, now: Now) {
        self.driver.handle_steer(steer, now);
    }

    pub(crate) fn hear(&mut self, runner: String, message: ToGateway, now: Now) {
        use ostler_gateway::driver::{Beat, Reports};
        let runner = runner.as_str().into();
        match message {
            ToGateway::Beat { incarnation, held } => {
                let incarnation = incarnation.to_string();
                self.driver.handle_beat(Beat { runner, incarnation, slots: 2, held }, now);
            }
            ToGateway::Report(report) => {
                self.driver.handle_reports(Reports { runner, reports: vec![report] }, now);
            }
        }
    }
}
