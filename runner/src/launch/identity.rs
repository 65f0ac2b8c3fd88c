//! Who the child is and how much it may use.

use std::collections::BTreeMap;

use nix::sys::resource::setrlimit;
use ostler_process::{
    identity::{self, Denied},
    limits,
};

use super::Failure;

/// Sets the limits, soft and hard alike.
pub(super) fn limit_resources(wanted: &BTreeMap<String, u64>) -> Result<(), Failure> {
    for (name, &value) in wanted {
        let resource = limits::resource(name).ok_or_else(|| {
            Failure::new("rlimits", format!("there is no resource limit named {name}"))
                .hint("known are nofile, core, fsize, nproc, cpu and as")
        })?;
        setrlimit(resource, value, value).map_err(|e| {
            Failure::new("rlimits", format!("cannot set the limit {name} to {value}: {e}"))
                .hint("only root may raise a hard limit")
        })?;
    }
    Ok(())
}

/// Becomes the user, with its groups. Returns the variables that name it.
pub(super) fn become_user(name: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let Some(name) = name else { return Ok(Vec::new()) };
    let user = identity::become_user(name, &[]).map_err(|denied| {
        let what = match denied {
            Denied::Lookup(e) => format!("cannot look up the user {name}: {e}"),
            Denied::Unknown => format!("there is no user {name} on this host"),
            Denied::NotRoot(own) => {
                format!("cannot become {name}: the runner is uid {own}, not root")
            }
            Denied::Nul => "the user's name has a NUL".into(),
            Denied::Refused(e) => format!("cannot become {name}: {e}"),
        };
        Failure::new("user", what)
            .hint("name a user of this host and run the runner as root or as that user")
    })?;
    Ok(identity::variables(&user).into())
}
