//! Who asks, and whether they may: bearer tokens, of which only hashes are kept, with scopes and perhaps a tenant.

use std::{marker::PhantomData, sync::Arc};

use axum::{extract::FromRequestParts, response::Response};
use http::{HeaderMap, header, request::Parts};
use ostler_job::durable::{Job, Token};
use ostler_machine::secret;

use super::{
    Api, ConnectionInfo,
    backend::Backend,
    problem::{Kind, Problem},
};
use crate::backend::{Refusal, Unavailable};

pub(crate) const SCOPES: &[&str] = &["submit", "read", "operate", "admin"];

/// Whoever holds the token of a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Token>);

impl Caller {
    /// The token's name.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// What is kept of its token.
    pub(crate) fn hash(&self) -> &str {
        &self.0.hash
    }

    /// The one tenant that it is bound to.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.0.tenant.as_deref()
    }

    /// Whether a job exists as far as this caller is concerned.
    pub(crate) fn sees(&self, job: &Job) -> bool {
        self.tenant().is_none_or(|tenant| job.spec.tenant == tenant)
    }

    /// Whether it may do everything.
    pub(crate) fn is_admin(&self) -> bool {
        self.0.scopes.contains("admin")
    }

    /// Whether it may look at things.
    pub(crate) fn may_read(&self) -> bool {
        self.is_admin() || self.0.scopes.contains(Read::NAME)
    }

    /// Whether it may have things run.
    pub(crate) fn may_submit(&self) -> bool {
        self.is_admin() || self.0.scopes.contains(Submit::NAME)
    }

    /// Whether it may do things to what others made.
    pub(crate) fn may_operate(&self) -> bool {
        self.is_admin() || self.0.scopes.contains(Operate::NAME)
    }

    /// For what goes on for a while: nothing more is done once the token has ended.
    pub(crate) fn is_still_good(&self, backend: &dyn Backend) -> Result<(), Problem> {
        match backend.token(self.hash()) {
            Some(_) => Ok(()),
            None => Err(ended("what was done by then is done, the rest is not")),
        }
    }

    /// For what concerns all tenants.
    pub(crate) fn needs_all_tenants(&self) -> Result<(), Problem> {
        match self.tenant() {
            None => Ok(()),
            Some(tenant) => Err(Problem::new(
                Kind::Forbidden,
                format!(
                    "the token {:?} is bound to the tenant {tenant:?}, and this concerns all; use another token",
                    self.name()
                ),
            )),
        }
    }

    fn needs(&self, scope: &str) -> Result<(), Problem> {
        if self.0.scopes.contains(scope) || self.0.scopes.contains("admin") {
            return Ok(());
        }
        let has: Vec<_> = self.0.scopes.iter().map(String::as_str).collect();
        let detail = format!(
            "this takes a token with the scope {scope:?}; the token {:?} has {}",
            self.name(),
            has.join(", ")
        );
        Err(insufficient_scope(detail))
    }
}

/// A refusal for want of a scope.
pub(crate) fn insufficient_scope(detail: String) -> Problem {
    let problem = Problem::new(Kind::Forbidden, detail);
    problem.challenge("Bearer realm=\"ostler\", error=\"insufficient_scope\"")
}

/// The hash of the token that these header fields carry, whatever it is good for.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, text) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret::sha256_hex(text.trim().as_bytes()))
}

/// Why an answer refuses whoever asked, if it does so for want of a right.
pub(crate) fn refusal(response: &Response) -> Option<Refusal> {
    let challenge = response.headers().get(header::WWW_AUTHENTICATE)?.to_str().ok()?;
    Some(if challenge.contains("insufficient_scope") {
        Refusal::Scope
    } else if challenge.contains("invalid_token") {
        Refusal::BadToken
    } else {
        Refusal::NoToken
    })
}

/// What a request hears whose token ended while it waited.
pub(crate) fn ended(detail: &str) -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        format!("the token was revoked or has expired meanwhile; {detail}"),
    )
    .challenge(INVALID)
}

const INVALID: &str = "Bearer realm=\"ostler\", error=\"invalid_token\"";

/// The caller of these header fields, who must have a scope.
pub(crate) fn check(
    backend: &dyn Backend,
    headers: &HeaderMap,
    connection: Option<&ConnectionInfo>,
    scope: &str,
) -> Result<Caller, Problem> {
    let none = || {
        Problem::new(
            Kind::Unauthenticated,
            "send the field Authorization: Bearer TOKEN; `ostler token create` makes tokens, and \
             the first one is in the file api.token of the state folder",
        )
        .challenge("Bearer realm=\"ostler\"")
    };
    let hash = bearer(headers).ok_or_else(none)?;
    let Some(token) = backend.token(&hash) else {
        if let Some(Unavailable(why)) = backend.knows_nobody() {
            return Err(nobody_is_known(&why, connection));
        }
        let detail =
            "the token is unknown, expired or revoked; GET /v1/tokens lists those there are";
        let problem = Problem::new(Kind::Unauthenticated, detail);
        return Err(problem.challenge(INVALID));
    };
    let caller = Caller(token);
    caller.needs(scope)?;
    Ok(caller)
}

/// The store was not read, and the tokens are in it. Whoever asks is a stranger: what is wrong is told on this host alone.
fn nobody_is_known(why: &str, connection: Option<&ConnectionInfo>) -> Problem {
    let why = match connection.is_some_and(|connection| connection.loopback) {
        true => why,
        false => "the gateway's log and its own host say why",
    };
    Unavailable(format!(
        "no token can be checked, since the store of durable jobs cannot be used: {why}"
    ))
    .into()
}

/// A scope as a type, so that every handler says in its signature what it takes.
pub(crate) trait Scope: Send + Sync {
    const NAME: &str;
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(crate) struct $name;
            impl Scope for $name {
                const NAME: &str = $text;
            }
        )*
    };
}

scopes! {
    /// New jobs and payloads.
    Submit = "submit",
    /// Everything that can be looked at.
    Read = "read",
    /// What is done to jobs and runners.
    Operate = "operate",
    /// Tokens, backups, the audit trail; implies the rest.
    Admin = "admin",
}

/// A caller who has a scope.
#[derive(Debug)]
pub(crate) struct Needs<S>(pub(crate) Caller, pub(crate) PhantomData<S>);

impl<S: Scope> FromRequestParts<Api> for Needs<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let caller = check(api.backend(), &parts.headers, parts.extensions.get(), S::NAME)?;
        if S::NAME == Submit::NAME && caller.tenant().is_some() {
            api.tenants_are_apart()?;
        }
        Ok(Self(caller, PhantomData))
    }
}
