//! Tells on stderr what becomes of apps and runners.

use ostler_gateway::{BootFailure, GatewayEvent};

use crate::terminal::{Tone, note, say, toned};

/// Says what happened.
pub(crate) fn tell(event: &GatewayEvent) {
    match event {
        GatewayEvent::AppReady { app, host, children } => {
            let children = match children {
                1 => "1 child".to_owned(),
                number => format!("{number} children"),
            };
            let ready = toned(Tone::Good, "ready:");
            say(&format!("{ready} app {app}, {children} on {host}"));
        }
        GatewayEvent::AppFailed { app, host, failure } => {
            let BootFailure { stage, class, message, hint, stderr, backtrace } = failure;
            let failed = toned(Tone::Bad, "failed:");
            let what = match (class.is_empty(), message.is_empty()) {
                (false, false) => format!("{class}: {message}"),
                _ => format!("{class}{message}"),
            };
            say(&format!("{failed} app {app} on {host} does not start ({stage}): {what}"));
            tail(if backtrace.is_empty() { stderr } else { backtrace });
            if !hint.is_empty() {
                say(&format!("  {hint}"));
            }
            say("  it is tried again by itself; its pages show the whole story meanwhile");
        }
        GatewayEvent::RunnerJoined { name } => say(&format!("runner {name} joined")),
        GatewayEvent::RunnerLost { name, reason } => {
            say(&format!("runner {name} is gone: {reason}"));
        }
        GatewayEvent::Warning(text) => note(text),
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
