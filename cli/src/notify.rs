//! Tells the service manager what we are at, where it asks for that by `NOTIFY_SOCKET` (sd_notify(3)).

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// Where it listens. It is for this process alone.
pub(crate) const VARIABLE: &str = "NOTIFY_SOCKET";

/// Every listener is open.
pub(crate) fn ready() {
    tell("READY=1");
}

/// The end has begun.
pub(crate) fn stopping() {
    tell("STOPPING=1");
}

fn tell(state: &str) {
    if let Some(socket) = env::var_os(VARIABLE) {
        // Who asks and does not listen waits in vain.
        let _ = send(&socket, state);
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let way = UnixDatagram::unbound()?;
    // A manager that does not read holds nobody up.
    way.set_nonblocking(true)?;
    way.send_to_addr(state.as_bytes(), &address).map(drop)
}
