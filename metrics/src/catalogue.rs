//! Every metric, once: its name, what it is, its labels and what it means. The registry, `HELP` and the table in
//! `docs/OPERATIONS.md` are made of it.

use prometheus::{
    Counter, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    Opts, Registry, core::Collector,
};

/// What a metric is. Histograms have their buckets.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

/// A label. Where its values are few and known, their series are there from the beginning, so that an alert sees the first rise.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    name: &'static str,
    values: &'static [&'static str],
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    name: &'static str,
    kind: Kind,
    labels: &'static [Label],
    help: &'static str,
}

use Kind::{Counter as C, Gauge as G, Histogram as H};

/// From a tenth of a millisecond to a minute: hello worlds and reports are told apart.
const REQUEST: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];
/// From a tenth of a microsecond to ten milliseconds.
const DECISION: &[f64] = &[1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 1e-4, 1e-3, 1e-2];
/// From a millisecond to two hours: durable jobs are reports and builds as well.
const JOB: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1800.0, 7200.0,
];
/// From a hundredth of a second to a day: schedules that were made up for come as late as the gateway was away.
const FIRING: &[f64] =
    &[0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 21_600.0, 86_400.0];
/// From what a fast disk takes to what a broken one does.
const COMMIT: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Changes of one commit.
const BATCH: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 512.0, 1024.0];

macro_rules! metrics {
    ($($id:ident = $kind:expr, $name:literal [$($label:ident $(($($value:literal)|+))?),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $id: Metric = Metric {
                name: $name,
                kind: $kind,
                labels: &[$(Label { name: stringify!($label), values: &[$($($value),+)?] }),*],
                help: $help,
            };
        )*

        /// All of them, in the order of the document.
        #[cfg(test)]
        pub(super) const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    REQUESTS = C, "ostler_requests_total" [route, class, termination] "Requests by route, status class and how they ended.";
    QUEUE = H(REQUEST), "ostler_queue_seconds" [route] "Time from arrival until a slot was given.";
    RUN = H(REQUEST), "ostler_run_seconds" [route] "Time that a child had a request.";
    TOTAL = H(REQUEST), "ostler_request_seconds" [route] "Time from arrival to the last byte.";
    JOBS_WAITING = G, "ostler_jobs_waiting" [app] "Jobs that wait for a slot.";
    JOBS_RUNNING = G, "ostler_jobs_running" [app] "Jobs that have a slot.";
    OLDEST_WAIT = G, "ostler_oldest_wait_seconds" [app] "How long the job at the front has waited.";
    TENANT_WAITING = G, "ostler_tenant_jobs_waiting" [app, tenant] "Jobs that wait for a slot, by tenant; the smallest are added up as other.";
    TENANT_RUNNING = G, "ostler_tenant_jobs_running" [app, tenant] "Jobs that have a slot, by tenant; the smallest are added up as other.";
    CHILDREN = G, "ostler_children" [app, host, state] "Children by state.";
    SPAWNS = C, "ostler_child_spawns_total" [app, host] "Children started since the runner started.";
    EXITS = C, "ostler_child_exits_total" [app, host, reason] "Children that ended since the runner started, by reason.";
    CHILDREN_RESIDENT = G, "ostler_children_resident_bytes" [app, host] "Memory of an app's children.";
    CHILDREN_CPU = G, "ostler_children_cpu_seconds" [app, host] "Processor time of the app's living children.";
    RETRIES = C, "ostler_retries_total" [app] "Jobs that were given to another child, since the first had not started them, or died and the route is idempotent.";
    DECISIONS = H(DECISION), "ostler_scheduler_decision_seconds" [app] "Time to queue a job and to decide who runs next; one job in 64 is timed.";
    LINKS = G, "ostler_runner_links" [host] "Links to runners.";
    DRAINED = G, "ostler_runner_drained" [host, why] "Runners that get no new durable jobs: `operator`, since one drained them, or `broken`, since what they are given cannot be started there.";
    LINKS_LOST = C, "ostler_runner_links_lost_total" [host] "Links to runners that ended.";
    LINKS_REFUSED = C, "ostler_runner_links_refused_total" [host] "Links that were refused because another process has the runner's name.";
    OPEN_CONNECTIONS = G, "ostler_connections" [] "Open client connections.";
    CONNECTIONS = C, "ostler_connections_total" [protocol("http/1" | "h2" | "refused")] "Connections accepted, by protocol.";
    CONNECTIONS_CUT = C, "ostler_connections_cut_total" [] "Connections closed to make room for others.";
    CONNECTIONS_REFUSED = C, "ostler_connections_refused_total" [] "Connections refused because all were at work, and nobody had more than who came.";
    HANDSHAKES = C, "ostler_tls_handshakes_total" [result("ok" | "failed" | "timeout")] "TLS handshakes by result.";
    QUARANTINED = G, "ostler_quarantined_kinds" [] "Kinds of requests that are held back since they ended children, from all or from one client.";
    REQUESTS_OPEN = G, "ostler_requests_open" [] "Requests under way, of all clients.";
    SPOOL_BYTES = G, "ostler_spool_bytes" [] "Bytes in spool files.";
    SPOOL_CUT = C, "ostler_spool_cut_total" [] "Spool files cut to make room for others.";
    BODY_MEMORY = G, "ostler_body_memory_bytes" [] "Bytes of request bodies and replies in memory.";
    LOG_DROPPED = C, "ostler_log_lines_dropped_total" [] "Access log lines dropped because the writer was behind or found no room.";
    DURABLE_JOBS = G, "ostler_durable_jobs" [state] "Durable jobs that are not finished, by state.";
    QUEUE_WAITING = G, "ostler_queue_waiting" [queue] "Durable jobs that wait, by queue; at most 10,000 queues.";
    QUEUE_RUNNING = G, "ostler_queue_running" [queue] "Durable jobs that a runner has, by queue.";
    SUBMITTED = C, "ostler_durable_submitted_total" [] "Durable jobs that were taken.";
    LEASED = C, "ostler_durable_leased_total" [] "Attempts that were given to runners.";
    FINISHED = C, "ostler_durable_finished_total" [state, reason] "Durable jobs that ended.";
    RETRIED = C, "ostler_durable_retried_total" [] "Failed attempts that another will follow.";
    LOST = C, "ostler_durable_lost_total" [] "Attempts whose runner was lost or stopped.";
    FENCED = C, "ostler_durable_fenced_total" [] "Reports and beats of attempts that had lost their lease.";
    OLDEST_RUNNABLE = G, "ostler_durable_oldest_runnable_seconds" [] "How long the durable job that has waited longest could have run.";
    DURABLE_QUEUE = H(JOB), "ostler_durable_queue_seconds" [] "Time from when a job could have run to its lease.";
    DURABLE_RUN = H(JOB), "ostler_durable_run_seconds" [outcome("succeeded" | "failed")] "Time that attempts ran.";
    LATENESS = H(JOB), "ostler_durable_start_lateness_seconds" [] "How long after the end of its promise's window a job was leased; 0 when in time.";
    SCHEDULE_FIRINGS = C, "ostler_schedule_firings_total" [schedule, fate] "Firings of schedules by what became of them: `fired`, `overlapped`, `missed`, `refused`; each once, one that waits when it has waited. `schedule` is empty for those that have no series of their own, which is so of all beyond 1,000 schedules.";
    SCHEDULE_LATENESS = H(FIRING), "ostler_schedule_lateness_seconds" [] "How long after it was due, its jitter aside, a firing was a job. The time that it waited for the one before it, or for a gateway that was away, is part of that.";
    SCHEDULES = G, "ostler_schedules" [state("active" | "paused" | "faulty" | "ended")] "Schedules by state.";
    SCHEDULES_OVERDUE = G, "ostler_schedules_overdue" [] "Schedules without a success for longer than is expected.";
    SCHEDULE_OVERDUE = G, "ostler_schedule_overdue" [schedule] "1 while the schedule is overdue; at most 1,000 schedules, of more there are no series.";
    SCHEDULE_NEXT = G, "ostler_schedule_next_due_timestamp_seconds" [schedule] "When the schedule fires next; none while it does not.";
    SCHEDULE_SUCCESS = G, "ostler_schedule_last_success_timestamp_seconds" [schedule] "When a firing of the schedule succeeded last; none before the first.";
    SCHEDULE_TOO_LONG = G, "ostler_schedule_too_long" [schedule] "Firings that run longer than the schedule's `max_run`; of more than 1,000 schedules all together, with `schedule` empty.";
    SCHEDULE_WAITING = G, "ostler_schedule_waiting" [] "Firings that wait for the one before them.";
    SLOTS = G, "ostler_durable_slots" [state("busy" | "free")] "Slots for durable jobs.";
    LOG_BYTES = C, "ostler_durable_log_bytes_total" [] "Bytes that jobs wrote.";
    COMMIT_CHANGES = H(BATCH), "ostler_store_commit_changes" [] "Changes written by one commit.";
    COMMIT_TIME = H(COMMIT), "ostler_store_commit_seconds" [] "Time of one commit, the wait for the disk included.";
    STORE_BYTES = G, "ostler_store_bytes" [] "Bytes of the store.";
    FILE_BYTES = G, "ostler_store_file_bytes" [] "Bytes of logs and payloads beside the store.";
    TENANT_FILE_BYTES = G, "ostler_store_tenant_file_bytes_max" [] "Bytes of logs and payloads of the tenant that has most.";
    FILES_FULL = C, "ostler_store_files_full_total" [what("log" | "payload")] "Payloads that were refused, and times that logs of a tenant stayed on their runners, for want of room.";
    ACCEPTING = G, "ostler_store_accepting" [] "1 while durable jobs are accepted.";
    COMMIT_FAILURES = C, "ostler_store_failures_total" [] "Commits that failed, and readings of the store at the start or after a failure that did: it counts on as long as the store cannot be used.";
    API_REFUSED = C, "ostler_api_refused_total" [reason("no_token" | "bad_token" | "scope")] "Requests of the API without a token that allows them; the log has a line at once, and then at most one a minute.";
    BUILD = G, "ostler_build_info" [version] "The version that runs.";
    PROCESS_CPU = C, "process_cpu_seconds_total" [] "Processor time of the gateway.";
    PROCESS_RESIDENT = G, "process_resident_memory_bytes" [] "Memory of the gateway.";
    PROCESS_FILES = G, "process_open_fds" [] "Open file descriptors of the gateway.";
    PROCESS_THREADS = G, "process_threads" [] "Threads of the gateway.";
}

/// What a name with a wrong form would panic with; the test of the table makes all of them.
const VALID: &str = "the names in the table of metrics are valid";

impl Metric {
    /// What it is called.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Counts without a label.
    pub fn counter(&self, registry: &Registry) -> IntCounter {
        debug_assert!(matches!(self.kind, Kind::Counter), "{self:?}");
        register(registry, IntCounter::with_opts(self.opts()).expect(VALID))
    }

    /// Counts by labels.
    pub fn counters(&self, registry: &Registry) -> IntCounterVec {
        debug_assert!(matches!(self.kind, Kind::Counter), "{self:?}");
        let made = IntCounterVec::new(self.opts(), &self.label_names()).expect(VALID);
        self.known().for_each(|value| drop(made.with_label_values(&[value])));
        register(registry, made)
    }

    /// Times or sizes without a label.
    pub fn histogram(&self, registry: &Registry) -> Histogram {
        register(registry, Histogram::with_opts(self.buckets()).expect(VALID))
    }

    /// Times or sizes by labels.
    pub fn histograms(&self, registry: &Registry) -> HistogramVec {
        let made = HistogramVec::new(self.buckets(), &self.label_names()).expect(VALID);
        self.known().for_each(|value| drop(made.with_label_values(&[value])));
        register(registry, made)
    }

    /// What is read when somebody asks, by labels.
    pub fn gauges(&self, registry: &Registry) -> GaugeVec {
        debug_assert!(matches!(self.kind, Kind::Gauge), "{self:?}");
        let made = GaugeVec::new(self.opts(), &self.label_names()).expect(VALID);
        register(registry, made)
    }

    /// What is read when somebody asks: a gauge, or a count that is kept elsewhere.
    pub fn record(&self, registry: &Registry, value: f64) {
        match self.kind {
            Kind::Counter => {
                register(registry, Counter::with_opts(self.opts()).expect(VALID)).inc_by(value);
            }
            Kind::Gauge | Kind::Histogram(_) => {
                register(registry, Gauge::with_opts(self.opts()).expect(VALID)).set(value);
            }
        }
    }

    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }

    fn buckets(&self) -> HistogramOpts {
        let Kind::Histogram(buckets) = self.kind else {
            panic!("{} is made a histogram, which it is not", self.name)
        };
        HistogramOpts::new(self.name, self.help).buckets(buckets.to_vec())
    }

    fn label_names(&self) -> Vec<&'static str> {
        self.labels.iter().map(|label| label.name).collect()
    }

    /// The values of its one label, if they are known.
    fn known(&self) -> impl Iterator<Item = &'static str> {
        let one = if let [label] = self.labels { label.values } else { &[] };
        one.iter().copied()
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, made: C) -> C {
    registry.register(Box::new(made.clone())).expect("every metric is registered once");
    made
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, fs, path::Path};

    use prometheus::TextEncoder;

    use super::*;

    /// What a scrape reads has these lines.
    fn reads(registry: &Registry, lines: &[&str]) -> String {
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in lines {
            assert!(text.lines().any(|it| it == *line), "{line:?} is not in:\n{text}");
        }
        text
    }

    #[test]
    fn what_is_counted_and_recorded_is_read_with_its_kind_and_its_help() {
        let registry = Registry::new();
        SUBMITTED.counter(&registry).inc_by(2);
        RETRIES.counters(&registry).with_label_values(&["shop"]).inc_by(3);
        JOBS_WAITING.gauges(&registry).with_label_values(&["shop"]).set(4.0);
        SPOOL_CUT.record(&registry, 5.0);
        PROCESS_THREADS.record(&registry, 6.0);
        COMMIT_TIME.histogram(&registry).observe(0.25);
        QUEUE.histograms(&registry).with_label_values(&["/"]).observe(0.5);
        let lines = [
            "# TYPE ostler_durable_submitted_total counter",
            "ostler_durable_submitted_total 2",
            "# TYPE ostler_retries_total counter",
            "ostler_retries_total{app=\"shop\"} 3",
            "# TYPE ostler_jobs_waiting gauge",
            "ostler_jobs_waiting{app=\"shop\"} 4",
            "# TYPE ostler_spool_cut_total counter",
            "ostler_spool_cut_total 5",
            "# TYPE process_threads gauge",
            "process_threads 6",
            "# TYPE ostler_store_commit_seconds histogram",
            "ostler_store_commit_seconds_sum 0.25",
            "ostler_store_commit_seconds_count 1",
            "# TYPE ostler_queue_seconds histogram",
            "ostler_queue_seconds_sum{route=\"/\"} 0.5",
        ];
        let text = reads(&registry, &lines);
        let made =
            [SUBMITTED, RETRIES, JOBS_WAITING, SPOOL_CUT, PROCESS_THREADS, COMMIT_TIME, QUEUE];
        for Metric { name, help, .. } in made {
            assert!(text.contains(&format!("# HELP {name} {help}\n")), "{name}:\n{text}");
        }
    }

    #[test]
    fn series_whose_label_is_known_are_there_from_the_start_and_no_others() {
        let registry = Registry::new();
        API_REFUSED.counters(&registry);
        DURABLE_RUN.histograms(&registry);
        FINISHED.counters(&registry);
        RUN.histograms(&registry);
        let lines = [
            "ostler_api_refused_total{reason=\"no_token\"} 0",
            "ostler_api_refused_total{reason=\"bad_token\"} 0",
            "ostler_api_refused_total{reason=\"scope\"} 0",
            "ostler_durable_run_seconds_count{outcome=\"succeeded\"} 0",
            "ostler_durable_run_seconds_count{outcome=\"failed\"} 0",
        ];
        let text = reads(&registry, &lines);
        assert!(!text.contains(FINISHED.name) && !text.contains(RUN.name), "{text}");
        assert_eq!(text.matches("ostler_api_refused_total{").count(), 3, "{text}");
    }

    #[test]
    fn buckets_reach_from_the_least_to_the_most_that_they_are_for() {
        for (metric, least, most) in [
            (RUN, 0.0001, 60.0),
            (DECISIONS, 1e-7, 0.01),
            (DURABLE_RUN, 0.001, 7200.0),
            (COMMIT_TIME, 0.0001, 5.0),
            (COMMIT_CHANGES, 1.0, 1024.0),
        ] {
            let registry = Registry::new();
            let made = Metric { labels: &[], ..metric }.histogram(&registry);
            [least, most, most * 1.01].into_iter().for_each(|value| made.observe(value));
            let within = |le: &str, count| format!("{}_bucket{{le=\"{le}\"}} {count}", metric.name);
            let (least, most) = (least.to_string(), most.to_string());
            let lines = [within(&least, 1), within(&most, 2), within("+Inf", 3)];
            let text = reads(&registry, &lines.each_ref().map(String::as_str));
            let first = text.lines().find(|line| line.contains("_bucket{"));
            assert_eq!(first, Some(&*lines[0]), "nothing is below the least");
            let last = text.lines().filter(|line| line.contains("_bucket{")).nth_back(1);
            assert_eq!(last, Some(&*lines[1]), "nothing is above the most");
        }
    }

    /// The table of the document.
    fn table() -> String {
        let mut text = "| metric | type | labels | is |\n| --- | --- | --- | --- |\n".to_owned();
        for metric in ALL {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let label = |label: &Label| match label.values {
                [] => format!("`{}`", label.name),
                values => format!("`{}`: `{}`", label.name, values.join("`, `")),
            };
            let labels: Vec<_> = metric.labels.iter().map(label).collect();
            let (name, labels, help) = (metric.name, labels.join(", "), metric.help);
            writeln!(text, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
        }
        text
    }

    #[test]
    fn the_document_has_every_metric_as_it_is_declared() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
        let document = fs::read_to_string(&path).unwrap();
        let begin = document.find("| metric | ").expect("there is a table of metrics");
        let end = begin + document[begin..].find("\n\n").expect("it ends") + 1;
        if std::env::var_os("OSTLER_BLESS").is_some() {
            let new = [&document[..begin], &table(), &document[end..]].concat();
            return fs::write(&path, new).unwrap();
        }
        assert!(
            document[begin..end] == table(),
            "docs/OPERATIONS.md is old; write its table again with OSTLER_BLESS=1 cargo test -p ostler-metrics the_document_has_every_metric"
        );
    }

    #[test]
    fn names_labels_and_kinds_are_as_the_field_has_them() {
        let registry = Registry::new();
        for metric in ALL {
            match metric.kind {
                Kind::Counter => drop(metric.counters(&registry)),
                Kind::Gauge => drop(metric.gauges(&registry)),
                Kind::Histogram(_) => drop(metric.histograms(&registry)),
            }
            assert_eq!(
                metric.name.ends_with("_total"),
                matches!(metric.kind, Kind::Counter),
                "{metric:?}"
            );
            assert!(metric.name.starts_with("ostler_") || metric.name.starts_with("process_"));
            let has_values = metric.labels.iter().any(|label| !label.values.is_empty());
            assert!(
                !has_values || metric.labels.len() == 1,
                "{metric:?}: series from the start are made of one label alone"
            );
        }
    }
}
