//! Which folder of a crate may use which: each only those before it, so that none stand in a circle.

use super::{Finding, Source};

/// The modules at the top of a crate, each after all that it uses. An import upwards is a decision.
const ORDERS: &[(&str, &[&str])] = &[
    (
        "machine/src/",
        &["clock", "disk", "peer", "process", "secret", "shutdown", "threads", "vital"],
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
            "view",
            "jobs",
            "log",
            "events",
            "payloads",
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
            "hash", "host", "runtime", "config", "error", "logs", "frames", "launch", "check",
            "pool", "event", "apps", "link", "jobs", "agent", "run",
        ],
    ),
    (
        "cli/src/",
        &[
            "failure",
            "terminal",
            "values",
            "root",
            "broken",
            "notify",
            "app",
            "config",
            "events",
            "lacks",
            "state",
            "signals",
            "summary",
            "plan",
            "front",
            "args",
            "client",
            "jobs",
            "supervise",
            "verb",
            "command_line",
        ],
    ),
];

/// Every use of a module of the same crate that comes later in its order.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let Some((root, order)) = ORDERS.iter().find(|(root, _)| source.path.starts_with(root)) else {
        return Vec::new();
    };
    if source.is_test() || !source.path.ends_with(".rs") {
        return Vec::new();
    }
    let inner = source.path[root.len()..].trim_end_matches(".rs").trim_end_matches("/mod");
    let own = inner.split('/').next().unwrap_or_default();
    if matches!(own, "lib" | "main") {
        return Vec::new();
    }
    let place = |module: &str| order.iter().position(|name| *name == module);
    let Some(here) = place(own) else {
        let cure = format!("{own} has no place in its crate: add it to xtask/src/tidy/folders.rs");
        return vec![Finding::new(&source.path, 1, cure)];
    };
    let depth = inner.split('/').count();
    let tests = source.tests_begin();
    let text: Vec<&str> = source
        .lines()
        .take_while(|(line, _)| *line < tests)
        .map(|(_, text)| text.split("//").next().unwrap_or_default())
        .collect();
    let upwards = |(line, module): (usize, String)| {
        (place(&module)? > here).then(|| {
            let cure = format!(
                "{own} may not use {module}, which comes after it: move what is shared down, or hand it in"
            );
            Finding::new(&source.path, line, cure)
        })
    };
    used(&text.join("\n"), depth).into_iter().filter_map(upwards).collect()
}

/// The modules at the top of the crate that a text names, with their lines. `depth`: how far below the top it lies.
fn used(text: &str, depth: usize) -> Vec<(usize, String)> {
    let top = "super::".repeat(depth);
    let mut found = Vec::new();
    for prefix in ["crate::", top.as_str()] {
        for (at, _) in text.match_indices(prefix) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let line = text[..at].matches('\n').count();
            let rest = &text[at + prefix.len()..];
            found.extend(names(rest).into_iter().map(|(below, name)| (line + below + 1, name)));
        }
    }
    found
}

/// The name that a path begins with, or those of a group, each with how many lines below it stands.
fn names(path: &str) -> Vec<(usize, String)> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    if !path.starts_with('{') {
        return vec![(0, word(path))];
    }
    let (mut depth, mut starts, mut line, mut found) = (0, true, 0, Vec::new());
    for (at, c) in path.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' => starts |= depth == 1,
            '\n' => line += 1,
            c if depth == 1 && starts && !c.is_whitespace() => {
                found.push((line, word(&path[at..])));
                starts = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}
