//! Reads both databases and says it in the words of [`wire`](crate::wire).

use crate::app::App;
use crate::refusal::{LogRefused, Refusal};
use crate::{distributions, rows, wire};
use database::builds::{DeploymentRow, Events, RegionProgress};
use database::jobs::BuildRow;
use model::{
    ArtifactId, BuildId, BuildState, DeploymentId, HostName, JoinTokenId, PeerName, RegionName, ServiceName,
};
use std::collections::HashMap;

/// The newest deployments that are searched for those of one build or service.
const DEPLOYMENTS_SEARCHED: u32 = wire::LIST_LIMIT_MAX;
/// The rows of each list on the overview.
const OVERVIEW_ROWS: usize = 8;

/// A page of builds.
pub(crate) async fn builds(
    app: &App,
    limit: u32,
    before: Option<BuildId>,
) -> Result<wire::BuildList, Refusal> {
    let limit = limit.clamp(1, wire::LIST_LIMIT_MAX);
    let rows = app.jobs.list_builds(limit, before).await?;
    let next = next_page(&rows, limit, |row| row.id);
    Ok(wire::BuildList {
        builds: rows.into_iter().map(rows::build).collect(),
        next,
    })
}

/// A page of deployments.
pub(crate) async fn deployments(
    app: &App,
    limit: u32,
    before: Option<DeploymentId>,
) -> Result<wire::DeploymentList, Refusal> {
    let limit = limit.clamp(1, wire::LIST_LIMIT_MAX);
    let rows = app.builds.deployments(limit, before).await?;
    let next = next_page(&rows, limit, |row| row.id);
    Ok(wire::DeploymentList {
        deployments: rows.into_iter().map(rows::deployment).collect(),
        next,
    })
}

/// A page of join tokens.
pub(crate) async fn join_tokens(
    app: &App,
    limit: u32,
    before: Option<JoinTokenId>,
) -> Result<wire::JoinTokenList, Refusal> {
    let limit = limit.clamp(1, wire::LIST_LIMIT_MAX);
    let rows = app.builds.join_tokens(limit, before).await?;
    let next = next_page(&rows, limit, |row| row.id);
    Ok(wire::JoinTokenList {
        tokens: rows.into_iter().map(rows::join_token).collect(),
        next,
    })
}

/// A page of the audit trail.
pub(crate) async fn audit(app: &App, limit: u32, before: Option<i64>) -> Result<wire::AuditList, Refusal> {
    let limit = limit.clamp(1, wire::LIST_LIMIT_MAX);
    let rows = app.builds.audit(limit, before).await?;
    let next = next_page(&rows, limit, |row| row.entry.number);
    Ok(wire::AuditList {
        entries: rows.into_iter().map(rows::audit_entry).collect(),
        next,
    })
}

/// The policies that count.
pub(crate) async fn policies(app: &App) -> Result<wire::PolicyList, Refusal> {
    let rows = app.builds.policies().await?;
    let policies = rows.into_iter().map(rows::policy).collect();
    Ok(wire::PolicyList { policies })
}

/// A page of nodes, of one region or of all.
pub(crate) async fn nodes(
    app: &App,
    region: Option<&RegionName>,
    after: Option<&str>,
    limit: u32,
) -> Result<wire::NodeList, Refusal> {
    let limit = limit.clamp(1, wire::LIST_LIMIT_MAX);
    let after = after.map(node_place).transpose()?;
    let after = after.as_ref().map(|(region, name, peer)| (region, name, peer));
    let rows = app.builds.nodes(region, after, limit).await?;
    let next = next_page(&rows, limit, |row| {
        format!("{}/{}/{}", row.region, row.name, row.peer)
    });
    Ok(wire::NodeList {
        nodes: rows.into_iter().map(rows::node).collect(),
        next,
    })
}

/// Reads where a page begins, as the one before it said.
fn node_place(after: &str) -> Result<(RegionName, HostName, PeerName), Refusal> {
    let mut words = after.split('/');
    let mut word = || words.next().unwrap_or_default();
    match (word().parse(), word().parse(), word().parse()) {
        (Ok(region), Ok(name), Ok(peer)) => Ok((region, name, peer)),
        _ => Err(Refusal::Invalid(
            "after: give what the page before called `next`".to_owned(),
        )),
    }
}

/// The last of a full page is where the next one begins.
fn next_page<Row, Id>(rows: &[Row], limit: u32, id: impl Fn(&Row) -> Id) -> Option<Id> {
    let full = u32::try_from(rows.len()).is_ok_and(|count| count >= limit);
    rows.last().filter(|_| full).map(id)
}

/// All that is known of a build.
pub(crate) async fn build_detail(app: &App, id: BuildId) -> Result<wire::BuildDetail, Refusal> {
    let row = app.jobs.build(id).await?.ok_or(Refusal::UnknownBuild(id))?;
    let phases = app.jobs.phases(id).await?;
    let attempts = app.jobs.attempts(id).await?;
    let usual = app.jobs.usual_times(id).await?;
    let waiting = match row.state {
        BuildState::Queued => app.jobs.waiting(id).await?,
        _ => None,
    };
    let (replicas, deployments) = match row.artifact {
        Some(artifact) => (replicas(app, &artifact).await?, deployments_of(app, id).await?),
        None => (Vec::new(), Vec::new()),
    };
    Ok(wire::BuildDetail {
        reused_from: app.jobs.reused_from(id).await?,
        deploy_refusal: deploy_refusal(&row).map(str::to_owned),
        build: rows::build(row),
        phases: phases.into_iter().map(rows::phase).collect(),
        attempts: attempts.into_iter().map(rows::attempt).collect(),
        usual: usual.into_iter().map(rows::usual).collect(),
        waiting: waiting.map(rows::waiting),
        replicas,
        deployments,
    })
}

fn deploy_refusal(row: &BuildRow) -> Option<&'static str> {
    let words = match row.state {
        BuildState::Succeeded if row.artifact.is_some() => return None,
        BuildState::Succeeded => "It was a test, which makes no artifact that could be deployed.",
        BuildState::Queued => "It waits for a worker; a build can be deployed once it has SUCCEEDED.",
        BuildState::Running => "It is still being built; a build can be deployed once it has SUCCEEDED.",
        BuildState::Failed => "It FAILED, so there is nothing to deploy.",
        BuildState::Cancelled => "It was CANCELLED, so there is nothing to deploy.",
    };
    Some(words)
}

async fn replicas(app: &App, artifact: &ArtifactId) -> Result<Vec<wire::Replica>, Refusal> {
    let rows = app.builds.replicas(artifact).await?;
    Ok(rows.into_iter().map(rows::replica).collect())
}

async fn deployments_of(app: &App, build: BuildId) -> Result<Vec<wire::Deployment>, Refusal> {
    let newest = deployments(app, DEPLOYMENTS_SEARCHED, None).await?.deployments;
    Ok(newest
        .into_iter()
        .filter(|deployment| deployment.build == build)
        .collect())
}

/// All that is known of a deployment.
pub(crate) async fn deployment_detail(
    app: &App,
    id: DeploymentId,
) -> Result<wire::DeploymentDetail, Refusal> {
    let row = app
        .builds
        .deployment(id)
        .await?
        .ok_or(Refusal::UnknownDeployment(id))?;
    let made = app.builds.artifact_of(row.build).await?;
    let events = app.builds.events(id).await?;
    let progress = app.builds.region_status(id).await?;
    let distribution = distributions::of(app, &row.artifact).await?;
    let instances = app
        .builds
        .instances(&row.service, None, wire::INSTANCES_MAX)
        .await?;
    let budget = budget(app, &row).await?;
    Ok(wire::DeploymentDetail {
        budget,
        deployment: rows::deployment(row),
        source: made.map(|made| wire::Source {
            repository: made.repository,
            commit: made.commit,
        }),
        regions: regions(progress, &events, distribution),
        steps: events.states.into_iter().map(rows::step).collect(),
        instances: instances.into_iter().map(rows::instance).collect(),
    })
}

/// What may still fail before a deployment in flight stops.
async fn budget(app: &App, row: &DeploymentRow) -> Result<Option<wire::FailureBudget>, Refusal> {
    if !row.state.is_in_flight() || row.is_queued() {
        return Ok(None);
    }
    let standings = app.builds.standings(row, 0).await?;
    let hosts: u64 = standings
        .iter()
        .flat_map(|standing| standing.zones.values())
        .sum();
    Ok(Some(wire::FailureBudget {
        failed: standings.iter().map(|standing| standing.failed).sum(),
        allowed: row.policy.failure_threshold.at_most(hosts),
    }))
}

/// Every service with its newest deployment, where that is among the newest of all.
pub(crate) async fn services(app: &App) -> Result<Vec<wire::Service>, Refusal> {
    let mut newest: HashMap<ServiceName, wire::Deployment> = HashMap::new();
    for deployment in deployments(app, DEPLOYMENTS_SEARCHED, None).await?.deployments {
        newest.entry(deployment.service.clone()).or_insert(deployment);
    }
    let rows = app.builds.services().await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let deployment = newest.remove(&row.name);
            rows::service(row, deployment)
        })
        .collect())
}

/// One service with its newest deployment.
pub(crate) async fn service_by_name(app: &App, name: &ServiceName) -> Result<wire::Service, Refusal> {
    let row = app
        .builds
        .service(name)
        .await?
        .ok_or_else(|| Refusal::UnknownService(name.clone()))?;
    let newest = deployments(app, DEPLOYMENTS_SEARCHED, None).await?.deployments;
    let deployment = newest.into_iter().find(|deployment| deployment.service == *name);
    Ok(rows::service(row, deployment))
}

/// In which region a host is that has said something of a service; the one that is named, if it is.
pub(crate) async fn region_of(
    app: &App,
    service: &ServiceName,
    host: &HostName,
    named: Option<RegionName>,
) -> Result<RegionName, Refusal> {
    if let Some(region) = named {
        return Ok(region);
    }
    let mut regions = app.builds.regions_of(service, host).await?;
    let (service, host) = (service.clone(), host.clone());
    match regions.len() {
        0 => Err(LogRefused::NoInstance { service, host }.into()),
        1 => Ok(regions.remove(0)),
        _ => Err(LogRefused::SeveralRegions { host, regions }.into()),
    }
}

/// The whole at a glance.
pub(crate) async fn overview(app: &App) -> Result<wire::Overview, Refusal> {
    let mut builds = builds(app, wire::LIST_LIMIT_MAX, None).await?.builds;
    let mut deployments = deployments(app, wire::LIST_LIMIT_DEFAULT, None)
        .await?
        .deployments;
    let counts = count(&builds);
    builds.truncate(OVERVIEW_ROWS);
    deployments.truncate(OVERVIEW_ROWS);
    let regions = app.builds.regions().await?;
    Ok(wire::Overview {
        builds: counts,
        latest_builds: builds,
        services: services(app).await?,
        latest_deployments: deployments,
        regions: regions.into_iter().map(rows::region).collect(),
    })
}

fn count(builds: &[wire::Build]) -> wire::BuildCounts {
    let mut counts = wire::BuildCounts::default();
    for build in builds {
        let count = match build.state {
            BuildState::Queued => &mut counts.queued,
            BuildState::Running => &mut counts.running,
            BuildState::Succeeded => &mut counts.succeeded,
            BuildState::Failed => &mut counts.failed,
            BuildState::Cancelled => &mut counts.cancelled,
        };
        *count += 1;
    }
    counts
}

/// Progress, moments and distribution of each region.
fn regions(
    progress: Vec<RegionProgress>,
    events: &Events,
    mut distribution: wire::Distribution,
) -> Vec<wire::RegionProgress> {
    progress
        .into_iter()
        .map(|row| {
            let moments = events
                .regions
                .iter()
                .find(|events| events.region == row.region)
                .map(|events| wire::RegionMoments {
                    copying_at: events.copying_at,
                    verified_at: events.verified_at,
                    stage_told_at: events.stage_told_at,
                    first_staged_at: events.first_staged_at,
                    last_staged_at: events.last_staged_at,
                    activate_told_at: events.activate_told_at,
                    first_healthy_at: events.first_healthy_at,
                    last_healthy_at: events.last_healthy_at,
                });
            let its = distribution
                .regions
                .extract_if(.., |its| its.region == row.region)
                .next();
            rows::region_progress(row, moments.unwrap_or_default(), its)
        })
        .collect()
}
