//! `ostler token join`: lets runners of other machines join the gateway of this state folder.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _, UdpSocket},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use crate::{
    args::StateArgs,
    config::values,
    failure::Failure,
    front::{self, ADDRESSES},
    state::State,
    terminal::note,
};

#[derive(Args, Debug)]
pub(crate) struct JoinArgs {
    /// Where runners reach this gateway [default: where it listens for them]
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// How long the token lets runners join; those that joined stay
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    ttl: Duration,
    #[command(flatten)]
    state: StateArgs,
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = values::duration(text)?;
    if ttl < Duration::from_secs(1) { Err("at least 1s".to_owned()) } else { Ok(ttl) }
}

pub(crate) fn run(args: JoinArgs) -> Result<ExitCode, Failure> {
    let state = State::open(args.state.state.as_deref())?;
    let address = match &args.address {
        Some(text) => resolve(text)?,
        None => listening(&state)?,
    };
    // A name stays a name: it may mean another address where the runner is, or later.
    let dialled = args.address.unwrap_or_else(|| address.to_string());
    let token = ostler_gateway::token::create(state.folder(), &dialled, args.ttl)
        .map_err(|error| Failure::unavailable(error.to_string()))?;
    println!("{token}");
    note(&format!(
        "for {} this lets runners that reach {dialled} join: ostler runner --join TOKEN \
         [wsgi:module:callable]",
        values::show_duration(args.ttl)
    ));
    if address.ip().is_loopback() {
        note(
            "only this machine reaches that address; let the gateway listen with --runners \
             0.0.0.0:2692, and name its address with --address HOST:PORT",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn resolve(text: &str) -> Result<SocketAddr, Failure> {
    let mut found = text
        .to_socket_addrs()
        .map_err(|error| Failure::usage(format!("--address {text}: {error}; write HOST:PORT")))?;
    found.next().ok_or_else(|| Failure::usage(format!("--address {text}: no such host")))
}

/// Where the gateway of this state folder listens, or would by default.
fn listening(state: &State) -> Result<SocketAddr, Failure> {
    let text = fs::read(state.run(ADDRESSES)).unwrap_or_default();
    let Ok(addresses) = serde_json::from_slice::<serde_json::Value>(&text) else {
        return Ok(front::RUNNERS);
    };
    let first = addresses["runners"][0].as_str().and_then(|text| text.parse().ok());
    let address: SocketAddr = first.ok_or_else(|| {
        Failure::unavailable(
            "the gateway does not listen for runners; start it with --runners ADDR",
        )
    })?;
    if !address.ip().is_unspecified() {
        return Ok(address);
    }
    Ok(SocketAddr::new(outward().unwrap_or_else(|| Ipv4Addr::LOCALHOST.into()), address.port()))
}

/// The address that this host has towards others. Connecting a datagram socket sends nothing.
fn outward() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
