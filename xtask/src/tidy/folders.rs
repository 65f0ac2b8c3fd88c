//! Which folder of a crate may use which: each only those before it, so that none stand in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Source, imports};

/// The modules at the top of a crate, each after all that it uses. An import upwards is a decision.
const ORDERS: &[(&str, &[&str])] = &[
    (
        "job/src/",
        &[
            "time",
            "wall",
            "calendar",
            "ids",
            "labels",
            "name",
            "selector",
            "promise",
            "termination",
            "units",
            "durable",
        ],
    ),
    ("wire/src/", &["kind", "error", "fields", "frame", "encode", "decode", "streams", "message"]),
    (
        "scheduler/src/",
        &[
            "hash",
            "heap",
            "tenants",
            "lane",
            "reach",
            "jobs",
            "waitlist",
            "backlog",
            "config",
            "event",
            "standing",
            "arrivals",
            "discipline",
            "tree",
            "fleet",
            "marks",
            "resources",
            "expiry",
            "scheduler",
            "dispatch",
            "adopt",
            "claims",
            "again",
            "allot",
            "retry",
            "view",
            "why",
            "invariants",
        ],
    ),
    ("private/src/", &["named", "umask", "file", "folder"]),
    ("process/src/", &["fds", "identity", "limits", "pidfd", "proc", "signals", "launch", "tree"]),
    (
        "driver/src/",
        &[
            "ticket",
            "config",
            "queue_event",
            "schedule_event",
            "event",
            "why",
            "batch",
            "actor_input",
            "unsettled",
            "links",
            "counts",
            "names",
            "claims",
            "jobs",
            "outbox",
            "moments",
            "recent",
            "estimate",
            "selectors",
            "queues",
            "queue_tree",
            "caps",
            "dedupe",
            "late",
            "leave",
            "returns",
            "broken",
            "beat",
            "report",
            "edit",
            "relocate",
            "room",
            "steer",
            "submit",
            "schedules",
            "restore",
            "runners",
            "attach",
            "closing",
            "timer",
            "figures",
            "reasons",
            "invariants",
            "actor",
            "actor_view",
            "unwritten",
        ],
    ),
    ("store/src/", &["read_limit", "committer", "memory", "sqlite", "files"]),
    (
        "cron-module/src/",
        &["expression", "timing", "crontab", "explain", "plan", "round", "source"],
    ),
    (
        "shell-module/src/",
        &[
            "message",
            "disk",
            "share",
            "kept",
            "log",
            "users",
            "setup",
            "orphans",
            "secrets",
            "environment",
            "outputs",
            "control",
            "input",
            "mail",
            "attempt",
            "shell",
            "supervise",
        ],
    ),
    (
        "pool/src/",
        &[
            "quarantine",
            "config",
            "passing",
            "carrier",
            "drive",
            "demand",
            "tenants",
            "prefetch",
            "saturation",
            "timeouts",
            "supply",
            "head_of_line",
            "report",
            "invariants",
        ],
    ),
    (
        "durable/src/",
        &[
            "source",
            "config",
            "backlog",
            "specs",
            "opened_store",
            "owed",
            "members",
            "schedule_metrics",
            "metrics",
            "room",
            "hello",
            "refusals",
            "schedule_notices",
            "watches",
            "queues",
            "schedules",
            "tokens",
            "trouble",
            "runners",
            "pulls",
            "transfers",
            "driver_thread",
            "link",
            "effects",
            "unwritten",
            "steer",
            "oversee",
            "retention",
            "set_back",
            "start",
            "looks",
            "reasons",
            "backend",
        ],
    ),
    (
        "machine/src/",
        &[
            "boot", "clock", "disk", "peer", "process", "secret", "shutdown", "threads", "vital",
            "zones",
        ],
    ),
    (
        "api/src/",
        &[
            "backend",
            "new_token",
            "problem",
            "guard",
            "auth",
            "schema",
            "body",
            "sse",
            "compress",
            "parse",
            "names",
            "reasons",
            "sooner",
            "retry_view",
            "view",
            "jobs",
            "log",
            "events",
            "payloads",
            "queues",
            "schedules",
            "runners",
            "status",
            "tokens",
            "entry",
            "openapi",
        ],
    ),
    ("notices/src/", &["event", "quota"]),
    ("heads/src/", &["host", "percent", "request_id", "http1", "http2"]),
    (
        "gateway/src/",
        &[
            "connection_budget",
            "config",
            "still",
            "connection",
            "log",
            "metrics",
            "request",
            "target",
            "link",
            "scrape",
            "listen",
            "start_error",
            "assembly",
            "gateway",
            "measure",
        ],
    ),
    (
        "runner/src/",
        &[
            "hash",
            "host",
            "runtime",
            "config",
            "error",
            "logs",
            "frames",
            "launch",
            "check",
            "child_pool",
            "event",
            "apps",
            "link",
            "jobs",
            "agent",
            "run",
        ],
    ),
    (
        "cli/src/",
        &[
            "failure",
            "terminal",
            "values",
            "root",
            "panic_hook",
            "notify",
            "app",
            "config",
            "events",
            "lacks",
            "state",
            "signals",
            "summary",
            "plan",
            "announce",
            "front",
            "args",
            "client",
            "jobs",
            "queues",
            "schedules",
            "supervise",
            "verb",
            "command_line",
        ],
    ),
];

/// Modules of a crate that need no order, at most.
const FEW: usize = 3;

/// Every use of a module of the same crate that comes later in its order, by its own name or by what the crate's head passes on of it.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let heads = sources.iter().filter(|source| source.path.ends_with("/src/lib.rs"));
    heads
        .flat_map(|head| {
            let root = head.path.trim_end_matches("lib.rs");
            let of_crate = |source: &&Source| source.path.starts_with(root) && !source.is_test();
            let files: Vec<&Source> = sources.iter().filter(of_crate).collect();
            match ORDERS.iter().find(|(crate_of, _)| *crate_of == root) {
                Some((_, order)) => {
                    let passed_on = imports::passed_on(&production(head));
                    files.iter().flat_map(|file| upwards(file, root, order, &passed_on)).collect()
                }
                None => unordered(head, root, &files),
            }
        })
        .collect()
}

/// A crate of many modules that has no order.
fn unordered(head: &Source, root: &str, files: &[&Source]) -> Vec<Finding> {
    let tops: BTreeSet<&str> = files.iter().map(|file| top(&file.path[root.len()..])).collect();
    let many = tops.iter().filter(|name| !HEADS.contains(name)).count() > FEW;
    let cure =
        format!("{root} has more than {FEW} modules and no order: xtask/src/tidy/folders.rs");
    many.then(|| Finding::new(&head.path, 1, cure)).into_iter().collect()
}

/// Files that see all modules.
const HEADS: [&str; 2] = ["lib", "main"];

/// The module at the top of its crate that a file is or belongs to.
fn top(inner: &str) -> &str {
    inner.trim_end_matches(".rs").split('/').next().unwrap_or_default()
}

fn production(source: &Source) -> String {
    let tests = source.tests_begin();
    let lines = source.lines().take_while(|(line, _)| *line < tests);
    let code = lines.map(|(_, text)| text.split("//").next().unwrap_or_default());
    code.collect::<Vec<&str>>().join("\n")
}

fn upwards(
    source: &Source,
    root: &str,
    order: &[&str],
    passed_on: &BTreeMap<String, String>,
) -> Vec<Finding> {
    let inner = source.path[root.len()..].trim_end_matches(".rs").trim_end_matches("/mod");
    let own = top(inner);
    if HEADS.contains(&own) {
        return Vec::new();
    }
    let place = |module: &str| order.iter().position(|name| *name == module);
    let Some(here) = place(own) else {
        let cure = format!("{own} has no place in its crate: add it to xtask/src/tidy/folders.rs");
        return vec![Finding::new(&source.path, 1, cure)];
    };
    let upwards = |(line, name): (usize, String)| {
        let module = passed_on.get(&name).unwrap_or(&name);
        (place(module)? > here).then(|| {
            let cure = format!(
                "{own} may not use {module}, which comes after it: move what is shared down, or hand it in"
            );
            Finding::new(&source.path, line, cure)
        })
    };
    let depth = inner.split('/').count();
    imports::used(&production(source), depth).into_iter().filter_map(upwards).collect()
}
