//! The decision.

use crate::Policy;
use model::{ArtifactId, Commit, ReleaseNumber, RepositoryName, ServiceName, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// An artifact that nobody has withdrawn yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Which artifact.
    pub id: ArtifactId,
    /// From which repository.
    pub repository: RepositoryName,
    /// From which commit.
    pub commit: Commit,
    /// From which target.
    pub target: Target,
    /// The length of its content.
    pub total_bytes: u64,
    /// How long ago the newest build of it was recorded.
    pub age: Duration,
    /// How many artifacts of the same target are newer.
    pub newer: u64,
}

/// A release of a service that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Of which service.
    pub service: ServiceName,
    /// Which one.
    pub number: ReleaseNumber,
    /// Its bytes.
    pub artifact: ArtifactId,
    /// How long ago it succeeded.
    pub age: Duration,
    /// How many succeeded releases of the service came after it.
    pub newer: u64,
}

/// Everything that may need an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct References {
    /// What a region was told to run, and by which service.
    pub told: BTreeMap<ArtifactId, ServiceName>,
    /// What deployments carry that have not ended, and of which service.
    pub in_flight: BTreeMap<ArtifactId, ServiceName>,
    /// What hosts say they run, and of which service.
    pub running: BTreeMap<ArtifactId, ServiceName>,
    /// The succeeded releases of every service, of each at least its last [`Policy::RELEASES_MAX`].
    pub released: Vec<Release>,
    /// What is queued or built now, and may come out as the same artifact.
    pub building: BTreeSet<(RepositoryName, Commit, Target)>,
}

/// Why an artifact is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A region was told to run it.
    Deployed(ServiceName),
    /// A deployment of it has not ended.
    InFlight(ServiceName),
    /// A host says that it runs it.
    Running(ServiceName),
    /// A service may be rolled back to this release.
    Rollback(ServiceName, ReleaseNumber),
    /// It is being built again.
    Building,
    /// It is among the newest of its target.
    Newest,
    /// It is not old enough.
    Young,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployed(service) => write!(formatter, "service {service} is deployed with it"),
            Self::InFlight(service) => write!(formatter, "a deployment of service {service} carries it"),
            Self::Running(service) => write!(formatter, "a host runs it for service {service}"),
            Self::Rollback(service, release) => {
                write!(
                    formatter,
                    "service {service} may be rolled back to its release {release}"
                )
            }
            Self::Building => formatter.write_str("it is being built again"),
            Self::Newest => formatter.write_str("it is among the newest of its target"),
            Self::Young => formatter.write_str("it is not old enough"),
        }
    }
}

/// An artifact that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Which artifact.
    pub artifact: Artifact,
    /// Why.
    pub reason: Reason,
}

/// What becomes of each artifact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What may go.
    pub collected: Vec<Artifact>,
    /// What stays.
    pub kept: Vec<Kept>,
}

impl Plan {
    /// Bytes of content that one store gets back.
    pub fn freed_bytes(&self) -> u64 {
        self.collected
            .iter()
            .fold(0, |sum, artifact| sum.saturating_add(artifact.total_bytes))
    }
}

/// Says of each artifact whether it is collected, or why not.
pub fn plan(artifacts: Vec<Artifact>, references: &References, policy: &Policy) -> Plan {
    let mut plan = Plan::default();
    let rollbacks = rollbacks(references, policy);
    for artifact in artifacts {
        match reason(&artifact, references, &rollbacks, policy) {
            Some(reason) => plan.kept.push(Kept { artifact, reason }),
            None => plan.collected.push(artifact),
        }
    }
    plan
}

/// Why an artifact is kept, what matters most first; `None` when nothing speaks for it.
fn reason(
    artifact: &Artifact,
    references: &References,
    rollbacks: &BTreeMap<ArtifactId, &Release>,
    policy: &Policy,
) -> Option<Reason> {
    let rollback = |release: &&Release| Reason::Rollback(release.service.clone(), release.number);
    let named = |map: &BTreeMap<ArtifactId, ServiceName>, reason: fn(ServiceName) -> Reason| {
        map.get(&artifact.id).cloned().map(reason)
    };
    named(&references.told, Reason::Deployed)
        .or_else(|| named(&references.in_flight, Reason::InFlight))
        .or_else(|| named(&references.running, Reason::Running))
        .or_else(|| rollbacks.get(&artifact.id).map(rollback))
        .or_else(|| is_built_again(artifact, references).then_some(Reason::Building))
        .or_else(|| (artifact.newer < u64::from(policy.newest_artifacts)).then_some(Reason::Newest))
        .or_else(|| (artifact.age < policy.keep_for()).then_some(Reason::Young))
}

/// The releases that may be rolled back to, by what they are made of.
fn rollbacks<'a>(references: &'a References, policy: &Policy) -> BTreeMap<ArtifactId, &'a Release> {
    let releases = references.released.iter().filter(|release| {
        let kept = policy.rollbacks_of(&release.service);
        release.newer < u64::from(kept.releases) || release.age < kept.keep_for()
    });
    releases.map(|release| (release.artifact, release)).collect()
}

fn is_built_again(artifact: &Artifact, references: &References) -> bool {
    let identity = (
        artifact.repository.clone(),
        artifact.commit.clone(),
        artifact.target.clone(),
    );
    references.building.contains(&identity)
}
