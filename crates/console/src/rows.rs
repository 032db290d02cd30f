//! Rows of both databases in the words of [`wire`].

use crate::{format, wire};
use database::builds::{
    AuditRow, DeploymentKind, DeploymentRow, HoldRow, InstanceRow, JoinTokenRow, NodeRow, PolicyRow,
    REPLICATION_PROMISE, RegionProgress, RegionRow, ReplicaRow, ReplicationTimes, ServiceRow, StateEntered,
};
use database::jobs::{AttemptRow, BuildRow, PhaseRow, Repository, UsualTime, Waiting, WorkerRow};
use model::instance::Transfer;
use model::version::VERSION_VARIABLE;
use std::time::Duration;

/// A leader reports every few seconds; after this long its region is called silent.
const SILENT_AFTER: Duration = Duration::from_secs(60);

pub(crate) fn region_progress(
    row: RegionProgress,
    moments: wire::RegionMoments,
    distribution: Option<wire::RegionDistribution>,
) -> wire::RegionProgress {
    let counts = row.counts;
    wire::RegionProgress {
        region: row.region,
        replica: row.replica,
        cursor: row.cursor,
        told: row.told,
        hosts_alive: row.word.as_ref().map(|word| word.hosts_alive),
        reported_at: row.word.as_ref().map(|word| word.at),
        hosts: counts.hosts,
        staged: counts.staged,
        activated: counts.activated,
        healthy: counts.healthy,
        errors: counts.errors,
        transfer: Transfer {
            total_bytes: counts.total_bytes,
            seed_bytes: counts.seed_bytes,
            peer_bytes: counts.peer_bytes,
            store_bytes: counts.store_bytes,
            local_bytes: counts.local_bytes,
            wasted_bytes: counts.wasted_bytes,
            elapsed_ms: counts.elapsed_ms_max,
        },
        distribution,
        moments,
    }
}

pub(crate) fn build(row: BuildRow) -> wire::Build {
    wire::Build {
        id: row.id,
        repository: row.repository,
        revision: row.revision,
        commit: row.commit,
        target: row.target,
        version: row.version,
        actor: row.actor,
        priority: row.priority,
        state: row.state,
        reason: row.reason,
        attempt: (row.attempt.0 > 0).then_some(row.attempt),
        worker: row.worker,
        phase: row.phase,
        progress: row.progress.map(|progress| wire::BuildProgress {
            done: progress.done_bytes,
            total: progress.total_bytes,
        }),
        artifact: row.artifact,
        total_bytes: row.total_bytes,
        queued_at: row.created_at,
        started_at: row.claimed_at,
        finished_at: row.finished_at,
    }
}

pub(crate) fn phase(row: PhaseRow) -> wire::BuildPhase {
    wire::BuildPhase {
        attempt: row.attempt,
        worker: row.worker,
        phase: row.phase,
        started_at: row.started_at,
        finished_at: row.finished_at,
    }
}

pub(crate) fn attempt(row: AttemptRow) -> wire::BuildAttempt {
    wire::BuildAttempt {
        attempt: row.attempt,
        worker: row.worker,
        host: row.host,
        started_at: row.claimed_at,
        finished_at: row.ended_at,
        reason: row.reason,
    }
}

pub(crate) fn usual(row: UsualTime) -> wire::UsualTime {
    wire::UsualTime {
        phase: row.phase,
        duration_ms: i64::try_from(row.duration.as_millis()).unwrap_or(i64::MAX),
        builds: row.builds,
    }
}

pub(crate) fn waiting(row: Waiting) -> wire::BuildWait {
    wire::BuildWait {
        words: waits_for(&row),
        rests_until: row.rests_until,
        ahead: row.ahead,
        running: row.running,
        running_max: row.running_max,
        workers: row.workers,
    }
}

/// The first thing that must happen before the build runs.
fn waits_for(row: &Waiting) -> String {
    if let Some(until) = &row.rests_until {
        return format!(
            "Its last attempt failed for no fault of its own. It rests until {} and is then tried again.",
            format::moment(until)
        );
    }
    if row.workers == 0 {
        return "No worker was heard of within the last minute: start one.".to_owned();
    }
    if let (false, Some(max)) = (row.ready, row.running_max) {
        let running = row.running;
        return format!(
            "Its repository runs {running} of {max} builds at once: it waits for one of them to end."
        );
    }
    match row.ahead {
        0 => "It is the next in the queue: a worker takes it as soon as one is free.".to_owned(),
        1 => "One build is ahead of it in the queue.".to_owned(),
        1_000.. => "A thousand builds or more are ahead of it in the queue.".to_owned(),
        ahead => format!("{ahead} builds are ahead of it in the queue."),
    }
}

pub(crate) fn replica(row: ReplicaRow) -> wire::Replica {
    wire::Replica {
        region: row.region,
        state: row.state,
        copied_bytes: row.copied_bytes,
        total_bytes: row.total_bytes,
        failures: row.failures,
        reason: row.reason,
        started_at: row.started_at,
        verified_at: row.verified_at,
    }
}

pub(crate) fn deployment(mut row: DeploymentRow) -> wire::Deployment {
    wire::Deployment {
        queued: row.is_queued(),
        version: row.spec.environment.remove(VERSION_VARIABLE),
        id: row.id,
        service: row.service,
        target: row.spec.target,
        release: row.release,
        build: row.build,
        artifact: row.artifact,
        actor: row.actor,
        state: row.state,
        reason: row.reason,
        waits_for: row.waits_for,
        rollback: row.kind != DeploymentKind::Rollout,
        rollback_of: match row.kind {
            DeploymentKind::Rollback { of } => of,
            DeploymentKind::Rollout => None,
        },
        configuration_version: row.configuration.version,
        labels: row.selector,
        policy: row.policy,
        waves: row.waves,
        wave: row.wave,
        changed_at: row.changed_at,
        watched_until: row.watched_until,
        alarm: row.alarm,
        expires_at: row.expires_at,
        created_at: row.created_at,
        finished_at: row.state.is_terminal().then_some(row.changed_at),
    }
}

pub(crate) fn hold(row: HoldRow) -> wire::DeployHold {
    wire::DeployHold {
        service: row.service,
        reason: row.reason,
        actor: row.actor,
        since: row.since,
    }
}

pub(crate) fn step(row: StateEntered) -> wire::DeploymentStep {
    wire::DeploymentStep {
        state: row.state,
        wave: row.wave,
        at: row.at,
        reason: row.reason,
    }
}

pub(crate) fn instance(row: InstanceRow) -> wire::HostInstance {
    wire::HostInstance {
        region: row.region,
        zone: row.zone,
        host: row.host,
        instance: row.instance,
        staged_at: row.staged_at,
        healthy_at: row.healthy_at,
        changed_at: row.changed_at,
    }
}

pub(crate) fn service(row: ServiceRow, deployment: Option<wire::Deployment>) -> wire::Service {
    wire::Service {
        name: row.name,
        spec: row.spec,
        actor: row.actor,
        release: row.release,
        updated_at: row.updated_at,
        deployment,
    }
}

pub(crate) fn repository(row: Repository) -> wire::Repository {
    wire::Repository {
        name: row.name,
        url: row.url,
        actor: row.actor,
        registered_at: row.registered_at,
        running_max: row.running_max,
    }
}

pub(crate) fn region(row: RegionRow) -> wire::RegionSummary {
    wire::RegionSummary {
        silent: row.word.as_ref().is_none_or(|word| word.age > SILENT_AFTER),
        hosts_alive: row.word.as_ref().map(|word| word.hosts_alive),
        reported_at: row.word.map(|word| word.at),
        name: row.name,
    }
}

pub(crate) fn join_token(row: JoinTokenRow) -> wire::JoinToken {
    wire::JoinToken {
        id: row.id,
        region: row.region,
        role: row.role,
        name: row.name,
        state: row.state,
        created_by: row.created_by,
        created_at: row.created_at,
        expires_at: row.expires_at,
        used_at: row.used_at,
        used_by: row.used_by,
        withdrawn_at: row.withdrawn_at,
        withdrawn_by: row.withdrawn_by,
    }
}

pub(crate) fn node(row: NodeRow) -> wire::Node {
    wire::Node {
        region: row.region,
        name: row.name,
        zone: row.zone,
        role: row.role,
        peer: row.peer,
        enrolled_at: row.enrolled_at,
        renewed_at: row.renewed_at,
        certificate_until: row.certificate_until,
        expired: row.expired,
        revoked_at: row.revoked_at,
        revoked_by: row.revoked_by,
        reason: row.reason,
    }
}

pub(crate) fn policy(row: PolicyRow) -> wire::PolicyInForce {
    wire::PolicyInForce {
        id: row.id,
        policy: row.policy,
        actor: row.actor,
        created_at: row.created_at,
    }
}

pub(crate) fn audit_entry(row: AuditRow) -> wire::AuditEntry {
    wire::AuditEntry {
        entry: row.entry,
        link: row.link.to_string(),
    }
}

pub(crate) fn worker(row: WorkerRow) -> wire::Worker {
    let running = row.running.into_iter().map(|build| wire::WorkerBuild {
        id: build.build,
        repository: build.repository,
        target: build.target,
        attempt: build.attempt,
        phase: build.phase,
        running_seconds: build.running_for.as_secs_f64(),
    });
    wire::Worker {
        name: row.name,
        version: row.version,
        host: row.host,
        capacity: row.capacity,
        silent_seconds: row.silent_for.as_secs_f64(),
        running: running.collect(),
    }
}

/// A region, and how long copies took to it.
pub(crate) fn region_and_times(row: RegionRow, times: Option<ReplicationTimes>) -> wire::Region {
    wire::Region {
        summary: region(row),
        replication: times.map(|times| wire::ReplicationTimes {
            replicas: times.replicas,
            p50_seconds: times.p50.as_secs_f64(),
            p90_seconds: times.p90.as_secs_f64(),
            p99_seconds: times.p99.as_secs_f64(),
            max_seconds: times.max.as_secs_f64(),
            promise_seconds: REPLICATION_PROMISE.as_secs_f64(),
            within_promise: times.within_promise,
        }),
    }
}
