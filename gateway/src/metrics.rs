//! The `ostler_*` metrics that are counted on the way; what is read when somebody asks is in `scrape.rs`.

use std::sync::{Arc, OnceLock};

use ostler_job::{Span, Termination};
use prometheus::{
    Counter, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    Opts, Registry,
};

/// From a tenth of a millisecond to a minute: hello worlds and reports are told apart.
const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];
/// From a tenth of a microsecond to ten milliseconds.
const DECISION_SECONDS: &[f64] = &[1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 1e-4, 1e-3, 1e-2];
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

/// The counters of one pool, looked up once.
#[derive(Clone, Debug)]
pub(crate) struct PoolCounts {
    /// Jobs given to another child.
    pub(crate) retries: IntCounter,
    /// What a decision of the scheduler costs; one in many is timed.
    pub(crate) decisions: Histogram,
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

fn links(registry: &Registry) -> [IntCounterVec; 2] {
    [
        ("ostler_runner_links_lost_total", "Links to runners that ended."),
        (
            "ostler_runner_links_refused_total",
            "Links that were refused because another process has the runner's name.",
        ),
    ]
    .map(|(name, help)| counters(registry, name, help, &["host"]))
}

fn decisions(registry: &Registry) -> HistogramVec {
    let help = "Time to queue a job and to decide who runs next; one job in 64 is timed.";
    let opts = HistogramOpts::new("ostler_scheduler_decision_seconds", help);
    let made = HistogramVec::new(opts.buckets(DECISION_SECONDS.to_vec()), &["app"]);
    register(registry, made.expect("constant names are valid"))
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let [links_lost, links_refused] = links(&registry);
        let requests = counters(
            &registry,
            "ostler_requests_total",
            "Requests by route, status class and how they ended.",
            &["route", "class", "termination"],
        );
        let histograms = |name, help| {
            let opts = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
            let made = HistogramVec::new(opts, &["route"]).expect("constant names are valid");
            register(&registry, made)
        };
        let queue = histograms("ostler_queue_seconds", "Time from arrival until a slot was given.");
        let run = histograms("ostler_run_seconds", "Time that a child had a request.");
        let total = histograms("ostler_request_seconds", "Time from arrival to the last byte.");
        let unrouted = RouteCounts::new("", &requests, &queue, &run, &total);
        unrouted.begin(&[Termination::BadRequest, Termination::NoRoute]);
        Self {
            connections: begun(
                counters(
                    &registry,
                    "ostler_connections_total",
                    "Connections accepted, by protocol.",
                    &["protocol"],
                ),
                &["http/1", "h2", "refused"],
            ),
            handshakes: begun(
                counters(
                    &registry,
                    "ostler_tls_handshakes_total",
                    "TLS handshakes by result.",
                    &["result"],
                ),
                &["ok", "failed", "timeout"],
            ),
            retries: counters(
                &registry,
                "ostler_retries_total",
                "Jobs that were given to another child, since the first had not started them or died.",
                &["app"],
            ),
            decisions: decisions(&registry),
            links_lost,
            links_refused,
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

/// A counter that has its series from the beginning.
fn begun(counters: IntCounterVec, values: &[&str]) -> IntCounterVec {
    for value in values {
        counters.with_label_values(&[*value]);
    }
    counters
}

pub(crate) fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    made: C,
) -> C {
    registry.register(Box::new(made.clone())).expect("every metric is registered once");
    made
}

pub(crate) fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> IntCounterVec {
    let made = IntCounterVec::new(Opts::new(name, help), labels).expect("constant names are valid");
    register(registry, made)
}

pub(crate) fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    let made = GaugeVec::new(Opts::new(name, help), labels).expect("constant names are valid");
    register(registry, made)
}

pub(crate) fn gauge(registry: &Registry, name: &str, help: &str, value: f64) {
    if name.ends_with("_total") {
        let made = Counter::with_opts(Opts::new(name, help)).expect("constant names are valid");
        return register(registry, made).inc_by(value);
    }
    let made = Gauge::with_opts(Opts::new(name, help)).expect("constant names are valid");
    register(registry, made).set(value);
}
