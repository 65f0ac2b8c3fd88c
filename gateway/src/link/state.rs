//! What runners tell about their apps: APP and STATE frames.

use std::borrow::Cow;

use ostler_job::name;
use ostler_notices::{BootFailure, GatewayEvent};
use ostler_pool::AppState;
use ostler_wire::{
    Frame, Kind,
    message::{App, Failure, State},
};

use super::hub::Hub;

/// Takes an APP or STATE frame. One that is none is ignored, and apps that are not of the config are told of once.
pub(crate) fn handle(hub: &Hub, runner: &str, frame: &Frame) {
    if frame.header.kind == Kind::State {
        let Ok(told) = State::of(frame) else { return };
        change(hub, runner, told.app, |_, state| state.numbers = told.figures);
    } else {
        let Ok(told) = App::of(frame) else { return };
        if !hub.pools.contains_key(told.app) && name::is_good(told.app) {
            return hub.tell_unknown(runner, told.app);
        }
        change(hub, runner, told.app, |before, state| {
            state.ready = told.ready;
            state.failure = told.failure.map(boot_failure);
            tell(hub, runner, told.app, before, state);
        });
    }
}

/// What was told of an app on a runner changes; the change is told the failure of before.
fn change(
    hub: &Hub,
    runner: &str,
    app: &str,
    change: impl FnOnce(Option<&BootFailure>, &mut AppState),
) {
    let Some(pool) = hub.pools.get(app) else { return };
    let before = pool.states().into_iter().find(|(name, _)| name == runner).map(|(_, s)| s);
    let mut state = before.clone().unwrap_or_default();
    change(before.as_ref().and_then(|b| b.failure.as_ref()), &mut state);
    pool.set_state(runner, Some(state));
}

fn boot_failure(told: Failure<'_>) -> BootFailure {
    let text = |text: Option<Cow<'_, str>>| text.unwrap_or_default().into_owned();
    BootFailure {
        stage: text(told.stage),
        class: text(told.class),
        message: text(told.message),
        hint: text(told.hint),
        stderr: text(told.stderr),
        backtrace: told.trace.into_owned(),
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
