//! `ostler token join`: lets runners of other machines join the gateway of this state folder.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _, UdpSocket},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use ostler_gateway::token::{self, Listed, Scope, TokenRequest};
use ostler_runner::runtime;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    announce::ADDRESSES,
    args::StateArgs,
    failure::{Failure, NOT_FOUND},
    front,
    jobs::{
        output::{OutputArgs, Pages},
        table::{Cell, Look, draw, left},
        when,
    },
    state::State,
    terminal::{counted, note, say},
    values,
};

#[derive(Args, Debug)]
pub(crate) struct JoinArgs {
    /// Where runners reach this gateway [default: where it listens for them]
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// How long the token lets runners join; those that joined stay
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    ttl: Duration,
    /// How many runners it lets in: a number, or unlimited
    #[arg(long, value_name = "N|unlimited", default_value = "1", value_parser = uses)]
    uses: Uses,
    /// The one name that it lets in [default: any that is free]
    #[arg(long, value_name = "NAME", value_parser = values::name)]
    name: Option<String>,
    /// Apps that those may serve who join with it, with commas; none for no app [default: all]
    #[arg(long, value_name = "APPS", value_delimiter = ',', value_parser = values::name)]
    apps: Option<Vec<String>>,
    /// Those who join with it run no durable jobs
    #[arg(long)]
    no_jobs: bool,
    /// List the tokens that still let somebody in
    #[arg(long, conflicts_with_all = ["address", "uses", "name", "apps", "no_jobs", "revoke"])]
    list: bool,
    /// Take back the token of this id; runners that joined stay
    #[arg(long, value_name = "ID", conflicts_with_all = ["address", "uses", "name", "apps", "no_jobs"])]
    revoke: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    state: StateArgs,
}

/// How many; `None`: any number.
#[derive(Clone, Copy, Debug)]
struct Uses(Option<u32>);

fn uses(text: &str) -> Result<Uses, String> {
    if text == "unlimited" {
        return Ok(Uses(None));
    }
    let number = text.parse().ok().filter(|number| *number > 0);
    number
        .map(|number| Uses(Some(number)))
        .ok_or_else(|| "expected a whole number from 1, or unlimited".to_owned())
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = values::duration(text)?;
    if ttl < Duration::from_secs(1) { Err("at least 1s".to_owned()) } else { Ok(ttl) }
}

pub(crate) fn run(args: JoinArgs) -> Result<ExitCode, Failure> {
    let state = State::open(args.state.state.as_deref())?;
    if args.list {
        return list(&state, &args.output);
    }
    if let Some(id) = &args.revoke {
        return revoke(&state, id);
    }
    let address = match &args.address {
        Some(text) => resolve(text)?,
        None => listening(&state)?,
    };
    // A name stays a name: it may mean another address where the runner is, or later.
    let dialled = args.address.unwrap_or_else(|| address.to_string());
    let none = |apps: &Vec<String>| apps.len() == 1 && apps[0] == "none";
    let apps = args
        .apps
        .map(|apps| if none(&apps) { BTreeSet::new() } else { apps.into_iter().collect() });
    let scope = Scope { apps, jobs: !args.no_jobs };
    let wish = TokenRequest {
        address: dialled.clone(),
        ttl: args.ttl,
        uses: args.uses.0,
        name: args.name,
        scope,
    };
    let (who, what) = (admitted(&wish), may(&wish.scope));
    let token = token::create(state.folder(), wish)
        .map_err(|error| Failure::unavailable(error.to_string()))?;
    println!("{token}");
    note(&format!(
        "for {} this lets {who} that can reach {dialled} join, to {what}: ostler runner --join - [{}]",
        values::show_duration(args.ttl),
        runtime::forms("")
    ));
    if address.ip().is_loopback() {
        note(
            "only this machine reaches that address; let the gateway listen with --runners \
             0.0.0.0:2692, and name its address with --address HOST:PORT",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn admitted(wish: &TokenRequest) -> String {
    match (&wish.name, wish.uses) {
        (Some(name), _) => format!("the runner {name}"),
        (None, Some(uses)) => counted(uses.into(), "runner", "runners"),
        (None, None) => "any number of runners".to_owned(),
    }
}

fn may(scope: &Scope) -> String {
    let apps = match &scope.apps {
        None => Some("serve every app".to_owned()),
        Some(apps) if apps.is_empty() => None,
        Some(apps) => {
            Some(format!("serve {}", apps.iter().cloned().collect::<Vec<_>>().join(", ")))
        }
    };
    let jobs = scope.jobs.then(|| "run jobs".to_owned());
    let all: Vec<_> = apps.into_iter().chain(jobs).collect();
    if all.is_empty() { "do nothing".to_owned() } else { all.join(" and ") }
}

fn list(state: &State, output: &OutputArgs) -> Result<ExitCode, Failure> {
    let found =
        token::list(state.folder()).map_err(|error| Failure::unavailable(error.to_string()))?;
    let mut pages = Pages::new(output.output);
    pages.page(&found, table)?;
    if pages.is_empty() {
        note("no join tokens");
    }
    pages.end()?;
    Ok(ExitCode::SUCCESS)
}

fn table(tokens: &[Listed]) -> String {
    let now = OffsetDateTime::now_utc();
    let row = |token: &Listed| -> Vec<Cell> {
        let expires = i64::try_from(token.expires).ok();
        let expires = expires.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
        let expires = expires.and_then(|at| at.format(&Rfc3339).ok());
        vec![
            token.id.as_str().into(),
            token.uses.map_or_else(|| "unlimited".to_owned(), |uses| uses.to_string()).into(),
            token.name.as_deref().unwrap_or("-").into(),
            may(&token.scope).into(),
            expires.map_or_else(|| "-".to_owned(), |at| when::relative(&at, now)).into(),
        ]
    };
    let columns = ["ID", "USES", "NAME", "MAY", "EXPIRES"].map(left);
    let rows: Vec<Vec<Cell>> = tokens.iter().map(row).collect();
    draw(&columns, &rows, Look::of_stdout())
}

fn revoke(state: &State, id: &str) -> Result<ExitCode, Failure> {
    let revoked = token::revoke(state.folder(), id)
        .map_err(|error| Failure::unavailable(error.to_string()))?;
    if !revoked {
        return Err(Failure::with(
            NOT_FOUND,
            vec![format!("there is no join token {id}; ostler token join --list shows them")],
        ));
    }
    say(&format!("join token {id} is revoked"));
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
