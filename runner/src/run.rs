//! From a configuration to a running agent.

use std::io;

use nix::sys::prctl;
use tokio::task::LocalSet;

use ostler_shell_module::{kill_orphans, state_mark};

use crate::{
    agent::Agent,
    check,
    config::Config,
    error::RunError,
    host::Host,
    logs::{Line, LogThread, Logger},
    runtime::ChildBundles,
};

/// Keeps children of the apps until told to stop. Makes its own runtime and blocks; log lines go to standard output.
///
/// The calling program must offer [`crate::launch::main`] as its verb `launch`, since it is what children begin as.
pub fn run(config: Config) -> Result<(), RunError> {
    let system = |what| move |error: io::Error| RunError::System { what, error };
    let host = Host::this().map_err(system("find the own program"))?;
    check::check(&config)?;
    let codes = ChildBundles::write(&config.state, config.apps.iter().map(|app| &app.serve))
        .map_err(|error| RunError::State { folder: config.state.clone(), error })?;
    // Grandchildren whose parents die fall to us and not to init, so that they are seen and reaped.
    prctl::set_child_subreaper(true)
        .map_err(|e| system("become the reaper of orphans")(e.into()))?;
    // Jobs of an earlier runner that died together with their supervisors must not run beside their next attempts.
    let orphans = kill_orphans(&[state_mark(&config.state)], None);
    let (logs, log_thread): (Logger, LogThread) =
        Logger::start(Box::new(io::stdout())).map_err(system("start the log thread"))?;
    if orphans > 0 {
        let detail = format!("{orphans} {}", if orphans == 1 { "process" } else { "processes" });
        let message = "jobs of an earlier runner were killed";
        let line =
            Line { level: "warn", stream: "runner", detail: &detail, message, ..Line::default() };
        logs.write(line);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start a runtime"))?;
    let local = LocalSet::new();
    let result = local.block_on(&runtime, async move {
        let agent = Agent::new(host, config, &codes, logs)?;
        agent.run().await
    });
    drop(local);
    drop(runtime);
    log_thread.finish();
    result
}
