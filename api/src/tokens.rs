//! `/v1/tokens`: made, listed, revoked.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use ostler_job::{Wall, durable::Token};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Admin, Needs, SCOPES},
    body,
    parse::{
        self, Notes, build, checks,
        query::{Named, NoQuery},
        shape::fielded,
        text::{self, LengthOfTime},
    },
    problem::{Kind, Problem},
    view::{self, Stamp},
};
use crate::new_token::new_token;

const NAME_MAX: usize = 64;

/// All tokens, the revoked ones included, in the order of their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenList {
    tokens: Vec<TokenView>,
}

/// A token; its text is known to its holder only.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenView {
    name: String,
    scopes: BTreeSet<String>,
    /// The one tenant whose jobs it sees and submits; null: all.
    tenant: Option<String>,
    created_at: Stamp,
    expires_at: Option<Stamp>,
    revoked_at: Option<Stamp>,
}

impl From<&Token> for TokenView {
    fn from(token: &Token) -> Self {
        Self {
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            tenant: token.tenant.clone(),
            created_at: Stamp(token.created_at),
            expires_at: token.expires_at.map(Stamp),
            revoked_at: token.revoked_at.map(Stamp),
        }
    }
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewToken {
    /// Its text. It is shown this once.
    #[schema(example = "ostler_Zk3v0…")]
    token: String,
    #[serde(flatten)]
    view: TokenView,
}

/// A token to make.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "deploy", "scopes": ["submit", "read"], "expires": "30d"}))]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRequest {
    /// Its name, unique for good: what the audit trail says.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    name: Option<String>,
    #[schema(schema_with = crate::schema::scopes, required = true)]
    scopes: Option<Vec<String>>,
    /// The one tenant whose jobs it sees and submits; not with the scope admin.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$")]
    tenant: Option<String>,
    /// How long it is good for; for ever unless given.
    expires: Option<LengthOfTime>,
}

fielded!(TokenRequest);

/// List tokens
#[utoipa::path(
    get,
    path = "/v1/tokens",
    tag = "admin",
    operation_id = "listTokens",
    responses((status = 200, description = "All tokens, in the order of their names.", body = TokenList, content_type = "application/json")),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    _: Needs<Admin>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let mut kept = api.backend().tokens();
    kept.sort_by(|a, b| a.name.cmp(&b.name));
    let tokens = kept.iter().map(|token| TokenView::from(&**token)).collect();
    body::json(StatusCode::OK, &TokenList { tokens })
}

/// Make a token
#[utoipa::path(
    post,
    path = "/v1/tokens",
    tag = "admin",
    operation_id = "createToken",
    request_body = TokenRequest,
    responses((status = 201, description = "The token, with its text.", body = NewToken, content_type = "application/json")),
)]
pub(crate) async fn create(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Admin>,
    _: NoQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (asked, notes) = parse::object::<TokenRequest>(&headers, body).await?;
    let now = view::now();
    let asked = read(asked, notes, now)?;
    if asked.tenant.is_some() && asked.scopes.contains("submit") {
        api.tenants_are_apart().map_err(|problem| problem.at("/tenant"))?;
    }
    let (text, token) = new_token(&asked.name, asked.scopes, asked.tenant, now, asked.expires_at);
    let answer = NewToken { token: text, view: TokenView::from(&token) };
    if !api.backend().create_token(caller.name(), token).await? {
        let detail = format!(
            "there is or was a token {:?}, and the audit trail names it; choose another name",
            asked.name
        );
        return Err(Problem::new(Kind::ConflictState, detail).at("/name"));
    }
    body::json(StatusCode::CREATED, &answer)
}

struct Asked {
    name: String,
    scopes: BTreeSet<String>,
    tenant: Option<String>,
    expires_at: Option<Wall>,
}

fn read(asked: TokenRequest, mut notes: Notes, now: Wall) -> Result<Asked, Problem> {
    let name = asked.name.unwrap_or_default();
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = (1..=NAME_MAX).contains(&name.len()) && name.chars().all(fit);
    if !good && !notes.any(&["/name"]) {
        let told = text::quoted(&name);
        notes.add(
            "/name",
            format!("{told} is not allowed; expected 1 to {NAME_MAX} of A-Z a-z 0-9 . _ -"),
        );
    }
    let mut scopes = BTreeSet::new();
    if asked.scopes.as_ref().is_some_and(Vec::is_empty) {
        notes.add("/scopes", format!("is empty; give some of {}", SCOPES.join(", ")));
    }
    for (index, scope) in asked.scopes.into_iter().flatten().enumerate() {
        if !SCOPES.contains(&&*scope) {
            let told = text::quoted(&scope);
            notes.add(
                format!("/scopes/{index}"),
                format!("{told} is not a scope; there are {}", SCOPES.join(", ")),
            );
        }
        scopes.insert(scope);
    }
    let tenant = asked.tenant;
    tenant.iter().for_each(|tenant| checks::label(tenant, "/tenant", 128, &mut notes));
    if tenant.is_some() && scopes.contains("admin") {
        notes
            .add("/tenant", "does not go with the scope admin, which makes tokens for all tenants");
    }
    let expires = build::positive(asked.expires, "/expires", &mut notes);
    let expires_at = expires.map(|expires| now.after(expires));
    match notes.0.is_empty() {
        true => Ok(Asked { name, scopes, tenant, expires_at }),
        false => Err(Problem::fields(notes.0)),
    }
}

/// Revoke a token
#[utoipa::path(
    delete,
    path = "/v1/tokens/{name}",
    tag = "admin",
    operation_id = "revokeToken",
    params(("name" = String, Path, description = "The token.")),
    responses((status = 204, description = "It is good for nothing any more.")),
)]
pub(crate) async fn revoke(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Admin>,
    Named(name): Named,
    _: NoQuery,
) -> Result<Response, Problem> {
    let token = api.backend().tokens().into_iter().find(|token| token.name == name);
    let Some(token) = token else {
        let detail =
            format!("there is no token {}; GET /v1/tokens lists them", text::quoted(&name));
        return Err(Problem::new(Kind::NotFound, detail));
    };
    if token.revoked_at.is_none() {
        let revoked = Token { revoked_at: Some(view::now()), ..(*token).clone() };
        api.backend().put_token(caller.name(), revoked).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
