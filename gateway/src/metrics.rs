//! The `ostler_*` metrics: counted on the way, or read from the pools when somebody asks.

use std::sync::OnceLock;

use ostler_job::{Span, Termination};
use prometheus::{
    Counter, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, Opts, Registry, TextEncoder,
};

use crate::{doors, gate::Gate, jobs};

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
    pub(crate) jobs: jobs::JobMetrics,
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
    route: String,
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
            jobs: jobs::JobMetrics::new(&registry),
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

    /// Everything in the text format.
    pub(crate) fn render(&self, gate: &Gate) -> String {
        let now = Registry::new();
        read_pools(&now, gate);
        read_children(&now, gate);
        jobs::metrics::read(&now, &gate.jobs);
        read_process(&now, gate);
        let mut families = self.registry.gather();
        families.extend(now.gather());
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
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
            route: route.to_owned(),
            requests: requests.clone(),
            cells: (0..CLASSES.len() * Termination::ALL.len()).map(|_| OnceLock::new()).collect(),
            queue: queue.with_label_values(&[route]),
            run: run.with_label_values(&[route]),
            total: total.with_label_values(&[route]),
        }
    }

    /// The route's name in labels.
    pub(crate) fn name(&self) -> &str {
        &self.route
    }

    fn cell(&self, class: usize, termination: Termination) -> &IntCounter {
        let cell = &self.cells[class * Termination::ALL.len() + termination as usize];
        cell.get_or_init(|| {
            let labels = [self.route.as_str(), CLASSES[class], termination.code()];
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

fn register<C: prometheus::core::Collector + Clone + 'static>(registry: &Registry, made: C) -> C {
    registry.register(Box::new(made.clone())).expect("every metric is registered once");
    made
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
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

fn read_pools(registry: &Registry, gate: &Gate) {
    let waiting = gauges(registry, "ostler_jobs_waiting", "Jobs that wait for a slot.", &["app"]);
    let running = gauges(registry, "ostler_jobs_running", "Jobs that have a slot.", &["app"]);
    let oldest = gauges(
        registry,
        "ostler_oldest_wait_seconds",
        "How long the job at the front has waited.",
        &["app"],
    );
    let labels = ["app", "tenant"];
    let help = "Jobs that wait for a slot, by tenant; the smallest are added up as other.";
    let tenant_waiting = gauges(registry, "ostler_tenant_jobs_waiting", help, &labels);
    let help = "Jobs that have a slot, by tenant; the smallest are added up as other.";
    let tenant_running = gauges(registry, "ostler_tenant_jobs_running", help, &labels);
    for (app, pool) in &gate.pools {
        let (waits, runs, longest) = pool.load();
        waiting.with_label_values(&[app]).set(waits as f64);
        running.with_label_values(&[app]).set(runs as f64);
        oldest.with_label_values(&[app]).set(longest.as_secs_f64());
        let mut tenants = pool.by_tenant();
        tenants.sort_by_key(|(_, waiting, running)| std::cmp::Reverse(waiting + running));
        for (i, (name, waiting, running)) in tenants.iter().enumerate() {
            let named = i < gate.limits.metric_tenants && !name.is_empty();
            let name = if named { name.as_str() } else { "other" };
            tenant_waiting.with_label_values(&[app, name]).add(f64::from(*waiting));
            tenant_running.with_label_values(&[app, name]).add(f64::from(*running));
        }
    }
}

fn read_children(registry: &Registry, gate: &Gate) {
    let labels = ["app", "host", "state"];
    let children = gauges(registry, "ostler_children", "Children by state.", &labels);
    let spawns = counters(
        registry,
        "ostler_child_spawns_total",
        "Children started since the runner started.",
        &["app", "host"],
    );
    let exits = counters(
        registry,
        "ostler_child_exits_total",
        "Children that ended since the runner started, by reason.",
        &["app", "host", "reason"],
    );
    let labels = ["app", "host"];
    let rss =
        gauges(registry, "ostler_children_resident_bytes", "Memory of an app's children.", &labels);
    let cpu = gauges(
        registry,
        "ostler_children_cpu_seconds",
        "Processor time of the app's living children.",
        &labels,
    );
    for (app, pool) in &gate.pools {
        for (host, state) in pool.states() {
            for (name, value) in &state.numbers {
                match (name.as_str(), name.strip_prefix("exit.")) {
                    (_, Some(reason)) => {
                        exits.with_label_values(&[app, &host, reason]).inc_by(*value);
                    }
                    ("spawns", None) => spawns.with_label_values(&[app, &host]).inc_by(*value),
                    ("rss_bytes", None) => {
                        rss.with_label_values(&[app, &host]).set(*value as f64);
                    }
                    ("cpu_us", None) => {
                        cpu.with_label_values(&[app, &host]).set(*value as f64 / 1e6);
                    }
                    (state, None) => {
                        children.with_label_values(&[app, &host, state]).set(*value as f64);
                    }
                }
            }
        }
    }
}

fn read_process(registry: &Registry, gate: &Gate) {
    let links = gauges(registry, "ostler_runner_links", "Links to runners.", &["host"]);
    for (host, count) in gate.runner_links() {
        links.with_label_values(&[&host]).set(f64::from(count));
    }
    let open = IntGauge::new("ostler_connections", "Open client connections.")
        .expect("constant names are valid");
    register(registry, open)
        .set(i64::try_from(gate.doors.len(doors::Door::Web)).unwrap_or(i64::MAX));
    gauge(registry, "ostler_spool_bytes", "Bytes in spool files.", gate.spool.used() as f64);
    let help = "Kinds of requests that are held back since they ended children.";
    gauge(registry, "ostler_quarantined_kinds", help, gate.quarantine.held() as f64);
    let open = gate.doors.requests(doors::Door::Web) as f64;
    gauge(registry, "ostler_requests_open", "Requests under way, of all clients.", open);
    let help = "Bytes of request bodies and replies in memory.";
    gauge(registry, "ostler_body_memory_bytes", help, gate.memory.used() as f64);
    let counts = |name, help, count| {
        let counter = IntCounter::new(name, help).expect("constant names are valid");
        register(registry, counter).inc_by(count);
    };
    counts("ostler_spool_cut_total", "Spool files cut to make room for others.", gate.spool.cut());
    let (cut, refused) = gate.doors.turned_away();
    let help = "Connections closed to make room for others.";
    counts("ostler_connections_cut_total", help, cut);
    let help = "Connections refused because all were at work.";
    counts("ostler_connections_refused_total", help, refused);
    let dropped = IntCounter::new(
        "ostler_log_lines_dropped_total",
        "Access log lines dropped because the writer was behind or found no room.",
    )
    .expect("constant names are valid");
    register(registry, dropped).inc_by(gate.log.dropped());
    let build = gauges(registry, "ostler_build_info", "The version that runs.", &["version"]);
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
    crate::process::read(|name, help, value| gauge(registry, name, help, value));
}
