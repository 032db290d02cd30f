//! Why a deployment was not begun, moved or taken back.

use super::fleet;
use axum::http::StatusCode;
use database::builds::FleetMismatch;
use model::rollout::InvalidRollout;
use model::{BuildVersion, Commit, ConfigurationVersion, DeploymentId, ServiceName, Target};

/// How many commits a refusal lists.
const COMMITS_LISTED_MAX: usize = 10;

/// What stands against a rollout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RolloutRefused {
    #[error("{0}")]
    Invalid(InvalidRollout),
    #[error("{0}")]
    NoOverlap(String),
    #[error(transparent)]
    Fleet(FleetMismatch),
    #[error("no build of {target} is called {version}, or of that commit, and has SUCCEEDED")]
    UnknownVersion { version: BuildVersion, target: Target },
    #[error("{version} may mean any of {} commits", commits.len())]
    AmbiguousVersion {
        version: BuildVersion,
        commits: Vec<Commit>,
    },
    #[error("service {service} has no configuration {version}")]
    UnknownConfiguration {
        service: ServiceName,
        version: ConfigurationVersion,
    },
    #[error("configuration {0} is there already, with other variables")]
    ConfigurationFixed(ConfigurationVersion),
    #[error("deployment {deployment} of service {service} is in flight")]
    InFlight {
        service: ServiceName,
        deployment: DeploymentId,
    },
    #[error("{words}")]
    OtherEnvironment { words: String, deployment: DeploymentId },
    #[error("automatic deployments of service {service} are held: {reason}")]
    Held { service: ServiceName, reason: String },
    #[error("no deployment of service {0} is in flight")]
    NothingInFlight(ServiceName),
    #[error("service {0} has no other release that succeeded, so there is nothing to roll back to")]
    NothingToRollBackTo(ServiceName),
    #[error("service {0} was changed by somebody else in this moment")]
    Overtaken(ServiceName),
}

impl RolloutRefused {
    pub(super) const fn code(&self) -> (&'static str, StatusCode) {
        match self {
            Self::Invalid(_) => ("invalid_rollout", StatusCode::UNPROCESSABLE_ENTITY),
            Self::NoOverlap(_) => ("no_overlap", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Fleet(mismatch) => fleet::code(mismatch),
            Self::UnknownVersion { .. } => ("unknown_version", StatusCode::NOT_FOUND),
            Self::AmbiguousVersion { .. } => ("ambiguous_version", StatusCode::CONFLICT),
            Self::UnknownConfiguration { .. } => ("unknown_configuration", StatusCode::NOT_FOUND),
            Self::ConfigurationFixed(_) => ("configuration_fixed", StatusCode::CONFLICT),
            Self::InFlight { .. } => ("deployment_in_flight", StatusCode::CONFLICT),
            Self::OtherEnvironment { .. } => ("other_environment_in_flight", StatusCode::CONFLICT),
            Self::Held { .. } => ("deployments_held", StatusCode::CONFLICT),
            Self::NothingInFlight(_) => ("nothing_in_flight", StatusCode::CONFLICT),
            Self::NothingToRollBackTo(_) => ("nothing_to_roll_back_to", StatusCode::CONFLICT),
            Self::Overtaken(_) => ("overtaken", StatusCode::CONFLICT),
        }
    }

    pub(super) fn next(&self) -> String {
        match self {
            Self::Invalid(_) => "correct it and send it again".to_owned(),
            Self::NoOverlap(_) => {
                "choose another strategy, such as rolling; or deploy once with `overlap = \"always\"` in the service's spec"
                    .to_owned()
            }
            Self::Fleet(mismatch) => fleet::next(mismatch),
            Self::UnknownVersion { target, .. } => {
                format!("build {target} of it first, or list what was built with `starling builds`")
            }
            Self::AmbiguousVersion { commits, .. } => format!("give one of the commits: {}", short(commits)),
            Self::UnknownConfiguration { service, .. } => format!(
                "list them with `starling configuration list {service}`, or make it with `starling configuration set`"
            ),
            Self::ConfigurationFixed(_) => "give the new variables a version of their own".to_owned(),
            Self::InFlight { deployment, .. } => {
                format!(
                    "wait for it (`starling status {deployment}`), get in line with `--queue`, or take its place with `--supersede`"
                )
            }
            Self::OtherEnvironment { deployment, .. } => {
                format!("wait for it (`starling status {deployment}`), or get in line with `--queue` if nothing waits yet")
            }
            Self::Held { service, .. } => {
                format!("when the cause is mended, lift the hold with `starling rollout lift {service}`")
            }
            Self::NothingInFlight(_) => "list deployments with `starling deployments`".to_owned(),
            Self::NothingToRollBackTo(_) => "deploy a build that is known to work".to_owned(),
            Self::Overtaken(_) => {
                "look at what happened with `starling deployments`, then ask again".to_owned()
            }
        }
    }
}

fn short(commits: &[Commit]) -> String {
    let listed: Vec<&str> = commits
        .iter()
        .take(COMMITS_LISTED_MAX)
        .map(Commit::short)
        .collect();
    listed.join(", ")
}
