//! What runners tell about their apps: APP and STATE frames.

use ostler_wire::{Fields, Frame, Kind};

use crate::{
    event::{BootFailure, GatewayEvent},
    gate::Gate,
};

/// The last word of one runner about one app.
#[derive(Clone, Debug, Default)]
pub(crate) struct AppState {
    pub(crate) ready: u32,
    /// Why it does not boot, while it does not.
    pub(crate) failure: Option<BootFailure>,
    /// Counts of the STATE frame by name: children by state, spawns, exits by reason.
    pub(crate) numbers: Vec<(String, u64)>,
}

/// Names of a STATE frame, besides `exit.REASON`; they become labels, so nothing else is taken.
const STATES: [&str; 8] =
    ["starting", "idle", "busy", "draining", "backoff", "spawns", "rss_bytes", "cpu_us"];

fn is_reason(text: &str) -> bool {
    let reasons = [
        "exited",
        "signal",
        "boot_failed",
        "max_requests",
        "lifetime",
        "timeout",
        "reload",
        "stopped",
    ];
    reasons.contains(&text)
}

/// Codes of an APP frame.
const READY: u16 = 1;
const FAILED: u16 = 2;

/// Takes an APP or STATE frame. Apps that the gateway does not route to are ignored.
pub(crate) fn handle(gate: &Gate, runner: &str, frame: &Frame) {
    let Ok(fields) = frame.fields() else { return };
    let Some(app) = fields.text(":app") else { return };
    let Some(pool) = gate.pools.get(app) else { return };
    let before = pool.states().into_iter().find(|(name, _)| name == runner).map(|(_, s)| s);
    let mut state = before.clone().unwrap_or_default();
    if frame.header.kind == Kind::State {
        state.numbers = numbers(&fields);
    } else {
        state.ready = fields.number(":ready").and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        state.failure = (frame.header.code == FAILED).then(|| failure(&fields, &frame.body));
        tell(gate, runner, app, frame.header.code, before.as_ref(), &state);
    }
    pool.set_state(runner, Some(state));
}

/// A runner is gone and says nothing any more.
pub(crate) fn forget(gate: &Gate, runner: &str) {
    gate.pools.values().for_each(|pool| pool.set_state(runner, None));
}

fn numbers(fields: &Fields<'_>) -> Vec<(String, u64)> {
    let number = |(name, value): (&[u8], &[u8])| {
        let name = std::str::from_utf8(name).ok()?;
        let value = std::str::from_utf8(value).ok()?.parse().ok()?;
        let known = STATES.contains(&name) || name.strip_prefix("exit.").is_some_and(is_reason);
        known.then(|| (name.to_owned(), value))
    };
    fields.clone().filter(|(name, _)| !name.starts_with(b":")).filter_map(number).collect()
}

fn failure(fields: &Fields<'_>, backtrace: &[u8]) -> BootFailure {
    let text = |name| {
        fields.value(name).map_or_else(String::new, |v| String::from_utf8_lossy(v).into_owned())
    };
    BootFailure {
        stage: text(b":stage"),
        class: text(b":class"),
        message: text(b":message"),
        hint: text(b":hint"),
        stderr: text(b":stderr"),
        backtrace: String::from_utf8_lossy(backtrace).into_owned(),
    }
}

fn tell(
    gate: &Gate,
    runner: &str,
    app: &str,
    code: u16,
    before: Option<&AppState>,
    state: &AppState,
) {
    let (app, host) = (app.to_owned(), runner.to_owned());
    let was = before.map(|b| (b.ready, &b.failure));
    if let Some(failure) = &state.failure {
        if was.is_none_or(|(_, f)| f.as_ref().map(|f| &f.message) != Some(&failure.message)) {
            gate.tell(GatewayEvent::AppFailed { app, host, failure: failure.clone() });
        }
    } else if code == READY && was.is_none_or(|(ready, f)| ready == 0 || f.is_some()) {
        gate.tell(GatewayEvent::AppReady { app, host, children: state.ready });
    }
}
