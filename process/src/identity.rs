//! Becoming another user.

use std::{ffi::CString, os::fd::OwnedFd};

use nix::{
    errno::Errno,
    unistd::{Uid, User, fchown, geteuid, initgroups, setgid, setuid},
};

/// Why a process cannot become a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The host did not answer who that is.
    Lookup(Errno),
    /// There is no such user.
    Unknown,
    /// This process is another user, and not root.
    NotRoot(Uid),
    /// The name has a NUL.
    Nul,
    /// The kernel did not let it.
    Refused(Errno),
}

/// Looks the user up and becomes it, with its groups; `outputs` become its own, so that it may open `/dev/stdout` and
/// `/dev/stderr`.
pub fn become_user(name: &str, outputs: &[OwnedFd]) -> Result<User, Denied> {
    let user = User::from_name(name).map_err(Denied::Lookup)?.ok_or(Denied::Unknown)?;
    if user.uid == geteuid() {
        return Ok(user);
    }
    if !geteuid().is_root() {
        return Err(Denied::NotRoot(geteuid()));
    }
    let c_name = CString::new(name).map_err(|_| Denied::Nul)?;
    outputs
        .iter()
        .try_for_each(|fd| fchown(fd, Some(user.uid), None))
        .and_then(|()| initgroups(&c_name, user.gid))
        .and_then(|()| setgid(user.gid))
        .and_then(|()| setuid(user.uid))
        .map_err(Denied::Refused)?;
    Ok(user)
}

/// The variables that name a user to its programs.
pub fn variables(user: &User) -> [(String, String); 3] {
    let home = user.dir.to_string_lossy().into_owned();
    let name = &user.name;
    [("HOME", &home), ("USER", name), ("LOGNAME", name)]
        .map(|(variable, value)| (variable.to_owned(), value.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_user_needs_no_rights_and_a_stranger_is_named() {
        let own = User::from_uid(geteuid()).unwrap().unwrap();
        let user = become_user(&own.name, &[]).unwrap();
        assert_eq!(user.uid, own.uid);
        assert!(variables(&user).contains(&("USER".to_owned(), own.name)));
        assert_eq!(become_user("no such user", &[]).unwrap_err(), Denied::Unknown);
    }
}
