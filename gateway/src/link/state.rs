//! What runners tell about their apps: APP and STATE frames.

use ostler_wire::{Fields, Frame, Kind};

use super::hub::Hub;
use crate::{
    event::{BootFailure, GatewayEvent},
    pool::AppState,
};

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
        "lost",
        "reload",
        "stopped",
    ];
    reasons.contains(&text)
}

/// The code of an APP frame that tells a failure.
const FAILED: u16 = 2;

/// Takes an APP or STATE frame. Apps that the gateway does not route to are ignored.
pub(crate) fn handle(hub: &Hub, runner: &str, frame: &Frame) {
    let Ok(fields) = frame.fields() else { return };
    let Some(app) = fields.text(":app") else { return };
    let Some(pool) = hub.pools.get(app) else { return };
    let before = pool.states().into_iter().find(|(name, _)| name == runner).map(|(_, s)| s);
    let mut state = before.clone().unwrap_or_default();
    if frame.header.kind == Kind::State {
        state.numbers = numbers(&fields);
    } else {
        state.ready = fields.number(":ready").and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        state.failure = (frame.header.code == FAILED).then(|| failure(&fields, &frame.body));
        tell(hub, runner, app, before.as_ref().and_then(|b| b.failure.as_ref()), &mut state);
    }
    pool.set_state(runner, Some(state));
}

/// A link of a runner is gone; when it was the last, nothing that the runner said holds any more.
pub(crate) fn forget(hub: &Hub, runner: &str) {
    if !hub.runner_left(runner) {
        return;
    }
    hub.pools.values().for_each(|pool| pool.set_state(runner, None));
}

fn numbers(fields: &Fields<'_>) -> Vec<(String, u64)> {
    let number = |(name, value): (&[u8], &[u8])| {
        let name = std::str::from_utf8(name).ok()?;
        let value = std::str::from_utf8(value).ok()?.parse().ok()?;
        let known = STATES.contains(&name) || name.strip_prefix("exit.").is_some_and(is_reason);
        known.then(|| (name.to_owned(), value))
    };
    let all = fields.clone().filter(|(name, _)| !name.starts_with(b":")).filter_map(number);
    // One label, one value: of a name that comes twice the last one counts.
    all.collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()
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

/// Tells the first failure of its kind, and children that are ready beyond what was told before.
fn tell(hub: &Hub, runner: &str, app: &str, before: Option<&BootFailure>, state: &mut AppState) {
    let (app, host) = (app.to_owned(), runner.to_owned());
    match &state.failure {
        Some(failure) if before.is_none_or(|b| b.message != failure.message) => {
            hub.notices.tell(GatewayEvent::AppFailed { app, host, failure: failure.clone() });
        }
        Some(_) => {}
        None if state.ready > state.told => {
            hub.notices.tell(GatewayEvent::AppReady { app, host, children: state.ready });
        }
        None => {}
    }
    state.told = if state.ready == 0 { 0 } else { state.told.max(state.ready) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_told_twice_the_last_counts_and_of_what_nobody_knows_nothing() {
        let head = b"idle\x001\0idle\x002\0exit.signal\x003\0exit.made_up\x004\0more\x005\0\xff\x006\0busy\x00x";
        let fields = Fields::parse(head).expect("it is well formed");
        let told = numbers(&fields);
        // A label twice would make every scrape of the metrics fail.
        assert_eq!(told, [("exit.signal".to_owned(), 3), ("idle".to_owned(), 2)]);
    }
}
