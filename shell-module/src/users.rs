//! Whose rights commands have.

use std::collections::{BTreeMap, BTreeSet};

use nix::unistd::{User, geteuid};
use ostler_job::durable::Command;
use serde::{Deserialize, Serialize};

/// Which users commands may run as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Users {
    /// The user of commands that name none; `None`: the runner's own.
    pub default: Option<String>,
    /// Further users that commands may name.
    pub more: BTreeSet<String>,
    /// The one user of a tenant's commands.
    pub tenants: BTreeMap<String, String>,
    /// Whether commands may run as the runner's own user; unless somebody says so, only while nothing else is configured.
    pub own: Option<bool>,
    /// Commands gain no rights by what they execute, such as `sudo`.
    pub no_new_privs: bool,
}

impl Users {
    /// Whether a command may have the rights of the runner itself.
    pub(crate) fn allow_own(&self) -> bool {
        self.own.unwrap_or_else(|| self.default.is_none() && self.tenants.is_empty())
    }

    /// Whether some command may be the runner's own user by one way or another.
    pub fn may_be_own(&self) -> bool {
        let named = self.default.iter().chain(self.tenants.values());
        self.allow_own() || named.into_iter().any(|user| is_own(user))
    }

    /// The user of a tenant's command; `None`: the runner's own. The reason, when it may not run.
    pub(crate) fn of(&self, tenant: &str, command: &Command) -> Result<Option<String>, String> {
        let asked = command.user.as_ref();
        if let Some(user) = self.tenants.get(tenant) {
            return match asked.filter(|asked| *asked != user) {
                None => Ok(Some(user.clone())),
                Some(asked) => Err(format!(
                    "commands of the tenant {tenant} run as {user} here, not as {asked}; leave user out, or change `tenant_users` of the runner"
                )),
            };
        }
        let Some(user) = asked.or(self.default.as_ref()) else {
            return self.as_own().map(|()| None);
        };
        if self.default.as_ref() == Some(user) || self.more.contains(user) {
            return Ok(Some(user.clone()));
        }
        if is_own(user) {
            return self.as_own().map(|()| Some(user.clone()));
        }
        Err(format!("this runner runs no command as {user}; add the user to its `job_users`"))
    }

    fn as_own(&self) -> Result<(), String> {
        match self.allow_own() {
            true => Ok(()),
            false => Err("this runner runs no command as its own user; name another, or set its `job_user` or `job_own_user`".to_owned()),
        }
    }
}

/// Whether it is the runner's own user, by whatever name.
fn is_own(user: &str) -> bool {
    User::from_name(user).ok().flatten().is_some_and(|user| user.uid == geteuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(user: Option<&str>) -> Command {
        Command { user: user.map(str::to_owned), ..Command::default() }
    }

    fn own() -> String {
        User::from_uid(geteuid()).unwrap().unwrap().name
    }

    #[test]
    fn without_a_word_commands_are_the_runners_own() {
        let users = Users { more: ["build".to_owned()].into(), ..Users::default() };
        assert_eq!(users.of("t", &asks(None)), Ok(None));
        assert_eq!(users.of("t", &asks(Some(&own()))), Ok(Some(own())));
        assert_eq!(users.of("t", &asks(Some("build"))), Ok(Some("build".into())));
        assert!(users.of("t", &asks(Some("stranger"))).unwrap_err().contains("job_users"));
    }

    #[test]
    fn a_default_user_takes_the_own_one_away() {
        let users = Users { default: Some("nobody".into()), ..Users::default() };
        assert_eq!(users.of("t", &asks(None)), Ok(Some("nobody".into())));
        assert_eq!(users.of("t", &asks(Some("nobody"))), Ok(Some("nobody".into())));
        assert!(users.of("t", &asks(Some(&own()))).unwrap_err().contains("own user"));
        let users = Users { own: Some(true), ..users };
        assert_eq!(users.of("t", &asks(Some(&own()))), Ok(Some(own())));
        let users = Users { own: Some(false), ..Users::default() };
        assert!(users.of("t", &asks(None)).is_err());
    }

    #[test]
    fn a_tenants_user_is_its_only_one() {
        let tenants = [("shop".to_owned(), "shopper".to_owned())].into();
        let more = ["build".to_owned()].into();
        let users = Users { tenants, more, ..Users::default() };
        assert_eq!(users.of("shop", &asks(None)), Ok(Some("shopper".into())));
        assert_eq!(users.of("shop", &asks(Some("shopper"))), Ok(Some("shopper".into())));
        for other in ["build", &own()] {
            assert!(users.of("shop", &asks(Some(other))).unwrap_err().contains("shopper"));
        }
        assert!(users.of("bank", &asks(Some("shopper"))).is_err(), "it is the shop's alone");
        assert!(users.of("bank", &asks(None)).is_err(), "nobody falls back to the runner's own");
        assert!(users.of("bank", &asks(Some("build"))).is_ok());
    }
}
