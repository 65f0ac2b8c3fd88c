//! What a gateway tells the program that started it.

/// Something that a person who watches would want to know.
#[derive(Clone, Debug)]
pub enum GatewayEvent {
    /// An app has children that serve, on one host.
    AppReady {
        /// The app.
        app: String,
        /// The runner.
        host: String,
        /// Its ready children there.
        children: u32,
    },
    /// An app fails to boot on a host.
    AppFailed {
        /// The app.
        app: String,
        /// The runner.
        host: String,
        /// What went wrong.
        failure: BootFailure,
    },
    /// A runner is connected.
    RunnerJoined {
        /// Its name.
        name: String,
    },
    /// A runner's link ended.
    RunnerLost {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A runner offers what it did not join for, and gets none of it.
    RunnerExceeds {
        /// Its name.
        name: String,
        /// What it offers.
        what: String,
    },
    /// A runner offers an app that the gateway does not know.
    AppUnknown {
        /// The app.
        app: String,
        /// The runner.
        host: String,
    },
    /// Something that an operator should look at.
    Warning(String),
}

/// Why an app did not boot, as the runner told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootFailure {
    /// The step that failed.
    pub stage: String,
    /// The error's class.
    pub class: String,
    /// One sentence.
    pub message: String,
    /// What may cure it.
    pub hint: String,
    /// The child's last lines on stderr.
    pub stderr: String,
    /// The language's backtrace.
    pub backtrace: String,
}
