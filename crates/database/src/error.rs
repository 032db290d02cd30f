//! Why a call on either database did not do what was asked.

use crate::builds::{EnrolmentRefused, FleetMismatch, PolicyRefused, RegistrationRefused};
use model::{
    ArtifactId, BuildId, ConfigurationVersion, DeploymentId, LeaseId, RegionName, ReleaseNumber,
    RepositoryName, ServiceName, Target, rollout::InvalidRollout, rollout::Strategy,
    service::InvalidServiceSpec,
};

/// Why a call on either database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be reached, refused the statement, or holds a value that the model
    /// does not know.
    #[error("failed to query the database")]
    Query(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("failed to bring the database's schema up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The worker does not hold the build any more: it was given back, cancelled or ended. Nothing
    /// was written. The worker must kill what it runs for this lease.
    #[error("lease {lease} of build {build} was lost")]
    LeaseLost {
        /// Which build.
        build: BuildId,
        /// The lease that holds it no more.
        lease: LeaseId,
    },
    /// Another leads by now. Nothing was written.
    #[error("the {0}'s term is over: another leads")]
    TermOver(&'static str),
    /// No repository of this name is registered.
    #[error("repository {0} is not registered")]
    UnknownRepository(RepositoryName),
    /// There is no such build.
    #[error("there is no build {0}")]
    UnknownBuild(BuildId),
    /// The build went to and fro between the queue and the workers while it was looked for.
    #[error("build {0} moves too fast; try again")]
    Busy(BuildId),
    /// There is no such service.
    #[error("there is no service {0}")]
    UnknownService(ServiceName),
    /// There is no such region.
    #[error("there is no region {0}")]
    UnknownRegion(RegionName),
    /// No service of the region, or of any, is ordered to have this artifact.
    #[error("artifact {} is not distributed there", .0.short())]
    UnknownDistribution(ArtifactId),
    /// There is no such deployment.
    #[error("there is no deployment {0}")]
    UnknownDeployment(DeploymentId),
    /// The queue is at its limit.
    #[error("{0} builds wait already; cancel some or add workers")]
    QueueFull(u32),
    /// The build's result was not recorded as this artifact, so it cannot be deployed.
    #[error("build {build} is not recorded as the maker of artifact {}", artifact.short())]
    NotRecorded {
        /// Which build.
        build: BuildId,
        /// The artifact that was named with it.
        artifact: ArtifactId,
    },
    /// The service runs another target than the build made.
    #[error("service {service} runs {expected}, and this build made {actual}")]
    OtherTarget {
        /// Which service.
        service: ServiceName,
        /// What the service runs.
        expected: Target,
        /// What the build made.
        actual: Target,
    },
    /// The artifact is to be collected, or is gone.
    #[error("artifact {} was withdrawn, to be collected", .0.short())]
    Withdrawn(ArtifactId),
    /// The spec says something impossible.
    #[error("the service's spec is refused")]
    InvalidSpec(#[from] InvalidServiceSpec),
    /// The policy says something impossible.
    #[error(transparent)]
    InvalidRollout(#[from] InvalidRollout),
    /// A release cannot wait for its turn beside what runs.
    #[error("strategy {strategy} runs two releases of a service side by side, and {} says `overlap = \"never\"`", alone(service, *.release))]
    NoOverlap {
        /// Which service.
        service: ServiceName,
        /// What was asked for.
        strategy: Strategy,
        /// The release that runs and says so; the service's spec where none is named.
        release: Option<ReleaseNumber>,
    },
    /// The hosts that are there are not what the deployment asks for.
    #[error(transparent)]
    Fleet(#[from] FleetMismatch),
    /// The service has no such version of its configuration.
    #[error("service {service} has no configuration {version}")]
    UnknownConfiguration {
        /// Which service.
        service: ServiceName,
        /// Which version.
        version: ConfigurationVersion,
    },
    /// Another deployment of the service is in flight.
    #[error("deployment {deployment} of service {service} is in flight")]
    InFlight {
        /// Which service.
        service: ServiceName,
        /// The one in flight.
        deployment: DeploymentId,
    },
    /// What is under way of the service is for another environment, and not to be ended for this one.
    #[error(
        "deployment {deployment} of service {subject} is under way, and only one that is for the same instances takes its place"
    )]
    OtherEnvironment {
        /// The one under way.
        deployment: DeploymentId,
        /// What it is for.
        subject: policy::Subject,
    },
    /// Nothing is deployed automatically to the service.
    #[error("automatic deployments of service {service} are held: {reason}")]
    Held {
        /// Which service.
        service: ServiceName,
        /// Why.
        reason: String,
    },
    /// No release of the service succeeded that could be gone back to.
    #[error("service {0} has no other release that succeeded, so there is nothing to roll back to")]
    NothingToRollBackTo(ServiceName),
    /// Somebody changed the service first.
    #[error("service {0} was changed meanwhile")]
    Overtaken(ServiceName),
    /// A node was not let in, or not renewed.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentRefused),
    /// A program was not let into the inventory.
    #[error(transparent)]
    Registration(#[from] RegistrationRefused),
    /// A policy forbids it.
    #[error(transparent)]
    Denied(#[from] policy::Denial),
    /// A policy was not kept or ended.
    #[error(transparent)]
    Policy(#[from] PolicyRefused),
    /// Somebody has changed what is only added to.
    #[error(transparent)]
    AuditBroken(#[from] policy::audit::Broken),
    /// A heartbeat was not written; the log says why. The next one may be.
    #[error("the heartbeat was not written")]
    NotWritten,
    /// A newer leader of the region has spoken.
    #[error("a report of term {term} from region {region} came after one of term {seen}")]
    StaleTerm {
        /// Which region.
        region: RegionName,
        /// The report's term.
        term: i64,
        /// The largest term seen.
        seen: i64,
    },
    /// More rows or bytes than one call may carry.
    #[error("{what} is {actual}, and the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        actual: usize,
        /// The limit.
        limit: usize,
    },
}

fn alone(service: &ServiceName, release: Option<ReleaseNumber>) -> String {
    match release {
        Some(release) => format!("release {release} of {service}, which runs,"),
        None => format!("{service}'s spec"),
    }
}

impl Error {
    /// Whether the same call may succeed later without anybody mending anything: the database was
    /// away, busy, or stopped the statement to break a deadlock.
    pub fn is_transient(&self) -> bool {
        let error = match self {
            Self::Query(error) => error,
            Self::NotWritten => return true,
            _ => return false,
        };
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                // Connection trouble, shutdown and restart, too many connections, serialisation
                // failure, deadlock, statement or lock timeout.
                ["08", "57P", "53", "40", "57014", "55P03"]
                    .iter()
                    .any(|class| code.starts_with(class))
            }),
            _ => false,
        }
    }
}
