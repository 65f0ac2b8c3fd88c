//! The environment of a command: a small base of the runner's own, what the job says, its secrets, and who it is.
//!
//! The runner's own environment is not inherited: it may hold tokens.

use std::{collections::BTreeMap, path::PathBuf, sync::OnceLock};

use nix::unistd::{User, geteuid};
use ostler_job::{
    Wall,
    durable::{AttemptKey, Command, FiringKey},
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::{orphans::STATE, secrets, setup::Setup};

/// Variables that commands get from the runner's own environment.
const BASE: [&str; 6] = ["PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "TERM"];
/// The same, unless the command runs as another user, who has its own.
const OF_USER: [&str; 4] = ["HOME", "USER", "LOGNAME", "SHELL"];
/// Where commands are looked for when the runner itself does not know.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const SECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
const MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// What every command gets, with the runner's own variables by `var`.
fn base(as_another: bool, var: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let of_user = if as_another { &[][..] } else { &OF_USER[..] };
    let inherited = BASE.iter().chain(of_user);
    let mut env: BTreeMap<String, String> =
        inherited.filter_map(|&name| Some((name.to_owned(), var(name)?))).collect();
    if !as_another {
        for (name, value) in of_own_user() {
            env.entry((*name).to_owned()).or_insert_with(|| value.clone());
        }
    }
    env.entry("PATH".to_owned()).or_insert_with(|| PATH.to_owned());
    env
}

/// What the user database says of the runner's own user: a service is mostly started without these.
fn of_own_user() -> &'static [(&'static str, String)] {
    static OWN: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    OWN.get_or_init(|| {
        let Some(user) = User::from_uid(geteuid()).ok().flatten() else { return Vec::new() };
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let [home, name, logname, shell] = OF_USER;
        vec![
            (home, text(user.dir)),
            (name, user.name.clone()),
            (logname, user.name),
            (shell, text(user.shell)),
        ]
    })
}

/// What is run for the runner itself finds this, and nothing of any job.
pub(crate) fn of_runner(setup: &Setup, as_another: bool) -> BTreeMap<String, String> {
    let mut env = base(as_another, |name| std::env::var(name).ok());
    env.insert(STATE.to_owned(), setup.state.to_string_lossy().into_owned());
    env
}

/// All variables, or why there is one missing.
pub(crate) fn environment(
    setup: &Setup,
    key: AttemptKey,
    command: &Command,
    firing: Option<&FiringKey>,
) -> Result<BTreeMap<String, String>, String> {
    let mut env = of_runner(setup, command.user.is_some());
    let state = env[STATE].clone();
    env.extend(command.env.clone());
    env.extend(secrets::read(setup.secrets.as_deref(), &command.secrets)?);
    let own = [
        ("OSTLER_JOB", key.job.to_string()),
        ("OSTLER_ATTEMPT", key.attempt.to_string()),
        ("OSTLER_FENCE", key.fence.0.to_string()),
        ("OSTLER_RUNNER", setup.runner.clone()),
        (STATE, state),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if let Some(FiringKey { schedule, due }) = firing {
        env.insert("OSTLER_SCHEDULE".to_owned(), schedule.to_string());
        env.insert("OSTLER_DUE".to_owned(), moment(*due));
    }
    Ok(env)
}

/// RFC 3339 in UTC, with milliseconds only where there are some: schedules fire at whole seconds, people at any moment.
pub(crate) fn moment(wall: Wall) -> String {
    let shape = if wall.0.is_multiple_of(1000) { SECONDS } else { MILLISECONDS };
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(wall.0) * 1_000_000).ok();
    // One that no calendar has is told as its number.
    at.and_then(|at| at.format(shape).ok()).unwrap_or_else(|| wall.0.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_without_variables_gives_its_commands_those_of_its_user() {
        let env = base(false, |_| None);
        let user =
            User::from_uid(geteuid()).unwrap().expect("whoever tests is in the user database");
        assert_eq!(env["HOME"], user.dir.to_string_lossy());
        assert_eq!((&env["USER"], &env["LOGNAME"]), (&user.name, &user.name));
        assert_eq!(env["SHELL"], user.shell.to_string_lossy());
        assert_eq!(env["PATH"], PATH);
    }

    #[test]
    fn a_moment_has_milliseconds_only_where_it_has_some() {
        for (wall, text) in [
            (1_795_748_400_000, "2026-11-27T03:00:00Z"),
            (1_795_748_400_050, "2026-11-27T03:00:00.050Z"),
            (0, "1970-01-01T00:00:00Z"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(moment(Wall(wall)), text);
        }
    }

    #[test]
    fn the_runners_own_variables_come_first_and_another_user_gets_none_of_them() {
        let var = |name: &str| (name == "HOME").then(|| "/elsewhere".to_owned());
        assert_eq!(base(false, var)["HOME"], "/elsewhere");
        assert_eq!(base(true, var).keys().collect::<Vec<_>>(), ["PATH"]);
    }
}
