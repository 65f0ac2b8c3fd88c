//! Why a gateway could not start.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

/// See the module. Nothing has been served then.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {0}: {problem}", problem = listening(.1))]
    Listen(SocketAddr, io::Error),
    /// The state folder, or a file in it, cannot be used.
    #[error("cannot use {path}: {1}", path = .0.display())]
    State(PathBuf, io::Error),
    /// A certificate or key cannot be used.
    #[error("cannot use the certificate {path}: {1}", path = .0.display())]
    Certificate(PathBuf, String),
    /// The store of durable jobs cannot be used.
    #[error("{0}")]
    Jobs(String),
    /// The system gives no thread or timer.
    #[error("cannot start a thread: {0}")]
    Runtime(io::Error),
}

/// What stands in the way of listening, with the cure where there is one.
fn listening(error: &io::Error) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        "another program does; stop it or choose another address".to_owned()
    } else if kind == io::ErrorKind::PermissionDenied {
        "ports below 1024 need root or CAP_NET_BIND_SERVICE".to_owned()
    } else {
        error.to_string()
    }
}
