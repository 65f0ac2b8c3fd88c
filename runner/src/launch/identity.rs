//! Who the child is and how much it may use.

use std::{collections::BTreeMap, ffi::CString};

use nix::{
    sys::resource::setrlimit,
    unistd::{Uid, User, geteuid, initgroups, setgid, setuid},
};

use super::{Failure, rlimit_of};

/// Sets the limits, soft and hard alike.
pub(super) fn limit_resources(limits: &BTreeMap<String, u64>) -> Result<(), Failure> {
    for (name, &value) in limits {
        let resource = rlimit_of(name).ok_or_else(|| {
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
    let failure = |what: String| {
        Failure::new("user", what)
            .hint("name a user of this host and run the runner as root or as that user")
    };
    let user = User::from_name(name)
        .map_err(|e| failure(format!("cannot look up the user {name}: {e}")))?
        .ok_or_else(|| failure(format!("there is no user {name} on this host")))?;
    if user.uid == geteuid() {
        return Ok(names(&user));
    }
    if !geteuid().is_root() {
        let own = Uid::effective();
        return Err(failure(format!("cannot become {name}: the runner is uid {own}, not root")));
    }
    let c_name = CString::new(name).map_err(|_| failure("the user's name has a NUL".into()))?;
    initgroups(&c_name, user.gid)
        .and_then(|()| setgid(user.gid))
        .and_then(|()| setuid(user.uid))
        .map_err(|e| failure(format!("cannot become {name}: {e}")))?;
    Ok(names(&user))
}

fn names(user: &User) -> Vec<(String, String)> {
    let name = user.name.clone();
    let home = user.dir.to_string_lossy().into_owned();
    vec![("HOME".into(), home), ("USER".into(), name.clone()), ("LOGNAME".into(), name)]
}
