//! `starling policy`: freezes, who may do what, and consent.

use super::Session;
use crate::output::table;
use clap::{Args, Subcommand, ValueEnum};
use console::wire::{PolicyInForce, PolicyList};
use jiff::{SignedDuration, Timestamp};
use model::labels::LabelValue;
use model::{Actor, BuildId, ServiceName};
use policy::{Approval, ApprovalRule, Freeze, Grant, Policy, Role, Scope, Subject};
use reqwest::Method;
use std::process::ExitCode;
use uuid::Uuid;

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// List the policies that count.
    List,
    /// Deploy nothing for a while; rollbacks go on.
    Freeze {
        #[command(flatten)]
        scope: ScopeArguments,
        /// From this moment, such as 2026-12-24T00:00:00Z; from now where it is left out.
        #[arg(long)]
        from: Option<Timestamp>,
        /// Up to this moment.
        #[arg(long)]
        until: Timestamp,
        /// Why, for those who would deploy.
        #[arg(long)]
        reason: String,
    },
    /// Let somebody do something. As long as nobody was granted a role, everybody has it.
    Grant {
        /// Who, by the token's name.
        actor: Actor,
        /// What.
        #[arg(value_enum)]
        role: RoleName,
        #[command(flatten)]
        scope: ScopeArguments,
    },
    /// Ask for the consent of others before something is deployed.
    RequireApproval {
        /// Of how many.
        #[arg(long, default_value_t = 1)]
        approvals: u8,
        #[command(flatten)]
        scope: ScopeArguments,
    },
    /// Consent to the deployment of a build.
    Approve {
        /// To which service.
        service: ServiceName,
        /// Which build.
        build: BuildId,
        /// Only in this environment.
        #[arg(long)]
        environment: Option<LabelValue>,
        /// For how long, such as `8h`.
        #[arg(long, default_value = "24h")]
        lifetime: SignedDuration,
    },
    /// End a policy.
    End {
        /// Which, as `list` calls it.
        id: Uuid,
    },
}

/// What a policy is about.
#[derive(Debug, Args)]
pub struct ScopeArguments {
    /// Only this service; every service where it is left out.
    #[arg(long)]
    service: Option<ServiceName>,
    /// Only this environment, the value of the label `environment`; every one where it is left out.
    #[arg(long)]
    environment: Option<LabelValue>,
}

impl From<ScopeArguments> for Scope {
    fn from(arguments: ScopeArguments) -> Self {
        Self {
            service: arguments.service,
            environment: arguments.environment,
        }
    }
}

/// A role, as one types it.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RoleName {
    /// Deploy and roll back.
    Deploy,
    /// Approve what others deploy.
    Approve,
    /// Change policies.
    Govern,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Deploy => Self::Deploy,
            RoleName::Approve => Self::Approve,
            RoleName::Govern => Self::Govern,
        }
    }
}

pub async fn run(command: PolicyCommand, session: &Session) -> anyhow::Result<ExitCode> {
    let policy = match command {
        PolicyCommand::List => {
            let list: PolicyList = session.api.get("/v1/policies").await?;
            session.form.print(&list, |list| policies_table(&list.policies))?;
            return Ok(ExitCode::SUCCESS);
        }
        PolicyCommand::End { id } => {
            let path = format!("/v1/policies/{id}/end");
            let ended: PolicyInForce = session.api.send_json(Method::POST, &path, &()).await?;
            session
                .form
                .print(&ended, |ended| format!("ended {}", ended.id))?;
            return Ok(ExitCode::SUCCESS);
        }
        PolicyCommand::Freeze {
            scope,
            from,
            until,
            reason,
        } => Policy::Freeze(Freeze {
            scope: scope.into(),
            from: from.unwrap_or_else(Timestamp::now),
            until,
            reason,
        }),
        PolicyCommand::Grant { actor, role, scope } => Policy::Grant(Grant {
            actor,
            role: role.into(),
            scope: scope.into(),
        }),
        PolicyCommand::RequireApproval { approvals, scope } => Policy::ApprovalRule(ApprovalRule {
            scope: scope.into(),
            approvals,
        }),
        PolicyCommand::Approve {
            service,
            build,
            environment,
            lifetime,
        } => Policy::Approval(Approval {
            // The API writes down whose token it was.
            actor: "me".parse()?,
            subject: Subject { service, environment },
            build,
            until: Timestamp::now() + lifetime,
        }),
    };
    let kept: PolicyInForce = session
        .api
        .send_json(Method::POST, "/v1/policies", &policy)
        .await?;
    session.form.print(&kept, |kept| format!("policy {}", kept.id))?;
    Ok(ExitCode::SUCCESS)
}

fn policies_table(policies: &[PolicyInForce]) -> String {
    let rows = policies.iter().map(|row| {
        let (kind, says) = match &row.policy {
            Policy::Freeze(freeze) => ("freeze", format!("{}: {}", freeze.scope, freeze.reason)),
            Policy::Grant(grant) => (
                "grant",
                format!("{} may {:?} {}", grant.actor, grant.role, grant.scope).to_lowercase(),
            ),
            Policy::ApprovalRule(rule) => (
                "approval rule",
                format!("{} needs {} approvals", rule.scope, rule.approvals),
            ),
            Policy::Approval(approval) => (
                "approval",
                format!("of build {} for {}", approval.build, approval.subject),
            ),
        };
        let end = row.policy.until().map(|at| at.to_string()).unwrap_or_default();
        [
            row.id.to_string(),
            kind.to_owned(),
            says,
            row.actor.to_string(),
            end,
        ]
    });
    table(["POLICY", "KIND", "SAYS", "BY", "UNTIL"], rows)
}
