//! The way of a request through a pool by itself: no socket, no child, no task.

use std::{collections::VecDeque, sync::Arc};

use bytes::BytesMut;
use ostler_job::{HostId, Span};
use ostler_machine::clock;
use ostler_pool::{
    Entry, Pool,
    carrier::{Carrier, Concurrency, Ended, Passing, Transport},
    passing::{Outgoing, Terms},
};
use ostler_wire::{
    Builder, Decoder, FRAME_MAX, HEADER, Header, Kind, flags, message::RequestHead, put_frame,
};

use crate::{config, metrics::Metrics};

/// A pool with one slot, before which so many requests wait.
pub(crate) struct Rig {
    pub(crate) pool: Arc<Pool>,
    carrier: Arc<Carrier>,
    decoder: Decoder,
    frame: BytesMut,
    queue_us_at: usize,
    /// The stream that is answered next.
    stream: u32,
}

/// So many requests enter a pool and are answered, while so many others wait. How many were answered.
pub(super) fn served(times: usize, waiting: usize) -> usize {
    let mut rig = Rig::new();
    let mut jobs: VecDeque<_> = (0..waiting).map(|_| rig.enter()).collect();
    (0..times)
        .filter(|_| {
            jobs.push_back(rig.enter());
            rig.answer();
            jobs.pop_front().is_some_and(|job| job.is_ended())
        })
        .count()
}

impl Rig {
    pub(crate) fn new() -> Self {
        let app = config::App {
            queue_max: 10_000,
            tenant_queue_max: 10_000,
            tenant_slots_max: None,
            discipline: config::Discipline::Fifo,
            prefetch_max: 0,
        };
        let pool = Arc::new(Pool::new("app", &app, Metrics::new().pool("app")));
        let carrier =
            Arc::new(Carrier::new("measure".into(), Transport::Link, Concurrency::LINK, false));
        pool.supply(Pool::next_supplier(), &carrier, HostId(0), 1, false);
        let mut frame = BytesMut::new();
        let request = Builder::new(&mut frame, Kind::Req, 0).flags(flags::END);
        let head = RequestHead { id: b"0123456789abcdef", scheme: b"http", deadline_ms: 0 };
        let mut digits = 0;
        request.fields(|f| digits = head.put(f)).body(&[]);
        Self {
            pool,
            carrier,
            decoder: Decoder::new(FRAME_MAX),
            frame,
            queue_us_at: HEADER + digits,
            stream: 1,
        }
    }

    pub(crate) fn enter(&self) -> Arc<Passing> {
        let (frame, queue_us_at) = (self.frame.clone(), self.queue_us_at);
        let outgoing = Outgoing { frame, queue_us_at, more: false, replayable: true };
        let (now, minute) = (clock::now(), Span::from_secs(60));
        let terms =
            Terms { first_byte: minute, progress: minute, deadline: None, idempotent: false };
        let (id, pool) = (Pool::next_job(), self.pool.clone());
        let passing = Arc::new(Passing::new(id, pool, now, terms, outgoing));
        let (within, expires) = (Span::from_secs(1), now + minute);
        self.pool.enter(&passing, &Entry { tenant: b"a", weight: 1, within, expires });
        passing
    }

    /// The child answers what it was given first.
    fn answer(&mut self) {
        drop(self.carrier.take_out());
        let (kind, flags) = (Kind::Rsp, flags::END);
        let header = Header { len: 0, kind, flags, code: 200, stream: self.stream, aux: 0 };
        self.stream += 1;
        put_frame(self.decoder.buffer(), header, &[]);
        let (now, mut ended) = (clock::now(), Ended::default());
        let heard = self.carrier.handle_frames(&mut self.decoder, now, &mut ended, &mut Vec::new());
        heard.expect("the child keeps to the protocol");
        self.pool.settle(ended, now);
    }
}
