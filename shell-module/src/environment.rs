//! The environment of a command: a small base of the runner's own, what the job says, its secrets, and who it is.
//!
//! The runner's own environment is not inherited: it may hold tokens.

use std::collections::BTreeMap;

use ostler_job::durable::{AttemptKey, Command};

use crate::{Setup, secrets, strays::STATE};

/// Variables that commands get from the runner's own environment.
const BASE: [&str; 6] = ["PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "TERM"];
/// The same, unless the command runs as another user, who has its own.
const OF_USER: [&str; 4] = ["HOME", "USER", "LOGNAME", "SHELL"];
/// Where commands are looked for when the runner itself does not know.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All variables, or why there is one missing.
pub(crate) fn environment(
    setup: &Setup,
    key: AttemptKey,
    command: &Command,
) -> Result<BTreeMap<String, String>, String> {
    let of_user = if command.user.is_some() { &[][..] } else { &OF_USER[..] };
    let inherited = BASE.iter().chain(of_user);
    let mut env: BTreeMap<String, String> =
        inherited.filter_map(|&name| Some((name.to_owned(), std::env::var(name).ok()?))).collect();
    env.entry("PATH".to_owned()).or_insert_with(|| PATH.to_owned());
    env.extend(command.env.clone());
    env.extend(secrets::read(setup.secrets.as_deref(), &command.secrets)?);
    let own = [
        ("OSTLER_JOB", key.job.to_string()),
        ("OSTLER_ATTEMPT", key.attempt.to_string()),
        ("OSTLER_FENCE", key.fence.0.to_string()),
        ("OSTLER_RUNNER", setup.runner.clone()),
        (STATE, setup.state.to_string_lossy().into_owned()),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    Ok(env)
}
