//! `ostler token`: who may use the API; and, as `ostler token join`, which runners may join.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::join_token::{self, JoinArgs};
use crate::{
    client::{self, ApiArgs, Ask, encode},
    failure::Failure,
    jobs::{
        output::{self, OutputArgs, Pages},
        table::{Cell, Look, draw, left},
        when,
    },
    terminal::{note, say},
};

#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    verb: TokenVerb,
}

#[derive(Debug, Subcommand)]
enum TokenVerb {
    /// Make a token for the API and print it, this once
    Create(CreateArgs),
    /// List the tokens for the API
    List(ListArgs),
    /// Take a token for the API back
    Revoke(RevokeArgs),
    /// Print a token for `ostler runner --join`
    Join(JoinArgs),
}

#[derive(Args, Debug)]
struct CreateArgs {
    /// What it is called: who has it, or for what
    name: String,
    /// What it allows: submit, read, operate, admin; several with commas
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', required = true)]
    scope: Vec<String>,
    /// Only for jobs of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// How long it holds, such as 30d [default: until it is revoked]
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
struct RevokeArgs {
    /// The token's name
    name: String,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: TokenArgs) -> Result<ExitCode, Failure> {
    match args.verb {
        TokenVerb::Create(args) => create(&args),
        TokenVerb::List(args) => list(&args),
        TokenVerb::Revoke(args) => revoke(&args),
        TokenVerb::Join(args) => join_token::run(args),
    }
}

fn create(args: &CreateArgs) -> Result<ExitCode, Failure> {
    let mut asked = json!({"name": args.name, "scopes": args.scope});
    for (name, value) in [("tenant", &args.tenant), ("expires", &args.expires)] {
        if let Some(value) = value {
            asked[name] = Value::from(value.as_str());
        }
    }
    let client = args.api.client()?;
    let made = client::block_on(client.post("/v1/tokens", &asked))?;
    output::one(args.output.output, &made, |made| {
        format!("{}\n", made["token"].as_str().unwrap_or_default())
    })?;
    note("this is shown only now; give it to programs as OSTLER_TOKEN");
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Deserialize, Serialize)]
struct TokenView {
    name: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Tokens {
    tokens: Vec<TokenView>,
}

fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let found: Tokens = client::block_on(client.get("/v1/tokens"))?;
    let mut pages = Pages::new(args.output.output);
    pages.page(&found.tokens, table)?;
    if pages.is_empty() {
        note("no tokens");
    }
    pages.end()?;
    Ok(ExitCode::SUCCESS)
}

fn table(tokens: &[TokenView]) -> String {
    let now = OffsetDateTime::now_utc();
    let row = |token: &TokenView| {
        // A moment, under either of the names that fit.
        let moment = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| token.rest.get(*name)?.as_str());
            Cell::from(found.map_or_else(|| "-".to_owned(), |text| when::relative(text, now)))
        };
        vec![
            token.name.as_str().into(),
            token.scopes.join(",").into(),
            token.tenant.as_deref().unwrap_or("-").into(),
            moment(["created_at", "created"]),
            moment(["expires_at", "expires"]),
            moment(["revoked_at", "revoked"]),
        ]
    };
    let columns = ["NAME", "SCOPES", "TENANT", "CREATED", "EXPIRES", "REVOKED"].map(left);
    let rows: Vec<Vec<Cell>> = tokens.iter().map(row).collect();
    draw(&columns, &rows, Look::of_stdout())
}

fn revoke(args: &RevokeArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let path = format!("/v1/tokens/{}", encode(&args.name));
    client::block_on(client.ask(Ask::new(Method::DELETE, &path)))?;
    say(&format!("token {} is revoked", args.name));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::answers::agree;

    #[test]
    fn tokens_are_read_by_the_names_that_the_api_gives_their_fields() {
        agree::<TokenView>("TokenView", &[]);
    }
}
