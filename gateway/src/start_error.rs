//! Why a gateway could not start.

use std::{io, net::SocketAddr, path::PathBuf};

/// See the module. Nothing has been served then.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// The state folder, or a file in it, cannot be used.
    State(PathBuf, io::Error),
    /// A certificate or key cannot be used.
    Certificate(PathBuf, String),
    /// The store of durable jobs cannot be used.
    Jobs(String),
    /// The system gives no thread or timer.
    Runtime(io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen(address, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {address}: another program does; stop it or choose another address"
            ),
            Self::Listen(address, error) if error.kind() == io::ErrorKind::PermissionDenied => {
                write!(
                    f,
                    "cannot listen on {address}: ports below 1024 need root or CAP_NET_BIND_SERVICE"
                )
            }
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::State(path, error) => write!(f, "cannot use {}: {error}", path.display()),
            Self::Certificate(path, problem) => {
                write!(f, "cannot use the certificate {}: {problem}", path.display())
            }
            Self::Jobs(problem) => f.write_str(problem),
            Self::Runtime(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
