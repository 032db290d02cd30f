//! Every way in which the console says no: its words, its code, its status and what to do next, in
//! one place.

mod enrolment;
mod fleet;
mod inventory;
mod policy;
mod publishing;
mod rollout;
mod task_log;

pub(crate) use publishing::PublishingRefused;
pub(crate) use rollout::RolloutRefused;
pub(crate) use task_log::LogRefused;

use crate::wire::{ErrorBody, ErrorDetail};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use model::{
    ArtifactId, BuildId, BuildState, Commit, DeploymentId, HostName, InstanceName, JoinTokenId, RegionName,
    RepositoryName, Revision, ServiceName, Target,
};

/// Why a request was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Invalid(String),
    #[error("no valid token came with the request")]
    Unauthenticated,
    #[error("this token may not do that")]
    Forbidden,
    #[error("the request came from another site's page")]
    CrossOrigin,
    #[error("there is nothing here")]
    NotFound,
    #[error("this address does not take that method")]
    Method,
    #[error("repository {0} is not registered")]
    UnknownRepository(RepositoryName),
    #[error("{0}")]
    RepositoryUrl(#[from] model::repository::InvalidRepositoryUrl),
    #[error("repository {name} could not be fetched: {reason}")]
    Unfetchable { name: RepositoryName, reason: String },
    #[error("repository {name} is still being fetched for the first time")]
    StillFetching { name: RepositoryName },
    #[error("repository {repository} has no branch, tag or commit {revision}")]
    UnknownRevision {
        repository: RepositoryName,
        revision: Revision,
    },
    #[error("starling.toml of {repository} at {} has no target {target}", commit.short())]
    UnknownTarget {
        repository: RepositoryName,
        commit: Commit,
        target: Target,
        known: Vec<Target>,
    },
    #[error("there is no build {0}")]
    UnknownBuild(BuildId),
    #[error("there is no service {0}")]
    UnknownService(ServiceName),
    #[error("there is no deployment {0}")]
    UnknownDeployment(DeploymentId),
    #[error("artifact {} is not distributed there", .0.short())]
    UnknownDistribution(ArtifactId),
    #[error("artifact {} is not in the main store", .0.short())]
    UnknownArtifact(ArtifactId),
    #[error("there is no region {0}")]
    UnknownRegion(RegionName),
    #[error("build {build} is {state}; only a build that has SUCCEEDED can be deployed")]
    NotSucceeded { build: BuildId, state: BuildState },
    #[error("build {0} was a test, which makes no artifact that could be deployed")]
    NoArtifact(BuildId),
    #[error("the result of build {0} is not recorded yet")]
    NotRecorded(BuildId),
    #[error("service {service} runs {expected}, and this build made {actual}")]
    OtherTarget {
        service: ServiceName,
        expected: Target,
        actual: Target,
    },
    #[error(transparent)]
    Rollout(#[from] RolloutRefused),
    #[error(transparent)]
    Publishing(#[from] PublishingRefused),
    #[error("artifact {} was withdrawn, to be collected", .0.short())]
    Withdrawn(ArtifactId),
    #[error("{what} is {state} already")]
    Ended { what: String, state: &'static str },
    #[error("build {0} moves between the queue and the workers")]
    Busy(BuildId),
    #[error("{waiting} builds wait already")]
    QueueFull { waiting: u32 },
    #[error("{0}")]
    StaleReport(String),
    #[error("{0}")]
    InvalidSpec(#[from] model::service::InvalidServiceSpec),
    #[error("there is no join token {0}")]
    UnknownJoinToken(JoinTokenId),
    #[error("there is no node {name} in region {region}")]
    UnknownNode { region: RegionName, name: HostName },
    #[error("this server has no authority for region {0}")]
    NoAuthority(RegionName),
    #[error(transparent)]
    Unproven(#[from] swarm::Unproven),
    #[error("the certificate is of no use: {0}")]
    Certificate(#[from] swarm::InvalidCertificate),
    #[error(transparent)]
    Enrolment(database::builds::EnrolmentRefused),
    #[error(transparent)]
    Registration(database::builds::RegistrationRefused),
    #[error("there is no instance {0}")]
    UnknownInstance(String),
    #[error(transparent)]
    Denied(::policy::Denial),
    #[error(transparent)]
    Policy(database::builds::PolicyRefused),
    #[error(transparent)]
    AuditBroken(::policy::audit::Broken),
    #[error("an agent speaks for {0}, and is heard")]
    AgentSpeaks(InstanceName),
    #[error(transparent)]
    Heartbeat(#[from] crate::inventory::HeartbeatRefused),
    #[error(transparent)]
    TaskLog(#[from] LogRefused),
    #[error("too many ask to be let in at once")]
    TooManyAttempts,
    #[error("the request is larger than this address takes")]
    TooLarge,
    #[error("the answer took too long")]
    TooSlow,
    #[error("too many live connections are open")]
    TooManyStreams,
    #[error("the database is away")]
    Away(#[source] database::Error),
    #[error("the object store is away, or does not give what it should")]
    StoreAway(#[source] Box<artifact_store::Error>),
    #[error("something broke inside")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How many known targets an error message lists.
const TARGETS_LISTED_MAX: usize = 20;

impl Refusal {
    /// The code, for programs, and the status. A code never changes its meaning.
    pub(crate) const fn code(&self) -> (&'static str, StatusCode) {
        match self {
            Self::Invalid(_) => ("invalid_request", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN),
            Self::CrossOrigin => ("cross_origin", StatusCode::FORBIDDEN),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND),
            Self::Method => ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED),
            Self::UnknownRepository(_) => ("unknown_repository", StatusCode::NOT_FOUND),
            Self::RepositoryUrl(_) => ("invalid_repository_url", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Unfetchable { .. } => ("repository_unfetchable", StatusCode::BAD_GATEWAY),
            Self::StillFetching { .. } => ("repository_fetching", StatusCode::SERVICE_UNAVAILABLE),
            Self::UnknownRevision { .. } => ("unknown_revision", StatusCode::NOT_FOUND),
            Self::UnknownTarget { .. } => ("unknown_target", StatusCode::NOT_FOUND),
            Self::UnknownBuild(_) => ("unknown_build", StatusCode::NOT_FOUND),
            Self::UnknownService(_) => ("unknown_service", StatusCode::NOT_FOUND),
            Self::UnknownDeployment(_) => ("unknown_deployment", StatusCode::NOT_FOUND),
            Self::UnknownDistribution(_) => ("unknown_distribution", StatusCode::NOT_FOUND),
            Self::UnknownArtifact(_) => ("unknown_artifact", StatusCode::NOT_FOUND),
            Self::UnknownRegion(_) => ("unknown_region", StatusCode::NOT_FOUND),
            Self::NoArtifact(_) => ("build_has_no_artifact", StatusCode::CONFLICT),
            Self::NotSucceeded { .. } => ("build_not_succeeded", StatusCode::CONFLICT),
            Self::NotRecorded(_) => ("build_not_recorded", StatusCode::CONFLICT),
            Self::OtherTarget { .. } => ("other_target", StatusCode::CONFLICT),
            Self::Rollout(refused) => refused.code(),
            Self::Publishing(refused) => refused.code(),
            Self::Withdrawn(_) => ("artifact_withdrawn", StatusCode::CONFLICT),
            Self::Ended { .. } => ("already_ended", StatusCode::CONFLICT),
            Self::Busy(_) => ("build_busy", StatusCode::SERVICE_UNAVAILABLE),
            Self::QueueFull { .. } => ("queue_full", StatusCode::SERVICE_UNAVAILABLE),
            Self::StaleReport(_) => ("stale_report", StatusCode::CONFLICT),
            Self::InvalidSpec(_) => ("invalid_service", StatusCode::UNPROCESSABLE_ENTITY),
            Self::UnknownJoinToken(_) => ("unknown_join_token", StatusCode::NOT_FOUND),
            Self::UnknownNode { .. } => ("unknown_node", StatusCode::NOT_FOUND),
            Self::NoAuthority(_) => ("no_authority", StatusCode::NOT_FOUND),
            Self::Unproven(unproven) => enrolment::unproven(unproven).0,
            Self::Certificate(_) => ("certificate_invalid", StatusCode::FORBIDDEN),
            Self::Enrolment(refused) => enrolment::code(refused),
            Self::Registration(refused) => inventory::code(refused),
            Self::UnknownInstance(_) => ("unknown_instance", StatusCode::NOT_FOUND),
            Self::Denied(denial) => policy::denied(denial).0,
            Self::Policy(refused) => policy::refused(refused).0,
            Self::AuditBroken(_) => ("audit_broken", StatusCode::CONFLICT),
            Self::AgentSpeaks(_) => ("agent_speaks", StatusCode::CONFLICT),
            Self::Heartbeat(refused) => inventory::heartbeat(refused).0,
            Self::TaskLog(refused) => refused.code(),
            Self::TooManyAttempts => ("too_many_attempts", StatusCode::TOO_MANY_REQUESTS),
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::TooSlow => ("too_slow", StatusCode::SERVICE_UNAVAILABLE),
            Self::TooManyStreams => ("too_many_streams", StatusCode::SERVICE_UNAVAILABLE),
            Self::Away(_) => ("database_away", StatusCode::SERVICE_UNAVAILABLE),
            Self::StoreAway(_) => ("store_away", StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal(_) => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// What to do next, for a person.
    pub(crate) fn next(&self) -> String {
        match self {
            Self::Invalid(_) | Self::InvalidSpec(_) => "correct it and send it again".to_owned(),
            Self::Unauthenticated => {
                "send `Authorization: Bearer TOKEN`, or log in at /login with the token that you were given"
                    .to_owned()
            }
            Self::Forbidden => "use a token whose role opens this address".to_owned(),
            Self::CrossOrigin => "open the console itself and press the button there".to_owned(),
            Self::NotFound | Self::Method => "look at the address; the API begins with /v1".to_owned(),
            Self::UnknownRepository(name) => {
                format!("register it with `starling repository add {name} URL`, or correct the name")
            }
            Self::RepositoryUrl(_) => "give an address that git can fetch without a prompt".to_owned(),
            Self::Unfetchable { name, .. } => {
                format!("check the address of {name}, and that this server may read it")
            }
            Self::StillFetching { .. } | Self::TooSlow | Self::Busy(_) => "ask again in a moment".to_owned(),
            Self::UnknownRevision { .. } => {
                "push it, or give a branch, tag or full commit that is on the server".to_owned()
            }
            Self::UnknownTarget { known, .. } => known_targets(known),
            Self::UnknownBuild(_) => "list builds with `starling builds`".to_owned(),
            Self::UnknownService(name) => {
                format!("register it with `starling service apply`, or correct the name {name}")
            }
            Self::UnknownDeployment(_) => "list deployments with `starling deployments`".to_owned(),
            Self::UnknownDistribution(_) => {
                "see `starling distribution list`: what no service is deployed to has none".to_owned()
            }
            Self::UnknownArtifact(_) => {
                "give the whole name, 64 digits; `starling status BUILD` shows what a build made".to_owned()
            }
            Self::UnknownRegion(_) => "add the region to the configuration of the API".to_owned(),
            Self::NotSucceeded { build, state } => after_state(*build, *state),
            Self::NoArtifact(_) => "deploy a build of a target that has outputs".to_owned(),
            Self::NotRecorded(_) => "ask again in a minute at most; the synchronizer records it".to_owned(),
            Self::OtherTarget { expected, .. } => {
                format!("build {expected}, or deploy this build to a service that runs its target")
            }
            Self::Rollout(refused) => refused.next(),
            Self::Publishing(refused) => refused.next().to_owned(),
            Self::Withdrawn(_) => "build the same commit again, and deploy that build".to_owned(),
            Self::Ended { .. } => "nothing needs to be done".to_owned(),
            Self::QueueFull { .. } => "cancel builds that nobody needs, or start more workers".to_owned(),
            Self::StaleReport(_) => "stop reporting: another manager leads this region".to_owned(),
            Self::UnknownJoinToken(_) => "list tokens with `starling join-token list`".to_owned(),
            Self::UnknownNode { .. } => "list nodes with `starling node list`".to_owned(),
            Self::NoAuthority(region) => enrolment::no_authority(region),
            Self::Unproven(unproven) => enrolment::unproven(unproven).1.to_owned(),
            Self::Certificate(_) => {
                "enrol the node anew: make a token with `starling join-token create`".to_owned()
            }
            Self::Enrolment(refused) => enrolment::next(refused),
            Self::Registration(refused) => inventory::next(refused),
            Self::UnknownInstance(_) => "list instances with `starling instances`".to_owned(),
            Self::Denied(denial) => policy::denied(denial).1.to_owned(),
            Self::Policy(refused) => policy::refused(refused).1.to_owned(),
            Self::AuditBroken(_) => "compare the database with a backup: somebody changed it".to_owned(),
            Self::AgentSpeaks(_) => "stop the agent, or keep it out with `starling node revoke`".to_owned(),
            Self::Heartbeat(refused) => inventory::heartbeat(refused).1.to_owned(),
            Self::TaskLog(refused) => refused.next(),
            Self::TooManyAttempts => "ask again in a few seconds".to_owned(),
            Self::TooLarge => "send less at once".to_owned(),
            Self::TooManyStreams => "close a few pages, or ask without /events".to_owned(),
            Self::Away(_) | Self::StoreAway(_) => "ask again in a moment; nothing is lost".to_owned(),
            Self::Internal(_) => "the server's log says what; ask again, then ask an operator".to_owned(),
        }
    }

    /// Code, words and advice, as they travel.
    pub(crate) fn body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                code: self.code().0.to_owned(),
                message: self.to_string(),
                next: self.next(),
            },
        }
    }

    /// Logs what an engineer at the other end can't mend.
    pub(crate) fn log(&self) {
        if let Self::Away(_) | Self::StoreAway(_) | Self::Internal(_) = self {
            tracing::error!(
                error = self as &dyn std::error::Error,
                "failed to answer a request"
            );
        }
    }
}

fn known_targets(known: &[Target]) -> String {
    if known.is_empty() {
        return "declare it in starling.toml, commit and push".to_owned();
    }
    let listed: Vec<&str> = known
        .iter()
        .take(TARGETS_LISTED_MAX)
        .map(Target::as_str)
        .collect();
    let more = known.len().saturating_sub(TARGETS_LISTED_MAX);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("use one of {}{rest}", listed.join(", "))
}

fn after_state(build: BuildId, state: BuildState) -> String {
    match state {
        BuildState::Queued | BuildState::Running => {
            format!("wait for it: `starling status {build}` shows how far it is")
        }
        BuildState::Failed => format!("read `starling logs {build}`, mend it and build again"),
        BuildState::Cancelled => "build it again".to_owned(),
        BuildState::Succeeded => "deploy it".to_owned(),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.log();
        let body = self.body();
        // For a page instead, where somebody looks at one: see `guard::legible`.
        let said = Extension(body.error.clone());
        (self.code().1, said, Json(body)).into_response()
    }
}

impl From<artifact_store::Error> for Refusal {
    fn from(error: artifact_store::Error) -> Self {
        if error.is_of_upload() {
            return PublishingRefused::Content(Box::new(error)).into();
        }
        Self::StoreAway(Box::new(error))
    }
}

impl From<database::Error> for Refusal {
    fn from(error: database::Error) -> Self {
        use database::Error;
        match error {
            Error::LeaseLost { build, lease } => PublishingRefused::LeaseLost { build, lease }.into(),
            Error::UnknownRepository(name) => Self::UnknownRepository(name),
            Error::UnknownBuild(build) => Self::UnknownBuild(build),
            Error::UnknownService(service) => Self::UnknownService(service),
            Error::UnknownRegion(region) => Self::UnknownRegion(region),
            Error::UnknownDistribution(artifact) => Self::UnknownDistribution(artifact),
            Error::UnknownDeployment(deployment) => Self::UnknownDeployment(deployment),
            Error::Busy(build) => Self::Busy(build),
            Error::Withdrawn(artifact) => Self::Withdrawn(artifact),
            Error::QueueFull(waiting) => Self::QueueFull { waiting },
            Error::NotRecorded { build, .. } => Self::NotRecorded(build),
            Error::OtherTarget {
                service,
                expected,
                actual,
            } => Self::OtherTarget {
                service,
                expected,
                actual,
            },
            Error::Enrolment(refused) => Self::Enrolment(refused),
            Error::Denied(denial) => Self::Denied(denial),
            Error::Policy(refused) => Self::Policy(refused),
            Error::AuditBroken(broken) => Self::AuditBroken(broken),
            Error::Registration(refused) => Self::Registration(refused),
            Error::InvalidSpec(error) => Self::InvalidSpec(error),
            Error::InvalidRollout(error) => RolloutRefused::Invalid(error).into(),
            Error::NoOverlap { .. } => RolloutRefused::NoOverlap(error.to_string()).into(),
            Error::Fleet(mismatch) => RolloutRefused::Fleet(mismatch).into(),
            Error::UnknownConfiguration { service, version } => {
                RolloutRefused::UnknownConfiguration { service, version }.into()
            }
            Error::InFlight { service, deployment } => {
                RolloutRefused::InFlight { service, deployment }.into()
            }
            Error::OtherEnvironment { deployment, .. } => RolloutRefused::OtherEnvironment {
                words: error.to_string(),
                deployment,
            }
            .into(),
            Error::Held { service, reason } => RolloutRefused::Held { service, reason }.into(),
            Error::NothingToRollBackTo(service) => RolloutRefused::NothingToRollBackTo(service).into(),
            Error::Overtaken(service) => RolloutRefused::Overtaken(service).into(),
            Error::StaleTerm { .. } => Self::StaleReport(error.to_string()),
            Error::TooLarge { .. } => Self::TooLarge,
            error if error.is_transient() => Self::Away(error),
            error => Self::Internal(Box::new(error)),
        }
    }
}
