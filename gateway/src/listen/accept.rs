//! Accepts connections until the drain begins.

use std::{net::SocketAddr, os::fd::AsRawFd, sync::Arc, time::Duration};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, setsockopt, sockopt,
};
use ostler_machine::shutdown::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::serve;
use crate::{
    connection_budget::ConnectionClass,
    request::{self, ServerState},
};

/// Connections that the kernel keeps for us before we accept them.
const BACKLOG: i32 = 4096;

/// Opens a listening socket that every thread can share.
pub(crate) fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = nix::sys::socket::socket(family, SockType::Stream, flags, None)?;
    // A restarted gateway need not wait for the old connections' last packets.
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    let fd = socket.as_raw_fd();
    match address {
        SocketAddr::V4(v4) => nix::sys::socket::bind(fd, &SockaddrIn::from(v4))?,
        SocketAddr::V6(v6) => {
            // `[::]` is every IPv6 address and no other, so that it goes beside `0.0.0.0`.
            setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
            nix::sys::socket::bind(fd, &SockaddrIn6::from(v6))?;
        }
    }
    nix::sys::socket::listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(socket.into())
}

/// Serves a listener on this thread.
pub(crate) async fn accept(
    server: Arc<ServerState>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shutdown: Shutdown,
) {
    loop {
        server.connections.await_evictions().await;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.draining() => return,
        };
        match accepted {
            Ok((stream, peer)) => begin(&server, stream, peer, tls.clone(), &shutdown),
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                server
                    .notices
                    .warn_seldom("accept", &format!("cannot accept connections: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The client left before it was accepted; nothing is wrong with us.
fn is_of_the_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

fn begin(
    server: &Arc<ServerState>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    shutdown: &Shutdown,
) {
    let many = request::is_trusted(server, peer.ip());
    let Some(permit) = server.connections.enter_as(ConnectionClass::Web, peer.ip(), many) else {
        server.metrics.connections.with_label_values(&["refused"]).inc();
        return;
    };
    let (server, shutdown) = (server.clone(), shutdown.clone());
    tokio::spawn(async move {
        let activity = &permit.activity;
        tokio::select! {
            // Errors end a connection; what a request saw of them is in its log line.
            _ = serve::connection(&server, stream, peer, tls, (&shutdown, activity)) => {}
            () = permit.evicted() => {}
        }
        drop(permit);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ipv6_address_goes_beside_every_ipv4_one() {
        if std::net::TcpListener::bind("[::1]:0").is_err() {
            return; // A host without IPv6.
        }
        let all_of_ipv4 = listen("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = all_of_ipv4.local_addr().unwrap().port();
        let all_of_ipv6 = listen(format!("[::]:{port}").parse().unwrap());
        assert!(all_of_ipv6.is_ok(), "{all_of_ipv6:?}");
    }
}
