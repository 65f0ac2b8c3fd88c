//! What `serve` and `gateway` do alike: open the gateway, introduce it, run it.

use std::{
    fs,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ostler_gateway::{AccessLog, Config, Gateway, Limits, Listen, Shutdown, StartError};

use crate::{
    announce::{ADDRESSES, Announcement},
    config::Settings,
    events::Events,
    failure::Failure,
    lacks, notify,
    state::{Lock, State},
    summary::summary,
    terminal::{note, say},
};

/// What a gateway holds as long as it lives.
pub(crate) const LOCK: &str = "lock";
/// Where runners are expected when nobody says otherwise.
pub(crate) const RUNNERS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2692);

/// Keeps a second gateway off this state folder.
pub(crate) fn lock(state: &State) -> Result<Lock, Failure> {
    let lock = state.lock(LOCK).map_err(|held| held.failure("ostler", state))?;
    // What one that was killed has left says where others may listen by now. Not there is as good as removed.
    let _ = fs::remove_file(state.run(ADDRESSES));
    Ok(lock)
}

/// What can be seen to be wrong before anything opens.
pub(crate) fn look(gateway: &Config) -> Result<(), Failure> {
    if let AccessLog::File(path, _) = &gateway.access_log
        && let Some(trouble) = lacks::log_trouble(path)
    {
        return Err(Failure::unavailable(trouble));
    }
    match gateway.listen.https.is_empty() {
        true => Ok(()),
        false => Gateway::look(gateway).map_err(|error| Failure::unavailable(error.to_string())),
    }
}

/// Opens every listener, or says which one stays shut and why.
pub(crate) fn open(settings: &mut Settings, state: &State) -> Result<Gateway, Failure> {
    settings.gateway.state = state.folder().to_path_buf();
    look(&settings.gateway)?;
    settings.notes.extend(fit_connections(&mut settings.gateway.limits));
    let mut gateway = Gateway::bind(settings.gateway.clone())
        .map_err(|error| Failure::unavailable(shut(&error, &settings.gateway.listen)))?;
    let events = Events::new(&settings.runner);
    gateway.on_event(move |event| events.tell(&event));
    Ok(gateway)
}

/// Why the gateway does not open, with the flag that cures it.
fn shut(error: &StartError, listen: &Listen) -> String {
    let StartError::Listen(address, cause) = error else { return error.to_string() };
    let listeners = [
        ("http", &listen.http),
        ("https", &listen.https),
        ("api", &listen.api),
        ("runners", &listen.runners),
    ];
    let flag = listeners
        .iter()
        .find(|(_, listener)| listener.contains(address))
        .map_or("http", |(f, _)| f);
    let known = [
        (ErrorKind::AddrInUse, "address in use; stop the other program or choose another"),
        (ErrorKind::AddrNotAvailable, "this machine has no such address; choose another"),
        (
            ErrorKind::PermissionDenied,
            "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another",
        ),
    ];
    let told = known.iter().find(|(kind, _)| *kind == cause.kind());
    told.map_or_else(
        || error.to_string(),
        |(_, why)| format!("cannot listen on {address}: {why} with --{flag}"),
    )
}

/// Raises the limit of open files as far as allowed, and lowers the connections to what it carries.
fn fit_connections(limits: &mut Limits) -> Option<String> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let files = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    };
    limits.files = usize::try_from(files).unwrap_or(usize::MAX);
    let (connections, carried) = (limits.connections, limits.carried());
    if connections <= carried {
        return None;
    }
    let text = format!(
        "limits.connections is {carried} and not {connections}, because this process may open \
         only {files} files; raise it with ulimit -n or LimitNOFILE"
    );
    limits.connections = carried;
    Some(text)
}

/// Says what listens where, to people and, as long as it is not dropped, to the other verbs.
pub(crate) fn introduce(
    gateway: &Gateway,
    settings: &Settings,
    state: &State,
) -> Result<Announcement, Failure> {
    let addresses = gateway.addresses();
    let texts = |list: &[SocketAddr]| list.iter().map(SocketAddr::to_string).collect::<Vec<_>>();
    let known = serde_json::json!({
        "pid": std::process::id(),
        "http": texts(&addresses.http),
        "https": texts(&addresses.https),
        "api": texts(&addresses.api),
        "runners": texts(&addresses.runners),
    });
    let announcement = Announcement::write(state, known.to_string());
    say(&summary(settings, &addresses, state.folder()));
    let announcement = announcement?;
    announcement.note();
    for text in &settings.notes {
        note(text);
    }
    notify::ready();
    Ok(announcement)
}

/// Serves until drained.
pub(crate) fn run(gateway: Gateway, shutdown: &Shutdown) -> Result<(), Failure> {
    gateway.run(shutdown).map_err(|error| Failure::broken(error.to_string()))
}
