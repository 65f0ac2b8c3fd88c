//! Becoming another user.

use std::ffi::CString;

use nix::unistd::{User, geteuid, initgroups, setgid, setuid};

/// Looks the user up and becomes it, with its groups. Returns it; `None` when no user is asked for.
pub(super) fn become_user(name: Option<&str>) -> Result<Option<User>, String> {
    let Some(name) = name else { return Ok(None) };
    let user = User::from_name(name)
        .map_err(|e| format!("cannot look up the user {name}: {e}"))?
        .ok_or_else(|| {
        format!("there is no user {name} on this host; make it or name another")
    })?;
    if user.uid == geteuid() {
        return Ok(Some(user));
    }
    if !geteuid().is_root() {
        let own = geteuid();
        return Err(format!(
            "cannot become {name}: the runner is uid {own}; run it as root or as that user"
        ));
    }
    let c_name = CString::new(name).map_err(|_| "the user's name has a NUL".to_owned())?;
    initgroups(&c_name, user.gid)
        .and_then(|()| setgid(user.gid))
        .and_then(|()| setuid(user.uid))
        .map_err(|e| format!("cannot become {name}: {e}"))?;
    Ok(Some(user))
}
