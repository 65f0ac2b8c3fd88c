//! The control frames of a link to another host, all that are not of a request's stream: what the runner tells of its apps, slots and jobs.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
};

use ostler_durable::{link::JobLink, members::token::Scope};
use ostler_job::{Mono, SupplierId, name};
use ostler_machine::clock;
use ostler_notices::GatewayEvent;
use ostler_pool::{Pool, carrier::Carrier};
use ostler_wire::{
    Frame, Kind,
    message::{self, Beat, Credit},
};
use tokio::sync::Notify;

use super::{hub::Hub, rate_limit::RateLimit, send_queue, state};

/// More slots than this are a mistake, and would not fit the scheduler's sums.
const SLOTS_MAX: u64 = 1 << 16;

/// So much that a runner did not join for is told of on one link.
const EXCESS_MAX: usize = 16;

/// The slots of one runner, by app.
pub(super) type Suppliers = BTreeMap<String, SupplierId>;

/// The control frames of one link.
pub(super) struct RunnerControl<'a> {
    hub: &'a Arc<Hub>,
    carrier: &'a Arc<Carrier>,
    name: &'a str,
    scope: &'a Scope,
    jobs: &'a JobLink,
    pub(super) suppliers: Mutex<Suppliers>,
    pub(super) pace: RateLimit,
    /// What it offers and did not join for, as far as that was told.
    excess: Mutex<BTreeSet<String>>,
    broken: Notify,
    /// Why the link is of no more use.
    broken_by: Mutex<Option<String>>,
}

impl<'a> RunnerControl<'a> {
    pub(super) fn new(
        hub: &'a Arc<Hub>,
        carrier: &'a Arc<Carrier>,
        name: &'a str,
        scope: &'a Scope,
        jobs: &'a JobLink,
    ) -> Self {
        let (suppliers, pace) = (Mutex::default(), RateLimit::default());
        let (excess, broken, broken_by) = (Mutex::default(), Notify::new(), Mutex::default());
        Self { hub, carrier, name, scope, jobs, suppliers, pace, excess, broken, broken_by }
    }

    pub(super) fn handle_frames(&self, frames: Vec<Frame>, now: Mono) {
        let began = clock::now();
        let mut suppliers = self.suppliers.lock().expect("one task holds it");
        for frame in frames {
            if !is_allowed(self.scope, &frame) {
                // Its beats are among what is not heard.
                if !self.scope.jobs {
                    self.jobs.excuse(now);
                }
                self.tell_excess(&frame);
                continue;
            }
            let Self { hub, carrier, name, jobs, .. } = *self;
            if let Err(error) = handle(hub, carrier, name, jobs, &frame, &mut suppliers) {
                let mut why = self.broken_by.lock().expect("one task holds it");
                why.get_or_insert(error.to_string());
                self.broken.notify_one();
            }
        }
        self.pace.spent(began);
    }

    /// Whoever started the runner waits for what never comes: each thing is told once.
    fn tell_excess(&self, frame: &Frame) {
        let Some(what) = offer(frame) else { return };
        let mut excess = self.excess.lock().expect("one task holds it");
        if excess.len() < EXCESS_MAX && excess.insert(what.clone()) {
            self.hub.notices.tell(GatewayEvent::RunnerExceeds { name: self.name.to_owned(), what });
        }
    }

    /// Waits until a frame broke a rule, and says which.
    pub(super) async fn broken(&self) -> String {
        self.broken.notified().await;
        self.broken_by.lock().expect("one task holds it").take().unwrap_or_default()
    }
}

/// What a runner was not let in for is not heard: it gets no request of another app, and no job.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a kind is heard when somebody has said here whose right it is"
)]
fn is_allowed(scope: &Scope, frame: &Frame) -> bool {
    match frame.header.kind {
        Kind::App | Kind::State | Kind::Credit => {
            message::app_of(frame).is_some_and(|app| scope.serves(app))
        }
        Kind::Beat | Kind::Report | Kind::Pull | Kind::Piece => scope.jobs,
        Kind::Ping | Kind::Pong => true,
        _ => false,
    }
}

/// What a frame offers, if it offers something.
fn offer(frame: &Frame) -> Option<String> {
    if frame.header.kind == Kind::Beat {
        return (Beat::slots_of(frame)? > 0).then(|| "to run durable jobs".to_owned());
    }
    let app = message::app_of(frame).filter(|app| name::is_good(app))?;
    Some(format!("the app {app}"))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "frames of a newer runner are not needed to serve"
)]
/// An error: the link is of no more use.
fn handle(
    hub: &Arc<Hub>,
    carrier: &Arc<Carrier>,
    name: &str,
    jobs: &JobLink,
    frame: &Frame,
    suppliers: &mut Suppliers,
) -> io::Result<()> {
    match frame.header.kind {
        Kind::App | Kind::State => state::handle(hub, name, frame),
        Kind::Credit => credit(hub, carrier, name, frame, suppliers),
        Kind::Ping => send_queue::pong(carrier, frame.header)?,
        _ => return jobs.handle(frame),
    }
    Ok(())
}

fn credit(
    hub: &Arc<Hub>,
    carrier: &Arc<Carrier>,
    name: &str,
    frame: &Frame,
    suppliers: &mut Suppliers,
) {
    let Ok(Credit { app, slots }) = Credit::of(frame) else { return };
    let Some(pool) = hub.pools.get(app) else { return };
    let supplier = *suppliers.entry(app.to_owned()).or_insert_with(Pool::next_supplier);
    let slots = u32::try_from(slots.min(SLOTS_MAX)).expect("SLOTS_MAX fits");
    pool.supply(supplier, carrier, super::host_id(name), slots, false);
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ostler_wire::{Builder, Decoder, FRAME_MAX, FieldsWriter, Header};

    use super::*;

    /// The kinds of frames about the app `shop` that a runner of this scope is heard with.
    fn heard(scope: &Scope) -> Vec<Kind> {
        let mut out = BytesMut::new();
        let app = |fields: &mut FieldsWriter<'_>| {
            fields.put(b":app", b"shop");
        };
        Builder::new(&mut out, Kind::App, 0).fields(app).body(b"");
        let mut decoder = Decoder::new(FRAME_MAX);
        decoder.buffer().extend_from_slice(&out);
        let frame = decoder.poll_frame().unwrap().unwrap();
        let of = |kind| Frame { header: Header { kind, ..frame.header }, ..frame.clone() };
        Kind::ALL.iter().copied().filter(|kind| is_allowed(scope, &of(*kind))).collect()
    }

    #[test]
    fn a_runner_is_heard_with_what_it_joined_for_and_with_no_kind_that_nobody_thought_of() {
        let link = [Kind::Ping, Kind::Pong];
        let app = [Kind::Credit, Kind::App, Kind::State];
        let jobs = [Kind::Beat, Kind::Report, Kind::Pull, Kind::Piece];
        let of = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
        let all = [&link[..], &app, &jobs].concat();
        assert_eq!(heard(&Scope::default()), all);
        assert_eq!(heard(&Scope { apps: of(&["shop"]), jobs: false }), all[..5]);
        assert_eq!(heard(&Scope { apps: of(&["wiki"]), jobs: false }), link);
        assert_eq!(heard(&Scope { apps: of(&[]), jobs: true }), [&link[..], &jobs].concat());
    }
}
