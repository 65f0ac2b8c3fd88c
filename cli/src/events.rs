//! Tells on stderr what becomes of apps and runners.

use std::collections::BTreeMap;

use ostler_gateway::{BootFailure, GatewayEvent};

use crate::{
    config::Runner,
    terminal::{Tone, counted, note, say, toned},
};

/// Knows which runner is our own, and how many children it keeps at least.
#[derive(Debug)]
pub(crate) struct Events {
    local: String,
    least: BTreeMap<String, u32>,
}

impl Events {
    pub(crate) fn new(runner: &Runner) -> Self {
        let least = runner.apps.iter().map(|app| (app.name.clone(), app.children_min));
        Self { local: runner.name.clone(), least: least.collect() }
    }

    /// Says what happened.
    pub(crate) fn tell(&self, event: &GatewayEvent) {
        match event {
            GatewayEvent::AppReady { app, host, children } => self.ready(app, host, *children),
            GatewayEvent::AppFailed { app, host, failure } => self.failed(app, host, failure),
            // Our own runner comes and goes with us, and its keeper tells when it dies.
            GatewayEvent::RunnerJoined { name } | GatewayEvent::RunnerLost { name, .. }
                if *name == self.local => {}
            GatewayEvent::RunnerJoined { name } => say(&format!("runner {name} joined")),
            GatewayEvent::RunnerLost { name, reason } => {
                say(&format!("runner {name} is gone: {reason}"));
            }
            GatewayEvent::RunnerExceeds { name, what } => note(&format!(
                "runner {name} offers {what}, for which it did not join: nothing of that goes to it; let it offer less, or \
                 `ostler runner remove {name} --now` and let it join with a token that allows it"
            )),
            GatewayEvent::AppUnknown { app, host } => note(&format!(
                "runner {host} offers the app {app}, which this gateway does not know: no request goes to it; give it [app.{app}] \
                 and a [[route]] with to = \"app:{app}\" here, or let that runner serve it under a name that is known here"
            )),
            GatewayEvent::Warning(text) => note(text),
        }
    }

    fn place(&self, host: &str) -> String {
        if host == self.local { String::new() } else { format!(" on {host}") }
    }

    fn ready(&self, app: &str, host: &str, children: u32) {
        let least = self.least.get(app).filter(|least| host == self.local && children < **least);
        let children = match (children, least) {
            (_, Some(least)) => {
                format!("{children} of {}", counted((*least).into(), "child", "children"))
            }
            (_, None) => counted(children.into(), "child", "children"),
        };
        let ready = toned(Tone::Good, "ready:");
        say(&format!("{ready} app {app}, {children}{}", self.place(host)));
    }

    fn failed(&self, app: &str, host: &str, failure: &BootFailure) {
        let BootFailure { stage, class, message, hint, stderr, backtrace } = failure;
        let glue = if class.is_empty() || message.is_empty() { "" } else { ": " };
        let failed = toned(Tone::Bad, "failed:");
        let place = self.place(host);
        say(&format!("{failed} app {app}{place} does not start ({stage}): {class}{glue}{message}"));
        tail(if backtrace.is_empty() { stderr } else { backtrace });
        if !hint.is_empty() {
            say(&format!("  {hint}"));
        }
        say("  it is tried again by itself; its pages show the whole story meanwhile");
    }
}

/// The last lines, indented.
fn tail(text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[lines.len().saturating_sub(TAIL)..] {
        say(&format!("    {}", toned(Tone::Faint, line)));
    }
}

/// Lines of a backtrace that are told here.
const TAIL: usize = 12;
