//! Whether a gateway lives that holds a state folder, and where it listens.
//!
//! The first token may do everything, so that no program may get it which has only taken the port of a gateway that is gone.
//! From one that lives no port can be taken: what was connected while one gateway held the folder, before and after, is it.

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use serde_json::Value;

use super::Address;
use crate::{announce::ADDRESSES, failure::Failure, front::LOCK};

/// A gateway that held the folder at one moment.
#[derive(Debug)]
pub(super) struct Life {
    folder: PathBuf,
    addresses: Value,
    /// Which file the addresses were in, since each gateway writes one of its own.
    file: (u64, u64, i64, i64),
}

impl Life {
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let run = folder.join("run");
        let path = run.join(ADDRESSES);
        let data = fs::metadata(&path).ok()?;
        let addresses: Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        (holder(&run.join(LOCK))? == addresses["pid"].as_u64()?).then(|| Self {
            folder: folder.to_owned(),
            addresses,
            file: (data.dev(), data.ino(), data.mtime(), data.mtime_nsec()),
        })
    }

    /// The gateway that the token in its folder is for.
    pub(super) fn for_token(folder: &Path, address: &Address) -> Result<Self, Failure> {
        Self::of(folder).ok_or_else(|| {
            Failure::unavailable(format!(
                "no gateway runs with the state folder {}, whose token would go to {address}; start \
                 it, or give another token with --token or OSTLER_TOKEN",
                folder.display()
            ))
        })
    }

    /// Whether it is there still, and has been all the time.
    pub(super) fn goes_on(&self) -> bool {
        Self::of(&self.folder).is_some_and(|now| now.file == self.file)
    }

    /// Where its API is to be asked.
    pub(super) fn api(&self) -> Option<SocketAddr> {
        let first: SocketAddr = self.addresses["api"][0].as_str()?.parse().ok()?;
        // By its number, since another program can have the other meaning of `localhost`.
        let ip = match first.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        Some(SocketAddr::new(ip, first.port()))
    }

    /// Refuses what was connected to when it may be another program.
    pub(super) fn vouch(&self, peer: SocketAddr, address: &Address) -> Result<(), Failure> {
        let folder = self.folder.display();
        if !self.has_listener(peer) {
            return Err(Failure::denied(format!(
                "the token in {folder} is for its own gateway, which does not listen at {address}; \
                 give another with --token or OSTLER_TOKEN"
            )));
        }
        match self.goes_on() {
            true => Ok(()),
            false => Err(Failure::unavailable(format!("the gateway of {folder} has just ended"))),
        }
    }

    /// Whether what was connected to is a listener of its.
    fn has_listener(&self, peer: SocketAddr) -> bool {
        let listeners = ["api", "https", "http"].into_iter();
        let mut listeners = listeners.filter_map(|name| self.addresses[name].as_array()).flatten();
        listeners.any(|listener| {
            let listener = listener.as_str().and_then(|text| text.parse::<SocketAddr>().ok());
            listener.is_some_and(|listener| {
                let everywhere =
                    listener.ip().is_unspecified() && listener.is_ipv4() == peer.is_ipv4();
                listener.port() == peer.port() && (everywhere || listener.ip() == peer.ip())
            })
        })
    }
}

/// Where the gateway of a state folder listens.
pub(super) fn of_state(folder: &Path) -> Result<Address, Failure> {
    let none = || {
        Failure::unavailable(format!(
            "no gateway runs with the state folder {}; start one with `ostler serve`, or name one \
             with --api",
            folder.display()
        ))
    };
    let first = Life::of(folder).ok_or_else(none)?.api().ok_or_else(|| {
        Failure::unavailable("the gateway has no API listener; start it with --api 127.0.0.1:2691")
    })?;
    let (host, port) = (first.ip().to_string(), first.port());
    Ok(Address { secure: false, host, port, prefix: String::new() })
}

/// Who holds a lock; `None` when nobody does.
fn holder(path: &Path) -> Option<u64> {
    let file = File::open(path).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        // A gateway that starts at this moment waits for longer than this lasts.
        Ok(_free) => None,
        Err((_, Errno::EWOULDBLOCK)) => {
            fs::read_to_string(path).ok()?.split_ascii_whitespace().next()?.parse().ok()
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    /// A state folder whose gateway says this of itself.
    fn folder(pid: u32, api: &str) -> (tempfile::TempDir, State) {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(Some(folder.path())).unwrap();
        let known =
            serde_json::json!({"pid": pid, "api": [api], "http": [], "https": ["0.0.0.0:443"]});
        state.write(ADDRESSES, known.to_string().as_bytes()).unwrap();
        (folder, state)
    }

    #[test]
    fn a_gateway_lives_that_holds_the_folder_and_has_said_where_it_listens() {
        let (kept, state) = folder(std::process::id(), "0.0.0.0:2691");
        assert!(Life::of(kept.path()).is_none(), "nobody holds it");
        let lock = state.lock(LOCK).unwrap();
        let life = Life::of(kept.path()).unwrap();
        assert!(life.goes_on());
        assert_eq!(life.api().unwrap().to_string(), "127.0.0.1:2691");
        for (peer, is_door) in [
            ("127.0.0.1:2691", true),
            ("127.0.0.1:2692", false),
            ("[::1]:2691", false),
            ("192.0.2.1:443", true),
        ] {
            assert_eq!(life.has_listener(peer.parse().unwrap()), is_door, "{peer}");
        }
        // The next one says the same, and is another.
        let same = fs::read(state.run(ADDRESSES)).unwrap();
        state.write(ADDRESSES, &same).unwrap();
        assert!(!life.goes_on());
        drop(lock);
        assert!(Life::of(kept.path()).is_none());
    }

    #[test]
    fn one_that_starts_is_not_where_the_one_before_was() {
        let (kept, state) = folder(1, "[::]:2691");
        let _lock = state.lock(LOCK).unwrap();
        assert!(Life::of(kept.path()).is_none());
        let (kept, state) = folder(std::process::id(), "[::]:2691");
        let _lock = state.lock(LOCK).unwrap();
        assert_eq!(Life::of(kept.path()).unwrap().api().unwrap().to_string(), "[::1]:2691");
    }
}
