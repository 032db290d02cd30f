//! `starling join-token`.

use super::Session;
use crate::output::table;
use clap::{Args, Subcommand, ValueEnum};
use console::wire::{JoinToken, JoinTokenCreated, JoinTokenList, LIST_LIMIT_DEFAULT, NewJoinToken};
use jiff::SignedDuration;
use model::node::JoinTokenRole;
use model::{HostName, JoinTokenId, RegionName};
use reqwest::Method;
use std::process::ExitCode;

/// What can be done with join tokens.
#[derive(Debug, Subcommand)]
pub enum JoinTokenCommand {
    /// Make a token that lets one node into a region's swarm, once. It is shown this once.
    Create(Create),
    /// List the latest tokens and what became of them.
    List,
    /// Take back a token that nobody has used.
    Withdraw {
        /// Which, as `create` and `list` call it.
        id: JoinTokenId,
    },
}

/// Arguments of `starling join-token create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The region that the node joins.
    #[arg(long)]
    region: RegionName,
    /// What it is there.
    #[arg(long, value_enum, default_value_t = RoleName::Host)]
    role: RoleName,
    /// The only node that may use it. If a node of this name is enrolled, its key is revoked then.
    #[arg(long)]
    name: Option<HostName>,
    /// How long it can be used, such as `15m`; 24h at most.
    #[arg(long, default_value = "1h")]
    lifetime: SignedDuration,
}

/// A role, as one types it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Runs services.
    Host,
    /// Manages its region.
    Manager,
    /// A program that is none of our agents, for the inventory alone.
    Instance,
}

impl From<RoleName> for JoinTokenRole {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Host => Self::Host,
            RoleName::Manager => Self::Manager,
            RoleName::Instance => Self::Instance,
        }
    }
}

pub async fn run(command: JoinTokenCommand, session: &Session) -> anyhow::Result<ExitCode> {
    match command {
        JoinTokenCommand::Create(create) => {
            let request = NewJoinToken {
                region: create.region,
                role: create.role.into(),
                name: create.name,
                // The API says what is too long.
                lifetime_seconds: Some(u32::try_from(create.lifetime.as_secs()).unwrap_or(u32::MAX)),
            };
            let created: JoinTokenCreated = session
                .api
                .send_json(Method::POST, "/v1/join-tokens", &request)
                .await?;
            session.form.print(&created, created_text)?;
        }
        JoinTokenCommand::List => {
            let path = format!("/v1/join-tokens?limit={LIST_LIMIT_DEFAULT}");
            let list: JoinTokenList = session.api.get(&path).await?;
            session.form.print(&list, |list| tokens_table(&list.tokens))?;
        }
        JoinTokenCommand::Withdraw { id } => {
            let path = format!("/v1/join-tokens/{id}/withdraw");
            let token: JoinToken = session.api.send_json(Method::POST, &path, &()).await?;
            session
                .form
                .print(&token, |token| format!("withdrew {}", token.id))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn created_text(created: &JoinTokenCreated) -> String {
    let token = &created.token;
    let next = match token.role {
        JoinTokenRole::Host | JoinTokenRole::Manager => {
            "write the first line into the node's `enrolment.join_token_file`, readable by its owner alone"
        }
        JoinTokenRole::Instance => {
            "send the first line as `token` to POST /v1/inventory/instances/register, with `name` and `ip`"
        }
    };
    format!(
        "{}\n\n{} for one {} {}in region {} until {}\nits authority: {}\n\
         next: {next}",
        created.secret,
        token.id,
        token.role.as_str().to_lowercase(),
        token
            .name
            .as_ref()
            .map(|name| format!("named {name} "))
            .unwrap_or_default(),
        token.region,
        token.expires_at,
        created.authority,
    )
}

fn tokens_table(tokens: &[JoinToken]) -> String {
    let rows = tokens.iter().map(|token| {
        [
            token.id.to_string(),
            token.state.to_string(),
            token.region.to_string(),
            token.role.to_string(),
            token.name.as_ref().map(ToString::to_string).unwrap_or_default(),
            token.created_by.to_string(),
            token.expires_at.to_string(),
            token
                .used_by
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ]
    });
    table(
        [
            "TOKEN", "STATE", "REGION", "ROLE", "NAME", "BY", "UNTIL", "USED BY",
        ],
        rows,
    )
}
