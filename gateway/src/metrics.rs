//! The `ostler_*` metrics that are counted on the way; what is read when somebody asks is in `scrape.rs`. What each is called and
//! means is in the crate `ostler-metrics`.

use std::sync::{Arc, OnceLock};

use ostler_job::{Span, Termination};
use ostler_metrics::catalogue;
use ostler_pool::PoolCounts;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Registry};

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// See the module.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    requests: IntCounterVec,
    queue: HistogramVec,
    run: HistogramVec,
    total: HistogramVec,
    /// Requests that found no route.
    pub(crate) unrouted: RouteCounts,
    pub(crate) connections: IntCounterVec,
    pub(crate) handshakes: IntCounterVec,
    retries: IntCounterVec,
    decisions: HistogramVec,
    pub(crate) links_lost: IntCounterVec,
    pub(crate) links_refused: IntCounterVec,
}

/// The counters of one route, looked up once.
#[derive(Debug)]
pub(crate) struct RouteCounts {
    route: Arc<str>,
    requests: IntCounterVec,
    cells: Vec<OnceLock<IntCounter>>,
    queue: Histogram,
    run: Histogram,
    total: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let requests = catalogue::REQUESTS.counters(&registry);
        let queue = catalogue::QUEUE.histograms(&registry);
        let run = catalogue::RUN.histograms(&registry);
        let total = catalogue::TOTAL.histograms(&registry);
        let unrouted = RouteCounts::new("", &requests, &queue, &run, &total);
        unrouted.begin(&[Termination::BadRequest, Termination::NoRoute]);
        Self {
            connections: catalogue::CONNECTIONS.counters(&registry),
            handshakes: catalogue::HANDSHAKES.counters(&registry),
            retries: catalogue::RETRIES.counters(&registry),
            decisions: catalogue::DECISIONS.histograms(&registry),
            links_lost: catalogue::LINKS_LOST.counters(&registry),
            links_refused: catalogue::LINKS_REFUSED.counters(&registry),
            registry,
            requests,
            queue,
            run,
            total,
            unrouted,
        }
    }

    /// The counters of a route, and whether an app answers there.
    pub(crate) fn route(&self, name: &str, leads_to_app: bool) -> RouteCounts {
        let counts = RouteCounts::new(name, &self.requests, &self.queue, &self.run, &self.total);
        counts.begin(match leads_to_app {
            true => Termination::ALL,
            false => &[Termination::Answered, Termination::BadRequest],
        });
        counts
    }

    pub(crate) fn pool(&self, app: &str) -> PoolCounts {
        PoolCounts {
            retries: self.retries.with_label_values(&[app]),
            decisions: self.decisions.with_label_values(&[app]),
        }
    }
}

impl RouteCounts {
    fn new(
        route: &str,
        requests: &IntCounterVec,
        queue: &HistogramVec,
        run: &HistogramVec,
        total: &HistogramVec,
    ) -> Self {
        Self {
            route: route.into(),
            requests: requests.clone(),
            cells: (0..CLASSES.len() * Termination::ALL.len()).map(|_| OnceLock::new()).collect(),
            queue: queue.with_label_values(&[route]),
            run: run.with_label_values(&[route]),
            total: total.with_label_values(&[route]),
        }
    }

    /// The route's name in labels.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.route
    }

    fn cell(&self, class: usize, termination: Termination) -> &IntCounter {
        let cell = &self.cells[class * Termination::ALL.len() + termination as usize];
        cell.get_or_init(|| {
            let labels = [&*self.route, CLASSES[class], termination.code()];
            self.requests.with_label_values(&labels)
        })
    }

    /// Makes the counters of these ends, so that the first of each is an increase.
    fn begin(&self, terminations: &[Termination]) {
        for termination in terminations {
            for class in usual_classes(*termination) {
                self.cell(*class, *termination);
            }
        }
    }

    /// Counts a request that ended.
    pub(crate) fn observe(
        &self,
        status: u16,
        termination: Termination,
        queued: Span,
        ran: Option<Span>,
        total: Span,
    ) {
        // A request whose client left before there was a status is no class of its own.
        let class = usize::from(status.clamp(100, 599) / 100 - 1);
        self.cell(class, termination).inc();
        self.queue.observe(queued.as_secs_f64());
        if let Some(ran) = ran {
            self.run.observe(ran.as_secs_f64());
        }
        self.total.observe(total.as_secs_f64());
    }
}

/// The status classes that an end usually has, as places in [`CLASSES`]; without a status it is the first.
const fn usual_classes(termination: Termination) -> &'static [usize] {
    match termination {
        Termination::Ok | Termination::Answered => &[1, 2, 3, 4],
        Termination::BadRequest => &[3, 4],
        Termination::NoRoute | Termination::BodyTooLarge | Termination::BodyTimeout => &[3],
        Termination::BodyAborted => &[0, 3],
        Termination::GoneWaiting | Termination::GoneRunning => &[0],
        Termination::GoneReading | Termination::AppAborted => &[1],
        Termination::Deadline | Termination::ChildDied => &[1, 4],
        Termination::QueueFull
        | Termination::TenantFull
        | Termination::QueueTimeout
        | Termination::Quarantined
        | Termination::AppFailed
        | Termination::NoRunner
        | Termination::AppError
        | Termination::Protocol
        | Termination::Overload => &[4],
    }
}
