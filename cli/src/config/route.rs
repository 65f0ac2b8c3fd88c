//! `[[route]]`: which requests go where, and on what terms.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ostler_gateway::{Limits, Route, TargetConfig, TenantKey, Timeouts};

use super::{
    keys::Place,
    section::Section,
    setting::{Bytes, shown, whole},
};
use crate::values;

/// All routes. Without any, everything goes to the app, if there is exactly one.
pub(super) fn routes(top: &Section<'_>, apps: &BTreeSet<&str>, limits: &Limits) -> Vec<Route> {
    if !top.has("route") {
        if apps.len() > 1 {
            let text = format!(
                "is missing; with {} apps ({}) it takes [[route]] tables to say which requests \
                 go where",
                apps.len(),
                values::listing(apps.iter().copied(), "and")
            );
            top.problem("route", text);
        }
        let empty = Section::new(top.findings, Place::Route, "route".to_owned(), None, 0);
        return match (apps.first(), apps.len()) {
            (Some(_), 1) => vec![route(&empty, apps, limits)],
            _ => Vec::new(),
        };
    }
    let mut taken = BTreeMap::new();
    let mut routes = Vec::new();
    for (index, section) in top.tables("route", Place::Route).iter().enumerate() {
        let route = route(section, apps, limits);
        let place = (route.host.clone(), route.path.clone());
        // A wrong host or path was told already, and stands for another here.
        let known = section.has("host") == place.0.is_some()
            && section.written::<String>("path").is_none_or(|text| values::path(&text).is_ok());
        if known && let Some(first) = taken.insert(place, index) {
            section.problem("path", format!("route[{}] has the same host and path", first + 1));
        }
        routes.push(route);
    }
    routes
}

fn route(section: &Section<'_>, apps: &BTreeSet<&str>, limits: &Limits) -> Route {
    let tenant = section.parsed("tenant", values::tenant).unwrap_or(TenantKey::Client);
    section.note_value("tenant", &tenant);
    let tenant_names = section.map("tenant_names", |_, value| match value.as_str() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        Some(_) | None => Err(format!("{} is not allowed; expected a name", shown(value))),
    });
    if !tenant_names.is_empty() && !matches!(tenant, TenantKey::Header(_)) {
        section.problem(
            "tenant_names",
            "only tenants by header have names: set tenant = \"header:NAME\"",
        );
    }
    let tenant_listed = section.value("tenant_listed");
    if tenant_listed && tenant_names.is_empty() {
        section.problem("tenant_listed", "there is nobody in tenant_names");
    }
    let by_address = tenant == TenantKey::Client;
    let weights = section.map("weights", |name, value| {
        if by_address {
            address(name)?;
        }
        let number = whole(value).filter(|n| (1..=10_000).contains(n));
        number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
            format!("{} is not allowed; expected a whole number from 1 to 10000", shown(value))
        })
    });
    if tenant == TenantKey::None && !weights.is_empty() {
        section.problem("weights", "there are no tenants to weigh while tenant is \"none\"");
    }
    let (stream_request, stream_response) = stream(section);
    let body_max = section.value::<Bytes>("body_max").0;
    if !stream_request && body_max > limits.spool_total {
        section.problem(
            "body_max",
            format!(
                "{} is more than limits.spool_total, which is {}; allow more there, or stream",
                values::show_size(body_max),
                values::show_size(limits.spool_total)
            ),
        );
    }
    Route {
        host: section.parsed("host", values::host),
        path: section.parsed("path", values::path).unwrap_or_else(|| section.value("path")),
        to: to(section, apps),
        within: section.value("within"),
        tenant,
        tenant_names,
        tenant_listed,
        weights,
        stream_request,
        stream_response,
        idempotent: section.value("idempotent"),
        timeouts: timeouts(&section.table("timeouts", Place::Timeouts)),
        body_max,
    }
}

/// A client as it is told, since that is what weights go by.
fn address(name: &str) -> Result<(), String> {
    let address: IpAddr = name.parse().map_err(|_| {
        format!(
            "{name:?} is not an address, which tenants are here; or set tenant = \"header:NAME\""
        )
    })?;
    match address.to_string() == name {
        true => Ok(()),
        false => Err(format!("{name:?} is not how that address is told; write {address}")),
    }
}

fn to(section: &Section<'_>, apps: &BTreeSet<&str>) -> TargetConfig {
    let target = target(section, apps);
    section.note_value("to", &target);
    target
}

fn target(section: &Section<'_>, apps: &BTreeSet<&str>) -> TargetConfig {
    let known = || match apps.len() {
        0 => "there is no [app.NAME] table".to_owned(),
        _ => format!("the apps are {}", values::listing(apps.iter().copied(), "and")),
    };
    // Stands in where a problem was noted, so that reading goes on.
    let nowhere = || TargetConfig::App(String::new());
    if !section.has("to") {
        return match (apps.first(), apps.len()) {
            (Some(app), 1) => TargetConfig::App((*app).to_owned()),
            _ => {
                section.problem("to", format!("is missing; {}", known()));
                nowhere()
            }
        };
    }
    let target = section.parsed("to", values::target);
    if let Some(TargetConfig::App(name)) = &target
        && !apps.contains(name.as_str())
    {
        section.problem("to", format!("there is no app {name:?}; {}", known()));
    }
    target.unwrap_or_else(nowhere)
}

fn stream(section: &Section<'_>) -> (bool, bool) {
    let parts: Vec<String> = section.value("stream");
    for part in &parts {
        if !matches!(part.as_str(), "request" | "response") {
            let text = format!("{part:?} cannot be streamed; expected request and response");
            section.problem("stream", text);
        }
    }
    let has = |name: &str| parts.iter().any(|part| part == name);
    (has("request"), has("response"))
}

fn timeouts(section: &Section<'_>) -> Timeouts {
    Timeouts {
        body: section.value("body"),
        queue: section.value("queue"),
        first_byte: section.value("first_byte"),
        progress: section.value("progress"),
        total: section.value("total"),
    }
}
