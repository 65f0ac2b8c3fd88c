//! Becoming another user.

use std::{ffi::CString, os::fd::OwnedFd};

use nix::unistd::{User, fchown, geteuid, initgroups, setgid, setuid};

use super::failure::Failure;

/// Looks the user up and becomes it, with its groups; the two outputs of `fds` become its own, so that it may open `/dev/stdout` and
/// `/dev/stderr`. Returns the user; `None` when no user is asked for.
pub(super) fn become_user(name: Option<&str>, fds: &[OwnedFd]) -> Result<Option<User>, Failure> {
    let Some(name) = name else { return Ok(None) };
    let user = User::from_name(name)
        .map_err(|e| Failure::of(e, || format!("cannot look up the user {name}: {e}")))?
        .ok_or_else(|| format!("there is no user {name} on this host; make it or name another"))?;
    if user.uid == geteuid() {
        return Ok(Some(user));
    }
    if !geteuid().is_root() {
        let own = geteuid();
        return Err(Failure::Cannot(format!(
            "cannot become {name}: the runner is uid {own}; run it as root or as that user"
        )));
    }
    let c_name = CString::new(name).map_err(|_| "the user's name has a NUL")?;
    // Standard input may be a file that others read too; the pipes are this command's alone.
    let mut outputs = fds.iter().take(2);
    outputs
        .try_for_each(|fd| fchown(fd, Some(user.uid), None))
        .and_then(|()| initgroups(&c_name, user.gid))
        .and_then(|()| setgid(user.gid))
        .and_then(|()| setuid(user.uid))
        .map_err(|e| Failure::of(e, || format!("cannot become {name}: {e}")))?;
    Ok(Some(user))
}
