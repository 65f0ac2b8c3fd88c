//! A configuration as TOML, with every default filled in.
//!
//! What this prints can be read again and means the same.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, path::Path, time::Duration};

use ostler_gateway::{AccessLog, App, Config, Details, Discipline, Limits, LogFormat, Route};
use ostler_runner::{AppSpec, JobUsers};
use toml::Value;

use super::{Runner, Settings};
use crate::{
    app::entry,
    values::{show_duration, show_size, show_target, show_tenant},
};

/// The whole configuration.
pub(crate) fn effective(settings: &Settings) -> String {
    let Settings { gateway, runner, .. } = settings;
    let mut page = Page::default();
    listen(&mut page, gateway);
    for (name, app) in &gateway.apps {
        let spec = runner.apps.iter().find(|spec| spec.name == *name);
        one_app(&mut page, name, app, spec);
    }
    for route in &gateway.routes {
        one_route(&mut page, route);
    }
    process(&mut page, gateway, runner);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, head: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        writeln!(self.text, "{gap}{head}").expect("a String takes every write");
    }

    fn written(&mut self, key: &str, text: &str) {
        writeln!(self.text, "{key} = {text}").expect("a String takes every write");
    }

    fn line(&mut self, key: &str, value: impl Into<Value>) {
        self.written(key, &value.into().to_string());
    }

    fn duration(&mut self, key: &str, duration: Duration) {
        self.line(key, show_duration(duration));
    }

    fn number(&mut self, key: &str, number: u64) {
        self.line(key, i64::try_from(number).unwrap_or(i64::MAX));
    }

    fn path(&mut self, key: &str, path: &Path) {
        self.line(key, path.display().to_string());
    }
}

fn door(addresses: &[SocketAddr]) -> Value {
    match addresses {
        [] => Value::from("off"),
        [one] => Value::from(one.to_string()),
        many => Value::Array(many.iter().map(|one| Value::from(one.to_string())).collect()),
    }
}

fn map<T>(entries: &BTreeMap<String, T>, value: impl Fn(&T) -> Value) -> Value {
    Value::Table(entries.iter().map(|(key, one)| (key.clone(), value(one))).collect())
}

fn listen(page: &mut Page, gateway: &Config) {
    page.head("[listen]");
    page.line("http", door(&gateway.listen.http));
    page.line("https", door(&gateway.listen.https));
    page.line("api", door(&gateway.listen.api));
    let hosts = gateway.listen.api_hosts.iter().map(|host| Value::from(host.as_str()));
    page.line("api_hosts", Value::Array(hosts.collect()));
    page.line("runners", door(&gateway.listen.runners));
    for certificate in &gateway.certificates {
        page.head("[[certificate]]");
        page.path("cert", &certificate.cert);
        page.path("key", &certificate.key);
    }
}

fn one_app(page: &mut Page, name: &str, app: &App, spec: Option<&AppSpec>) {
    // A dot would make two keys of the name.
    let name = if name.contains('.') { Value::from(name).to_string() } else { name.to_owned() };
    page.head(&format!("[app.{name}]"));
    if let Some(spec) = spec {
        page.line("serve", entry::show(&spec.serve));
        page.path("root", &spec.root);
        if let Some(python) = &spec.python {
            page.path("python", python);
        }
        page.line("env", map(&spec.env, |value| Value::from(value.as_str())));
        let (min, max) = (spec.children_min, spec.children_max);
        page.written("children", &format!("{{ min = {min}, max = {max} }}"));
    }
    page.number("queue_max", app.queue_max.into());
    page.number("tenant_queue_max", app.tenant_queue_max.into());
    if let Some(slots) = app.tenant_slots_max {
        page.number("tenant_slots_max", slots.into());
    }
    let discipline = match app.discipline {
        Discipline::Promise => "promise",
        Discipline::Fifo => "fifo",
    };
    page.line("discipline", discipline);
    page.number("prefetch_max", app.prefetch_max.into());
    let Some(spec) = spec else { return };
    page.duration("boot_timeout", spec.boot_timeout);
    page.duration("grace", spec.grace);
    page.duration("idle_timeout", spec.idle_timeout);
    page.number("max_requests", spec.max_requests);
    page.duration("max_lifetime", spec.max_lifetime.unwrap_or_default());
    if let Some(user) = &spec.user {
        page.line("user", user.as_str());
    }
    page.line(
        "rlimits",
        map(&spec.rlimits, |limit| match i64::try_from(*limit) {
            Ok(limit) => Value::from(limit),
            Err(_) => Value::from("unlimited"),
        }),
    );
}

fn one_route(page: &mut Page, route: &Route) {
    page.head("[[route]]");
    if let Some(host) = &route.host {
        page.line("host", host.as_str());
    }
    page.line("path", route.path.as_str());
    page.line("to", show_target(&route.to));
    page.duration("within", route.within);
    page.line("tenant", show_tenant(&route.tenant));
    page.line("tenant_names", map(&route.tenant_names, |name| Value::from(name.as_str())));
    page.line("tenant_listed", route.tenant_listed);
    page.line("weights", map(&route.weights, |weight| Value::from(i64::from(*weight))));
    let parts = [(route.stream_request, "request"), (route.stream_response, "response")];
    let parts = parts.into_iter().filter(|(on, _)| *on).map(|(_, part)| Value::from(part));
    page.line("stream", Value::Array(parts.collect()));
    page.line("idempotent", route.idempotent);
    page.line("body_max", show_size(route.body_max));
    page.head("[route.timeouts]");
    page.duration("body", route.timeouts.body);
    page.duration("queue", route.timeouts.queue);
    page.duration("first_byte", route.timeouts.first_byte);
    page.duration("progress", route.timeouts.progress);
    page.duration("total", route.timeouts.total);
}

fn process(page: &mut Page, gateway: &Config, runner: &Runner) {
    page.head("[log]");
    let format = match &gateway.access_log {
        AccessLog::Off => {
            page.line("access", "off");
            LogFormat::Json
        }
        AccessLog::Stdout(format) => {
            page.line("access", "stdout");
            *format
        }
        AccessLog::File(path, format) => {
            page.path("access", path);
            *format
        }
    };
    page.line(
        "format",
        match format {
            LogFormat::Json => "json",
            LogFormat::Combined => "combined",
        },
    );
    limits(page, &gateway.limits);
    page.head("[gateway]");
    page.number("threads", gateway.threads as u64);
    let proxies = gateway.trusted_proxies.iter();
    let proxies = proxies.map(|net| Value::from(format!("{}/{}", net.address, net.prefix)));
    page.line("trusted_proxies", Value::Array(proxies.collect()));
    page.duration("drain", gateway.drain);
    page.line("details", if gateway.details == Details::Loopback { "loopback" } else { "off" });
    process_of_runner(page, runner);
    let jobs = &gateway.jobs;
    page.head("[jobs]");
    page.duration("keep_succeeded", jobs.keep_succeeded);
    page.duration("keep_failed", jobs.keep_failed);
    page.number("waiting_max", jobs.waiting_max.into());
    page.line("payload_max", show_size(jobs.payload_max));
    if let Some(max) = jobs.files_max {
        page.line("files_max", show_size(max));
    }
    page.line("shared_user", !jobs.tenants_share_user);
}

fn process_of_runner(page: &mut Page, runner: &Runner) {
    page.head("[runner]");
    page.line("name", runner.name.as_str());
    page.duration("orphan_grace", runner.orphan_grace.unwrap_or_default());
    page.number("job_slots", runner.job_slots.into());
    users(page, &runner.job_users);
    page.line("log_max", show_size(runner.log_max));
    page.duration("job_drain", runner.job_drain);
    if let Some(secrets) = &runner.secrets {
        page.path("secrets", secrets);
    }
}

fn limits(page: &mut Page, limits: &Limits) {
    page.head("[limits]");
    page.number("connections", limits.connections as u64);
    page.duration("header_timeout", limits.header_timeout);
    page.duration("keep_alive", limits.keep_alive);
    page.line("header_bytes", show_size(limits.header_bytes as u64));
    page.line("target_bytes", show_size(limits.target_bytes as u64));
    page.number("header_count", limits.header_count as u64);
    page.number("requests", limits.requests as u64);
    page.number("h2_streams", limits.h2_streams.into());
    page.line("spool_memory", show_size(limits.spool_memory as u64));
    page.line("body_memory", show_size(limits.body_memory));
    page.line("spool_total", show_size(limits.spool_total));
    if let Some(reserve) = limits.disk_reserve {
        page.line("disk_reserve", show_size(reserve));
    }
    page.number("metric_tenants", limits.metric_tenants as u64);
}

fn users(page: &mut Page, users: &JobUsers) {
    if let Some(user) = &users.default {
        page.line("job_user", user.as_str());
    }
    let more = users.more.iter().map(|user| Value::from(user.as_str()));
    page.line("job_users", Value::Array(more.collect()));
    page.line("tenant_users", map(&users.tenants, |user| Value::from(user.as_str())));
    if let Some(own) = users.own {
        page.line("job_own_user", own);
    }
    page.line("job_no_new_privs", users.no_new_privs);
}
