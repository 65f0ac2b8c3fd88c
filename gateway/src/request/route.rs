//! Which route a request takes: the most specific host, then the longest path prefix.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{StatusCode, request::Parts};
use ostler_job::{Span, Termination};
use ostler_machine::clock;

use super::{
    head::{self, Head},
    record::RequestRecord,
    respond::Refusal,
    target::Target,
    tenant::TenantNames,
};
use crate::{
    config::{self, TenantKey, Timeouts},
    metrics::RouteCounts,
};

/// A route, ready for use.
#[derive(Debug)]
pub(crate) struct Route {
    host: HostRule,
    path: String,
    /// Where it leads.
    pub(crate) to: Box<dyn Target>,
    pub(crate) within: Span,
    tenant: TenantKey,
    tenant_names: BTreeMap<String, String>,
    tenant_listed: bool,
    weights: BTreeMap<String, u32>,
    pub(crate) stream_request: bool,
    pub(crate) stream_response: bool,
    pub(crate) idempotent: bool,
    pub(crate) timeouts: Timeouts,
    pub(crate) body_max: u64,
    pub(crate) counts: RouteCounts,
}

#[derive(Debug, PartialEq, Eq)]
enum HostRule {
    Any,
    /// `.shop.example`: any name below it.
    Below(String),
    Exactly(String),
}

/// All routes, in the order in which they are tried.
#[derive(Debug)]
pub(crate) struct Routes(Vec<Arc<Route>>);

impl Routes {
    /// `target`: makes what a route leads to.
    pub(crate) fn new(
        routes: &[config::Route],
        target: impl Fn(&config::TargetConfig) -> Box<dyn Target>,
        tenants: &TenantNames,
        counts: impl Fn(&str, bool) -> RouteCounts,
    ) -> Self {
        let build =
            |route: &config::Route| Arc::new(build(route, target(&route.to), tenants, &counts));
        let mut built: Vec<_> = routes.iter().map(build).collect();
        built.sort_by_key(|route| std::cmp::Reverse((route.host.rank(), route.path.len())));
        Self(built)
    }

    fn find(&self, host: &str, path: &[u8]) -> Option<&Arc<Route>> {
        self.0.iter().find(|route| route.host.holds(host) && below(path, route.path.as_bytes()))
    }
}

fn build(
    route: &config::Route,
    to: Box<dyn Target>,
    tenants: &TenantNames,
    counts: impl Fn(&str, bool) -> RouteCounts,
) -> Route {
    let name = format!("{}{}", route.host.as_deref().unwrap_or(""), route.path);
    Route {
        host: match route.host.as_deref() {
            None => HostRule::Any,
            Some(host) => match host.strip_prefix('*') {
                Some(below) => {
                    HostRule::Below(below.strip_suffix('.').unwrap_or(below).to_ascii_lowercase())
                }
                None => {
                    HostRule::Exactly(host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase())
                }
            },
        },
        path: String::from_utf8_lossy(&head::routed(route.path.as_bytes())).into_owned(),
        within: clock::span(route.within),
        tenant: route.tenant.clone(),
        tenant_names: route.tenant_names.clone(),
        tenant_listed: route.tenant_listed,
        weights: weights(route, tenants),
        stream_request: route.stream_request,
        stream_response: route.stream_response,
        idempotent: route.idempotent,
        timeouts: route.timeouts,
        body_max: route.body_max,
        counts: counts(&name, to.app().is_some()),
        to,
    }
}

/// By the names that tenants have here: one that the config knows by its value has the hash of it.
fn weights(route: &config::Route, tenants: &TenantNames) -> BTreeMap<String, u32> {
    let mut weights = route.weights.clone();
    if let TenantKey::Header(_) = route.tenant {
        for (value, weight) in &route.weights {
            let name = route.tenant_names.get(value).cloned();
            let name = name.unwrap_or_else(|| tenants.hash(value.as_bytes()));
            weights.entry(name).or_insert(*weight);
        }
    }
    weights
}

impl HostRule {
    /// An exact name goes before a pattern, a longer pattern before a shorter one.
    fn rank(&self) -> (u8, usize) {
        match self {
            Self::Any => (0, 0),
            Self::Below(name) => (1, name.len()),
            Self::Exactly(name) => (2, name.len()),
        }
    }

    fn holds(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Below(name) => host.len() > name.len() && host.ends_with(name.as_str()),
            Self::Exactly(name) => host == name,
        }
    }
}

/// Whether a path is a prefix or lies below it: `/shop` holds `/shop` and `/shop/x`, not `/shopping`.
fn below(path: &[u8], prefix: &[u8]) -> bool {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    if path == b"*" {
        return prefix.is_empty();
    }
    path.starts_with(prefix) && matches!(path.get(prefix.len()), None | Some(b'/'))
}

impl Route {
    /// The path prefix that leads here.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The weight of a tenant's share.
    pub(crate) fn weight(&self, tenant: &[u8]) -> u32 {
        if self.weights.is_empty() {
            return 1;
        }
        let name = std::str::from_utf8(tenant).unwrap_or("");
        self.weights.get(name).copied().unwrap_or(1)
    }

    fn tenant(&self, record: &RequestRecord, headers: &http::HeaderMap) -> Bytes {
        let client = || Bytes::from(record.client.to_string());
        match &self.tenant {
            TenantKey::None => Bytes::new(),
            TenantKey::Client => client(),
            TenantKey::Header(name) => match headers.get(name).map(|value| value.as_bytes()) {
                // Else a client that makes names up would have the share of each.
                value if self.tenant_listed && !self.names(value) => client(),
                Some(value) => record.server.tenants.name(value, &self.tenant_names),
                None => Bytes::new(),
            },
        }
    }

    fn names(&self, value: Option<&[u8]>) -> bool {
        let value = value.and_then(|value| std::str::from_utf8(value).ok());
        value.is_some_and(|value| self.tenant_names.contains_key(value))
    }
}

/// Finds the request's route and notes it and the tenant.
pub(crate) fn find(
    record: &mut RequestRecord,
    head: &Head,
    parts: &Parts,
) -> Result<Arc<Route>, Refusal> {
    let path = head::routed(head.path(&parts.uri));
    let Some(route) = record.server.routes.find(&head.host, &path).cloned() else {
        let mut refusal = Refusal::new(StatusCode::NOT_FOUND, Termination::NoRoute);
        refusal.reason = "no route leads here".into();
        return Err(refusal);
    };
    record.tenant = route.tenant(record, &parts.headers);
    let total = route.timeouts.total;
    record.deadline = (!total.is_zero()).then(|| record.began + clock::span(total));
    record.route = Some(route.clone());
    Ok(route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_at_segments() {
        assert!(below(b"/shop", b"/shop"));
        assert!(below(b"/shop/x", b"/shop"));
        assert!(below(b"/shop/x", b"/shop/"));
        assert!(below(b"/shop", b"/shop/"));
        assert!(!below(b"/shopping", b"/shop"));
        assert!(below(b"/", b"/"));
    }

    #[test]
    fn a_pattern_holds_names_below_it_and_not_itself() {
        let rule = HostRule::Below(".shop.example".into());
        assert!(rule.holds("eu.shop.example"));
        assert!(!rule.holds("shop.example"));
        assert!(!rule.holds("myshop.example"));
    }
}
