//! A life of the gateway: the real actor, with its inbox, its commit under way and its links.

use std::{collections::BTreeMap, sync::Arc};

use jiff::tz::TimeZone;
use ostler_cron_module::Cron;

use ostler_driver::{Actor, ActorInput, Beat, Driver, DriverConfig, Reports, Ticket, load};
use ostler_job::{
    Mono, Now,
    durable::{Epoch, Term},
};
use ostler_store::{Change, Memory, Store as _, StoreError};

use crate::agenda::{Event, ToGateway};

/// See the module.
pub(crate) struct Gateway {
    /// Which process; no two are the same.
    pub(crate) life: u64,
    pub(crate) actor: Actor,
    /// What the store is writing.
    pub(crate) flying: Option<(Epoch, Vec<Change>)>,
    pub(crate) stopped: bool,
    /// What arrived while it was stopped.
    pub(crate) inbox: Vec<Event>,
    /// Requests that are not answered: which client's.
    pub(crate) tickets: BTreeMap<Ticket, usize>,
    /// The newest link of each name, and whose it is.
    pub(crate) links: BTreeMap<String, (u64, usize)>,
    /// The wake that the actor wants.
    wake: Option<Mono>,
}

impl Gateway {
    /// Starts from the store.
    pub(crate) fn start(store: &Memory, life: u64, now: Now) -> Result<Self, StoreError> {
        let (driver, term) = loaded(store, (0, 0), now)?;
        Ok(Self {
            life,
            actor: Actor::new(driver, &term),
            flying: None,
            stopped: false,
            inbox: Vec::new(),
            tickets: BTreeMap::new(),
            links: BTreeMap::new(),
            wake: None,
        })
    }

    /// When it wants to be woken next, if that is news.
    pub(crate) fn wake(&mut self, now: Now) -> Option<Mono> {
        let at = self.actor.poll_timeout()?.max(now.mono);
        let news = self.wake.is_none_or(|before| at < before || before <= now.mono);
        news.then(|| *self.wake.insert(at))
    }

    /// Keeps an event while it is stopped.
    pub(crate) fn holds_back(&mut self, event: Event) -> Option<Event> {
        if self.stopped {
            self.inbox.push(event);
            return None;
        }
        Some(event)
    }

    /// Something came over a link: the name is the certificate's, the number the socket's.
    pub(crate) fn hear(&mut self, name: &str, link: u64, message: ToGateway, now: Now) {
        let runner = name.into();
        let told = match message {
            ToGateway::Beat { incarnation, held } => {
                let incarnation = incarnation.to_string();
                let labels = Default::default();
                ActorInput::Beat(Beat {
                    runner,
                    link,
                    incarnation,
                    slots: 2,
                    is_broken: false,
                    labels,
                    held,
                })
            }
            ToGateway::Word => ActorInput::Heard(runner, link),
            ToGateway::Report(report) => {
                ActorInput::Reports(Reports { runner, link, reports: vec![report] })
            }
        };
        self.actor.hear(told, now);
    }
}

/// A driver of a new term. `before`: the room that the store must have, and the number of the last link.
pub(crate) fn loaded(
    store: &Memory,
    (room, newest): (u64, u64),
    now: Now,
) -> Result<(Driver, Term), StoreError> {
    let source = Arc::new(Cron::new("boot", |_| Some(TimeZone::UTC)));
    let config =
        DriverConfig { waiting_max: 60, crashes_max: 2, source, ..DriverConfig::default() };
    let term = store.begin(room)?;
    let kept = (store.queues()?, store.schedules(now.wall)?);
    let (driver, _) =
        load(&config, &term, (newest, 7), kept, |each| store.load_unfinished(each), now)?;
    Ok((driver, term))
}
