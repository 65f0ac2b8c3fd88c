//! What `serve` and `gateway` say once everything is open.

use std::{fmt::Write as _, net::SocketAddr, path::Path};

use ostler_gateway::{AccessLog, Addresses, LogFormat, TargetConfig};
use ostler_runner::AppSpec;

use crate::{
    app::interpreter,
    config::Settings,
    terminal::{Tone, counted, toned},
};

/// The whole of it, for stderr.
pub(crate) fn summary(settings: &Settings, addresses: &Addresses, state: &Path) -> String {
    let mut page = Page(String::new());
    let version = concat!("ostler ", env!("CARGO_PKG_VERSION"));
    page.0.push_str(&toned(Tone::Strong, version));
    page.0.push_str("\n\n");
    for name in settings.gateway.apps.keys() {
        let spec = settings.runner.apps.iter().find(|spec| spec.name == *name);
        page.row(
            "app",
            &spec.map_or_else(|| format!("{name}, served by runners that join"), one_app),
        );
    }
    if settings.runner.job_slots > 0 {
        page.row("jobs", &format!("{} at once on this host", settings.runner.job_slots));
    }
    listeners(&mut page, settings, addresses, state);
    page.row("state", &home(state));
    page.row("log", &log(&settings.gateway.access_log));
    let mut commands = commands(settings, addresses);
    if commands.is_empty() && !addresses.api.is_empty() {
        commands.push("ostler submit --wait -- echo hello".to_owned());
    }
    if !commands.is_empty() {
        page.0.push('\n');
        for (index, command) in commands.iter().enumerate() {
            page.row(if index == 0 { "try" } else { "" }, &toned(Tone::Strong, command));
        }
    }
    page.0
}

struct Page(String);

impl Page {
    fn row(&mut self, label: &str, text: &str) {
        let label = toned(Tone::Faint, &format!("{label:<8}"));
        writeln!(self.0, "  {label} {text}").expect("a String takes every write");
    }
}

fn one_app(spec: &AppSpec) -> String {
    let with = interpreter::find(spec).map_or_else(|why| why, |found| home(&found));
    let children = children(spec);
    format!(
        "{}  {children} of {} in {} with {with}",
        toned(Tone::Strong, &spec.name),
        spec.serve,
        home(&spec.root)
    )
}

/// How many children an app has, in words.
pub(crate) fn children(spec: &AppSpec) -> String {
    match (spec.children_min, spec.children_max) {
        (min, max) if min == max => counted(min.into(), "child", "children"),
        (min, max) => format!("{min} to {max} children"),
    }
}

fn listeners(page: &mut Page, settings: &Settings, addresses: &Addresses, state: &Path) {
    let certificate = match settings.gateway.certificates.len() {
        0 => format!("development certificate {}", home(&state.join("dev.pem"))),
        1 => "1 certificate".to_owned(),
        number => format!("{number} certificates"),
    };
    for address in &addresses.http {
        page.row("http", &format!("http://{address}"));
    }
    for address in &addresses.https {
        page.row("https", &format!("https://{address}  {certificate}"));
    }
    for address in &addresses.api {
        page.row("api", &format!("http://{address}  jobs, /metrics, /healthz, /readyz"));
    }
    for address in &addresses.runners {
        page.row("runners", &format!("{address}  `ostler token join` lets one join"));
    }
}

fn log(log: &AccessLog) -> String {
    let format = |format: &LogFormat| match format {
        LogFormat::Json => "json",
        LogFormat::Combined => "combined",
    };
    match log {
        AccessLog::Off => "no access log".to_owned(),
        AccessLog::Stdout(how) => format!("access log on stdout, {}", format(how)),
        AccessLog::File(path, how) => format!("access log in {}, {}", home(path), format(how)),
    }
}

/// A command for each of the two ways in.
fn commands(settings: &Settings, addresses: &Addresses) -> Vec<String> {
    // A bare request to the API is refused.
    let mut routes =
        settings.gateway.routes.iter().filter(|it| !matches!(it.to, TargetConfig::Api));
    let Some(route) = routes
        .clone()
        .find(|route| matches!(route.to, TargetConfig::App(_)))
        .or_else(|| routes.next())
    else {
        return Vec::new();
    };
    let host = route.host.as_deref().map(|host| host.replacen("*.", "www.", 1));
    let command = |scheme: &str, flag: &str, address: &SocketAddr| {
        let host = host.as_ref().map_or_else(String::new, |host| format!("-H 'Host: {host}' "));
        format!("curl {flag}{host}{scheme}://{}{}", reachable(address), route.path)
    };
    let http = addresses.http.first().map(|address| command("http", "", address));
    let https = addresses.https.first().map(|address| command("https", "-k ", address));
    http.into_iter().chain(https).collect()
}

/// The address that a client on this host would use.
pub(crate) fn reachable(address: &SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

/// A path below the home folder with that as `~`. The home of a service says more by its name.
fn home(path: &Path) -> String {
    let home = std::env::var_os("HOME").filter(|home| home.len() > 1);
    match home.and_then(|home| below(path, Path::new(&home))) {
        Some(rest) => Path::new("~").join(rest).display().to_string(),
        None => path.display().to_string(),
    }
}

fn below<'a>(path: &'a Path, home: &Path) -> Option<&'a Path> {
    path.strip_prefix(home).ok().filter(|rest| !rest.as_os_str().is_empty())
}
